//! What in mappings a connection's settings of topologies do not allow, and the record that keeps a change of the
//! settings and a change of a mapping apart.

use super::held;
use crate::actor::Scope;
use crate::connections::settings::{ManyAccounts, Topologies};
use crate::ids::{AccountId, ConnectionId, LineRef, PackageId, PartnerId};
use crate::mappings::{ContractRef, Mapping};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Problem, Result};
use crate::records::{Collection, Expect, Key, Record, Write, load, load_all};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Most accounts that are named where a topology cannot be switched; the others are counted.
const ACCOUNTS_NAMED_MAX: usize = 10;

/// Written by whatever makes use of a topology and by whatever changes the settings of topologies, so that of two at
/// once the second sees the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyUse {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// When it was last written.
    pub at: Timestamp,
}

impl Record for TopologyUse {
    const ENTITY: &'static str = "topology_use";
    fn key(&self) -> Key {
        Key::TopologyUse(self.partner.clone(), self.connection.clone())
    }
}

/// Lets a connection have other settings of topologies, if nothing in its mappings is in the way. The write belongs
/// into the transaction that changes the settings.
///
/// # Errors
/// `topology_in_use`, naming accounts; storage's own.
pub(crate) async fn switch(
    ports: &Ports,
    scope: &Scope,
    (partner, connection): (&PartnerId, &ConnectionId),
    after: &Topologies,
) -> Result<Write> {
    let (partner, connection) = (partner.clone(), connection.clone());
    let key = Key::TopologyUse(partner.clone(), connection.clone());
    let seen = load::<TopologyUse>(&*ports.storage, scope, &key).await?;
    let of = Collection::Mappings(partner.clone(), connection.clone());
    let mappings = load_all::<Mapping>(&*ports.storage, scope, &of, Read::Strong).await?;
    let mappings = mappings.into_iter().map(|found| (found.value.account.clone(), found.value)).collect();
    if let Some(problem) = in_use(&not_allowed(&mappings, after)) {
        return Err(problem.into());
    }
    let switched = TopologyUse { partner, connection, at: ports.clock.now() };
    Ok(Write::put(&switched, seen.map_or(Expect::Absent, |seen| Expect::Version(seen.v)))?)
}

/// Something in mappings that the settings do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mappings) struct NotAllowed {
    /// Whose mappings.
    pub(in crate::mappings) accounts: BTreeSet<AccountId>,
    /// What they have, as a clause.
    pub(in crate::mappings) words: String,
}

/// What of these mappings the settings would not allow.
fn not_allowed(mappings: &BTreeMap<AccountId, Mapping>, topologies: &Topologies) -> Vec<NotAllowed> {
    let mut found = match topologies.many_accounts_per_company {
        ManyAccounts::Off => shared_companies(mappings),
        ManyAccounts::Separate => shared_lines(mappings),
        ManyAccounts::Sum => split_sums(mappings),
    };
    if !topologies.contract_per_package {
        found.extend(mappings.values().filter(|m| !m.contracts.is_empty()).map(|m| NotAllowed {
            accounts: BTreeSet::from([m.account.clone()]),
            words: "has packages on contracts of their own".to_owned(),
        }));
    }
    found
}

fn shared_companies(mappings: &BTreeMap<AccountId, Mapping>) -> Vec<NotAllowed> {
    let mut holders: BTreeMap<i64, BTreeSet<AccountId>> = BTreeMap::new();
    for mapping in mappings.values() {
        if let Some(company) = held(mapping) {
            holders.entry(company).or_default().insert(mapping.account.clone());
        }
    }
    let words = |company: i64| format!("share the company {company}");
    let shared = holders.into_iter().filter(|(_, accounts)| accounts.len() > 1);
    shared.map(|(company, accounts)| NotAllowed { accounts, words: words(company) }).collect()
}

fn shared_lines(mappings: &BTreeMap<AccountId, Mapping>) -> Vec<NotAllowed> {
    let mut holders: BTreeMap<LineRef, BTreeSet<AccountId>> = BTreeMap::new();
    for mapping in mappings.values().filter(|m| m.holds()) {
        for line in mapping.lines.iter().chain(&mapping.leaving) {
            holders.entry(line.line).or_default().insert(mapping.account.clone());
        }
    }
    let words = |line: LineRef| format!("share the line {line}");
    let shared = holders.into_iter().filter(|(_, accounts)| accounts.len() > 1);
    shared.map(|(line, accounts)| NotAllowed { accounts, words: words(line) }).collect()
}

/// What accounts whose counts would be summed are mapped to.
#[derive(Default)]
struct Sum {
    lines: BTreeSet<LineRef>,
    /// Lines of another service that some of them have left: the others follow one by one.
    leaving: BTreeSet<LineRef>,
    accounts: BTreeSet<AccountId>,
}

