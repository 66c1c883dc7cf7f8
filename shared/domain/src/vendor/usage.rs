//! Counts: how many of a package an account uses, as the vendor's core counted it.

use super::check::{BATCH_AT_ONCE, Checks, known, narrowed, unless_overtaken};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{AccountId, PackageId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Problem, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use crate::vendor::{Account, DayCount, Package, Partner, Usage, UsageMonth};
use futures::future::try_join3;
use futures::{StreamExt, stream};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Largest count: far above any real one, far below Autotask's 32-bit units.
pub const COUNT_MAX: i64 = 10_000_000;
/// How far ahead of us a count's time may lie: a calendar date taken in the farthest zone is 14 h ahead of UTC. One
/// farther ahead would shut out every count until then.
pub const AS_OF_AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Longest name that the vendor gives a count, in characters.
const SOURCE_CHARS_MAX: usize = 128;

/// One count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageInput {
    /// Active users (or whatever the package counts).
    pub active: i64,
    /// When the vendor counted: orders counts, and names them together with account and package.
    pub as_of: Timestamp,
    /// The vendor's own name of the count.
    pub source_id: Option<String>,
}

/// One count of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageItem {
    /// Whose client.
    pub partner: PartnerId,
    /// Which account.
    pub account: AccountId,
    /// Of what.
    pub package: PackageId,
    /// The count.
    pub input: UsageInput,
}

/// What became of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageOutcome {
    /// It is the newest one now.
    Recorded,
    /// It was already there; nothing was written.
    Repeated,
    /// A newer one is there and stays; this one only counts in its day, which it helps to explain.
    OlderIgnored,
}

/// Records a count. The newest `as_of` wins, in whatever order counts arrive; every count is also kept in its day, by
/// the partner's time zone, in the same transaction.
///
/// Account, package and `as_of` name a count: the same one twice is `repeated`. Another number under the same name is
/// refused: a correction carries a later `as_of`, or nobody could tell which of the two is right.
///
/// # Errors
/// `not_found` for an unknown account or package; `invalid_input` for a number out of bounds, a time too far ahead, or
/// another number under the same `as_of`.
pub async fn record_usage(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    item: UsageItem,
) -> Result<(UsageOutcome, Usage)> {
    record(ports, scope, actor, item, &mut None).await
}

