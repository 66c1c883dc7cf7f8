//! How many units a line should have, by what we were told. Pure.

use super::decisions::Word;
use super::plan::{Frame, Verdict};
use super::sources::Ours;
use super::targets::{Counts, Role, Target};
use crate::packages::counting::count;
use crate::packages::{CountRule, PackageChange, QuantitySource};
use crate::problem::Code;
use crate::runs::{LineState, Part, Reckoning, RunKind};
use crate::units::Seq;
use crate::vendor::{Account, Usage};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Of the same newest time, that a package has left a line is newer than what the line was to have for it.
const LEAVES: &str = "~";
/// Width of a time in microseconds as text, so that text order is time order.
const MICROS_WIDTH: usize = 20;

/// The name of a person's own target: of the same time it is newer than all others.
pub(super) fn pressed(name: &str) -> String {
    format!("{LEAVES}{name}")
}

/// What a line should have.
#[derive(Debug, Clone)]
pub(super) struct Reckoned {
    pub(super) reckoning: Reckoning,
    pub(super) seq: Seq,
    /// Whether it is what somebody said rather than what was counted: the guards let it pass.
    pub(super) explicit: bool,
    /// Whether it counts at our own later dates, too: the newest word, not the count of one month.
    pub(super) onward: bool,
    /// Whether nobody has what is billed there any more.
    pub(super) gone: bool,
    /// What a person decided about the line.
    pub(super) word: Word,
}

/// Reckons a line's units; or why they cannot be told.
pub(super) fn reckon(ours: &Ours, frame: &Frame<'_>, target: &Target) -> Result<Reckoned, Verdict> {
    let changed = target.mapping.updated_at;
    let own = ours.package_mappings.get(&target.package).map(|own| own.updated_at);
    let since = own.map_or(changed, |own| own.max(changed));
    // That an account has a package is newer than that it had none, whatever was counted when.
    let since = target.parts.iter().filter_map(|part| there_since(ours, part)).fold(since, Timestamp::max);
    if target.role == Role::Leaving {
        let reckoning = Reckoning { source: target.source, parts: Vec::new(), rule: target.rule, sum: 0, units: 0 };
        // It leaves for the line that gets the newest count: a person's word that is newer than that stays on both.
        let counted: Vec<Told> = target.parts.iter().filter_map(|part| told(ours, frame, part).ok()).collect();
        let newest = counted.iter().map(|told| told.part.as_of).max().unwrap_or(since);
        let gone = counted.len() == target.parts.len() && counted.iter().all(|told| told.gone);
        let seq = Seq { at: newest.max(since), count_as_of: newest, id: LEAVES.to_owned() };
        return Ok(Reckoned { reckoning, seq, explicit: true, onward: true, gone, word: Word::default() });
    }
    let seats = frame.run.kind == RunKind::SeatSync;
    let active = |part: &&Counts| ours.accounts.get(&part.account).is_none_or(|account| account.active || !seats);
    let parts: Vec<&Counts> = target.parts.iter().filter(active).collect();
    if parts.is_empty() {
        return Err((LineState::Skipped, None, "The account is no longer active at the vendor.".to_owned()));
    }
    let several = parts.len() > 1;
    let named = |part: &Counts, (state, code, words): Verdict| match several {
        true => (state, code, format!("{words} ({} of {})", part.package, part.account)),
        false => (state, code, words),
    };
    let told = parts.iter().map(|part| told(ours, frame, part).map_err(|verdict| named(part, verdict)));
    let told = told.collect::<Result<Vec<_>, _>>()?;
    let explicit = target.source == QuantitySource::Package
        || frame.run.kind == RunKind::Initial
        || told.iter().all(|told| told.said);
    let sum = told.iter().fold(0_i64, |sum, told| sum.saturating_add(told.part.count));
    // What an account no longer has is not billed, whatever minimum was committed for those who have it.
    let gone = told.iter().all(|told| told.gone);
    let units = if gone { 0 } else { target.rule.apply(sum) };
    let newest = told.iter().map(|told| told.part.as_of).max().unwrap_or(since);
    // Whether an account is a client says something of each of its packages.
    let accounts = told.iter().filter(|told| told.said).filter_map(|told| ours.accounts.get(&told.part.account));
    let since = accounts.map(|account| account.updated_at).fold(since, Timestamp::max);
    let seq = Seq { at: newest.max(since), count_as_of: newest, id: id(&told) };
    let parts = told.into_iter().map(|told| told.part).collect();
    let reckoning = Reckoning { source: target.source, parts, rule: target.rule, sum, units };
    Ok(Reckoned { reckoning, seq, explicit, onward: explicit || !seats, gone, word: Word::default() })
}

struct Told {
    part: Part,
    /// The vendor's own name of it.
    id: String,
    /// Whether somebody said so, rather than counted.
    said: bool,
    /// Whether the account no longer has the package.
    gone: bool,
}

/// Orders targets of the same newest time. Several counts become the list of their times, newest first: a target
/// made of counts none of which is older, and one newer, is greater.
fn id(told: &[Told]) -> String {
    if let [one] = told {
        return one.id.clone();
    }
    let mut times: Vec<i64> = told.iter().map(|told| told.part.as_of.as_microsecond()).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times.iter().map(|micros| format!("{micros:0MICROS_WIDTH$}")).collect::<Vec<_>>().join("-")
}

