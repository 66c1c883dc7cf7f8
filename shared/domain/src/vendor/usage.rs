//! Counts: how many of a package an account uses, as the vendor's core counted it.

use super::check::{BATCH_AT_ONCE, Checks, known, narrowed, unless_overtaken};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{AccountId, PackageId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Problem, Result};
use crate::records::{Expect, Key, Record, Write, load};
use crate::vendor::{Account, Package, Usage};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

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
    /// A newer one is there; nothing was written.
    OlderIgnored,
}

/// Records a count. The newest `as_of` wins, in whatever order counts arrive.
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
    let own = narrowed(scope, &item.partner)?;
    let now = ports.clock.now();
    let wanted = checked(item, now)?;
    let account = Key::Account(wanted.partner.clone(), wanted.account.clone());
    known::<Account>(ports, &own, &account, "account").await?;
    known::<Package>(ports, scope, &Key::Package(wanted.package.clone()), "package").await?;
    unless_overtaken!(None, try_record(ports, &own, actor, &wanted).await)
}

/// Records many counts, each for itself: one that is refused stops no other. Answers in the order of the items.
pub async fn record_usages(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    items: Vec<UsageItem>,
) -> Vec<Result<(UsageOutcome, Usage)>> {
    stream::iter(items).map(|item| record_usage(ports, scope, actor, item)).buffered(BATCH_AT_ONCE).collect().await
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

async fn try_record(ports: &Ports, scope: &Scope, actor: &Actor, wanted: &Usage) -> Result<(UsageOutcome, Usage)> {
    let found = load::<Usage>(&*ports.storage, scope, &wanted.key()).await?;
    if let Some(found) = &found
        && let Some(outcome) = known_count(found, wanted)?
    {
        return Ok((outcome, found.value.clone()));
    }
    let expect = found.as_ref().map_or(Expect::Absent, |f| Expect::Version(f.v));
    let mut change = Change::of_partner(ports, actor, &wanted.partner).write(Write::put(wanted, expect)?);
    // A fresher time of the same number changes nothing that is billed, and comes daily.
    if found.as_ref().is_none_or(|f| f.active != wanted.active) {
        let subject = format!("usage/{}/{}", wanted.account, wanted.package);
        change = change.audit("usage.recorded", subject, found.map_or(Value::Null, |f| shown(&f)), shown(wanted))?;
    }
    change.commit(scope).await?;
    Ok((UsageOutcome::Recorded, wanted.clone()))
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