/// Accounts whose counts would be summed and that are mapped to several lines: which one takes the sum, and what
/// becomes of the others, nobody said.
pub(in crate::mappings) fn split_sums(mappings: &BTreeMap<AccountId, Mapping>) -> Vec<NotAllowed> {
    let mut sums: BTreeMap<(i64, i64, &PackageId), Sum> = BTreeMap::new();
    for (company, mapping) in mappings.values().filter_map(|m| Some((held(m)?, m))) {
        let lines = mapping.lines.iter().map(|line| (line, false));
        for (line, left) in lines.chain(mapping.leaving.iter().map(|line| (line, true))) {
            let Some(ContractRef { id, .. }) = mapping.contract_for(&line.package_id) else { continue };
            let sum = sums.entry((company, *id, &line.package_id)).or_default();
            if left {
                sum.leaving.insert(line.line)
            } else {
                sum.lines.insert(line.line)
            };
            sum.accounts.insert(mapping.account.clone());
        }
    }
    let mut split = Vec::new();
    for ((_, contract, package), Sum { lines, leaving, accounts }) in sums {
        let lines: Vec<String> = lines.difference(&leaving).map(LineRef::to_string).collect();
        if lines.len() > 1 {
            let words = format!("have several lines of {package} on the contract {contract} ({})", lines.join(", "));
            split.push(NotAllowed { accounts, words });
        }
    }
    split
}

/// Why the settings cannot be changed; none where nothing is in the way.
fn in_use(found: &[NotAllowed]) -> Option<Problem> {
    let accounts: BTreeSet<&AccountId> = found.iter().flat_map(|f| &f.accounts).collect();
    if accounts.is_empty() {
        return None;
    }
    let named: Vec<&AccountId> = accounts.iter().copied().take(ACCOUNTS_NAMED_MAX).collect();
    // One clause for each finding until all accounts that are named have been.
    let mut told = BTreeSet::new();
    let mut clauses = Vec::new();
    for NotAllowed { accounts, words } in found {
        let of: Vec<&str> = accounts.iter().filter(|a| named.contains(a)).map(AccountId::as_str).collect();
        if of.iter().any(|account| !told.contains(account)) {
            clauses.push(format!("{} {words}", of.join(", ")));
            told.extend(of);
        }
    }
    let mut detail = clauses.join("; ");
    if accounts.len() > named.len() {
        detail.push_str(&format!("; and {} accounts more", accounts.len() - named.len()));
    }
    let problem = Problem::new(Code::TopologyInUse, format!("{detail}."));
    Some(problem.with("account_ids", json!(named)).with("accounts", accounts.len()))
}

#[cfg(test)]
mod tests {
    use super::super::shorthand::all;
    use super::*;

    #[test]
    fn a_topology_is_in_use_while_a_mapping_needs_it() {
        use ManyAccounts::{Off, Separate, Sum};
        let cases: &[(&[&str], ManyAccounts, bool, Option<&str>)] = &[
            (&["a1@1/3 p1:7", "a2@2/4 p1:8"], Off, false, None),
            (&["a1@1/3", "a2@1/3"], Off, false, Some("a1, a2 share the company 1.")),
            (&["a1@1/3", "!a2@1/3"], Off, false, Some("a1, a2 share the company 1.")),
            (&["a1@1/3", "?a2@1/3"], Off, false, None),
            (&["a1@1/3 p1:7", "a2@1/3 p1:7"], Sum, false, None),
            (&["a1@1/3 p1:7", "a2@1/3 p1:7"], Separate, false, Some("a1, a2 share the line svc-7.")),
            (&["a1@1/3 p1:7", "a2@1/3 p1:8"], Separate, false, None),
            (
                &["a1@1/3 p1:7", "a2@1/3 p1:8"],
                Sum,
                false,
                Some("a1, a2 have several lines of p1 on the contract 3 (svc-7, svc-8)."),
            ),
            (&["a1@1/3 p1:7", "a2@1/3 p2:8"], Sum, false, None),
            (&["a1@1/3 p1:8 p1~7", "a2@1/3 p1:7"], Sum, false, None),
            (
                &["a1@1/3 p1:8 p1~7", "a2@1/3 p1:9"],
                Sum,
                false,
                Some("a1, a2 have several lines of p1 on the contract 3 (svc-8, svc-9)."),
            ),
            (&["a1@1/3 p1:7", "a2@1/3 p1:8 p1>4"], Sum, true, None),
            (&["a1@1/3 p1>4"], Off, true, None),
            (&["a1@1/3 p1>4"], Off, false, Some("a1 has packages on contracts of their own.")),
        ];
        for (texts, many, contract_per_package, expected) in cases {
            let topologies =
                Topologies { many_accounts_per_company: *many, contract_per_package: *contract_per_package };
            let problem = in_use(&not_allowed(&all(texts), &topologies));
            assert_eq!(problem.map(|p| p.detail).as_deref(), *expected, "{texts:?} {many:?}");
        }
    }

    #[test]
    fn ten_accounts_are_named_and_the_others_counted() {
        let texts: Vec<String> = (10..25).map(|n| format!("a{n}@1/3")).collect();
        let mappings = all(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let problem = in_use(&not_allowed(&mappings, &Topologies::default())).unwrap();
        assert_eq!(problem.extra["account_ids"].as_array().unwrap().len(), ACCOUNTS_NAMED_MAX);
        assert_eq!(problem.extra["accounts"], 15);
        assert!(problem.detail.contains("a10, ") && problem.detail.ends_with("and 5 accounts more."), "{problem:?}");
        assert!(!problem.detail.contains("a20"), "{problem:?}");
    }
}
