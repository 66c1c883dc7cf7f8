//! What Autotask should bill, by what was said: of each package of an account the newest statement counts. Nothing here
//! knows how the integration keeps or pushes anything.

use super::Item;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// An account's index, or a package's name.
pub(super) type Place = (usize, String);

/// What was said of one package of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// So many of it.
    Has(i64),
    /// It is not there.
    Not,
}

/// How new a statement is: of the same instant the greater name counts; who is only not listed has the least.
type Mark = (Timestamp, String);

/// What is made of a count: less `free`, one for each `ratio` of them begun, at least `min`, at most `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub free: i64,
    pub ratio: i64,
    pub min: i64,
    pub max: i64,
}

impl Rule {
    pub(super) const NONE: Self = Self { free: 0, ratio: 1, min: 0, max: i64::MAX };

    fn of(self, count: i64) -> i64 {
        let billed = (count - self.free).max(0);
        ((billed + self.ratio - 1) / self.ratio).max(self.min).min(self.max)
    }
}

/// What a package is billed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Billed {
    pub item: Item,
    /// By counts, not by what the account has.
    pub counted: bool,
    pub rule: Rule,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    said: BTreeMap<Place, Vec<(Mark, Said)>>,
    counts: BTreeMap<Place, (Timestamp, i64)>,
    /// The count that the newest run over the package has seen.
    synced: BTreeMap<Place, i64>,
    billed: BTreeMap<String, Billed>,
    /// Counted packages that a list did not name, as before, although they were counted in between: since when.
    unclear: BTreeMap<Place, Timestamp>,
    /// Accounts that are no longer clients.
    left: BTreeSet<usize>,
    /// Every package that an item ever stood for.
    ever: BTreeMap<Item, BTreeSet<String>>,
}

impl Model {
    pub(super) fn say(&mut self, account: usize, package: &str, at: Timestamp, name: &str, said: Said) {
        self.said.entry((account, package.to_owned())).or_default().push(((at, name.to_owned()), said));
    }

    /// The account has these and no others.
    pub(super) fn say_all(&mut self, account: usize, all: &[String], list: &BTreeMap<String, i64>, at: Timestamp) {
        for package in all {
            match list.get(package) {
                Some(quantity) => self.say(account, package, at, "listed", Said::Has(*quantity)),
                None => {
                    if self.is_contradicted(account, package) {
                        self.unclear.insert((account, package.clone()), at);
                    }
                    self.say(account, package, at, "", Said::Not);
                }
            }
        }
    }

    /// The account is no longer a client, or is one again.
    pub(super) fn leave(&mut self, account: usize, left: bool) {
        if left {
            self.left.insert(account);
        } else {
            self.left.remove(&account);
        }
    }

    pub(super) fn has_left(&self, account: usize) -> bool {
        self.left.contains(&account)
    }

    pub(super) fn count(&mut self, account: usize, package: &str, at: Timestamp, count: i64) {
        let newest = self.counts.entry((account, package.to_owned())).or_insert((at, count));
        if newest.0 <= at {
            *newest = (at, count);
        }
    }

    /// When a counted package was counted, and what it is billed as.
    pub(super) fn counted_at(&self, account: usize, package: &str) -> Option<(Timestamp, Item)> {
        let billed = self.billed(package).filter(|billed| billed.counted)?;
        self.counts.get(&(account, package.to_owned())).map(|(at, _)| (*at, billed.item))
    }

    /// The newest count.
    pub(super) fn counted(&self, account: usize, package: &str) -> Option<i64> {
        self.counts.get(&(account, package.to_owned())).map(|(_, count)| *count)
    }

    pub(super) fn map(&mut self, package: &str, billed: Billed) {
        self.ever.entry(billed.item).or_default().insert(package.to_owned());
        self.billed.insert(package.to_owned(), billed);
    }

    pub(super) fn billed(&self, package: &str) -> Option<&Billed> {
        self.billed.get(package)
    }

    /// The package that is billed as an item.
    pub(super) fn package_of(&self, item: Item) -> Option<&str> {
        self.billed.iter().find(|(_, billed)| billed.item == item).map(|(package, _)| package.as_str())
    }

