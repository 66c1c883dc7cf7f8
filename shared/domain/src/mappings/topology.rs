//! Shapes beyond one account, one company, one contract: who is billed together with whom. Pure.

mod in_use;
#[cfg(test)]
mod shorthand;

pub use in_use::TopologyUse;
pub(crate) use in_use::switch;
pub(super) use in_use::{NotAllowed, split_sums};

use super::{MappedLine, Mapping, MappingStatus};
use crate::connections::settings::ManyAccounts;
use crate::ids::{AccountId, PackageId};
use std::collections::BTreeMap;

/// The accounts whose counts of one package go into one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// Whose line it is: the first of them by id that is confirmed, whether or not it has the package itself. So it
    /// changes with mappings only, and never with counts.
    pub leader: &'a AccountId,
    /// All of them by id, paused and broken ones too: a sum without them would take their units away.
    pub members: Vec<&'a AccountId>,
    /// The line that one of them is mapped to, the leader's first.
    pub line: Option<&'a MappedLine>,
}

/// Who is billed together with whom.
#[derive(Debug, Clone)]
pub struct Groups<'a> {
    mappings: &'a BTreeMap<AccountId, Mapping>,
    /// Where counts are summed: who holds each company, by account.
    holders: BTreeMap<i64, Vec<&'a Mapping>>,
}

/// Groups a connection's mappings: with [`ManyAccounts::Sum`] all accounts with the same company and the same contract
/// for a package belong together; otherwise everyone is alone.
#[must_use]
pub fn groups(mappings: &BTreeMap<AccountId, Mapping>, many: ManyAccounts) -> Groups<'_> {
    let mut holders: BTreeMap<i64, Vec<&Mapping>> = BTreeMap::new();
    if many == ManyAccounts::Sum {
        for (company, mapping) in mappings.values().filter_map(|m| Some((held(m)?, m))) {
            holders.entry(company).or_default().push(mapping);
        }
    }
    Groups { mappings, holders }
}

impl<'a> Groups<'a> {
    /// The group of an account's package; none where it is not billed: no mapping that a person confirmed, or no
    /// contract.
    #[must_use]
    pub fn of(&self, account: &AccountId, package: &PackageId) -> Option<Group<'a>> {
        let own = self.mappings.get(account)?;
        let (company, contract) = (held(own)?, own.contract_for(package)?.id);
        let together = |m: &&Mapping| m.contract_for(package).is_some_and(|c| c.id == contract);
        let members: Vec<&'a Mapping> = match self.holders.get(&company) {
            Some(holders) => holders.iter().copied().filter(together).collect(),
            None => vec![own],
        };
        let leader = *members.iter().find(|m| m.status == MappingStatus::Confirmed)?;
        let line = |m: &&'a Mapping| m.lines.iter().find(|line| line.package_id == *package);
        let line = line(&leader).or_else(|| members.iter().find_map(line));
        Some(Group { leader: &leader.account, members: members.iter().map(|m| &m.account).collect(), line })
    }

    /// Who leads the group of an account's package.
    #[must_use]
    pub fn leader(&self, account: &AccountId, package: &PackageId) -> Option<&'a AccountId> {
        self.of(account, package).map(|group| group.leader)
    }
}

/// The company that a mapping holds.
fn held(mapping: &Mapping) -> Option<i64> {
    mapping.company.as_ref().map(|company| company.id).filter(|_| mapping.holds())
}

#[cfg(test)]
mod tests {
    use super::shorthand::{account, all, package};
    use super::*;

    #[test]
    fn the_first_account_leads_those_with_its_company_and_contract_where_counts_are_summed() {
        use ManyAccounts::{Off, Separate, Sum};
        type Case<'a> = (&'a [&'a str], ManyAccounts, (&'a str, &'a str), Option<(&'a str, &'a [&'a str])>);
        let cases: &[Case<'_>] = &[
            (&["a1@1/3", "a2@1/3"], Sum, ("a2", "p1"), Some(("a1", &["a1", "a2"]))),
            (&["a1@1/3", "a2@1/3"], Sum, ("a1", "p1"), Some(("a1", &["a1", "a2"]))),
            (&["a1@1/3", "a2@1/3"], Separate, ("a2", "p1"), Some(("a2", &["a2"]))),
            (&["a1@1/3"], Off, ("a1", "p1"), Some(("a1", &["a1"]))),
            (&["a1@1/3", "a2@1/4"], Sum, ("a2", "p1"), Some(("a2", &["a2"]))),
            (&["a1@1/3", "a2@2/3"], Sum, ("a2", "p1"), Some(("a2", &["a2"]))),
            (&["a1@1/3 p1>4", "a2@1/3"], Sum, ("a2", "p1"), Some(("a2", &["a2"]))),
            (&["a1@1/3 p1>4", "a2@1/3"], Sum, ("a2", "p2"), Some(("a1", &["a1", "a2"]))),
            (&["a1@1/3 p1>4", "a2@1/4"], Sum, ("a2", "p1"), Some(("a1", &["a1", "a2"]))),
            (&["?a1@1/3", "a2@1/3"], Sum, ("a2", "p1"), Some(("a2", &["a2"]))),
            (&["?a1@1/3", "a2@1/3"], Sum, ("a1", "p1"), None),
            (&["!a1@1/3", "a2@1/3"], Sum, ("a1", "p1"), Some(("a2", &["a1", "a2"]))),
            (&["!a1@1/3"], Sum, ("a1", "p1"), None),
            (&["!a1@1/3"], Off, ("a1", "p1"), None),
            (&["a1@1/-", "a2@1/3"], Sum, ("a1", "p1"), None),
            (&["a1@1/3"], Sum, ("a9", "p1"), None),
        ];
        for (texts, many, (of, package_id), expected) in cases {
            let mappings = all(texts);
            let group = groups(&mappings, *many).of(&account(of), &package(package_id));
            let told = group.map(|g| (g.leader.as_str().to_owned(), g.members.iter().map(|m| m.to_string()).collect()));
            let expected = expected.map(|(leader, members)| {
                (leader.to_owned(), members.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>())
            });
            assert_eq!(told, expected, "{texts:?} {many:?} {of} {package_id}");
        }
    }

    #[test]
    fn a_group_has_the_line_of_any_of_its_members_and_the_leaders_first() {
        let line = |texts: &[&str], of: &str| {
            let mappings = all(texts);
            groups(&mappings, ManyAccounts::Sum).of(&account(of), &package("p1")).unwrap().line.map(|l| l.line.id)
        };
        assert_eq!(line(&["a1@1/3", "a2@1/3 p1:7"], "a1"), Some(7));
        assert_eq!(line(&["a1@1/3 p1:7", "a2@1/3"], "a2"), Some(7));
        assert_eq!(line(&["!a1@1/3 p1:7", "a2@1/3 p1:8"], "a1"), Some(8));
        assert_eq!(line(&["a1@1/3 p2:7", "a2@1/3"], "a2"), None);
    }
}