fn told(ours: &Ours, frame: &Frame<'_>, counts: &Counts) -> Result<Told, Verdict> {
    let key = (counts.account.clone(), counts.package.clone());
    let usage = ours.usage.get(&key);
    let account = ours.accounts.get(&counts.account);
    let part = |count, as_of, how: String| Part {
        account: counts.account.clone(),
        package: counts.package.clone(),
        count,
        as_of,
        how,
    };
    // A seat sync bills what is counted: what is told of a package is for others to write. Once they have, an older
    // count says nothing more.
    let waits = |change: &PackageChange| {
        change.account == counts.account && change.packages().any(|package| *package == counts.package)
    };
    let others = frame.run.kind == RunKind::SeatSync && ours.changes.iter().any(waits);
    if let Some((at, change)) = account.filter(|_| !others).and_then(|account| gone(ours, account, counts)) {
        let counted_since = counts.source == QuantitySource::Usage
            && account.is_some_and(|account| account.active)
            && usage.is_some_and(|usage| usage.as_of > at && usage.active > 0);
        if !counted_since {
            let how = format!("not one of the account's packages since {at}");
            return Ok(Told { part: part(0, at, how), id: change, said: true, gone: true });
        }
    }
    match counts.source {
        QuantitySource::Package => {
            let Some((quantity, at, id)) = account.and_then(|account| quantity(account, counts)) else {
                let words = "The quantity of the account's package is not known.".to_owned();
                return Err((LineState::Skipped, Some(Code::QuantityMissing), words));
            };
            let part = part(quantity, at, format!("the account's quantity since {at}"));
            Ok(Told { part, id, said: true, gone: false })
        }
        QuantitySource::Usage => {
            let prepaid = account.and_then(|account| quantity(account, counts));
            let months = ours.months.get(&key);
            if counts.rule == CountRule::Fixed {
                let Some((quantity, at, id)) = prepaid else {
                    let words = "The prepaid quantity of the account's package is not known.".to_owned();
                    return Err((LineState::Skipped, Some(Code::QuantityMissing), words));
                };
                let part = part(quantity, at, format!("the prepaid quantity since {at}"));
                return Ok(Told { part, id, said: true, gone: false });
            }
            let usage = fresh(frame, usage)?;
            let counted =
                count(counts.rule, Some(usage), months, frame.now, ours.zone.as_ref().unwrap_or(&TimeZone::UTC), None);
            let Some(counted) = counted else { return Err(missing()) };
            let id = usage.source_id.clone().unwrap_or_default();
            Ok(Told { part: part(counted.count, counted.as_of, counted.how), id, said: false, gone: false })
        }
    }
}

fn missing() -> Verdict {
    let words = "There is no count for this account and package.".to_owned();
    (LineState::Skipped, Some(Code::UsageMissing), words)
}

fn fresh<'a>(frame: &Frame<'_>, usage: Option<&'a Usage>) -> Result<&'a Usage, Verdict> {
    let Some(usage) = usage else { return Err(missing()) };
    let age = frame.now.duration_since(usage.as_of);
    if age > SignedDuration::from_hours(frame.settings.guards.usage_max_age_hours) {
        let words = format!("The last count, {} of {}, is too old.", usage.active, usage.as_of);
        return Err((LineState::Skipped, Some(Code::UsageStale), words));
    }
    Ok(usage)
}

/// Since when, and by which change, the account no longer has a package. What was never told says nothing.
fn gone(ours: &Ours, account: &Account, counts: &Counts) -> Option<(Timestamp, String)> {
    let removed = account.removed.iter().find(|removed| removed.id == counts.package);
    let removed = removed.map(|removed| (removed.stamp.at, removed.stamp.change.to_string()));
    if !account.active {
        // What was told of the package since is the newer word, and says the same.
        let left = (account.updated_at, String::new());
        return Some(removed.map_or(left.clone(), |removed| removed.max(left)));
    }
    if account.packages.iter().any(|package| package.id == counts.package) {
        return None;
    }
    if removed.is_some() {
        return removed;
    }
    // A package that is counted may never have been told at all. One that was, and is not listed any more, is gone for
    // good, on whichever line it would be billed next.
    let left =
        |change: &&PackageChange| change.account == counts.account && change.from.as_ref() == Some(&counts.package);
    let was_told = account.told.contains(&counts.package);
    let was_there =
        counts.source == QuantitySource::Package || was_told || ours.changes.iter().any(|change| left(&change));
    // All its packages were told, and this was not one of them.
    let told = account.packages_at.filter(|at| was_there && *at > Timestamp::UNIX_EPOCH);
    told.map(|at| (at, String::new()))
}

/// Since when an account has a package, as far as it was told.
fn there_since(ours: &Ours, counts: &Counts) -> Option<Timestamp> {
    let package = ours.accounts.get(&counts.account)?.packages.iter().find(|package| package.id == counts.package)?;
    package.stamp.as_ref().map(|stamp| stamp.at)
}

/// How many of a package the account has, since when and by which change.
fn quantity(account: &Account, counts: &Counts) -> Option<(i64, Timestamp, String)> {
    let package = account.packages.iter().find(|package| package.id == counts.package)?;
    let quantity = package.quantity?;
    Some(match &package.stamp {
        Some(stamp) => (quantity, stamp.at, stamp.change.to_string()),
        None => (quantity, account.updated_at, String::new()),
    })
}
