//! What to do about what Autotask was seen to have. Pure.

use super::record::Intent;
use crate::units::SETTLE;
use jiff::Timestamp;
use jiff::civil::Date;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A request may still be under way: look again then.
    Wait(Timestamp),
    /// It is as wanted; `ours` is what of it is from us.
    Done {
        /// The `paidDate` that is there and that we wrote.
        ours: Option<Date>,
    },
    /// What was under way is there, and is no longer wanted: it is put on record as ours before anything else.
    Landed,
    /// Write.
    Write,
    /// It has a date that is not ours.
    Foreign(Date),
    /// The date that we wrote was taken out.
    TakenOut,
}

/// Until when the request of an intent may take effect.
pub(super) fn settled_at(intent: &Intent) -> Timestamp {
    intent.sent_by.checked_add(SETTLE).unwrap_or(Timestamp::MAX)
}

/// Compares what Autotask has (`seen`) with what is wanted. `written` is what we know to have written, `open` a request
/// of which we do not know what became.
pub(super) fn compare(
    seen: Option<Date>,
    desired: Option<Date>,
    written: Option<Date>,
    open: Option<&Intent>,
    now: Timestamp,
) -> Step {
    let landed = open.is_some_and(|open| open.paid_on == seen);
    if let Some(open) = open.filter(|open| !landed && settled_at(open) > now) {
        return Step::Wait(settled_at(open));
    }
    let ours = if landed { seen } else { written };
    if seen == desired {
        return Step::Done { ours: if seen == ours { ours } else { None } };
    }
    match (seen, ours) {
        _ if landed => Step::Landed,
        (Some(day), ours) if ours != Some(day) => Step::Foreign(day),
        (None, Some(_)) => Step::TakenOut,
        _ => Step::Write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_changed_and_nothing_while_a_request_may_be_under_way() {
        let day = |day| Some(jiff::civil::date(2026, 11, day));
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let early = now - SETTLE;
        let young = Timestamp::from_second(1_800_000_000 - 60).unwrap();
        let wait = Step::Wait(young + SETTLE);
        let set = |day, sent_by| Some(Intent { paid_on: day, sent_by });
        // seen, desired, written, open: step
        for (seen, desired, written, open, step) in [
            (None, day(9), None, None, Step::Write),
            (day(9), day(9), day(9), None, Step::Done { ours: day(9) }),
            // A person had the same day: it is not ours, and is not cleared later.
            (day(9), day(9), None, None, Step::Done { ours: None }),
            (day(8), day(9), None, None, Step::Foreign(jiff::civil::date(2026, 11, 8))),
            (day(8), day(9), day(8), None, Step::Write),
            (day(7), day(9), day(8), None, Step::Foreign(jiff::civil::date(2026, 11, 7))),
            (None, day(9), day(9), None, Step::TakenOut),
            (None, None, day(9), None, Step::Done { ours: None }),
            (day(9), None, day(9), None, Step::Write),
            (day(8), None, day(9), None, Step::Foreign(jiff::civil::date(2026, 11, 8))),
            // Lost answers: what is there is ours; what is not may still come.
            (day(9), day(9), None, set(day(9), young), Step::Done { ours: day(9) }),
            (day(9), None, None, set(day(9), young), Step::Landed),
            (None, None, None, set(day(9), young), wait),
            (None, None, None, set(day(9), early), Step::Done { ours: None }),
            (None, day(9), None, set(day(9), young), wait),
            (None, day(9), None, set(day(9), early), Step::Write),
            (None, day(9), day(9), set(None, young), Step::Landed),
            (day(9), None, day(9), set(None, young), wait),
            (day(9), None, day(9), set(None, early), Step::Write),
            (day(8), day(9), None, set(day(9), early), Step::Foreign(jiff::civil::date(2026, 11, 8))),
        ] {
            let found = compare(seen, desired, written, open.as_ref(), now);
            assert_eq!(found, step, "{seen:?} {desired:?} {written:?} {open:?}");
        }
    }
}