/// Records many counts, each for itself: one that is refused stops no other. Counts of one account's package are
/// recorded in turn, since they are written to the same records. Answers in the order of the items.
pub async fn record_usages(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    items: Vec<UsageItem>,
) -> Vec<Result<(UsageOutcome, Usage)>> {
    let mut groups: BTreeMap<_, Vec<(usize, UsageItem)>> = BTreeMap::new();
    for (at, item) in items.into_iter().enumerate() {
        let of = (item.partner.clone(), item.account.clone(), item.package.clone());
        groups.entry(of).or_default().push((at, item));
    }
    let in_turn = |group: Vec<(usize, UsageItem)>| async move {
        let (mut zone, mut done) = (None, Vec::with_capacity(group.len()));
        for (at, item) in group {
            done.push((at, record(ports, scope, actor, item, &mut zone).await));
        }
        done
    };
    let groups = stream::iter(groups.into_values()).map(in_turn).buffer_unordered(BATCH_AT_ONCE);
    let mut done: Vec<_> = groups.collect::<Vec<_>>().await.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Records one count. `zone` is the partner's, once account and package were found to be known.
async fn record(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    item: UsageItem,
    zone: &mut Option<TimeZone>,
) -> Result<(UsageOutcome, Usage)> {
    let own = narrowed(scope, &item.partner)?;
    let wanted = checked(item, ports.clock.now())?;
    let zone = match zone {
        Some(zone) => zone,
        None => zone.insert(known_of(ports, scope, &own, &wanted).await?),
    };
    unless_overtaken!(None, try_record(ports, &own, actor, &wanted, zone).await)
}

/// The partner's time zone; the account and the package must be known.
async fn known_of(ports: &Ports, scope: &Scope, own: &Scope, wanted: &Usage) -> Result<TimeZone> {
    let account = Key::Account(wanted.partner.clone(), wanted.account.clone());
    let package = Key::Package(wanted.package.clone());
    let account = known::<Account>(ports, own, &account, "account");
    let package = known::<Package>(ports, scope, &package, "package");
    let (_, _, zone) = try_join3(account, package, partner_zone(ports, own, &wanted.partner)).await?;
    Ok(zone)
}

/// The time zone by which a partner's counts are put into days and months: UTC where nobody made the partner known.
///
/// # Errors
/// Storage.
pub async fn partner_zone(ports: &Ports, scope: &Scope, partner: &PartnerId) -> Result<TimeZone> {
    let found = load::<Partner>(&*ports.storage, scope, &Key::Partner(partner.clone())).await?;
    Ok(found.and_then(|partner| TimeZone::get(&partner.time_zone).ok()).unwrap_or(TimeZone::UTC))
}

fn checked(item: UsageItem, now: Timestamp) -> Result<Usage> {
    let UsageItem { partner, account, package, input } = item;
    let mut checks = Checks::default();
    if !(0..=COUNT_MAX).contains(&input.active) {
        checks.refuse("/active", format!("must be 0 to {COUNT_MAX}"));
    }
    if input.as_of.duration_since(now) > AS_OF_AHEAD_MAX {
        checks.refuse("/as_of", format!("must not lie more than {} h ahead", AS_OF_AHEAD_MAX.as_hours()));
    }
    let source_id = input.source_id.map(|text| checks.name("/source_id", &text, SOURCE_CHARS_MAX));
    checks.done()?;
    Ok(Usage { partner, account, package, active: input.active, as_of: input.as_of, source_id, received_at: now })
}

async fn try_record(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    wanted: &Usage,
    zone: &TimeZone,
) -> Result<(UsageOutcome, Usage)> {
    let found = load::<Usage>(&*ports.storage, scope, &wanted.key()).await?;
    if let Some(newest) = &found
        && let Some(outcome) = known_count(newest, wanted)?
    {
        if outcome == UsageOutcome::OlderIgnored {
            record_older(ports, scope, actor, wanted, newest, zone).await?;
        }
        return Ok((outcome, newest.value.clone()));
    }
    let (stored, mut month) = month_of(ports, scope, wanted, zone).await?;
    if let (None, Some(before)) = (&stored, &found) {
        month.take(before, zone);
    }
    month.take(wanted, zone);
    let expect = |v: Option<u64>| v.map_or(Expect::Absent, Expect::Version);
    let usage = Write::put(wanted, expect(found.as_ref().map(|found| found.v)))?;
    let daily = Write::put(&month, expect(stored.map(|stored| stored.v)))?;
    let mut change = Change::of_partner(ports, actor, &wanted.partner).write(usage).write(daily);
    // A fresher time of the same number changes nothing that is billed, and comes daily.
    if found.as_ref().is_none_or(|f| f.active != wanted.active) {
        let before = found.map_or(Value::Null, |f| shown(&f));
        change = change.audit("usage.recorded", subject(wanted), before, shown(wanted))?;
    }
    change.commit(scope).await?;
    Ok((UsageOutcome::Recorded, wanted.clone()))
}

/// Puts a count that came late into its day. Where it is the newest of its month, the month after began with it.
async fn record_older(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    wanted: &Usage,
    newest: &Versioned<Usage>,
    zone: &TimeZone,
) -> Result<()> {
    let (stored, mut month) = month_of(ports, scope, wanted, zone).await?;
    if stored.is_none() {
        month.take(newest, zone);
    }
    let before = month.day(wanted, zone);
    month.take(wanted, zone);
    let after = month.day(wanted, zone);
    let forgotten = month.expires().is_none_or(|expires| expires <= ports.clock.now());
    if before == after || forgotten {
        return Ok(());
    }
    let expect = stored.map_or(Expect::Absent, |stored| Expect::Version(stored.v));
    // Whoever records a newer count meanwhile, reads what a month begins with.
    let unless_newer = Write::check(newest.key(), Expect::Version(newest.v));
    let mut change = Change::of_partner(ports, actor, &wanted.partner).write(Write::put(&month, expect)?);
    change = change.write(unless_newer);
    if month.ends_with(wanted) {
        let key = Key::UsageMonth(wanted.partner.clone(), wanted.account.clone(), wanted.package.clone(), month.next());
        if let Some(next) = load::<UsageMonth>(&*ports.storage, scope, &key).await? {
            let mut opened = next.value.clone();
            opened.take(wanted, zone);
            change = change.replace(&opened, next.v)?;
        }
    }
    let numbers = |day: Option<DayCount>| day.map_or(Value::Null, |day| json!({"last": day.last, "high": day.high}));
    if numbers(before) != numbers(after) {
        change = change.audit("usage.recorded_late", subject(wanted), numbers(before), shown(wanted))?;
    }
    change.commit(scope).await?;
    Ok(())
}

/// The record of a count's month, as it is stored and as it is, or would be.
async fn month_of(
    ports: &Ports,
    scope: &Scope,
    wanted: &Usage,
    zone: &TimeZone,
) -> Result<(Option<Versioned<UsageMonth>>, UsageMonth)> {
    let empty = UsageMonth::before(wanted, zone);
    let stored = load::<UsageMonth>(&*ports.storage, scope, &empty.key()).await?;
    let month = stored.as_ref().map_or(empty, |stored| stored.value.clone());
    Ok((stored, month))
}

fn subject(usage: &Usage) -> String {
    format!("usage/{}/{}", usage.account, usage.package)
}

/// Whether a count says nothing new; none where it is newer than what is there.
fn known_count(found: &Usage, wanted: &Usage) -> Result<Option<UsageOutcome>> {
    match wanted.as_of.cmp(&found.as_of) {
        std::cmp::Ordering::Greater => Ok(None),
        std::cmp::Ordering::Less => Ok(Some(UsageOutcome::OlderIgnored)),
        std::cmp::Ordering::Equal if wanted.active == found.active => Ok(Some(UsageOutcome::Repeated)),
        std::cmp::Ordering::Equal => {
            let rule = format!("the count of {} is {}; a correction carries a later as_of", found.as_of, found.active);
            Err(Problem::field("/as_of", rule).into())
        }
    }
}

fn shown(usage: &Usage) -> Value {
    json!({"active": usage.active, "as_of": usage.as_of, "source_id": usage.source_id})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(active: i64, as_of: &str) -> Usage {
        let at = as_of.parse().unwrap();
        Usage {
            partner: PartnerId::new("acme").unwrap(),
            account: AccountId::new("a1").unwrap(),
            package: PackageId::new("p1").unwrap(),
            active,
            as_of: at,
            source_id: None,
            received_at: at,
        }
    }

    #[test]
    fn the_newest_count_wins_in_whatever_order_they_arrive() {
        let there = count(47, "2026-11-30T10:00:00Z");
        for (sent, outcome) in [
            (count(47, "2026-11-30T10:00:00Z"), Some(UsageOutcome::Repeated)),
            (count(99, "2026-11-30T09:59:59Z"), Some(UsageOutcome::OlderIgnored)),
            (count(47, "2026-11-30T10:00:01Z"), None),
            (count(12, "2026-12-01T00:00:00Z"), None),
        ] {
            assert_eq!(known_count(&there, &sent).unwrap(), outcome, "{sent:?}");
        }
    }

    #[test]
    fn another_number_under_the_same_name_is_refused() {
        let refused = known_count(&count(47, "2026-11-30T10:00:00Z"), &count(48, "2026-11-30T10:00:00Z")).unwrap_err();
        assert_eq!(refused.code(), Some(crate::problem::Code::InvalidInput));
        assert!(refused.to_string().contains("47"), "{refused}");
    }

    #[test]
    fn counts_are_whole_not_negative_and_not_from_the_far_future() {
        let now: Timestamp = "2026-11-30T10:00:00Z".parse().unwrap();
        for (active, as_of, good) in [
            (0, "2026-11-30T10:00:00Z", true),
            (COUNT_MAX, "2026-12-01T10:00:00Z", true),
            (-1, "2026-11-30T10:00:00Z", false),
            (COUNT_MAX + 1, "2026-11-30T10:00:00Z", false),
            (1, "2026-12-01T10:00:01Z", false),
        ] {
            let Usage { partner, account, package, .. } = count(active, as_of);
            let input = UsageInput { active, as_of: as_of.parse().unwrap(), source_id: None };
            let item = UsageItem { partner, account, package, input };
            assert_eq!(checked(item, now).is_ok(), good, "{active} {as_of}");
        }
    }
}
