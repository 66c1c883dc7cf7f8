//! Which company fits which account, and which line of it. Pure.

use super::MappingSource;
use super::facts::{ContractFacts, LineFacts};
use crate::ids::{AccountId, LineKind, LineRef, PackageId};
use std::collections::{BTreeMap, BTreeSet};

/// An account that looks for its company.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) id: AccountId,
    /// Normalised; see [`normal`].
    pub(super) email: Option<String>,
    /// Normalised.
    pub(super) name: String,
    pub(super) packages: Vec<PackageId>,
}

/// A contact whose address fits an account. Addresses are normalised, in the order of Autotask's three fields.
#[derive(Debug, Clone)]
pub(super) struct ContactHit {
    pub(super) company: i64,
    pub(super) emails: [Option<String>; 3],
    pub(super) primary: bool,
}

/// What auto-map knows of companies; only those in scope and not taken by a confirmed mapping.
#[derive(Debug, Default)]
pub(super) struct Companies {
    /// Companies and their names as Autotask writes them.
    pub(super) names: BTreeMap<i64, String>,
    /// Those that have a contact flagged as primary.
    pub(super) flagged: BTreeSet<i64>,
}

/// What was found for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Company(i64, MappingSource),
    /// More than one fits, or the one that fits also fits another account.
    Ambiguous(BTreeSet<i64>),
    Nothing,
}

