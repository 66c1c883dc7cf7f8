//! What an account's packages are, by everything that was said of them: each package is a register that keeps the
//! newest statement, so that statements may arrive late, twice and in any order. Pure.
//!
//! There are statements about one package ("10 of it", "no longer"), and about all of them at once, which also say of
//! every package that they do not list that it was not there. Of two statements of the same instant the one with the
//! greater change id counts; what is only said by not being listed counts least.

use crate::ids::{ChangeId, PackageId};
use crate::vendor::{Account, AccountPackage, RemovedPackage, Stamp};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How new a statement is: when it was so, and who said so (nobody: by not listing it).
type Mark = (Timestamp, Option<ChangeId>);

/// A package change, as a statement about one package or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The package that the account no longer has.
    pub from: Option<PackageId>,
    /// The package that it has.
    pub to: Option<PackageId>,
    /// How many of it.
    pub quantity: Option<i64>,
    /// When, and who says so.
    pub stamp: Stamp,
}

/// What an account has, by package; nothing where it is no longer a client.
#[must_use]
pub fn effective(account: &Account) -> BTreeMap<&PackageId, Option<i64>> {
    let packages = account.packages.iter().filter(|_| account.active);
    packages.map(|package| (&package.id, package.quantity)).collect()
}

/// The account as a change says that it is, where nothing newer says otherwise.
#[must_use]
pub fn tell(account: &Account, told: &Told) -> Account {
    let mut registers = Registers::of(account);
    if let Some(from) = told.from.as_ref().filter(|from| told.to.as_ref() != Some(*from)) {
        registers.say(from, None, &told.stamp);
    }
    if let Some(to) = &told.to {
        registers.say(to, Some(told.quantity), &told.stamp);
    }
    registers.into_account(account)
}

/// The account with these packages and no others at a time, where nothing newer says otherwise. `name` names what is
/// said of one package.
#[must_use]
pub fn tell_all(
    account: &Account,
    packages: &[AccountPackage],
    at: Timestamp,
    name: impl Fn(&AccountPackage) -> ChangeId,
) -> Account {
    let mut registers = Registers::of(account);
    let listed: BTreeSet<&PackageId> = packages.iter().map(|package| &package.id).collect();
    for package in packages {
        registers.say(&package.id, Some(package.quantity), &Stamp { at, change: name(package) });
    }
    registers.nothing_but(&listed, at);
    registers.into_account(account)
}

/// The newest time that anything was said of the account or its packages.
#[must_use]
pub fn newest(account: &Account) -> Timestamp {
    let registers = Registers::of(account);
    let marks = registers.present.values().map(|(_, mark)| mark.0);
    let marks = marks.chain(registers.removed.values().map(|stamp| stamp.at));
    marks.chain([registers.since, account.updated_at]).max().unwrap_or(account.updated_at)
}

struct Registers {
    present: BTreeMap<PackageId, (Option<i64>, Mark)>,
    removed: BTreeMap<PackageId, Stamp>,
    /// What stands nowhere was not there then.
    since: Timestamp,
    /// What anything was ever told of.
    told: BTreeSet<PackageId>,
}

impl Registers {
    fn of(account: &Account) -> Self {
        let since = account.packages_at.unwrap_or(account.updated_at);
        let mark = |stamp: &Option<Stamp>| {
            stamp.as_ref().map_or((since, None), |stamp| (stamp.at, Some(stamp.change.clone())))
        };
        let present = |own: &AccountPackage| (own.id.clone(), (own.quantity, mark(&own.stamp)));
        Self {
            present: account.packages.iter().map(present).collect(),
            removed: account.removed.iter().map(|own| (own.id.clone(), own.stamp.clone())).collect(),
            since,
            told: account.told.iter().chain(account.packages.iter().map(|own| &own.id)).cloned().collect(),
        }
    }

    fn mark(&self, package: &PackageId) -> Mark {
        let removed = || self.removed.get(package).map(|stamp| (stamp.at, Some(stamp.change.clone())));
        let known = self.present.get(package).map(|(_, mark)| mark.clone()).or_else(removed);
        known.unwrap_or((self.since, None))
    }