    /// Packages that an item stands for, or ever stood for.
    pub(super) fn ever(&self, item: Item) -> impl Iterator<Item = &str> {
        self.ever.get(&item).into_iter().flatten().map(String::as_str)
    }

    /// Items that a package is, or ever was, billed as.
    pub(super) fn items(&self, package: &str) -> Vec<Item> {
        let items = self.ever.iter().filter(|(_, packages)| packages.contains(package));
        items.map(|(item, _)| *item).collect()
    }

    /// The newest statement about a package.
    pub(super) fn newest(&self, account: usize, package: &str) -> Option<&(Mark, Said)> {
        self.said.get(&(account, package.to_owned()))?.iter().max_by_key(|(mark, _)| mark.clone())
    }

    /// How many of a package an account has; none where it has none of it.
    pub(super) fn has(&self, account: usize, package: &str) -> Option<i64> {
        match self.newest(account, package)? {
            (_, Said::Has(quantity)) => Some(*quantity),
            (_, Said::Not) => None,
        }
    }

    /// A run has gone over a counted package.
    pub(super) fn synced(&mut self, account: usize, package: &str) {
        let place = (account, package.to_owned());
        let count = if self.is_gone(account, package) { Some(0) } else { self.counted(account, package) };
        if let Some(count) = count {
            self.synced.insert(place, count);
        }
    }

    /// Whether a counted package was said not to be there, and nothing was counted since.
    fn is_gone(&self, account: usize, package: &str) -> bool {
        let counted = self.counts.get(&(account, package.to_owned()));
        let gone = |at: &Timestamp| counted.is_none_or(|(of, count)| of <= at || *count == 0);
        matches!(self.newest(account, package), Some(((at, _), Said::Not)) if gone(at))
    }

    /// Whether a package was counted although the account was said not to have it. A list that says so again is no
    /// change, and nothing is pushed for it: it counts for the next run over the package.
    fn is_contradicted(&self, account: usize, package: &str) -> bool {
        let place = (account, package.to_owned());
        let Some(((at, _), Said::Not)) = self.newest(account, package) else { return false };
        let counted = self.counts.contains_key(&place) && !self.is_gone(account, package);
        counted || self.unclear.get(&place) == Some(at)
    }

    /// The units that should be billed; none where nobody can say: a count that no run has seen yet, or one of a package
    /// that the account was said not to have. A sync covers each of an account's packages, and no other.
    pub(super) fn units(&self, account: usize, package: &str) -> Option<i64> {
        let billed = self.billed.get(package)?;
        if self.has_left(account) {
            return Some(0);
        }
        if !billed.counted {
            return Some(self.has(account, package).map_or(0, |quantity| billed.rule.of(quantity)));
        }
        if self.is_contradicted(account, package) {
            return None;
        }
        if self.is_gone(account, package) {
            return Some(0);
        }
        let place = (account, package.to_owned());
        match (self.newest(account, package), self.counts.get(&place)) {
            (_, None) => Some(0),
            // What was told again is not counted yet.
            (Some(((at, _), Said::Has(_))), Some((of, _))) if of <= at => None,
            _ => self.synced.get(&place).map(|count| billed.rule.of(*count)),
        }
    }
}

#[test]
fn the_model_takes_the_newest_statement_whatever_comes_last() {
    let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
    let all = ["p1".to_owned(), "p2".to_owned()];
    let mut model = Model::default();
    model.say(0, "p1", at(5), "b", Said::Has(7));
    model.say(0, "p1", at(3), "c", Said::Not);
    assert_eq!((model.has(0, "p1"), model.has(0, "p2"), model.has(1, "p1")), (Some(7), None, None));
    model.say_all(0, &all, &BTreeMap::from([("p2".to_owned(), 2)]), at(5));
    assert_eq!((model.has(0, "p1"), model.has(0, "p2")), (Some(7), Some(2)), "said of the same instant by its name");
    model.say_all(0, &all, &BTreeMap::new(), at(6));
    assert_eq!((model.has(0, "p1"), model.has(0, "p2")), (None, None));
    let rule = Rule { free: 2, ratio: 5, min: 1, max: 3 };
    assert_eq!([0, 2, 7, 8, 12, 13, 40].map(|count| rule.of(count)), [1, 1, 1, 2, 2, 3, 3]);
}