/// Text as it is compared: without case and outer space.
pub(super) fn normal(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Finds each account's company. `by_name` compares names where no address fits.
pub(super) fn find(
    accounts: &[Candidate],
    contacts: &[ContactHit],
    companies: &Companies,
    by_name: bool,
) -> BTreeMap<AccountId, Found> {
    let mut found: BTreeMap<AccountId, Found> = accounts
        .iter()
        .map(|account| {
            let mut found = account.email.as_deref().map_or(Found::Nothing, |e| by_address(e, contacts, companies));
            if found == Found::Nothing && by_name {
                found = by_exact_name(&account.name, companies);
            }
            (account.id.clone(), found)
        })
        .collect();
    refuse_shared(&mut found);
    found
}

/// The first of Autotask's three address fields that fits anywhere decides.
fn by_address(email: &str, contacts: &[ContactHit], companies: &Companies) -> Found {
    for field in 0..3 {
        let hits = contacts.iter().filter(|c| c.emails[field].as_deref() == Some(email));
        let hits = hits.filter(|c| companies.names.contains_key(&c.company));
        let (mut flagged, mut unflagged) = (BTreeSet::new(), Vec::new());
        for hit in hits {
            if !companies.flagged.contains(&hit.company) {
                unflagged.push(hit.company);
            } else if hit.primary {
                flagged.insert(hit.company);
            }
        }
        let all: BTreeSet<i64> = flagged.iter().chain(&unflagged).copied().collect();
        match (flagged.len() + unflagged.len(), all.first()) {
            (0, _) => {}
            (1, Some(company)) => return Found::Company(*company, MappingSource::Email),
            _ => return Found::Ambiguous(all),
        }
    }
    Found::Nothing
}

fn by_exact_name(name: &str, companies: &Companies) -> Found {
    let same = companies.names.iter().filter(|(_, text)| normal(text) == name).map(|(id, _)| *id);
    let same: BTreeSet<i64> = same.collect();
    match (same.len(), same.first()) {
        (0, _) => Found::Nothing,
        (1, Some(company)) => Found::Company(*company, MappingSource::Name),
        _ => Found::Ambiguous(same),
    }
}

/// A company that fits two accounts is proposed to neither.
fn refuse_shared(found: &mut BTreeMap<AccountId, Found>) {
    let mut fits = BTreeMap::new();
    for company in found.values().filter_map(|f| if let Found::Company(id, _) = f { Some(*id) } else { None }) {
        *fits.entry(company).or_insert(0_u32) += 1;
    }
    for each in found.values_mut() {
        if let Found::Company(id, _) = each
            && fits.get(id).is_some_and(|n| *n > 1)
        {
            *each = Found::Ambiguous(BTreeSet::from([*id]));
        }
    }
}

/// Which services are used for a package already, by confirmed mappings.
pub(super) type Used = BTreeMap<PackageId, BTreeSet<(LineKind, i64)>>;

/// The contract and lines to propose: for each package the one line of the one eligible contract that has a service
/// used for the package or, where none is known, a service with the vendor's billing code.
pub(super) fn propose_lines<'a>(
    packages: &[PackageId],
    contracts: &[&ContractFacts],
    lines: &[&'a LineFacts],
    used: &Used,
    taken: &BTreeSet<LineRef>,
) -> Option<(i64, Vec<(PackageId, &'a LineFacts)>)> {
    let eligible: BTreeSet<i64> = contracts.iter().filter(|c| c.eligible).map(|c| c.id).collect();
    let mut picks: Vec<(PackageId, &LineFacts)> = Vec::new();
    for package in packages {
        let fits = |line: &&&'a LineFacts| match used.get(package) {
            Some(services) => services.contains(&(line.line.kind, line.service_id)),
            None => line.vendor_line,
        };
        let there = lines.iter().filter(|l| eligible.contains(&l.contract_id) && l.service_active);
        let mut fitting = there.filter(fits);
        if let (Some(line), None) = (fitting.next(), fitting.next())
            && !taken.contains(&line.line)
        {
            picks.push((package.clone(), line));
        }
    }
    let twice = |line: LineRef| picks.iter().filter(|(_, other)| other.line == line).count() > 1;
    let picks: Vec<_> = picks.iter().filter(|(_, line)| !twice(line.line)).cloned().collect();
    let contracts: BTreeSet<i64> = picks.iter().map(|(_, line)| line.contract_id).collect();
    match (contracts.len(), contracts.first()) {
        (1, Some(contract)) => Some((*contract, picks)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, email: &str, name: &str) -> Candidate {
        let email = Some(normal(email)).filter(|e| !e.is_empty());
        Candidate { id: AccountId::new(id).unwrap(), email, name: normal(name), packages: Vec::new() }
    }

    fn contact(company: i64, emails: [&str; 3], primary: bool) -> ContactHit {
        ContactHit { company, emails: emails.map(|e| Some(normal(e)).filter(|e| !e.is_empty())), primary }
    }

    fn companies(names: &[(i64, &str)], flagged: &[i64]) -> Companies {
        Companies {
            names: names.iter().map(|(id, name)| (*id, (*name).to_owned())).collect(),
            flagged: flagged.iter().copied().collect(),
        }
    }

    fn one(contacts: &[ContactHit], known: &Companies, by_name: bool) -> Found {
        let accounts = [account("a1", "Office@X.example", "Blue Kite Ltd")];
        find(&accounts, contacts, known, by_name).remove(&accounts[0].id).unwrap()
    }

    #[test]
    fn the_primary_contacts_address_finds_the_company_whatever_its_case() {
        let known = companies(&[(1, "One"), (2, "Two")], &[1, 2]);
        for (emails, primary, found) in [
            (["OFFICE@x.example", "", ""], true, Found::Company(1, MappingSource::Email)),
            (["", "office@x.example", ""], true, Found::Company(1, MappingSource::Email)),
            (["a@x.example", "", " office@x.example "], true, Found::Company(1, MappingSource::Email)),
            (["office@x.example", "", ""], false, Found::Nothing),
            (["other@x.example", "", ""], true, Found::Nothing),
        ] {
            assert_eq!(one(&[contact(1, emails, primary)], &known, false), found, "{emails:?} {primary}");
        }
    }

    #[test]
    fn without_a_flagged_contact_any_active_one_counts_if_it_is_the_only_one() {
        let known = companies(&[(1, "One")], &[]);
        let hit = contact(1, ["office@x.example", "", ""], false);
        assert_eq!(one(std::slice::from_ref(&hit), &known, false), Found::Company(1, MappingSource::Email));
        assert_eq!(one(&[hit.clone(), hit], &known, false), Found::Ambiguous(BTreeSet::from([1])));
    }

    #[test]
    fn two_companies_with_the_address_are_shown_and_none_is_taken() {
        let hits = [1, 2].map(|id| contact(id, ["office@x.example", "", ""], true));
        let both = Found::Ambiguous(BTreeSet::from([1, 2]));
        assert_eq!(one(&hits, &companies(&[(1, "One"), (2, "Two")], &[1, 2]), false), both);
        assert_eq!(one(&hits, &companies(&[(1, "One"), (2, "Two")], &[1]), false), Found::Ambiguous([1, 2].into()));
    }

    #[test]
    fn companies_out_of_scope_or_taken_are_no_candidates() {
        let hits = [1, 2].map(|id| contact(id, ["office@x.example", "", ""], true));
        let known = companies(&[(2, "Two")], &[2]);
        assert_eq!(one(&hits, &known, false), Found::Company(2, MappingSource::Email));
        assert_eq!(one(&hits[..1], &known, false), Found::Nothing);
    }

    #[test]
    fn one_company_is_not_proposed_to_two_accounts() {
        let accounts = [account("a1", "office@x.example", ""), account("a2", "office@x.example", "")];
        let hits = [contact(1, ["office@x.example", "", ""], true)];
        let found = find(&accounts, &hits, &companies(&[(1, "One")], &[1]), false);
        assert!(found.values().all(|f| *f == Found::Ambiguous(BTreeSet::from([1]))), "{found:?}");
    }

    #[test]
    fn names_are_compared_only_when_asked_and_only_exactly() {
        let known = companies(&[(1, " blue kite LTD "), (2, "Blue Kite")], &[]);
        assert_eq!(one(&[], &known, false), Found::Nothing);
        assert_eq!(one(&[], &known, true), Found::Company(1, MappingSource::Name));
        let twice = companies(&[(1, "Blue Kite Ltd"), (2, "blue kite ltd")], &[]);
        assert_eq!(one(&[], &twice, true), Found::Ambiguous(BTreeSet::from([1, 2])));
    }

    fn contract(id: i64, eligible: bool) -> ContractFacts {
        ContractFacts {
            id,
            company_id: Some(1),
            name: format!("contract {id}"),
            number: None,
            contract_type: None,
            period_type: None,
            status: None,
            start: None,
            end: None,
            renewed_by: None,
            eligible,
            why_not: Vec::new(),
            warnings: Vec::new(),
            has_vendor_line: false,
        }
    }

    fn line(id: i64, contract_id: i64, service_id: i64, vendor_line: bool) -> LineFacts {
        LineFacts {
            line: LineRef::service(id),
            contract_id,
            service_id,
            name: None,
            service_active: true,
            unit_price: None,
            unit_cost: None,
            units: None,
            period_billed: false,
            vendor_line,
            duplicate_line: false,
        }
    }

    fn proposed(packages: &[&str], lines: &[LineFacts], used: &Used, taken: &[i64]) -> Option<(i64, Vec<i64>)> {
        let packages: Vec<_> = packages.iter().map(|p| PackageId::new(*p).unwrap()).collect();
        let contracts = [contract(10, true), contract(11, true), contract(12, false)];
        let taken = taken.iter().map(|id| LineRef::service(*id)).collect();
        let (contracts, lines) = (contracts.iter().collect::<Vec<_>>(), lines.iter().collect::<Vec<_>>());
        let (contract, picks) = propose_lines(&packages, &contracts, &lines, used, &taken)?;
        Some((contract, picks.iter().map(|(_, l)| l.line.id).collect()))
    }

    #[test]
    fn the_only_line_with_the_vendors_code_is_proposed() {
        let none = Used::new();
        let lines = [line(1, 10, 41, true), line(2, 10, 42, false), line(3, 12, 41, true)];
        assert_eq!(proposed(&["p1"], &lines, &none, &[]), Some((10, vec![1])));
        assert_eq!(proposed(&["p1"], &lines, &none, &[1]), None, "taken");
        assert_eq!(proposed(&["p1"], &lines[1..], &none, &[]), None, "only on a contract that is not eligible");
        let two = [line(1, 10, 41, true), line(4, 11, 41, true)];
        assert_eq!(proposed(&["p1"], &two, &none, &[]), None, "two contracts have one");
        let twice = [line(1, 10, 41, true), line(4, 10, 41, true)];
        assert_eq!(proposed(&["p1"], &twice, &none, &[]), None, "the contract has two");
        assert_eq!(proposed(&["p1", "p2"], &lines, &none, &[]), None, "one line cannot take two counts");
    }

    #[test]
    fn a_service_that_is_used_for_the_package_wins_over_the_vendors_code() {
        let lines = [line(1, 10, 41, true), line(2, 10, 42, false), line(3, 11, 43, false)];
        let used: Used = [("p1", 42), ("p2", 43)]
            .into_iter()
            .map(|(p, service)| (PackageId::new(p).unwrap(), BTreeSet::from([(LineKind::Service, service)])))
            .collect();
        assert_eq!(proposed(&["p1"], &lines, &used, &[]), Some((10, vec![2])));
        assert_eq!(proposed(&["p1", "p2"], &lines, &used, &[]), None, "a mapping has one contract");
        assert_eq!(proposed(&["p1", "p3"], &lines, &used, &[]), Some((10, vec![2, 1])));
    }
}