    fn say(&mut self, package: &PackageId, quantity: Option<Option<i64>>, stamp: &Stamp) {
        self.told.insert(package.clone());
        let mark = (stamp.at, Some(stamp.change.clone()));
        if mark <= self.mark(package) {
            return;
        }
        match quantity {
            Some(quantity) => {
                self.removed.remove(package);
                self.present.insert(package.clone(), (quantity, mark));
            }
            None => {
                self.present.remove(package);
                self.removed.insert(package.clone(), stamp.clone());
            }
        }
    }

    fn nothing_but(&mut self, listed: &BTreeSet<&PackageId>, at: Timestamp) {
        self.present.retain(|package, (_, mark)| listed.contains(package) || *mark >= (at, None));
        self.removed.retain(|_, stamp| stamp.at >= at.max(self.since));
        self.since = self.since.max(at);
    }

    fn into_account(self, account: &Account) -> Account {
        let package = |(id, (quantity, (at, change))): (PackageId, (Option<i64>, Mark))| {
            let stamp = change.map(|change| Stamp { at, change });
            AccountPackage { id, quantity, stamp }
        };
        let removed = |(id, stamp)| RemovedPackage { id, stamp };
        Account {
            packages: self.present.into_iter().map(package).collect(),
            removed: self.removed.into_iter().map(removed).collect(),
            packages_at: Some(self.since),
            told: self.told,
            ..account.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, PartnerId};
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Statement {
        One(Told),
        All(Timestamp, Vec<AccountPackage>),
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn id(no: u8) -> PackageId {
        PackageId::new(format!("p{no}")).unwrap()
    }

    fn change(name: &str) -> ChangeId {
        ChangeId::new(name).unwrap()
    }

    fn fresh() -> Account {
        Account {
            partner: PartnerId::new("acme").unwrap(),
            id: AccountId::new("a1").unwrap(),
            name: "Blue Kite".to_owned(),
            contact_email: None,
            packages: Vec::new(),
            removed: Vec::new(),
            told: BTreeSet::new(),
            packages_at: Some(Timestamp::UNIX_EPOCH),
            active: true,
            updated_at: at(0),
        }
    }

    fn name(second: Timestamp, package: &AccountPackage) -> ChangeId {
        change(&format!("all-{}-{}-{}", second.as_second(), package.id, package.quantity.unwrap_or(-1)))
    }

    fn take(account: &Account, statement: &Statement) -> Account {
        match statement {
            Statement::One(told) => tell(account, told),
            Statement::All(time, packages) => tell_all(account, packages, *time, |package| name(*time, package)),
        }
    }

    fn all(account: Account, statements: &[Statement]) -> Account {
        statements.iter().fold(account, |account, statement| take(&account, statement))
    }

    fn told(from: Option<u8>, to: Option<(u8, i64)>, second: i64, name: &str) -> Statement {
        let (quantity, to) = (to.map(|(_, quantity)| quantity), to.map(|(to, _)| id(to)));
        Statement::One(Told { from: from.map(id), to, quantity, stamp: Stamp { at: at(second), change: change(name) } })
    }

    fn whole(packages: &[(u8, i64)], second: i64) -> Statement {
        let package = |(no, quantity): &(u8, i64)| AccountPackage::new(id(*no), Some(*quantity));
        Statement::All(at(second), packages.iter().map(package).collect())
    }

    fn has(account: &Account) -> Vec<(String, i64)> {
        account.packages.iter().map(|own| (own.id.to_string(), own.quantity.unwrap_or(-1))).collect()
    }

    #[test]
    fn the_newest_statement_of_each_package_counts() {
        let p1 = |quantity| ("p1".to_owned(), quantity);
        let p2 = |quantity| ("p2".to_owned(), quantity);
        for (statements, wanted) in [
            (vec![told(None, Some((1, 5)), 1, "a")], vec![p1(5)]),
            (vec![told(None, Some((1, 5)), 1, "a"), told(Some(1), Some((2, 6)), 2, "b")], vec![p2(6)]),
            // The swap came first: the late beginning brings nothing back.
            (vec![told(Some(1), Some((2, 6)), 2, "b"), told(None, Some((1, 5)), 1, "a")], vec![p2(6)]),
            // The same package with another quantity is no removal.
            (vec![told(Some(1), Some((1, 7)), 3, "c"), told(Some(1), Some((1, 6)), 2, "b")], vec![p1(7)]),
            (vec![whole(&[(1, 5)], 1), told(Some(1), None, 2, "b"), whole(&[(1, 5)], 1)], vec![]),
            // What is not listed was not there, whoever says otherwise of an earlier time.
            (vec![whole(&[(2, 3)], 5), told(None, Some((1, 5)), 4, "a")], vec![p2(3)]),
            (vec![told(Some(2), Some((1, 5)), 6, "a"), whole(&[(2, 3)], 5)], vec![p1(5)]),
            // Said again later, it holds against what comes late.
            (vec![whole(&[(1, 5)], 1), whole(&[(1, 5)], 3), told(Some(1), Some((1, 9)), 2, "b")], vec![p1(5)]),
            // Of the same instant: a change before what is only not listed.
            (vec![told(None, Some((1, 5)), 2, "a"), whole(&[], 2)], vec![p1(5)]),
            (vec![whole(&[], 2), told(None, Some((1, 5)), 2, "a")], vec![p1(5)]),
        ] {
            assert_eq!(has(&all(fresh(), &statements)), wanted, "{statements:?}");
        }
    }

    #[test]
    fn packages_without_a_stamp_are_as_old_as_the_account() {
        let mut account = fresh();
        (account.packages, account.packages_at, account.updated_at) =
            (vec![AccountPackage::new(id(1), Some(5))], None, at(10));
        assert_eq!(has(&take(&account, &told(Some(1), None, 9, "late"))), [("p1".to_owned(), 5)]);
        assert_eq!(has(&take(&account, &told(None, Some((2, 1)), 9, "late"))), [("p1".to_owned(), 5)]);
        assert_eq!(has(&take(&account, &told(Some(1), None, 10, "same"))), []);
    }

    fn statements() -> impl Strategy<Value = Vec<Statement>> {
        let one = (0..4_u8, 0..4_u8, 0..4_i64, 0..12_i64, 0..30_u8).prop_map(|(from, to, quantity, second, name)| {
            let some = |no: u8| (no > 0).then_some(no);
            // A change id is one change: its content follows from its name.
            told(
                some(from),
                some(to).map(|to| (to, quantity)),
                second,
                &format!("c{name}-{from}{to}{quantity}{second}"),
            )
        });
        let whole = (proptest::collection::btree_map(1..4_u8, 0..4_i64, 0..4), 0..12_i64)
            .prop_map(|(packages, second)| whole(&packages.into_iter().collect::<Vec<_>>(), second));
        proptest::collection::vec(prop_oneof![3 => one, 1 => whole], 0..10)
    }

    /// What every statement says of each package, by the newest: a fold that knows nothing of tombstones.
    fn model(statements: &[Statement]) -> Vec<(String, i64)> {
        let mut said: BTreeMap<u8, Vec<(Mark, Option<i64>)>> = BTreeMap::new();
        for statement in statements {
            for no in 1..4 {
                let own = said.entry(no).or_default();
                match statement {
                    Statement::One(told) => {
                        let mark = (told.stamp.at, Some(told.stamp.change.clone()));
                        if told.to == Some(id(no)) {
                            own.push((mark, told.quantity));
                        } else if told.from == Some(id(no)) {
                            own.push((mark, None));
                        }
                    }
                    Statement::All(time, packages) => match packages.iter().find(|package| package.id == id(no)) {
                        Some(package) => own.push(((*time, Some(name(*time, package))), package.quantity)),
                        None => own.push(((*time, None), None)),
                    },
                }
            }
        }
        let newest = |statements: Vec<(Mark, Option<i64>)>| statements.into_iter().max_by_key(|(mark, _)| mark.clone());
        said.into_iter().filter_map(|(no, own)| Some((id(no).to_string(), newest(own)?.1?))).collect()
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_of_the_same_statements_ends_in_the_same_registers(
            (said, shuffled) in statements().prop_flat_map(|said| {
                let twice: Vec<Statement> = said.iter().chain(&said).cloned().collect();
                (Just(said), Just(twice).prop_shuffle())
            })
        ) {
            let (once, again) = (all(fresh(), &said), all(fresh(), &shuffled));
            prop_assert_eq!(&once, &again);
            prop_assert_eq!(has(&once), model(&said));
        }
    }
}
