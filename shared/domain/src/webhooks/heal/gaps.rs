//! The deliveries of one webhook by number: which are missing, and which nobody works on.

use crate::ports::{Order, PageRequest, Read};
use crate::problem::Result;
use crate::records::{Collection, load_page};
use crate::webhooks::amend::Desk;
use crate::webhooks::delivery::{Delivery, DeliveryStatus};
use crate::webhooks::work::EventMessage;
use jiff::{SignedDuration, Timestamp};

/// How long after a later event an earlier one may still come: Autotask gives up after five attempts in two minutes.
const GAP_WAIT: SignedDuration = SignedDuration::from_mins(10);
/// How long a delivery may wait for its turn before its message is taken for lost.
const STORED_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// Deliveries read at once.
const PAGE: u32 = 500;
/// Pages of one look: more than 1,500 callouts an hour Autotask does not make. The next look goes on.
const PAGES_MAX: u32 = 20;
/// Messages that one look sends again.
const QUEUED_MAX: u32 = 1_000;

/// What the numbers of a webhook's deliveries say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gaps {
    /// Up to here every event is here and done, or given up.
    pub(super) complete_to: Option<u64>,
    /// Events that were given up.
    pub(super) lost: u64,
    /// The lowest number up to there of a delivery that waits again.
    pub(super) waits_from: Option<u64>,
}

/// Looks through a webhook's deliveries above what is complete, from `lowest` on where an older one has come since.
/// Numbers are only given up where the log of lost events was read (`logged`).
///
/// # Errors
/// Storage's and the queue's own.
pub(super) async fn of(
    desk: &Desk<'_>,
    guid: &str,
    complete_to: Option<u64>,
    lowest: Option<u64>,
    logged: bool,
) -> Result<Gaps> {
    let mut walk = Walk::from(complete_to, desk.ports.clock.now(), logged);
    let above = complete_to.into_iter().chain(lowest.map(|lowest| lowest.saturating_sub(1))).min();
    let stopped = walk.through(desk, guid, above).await?.filter(|at| complete_to.is_some_and(|to| *at < to));
    Ok(Gaps { waits_from: walk.gaps.waits_from.or(stopped), ..walk.gaps })
}

/// Looks through the deliveries of a webhook that is gone, from a number on: from which one on any waits. What is missing
/// among them was made up for when it went.
///
/// # Errors
/// Storage's and the queue's own.
pub(super) async fn waiting(desk: &Desk<'_>, guid: &str, from: u64) -> Result<Option<u64>> {
    let mut walk = Walk::from(Some(u64::MAX), desk.ports.clock.now(), false);
    let stopped = walk.through(desk, guid, from.checked_sub(1)).await?;
    Ok(walk.gaps.waits_from.or(stopped))
}

struct Walk {
    gaps: Gaps,
    moving: bool,
    now: Timestamp,
    logged: bool,
}

impl Walk {
    fn from(complete_to: Option<u64>, now: Timestamp, logged: bool) -> Self {
        Self { gaps: Gaps { complete_to, lost: 0, waits_from: None }, moving: true, now, logged }
    }

    /// Takes every delivery above a number, and queues those that nobody works on. Answers where it stopped, if that is
    /// not the end.
    async fn through(&mut self, desk: &Desk<'_>, guid: &str, above: Option<u64>) -> Result<Option<u64>> {
        let (partner, connection) = (desk.partner.clone(), desk.connection.clone());
        let of = match above {
            Some(above) => Collection::DeliveriesBetween(partner, connection, guid.to_owned(), above, u64::MAX),
            None => Collection::Deliveries(partner, connection, guid.to_owned()),
        };
        let (mut after, mut queued, mut last) = (None, 0, None);
        for _ in 0..PAGES_MAX {
            let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Strong };
            let (found, next) = load_page::<Delivery>(&*desk.ports.storage, desk.scope, &of, page).await?;
            last = found.last().map(|delivery| delivery.sequence).or(last);
            for delivery in &found {
                self.step(delivery.sequence, delivery.received_at, delivery.status);
                let waits = delivery.status == DeliveryStatus::Stored;
                if waits && self.now.duration_since(delivery.received_at) >= STORED_WAIT && queued < QUEUED_MAX {
                    EventMessage::of(delivery).send(desk.ports).await?;
                    queued += 1;
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        if queued > 0 {
            tracing::warn!(connection.id = %desk.connection, deliveries = queued, "deliveries that nobody worked on are queued again");
        }
        Ok(last.filter(|_| after.is_some()))
    }

    fn step(&mut self, sequence: u64, received_at: Timestamp, status: DeliveryStatus) {
        // Nobody knows with which number a webhook begins: with the first one that came.
        let before = self.gaps.complete_to.unwrap_or_else(|| sequence.saturating_sub(1));
        let known = self.gaps.complete_to.is_some_and(|complete_to| sequence <= complete_to);
        if known && status == DeliveryStatus::Stored {
            self.gaps.waits_from.get_or_insert(sequence);
        }
        if known || !self.moving {
            return;
        }
        let missing = sequence.saturating_sub(before).saturating_sub(1);
        let given_up = self.logged && self.now.duration_since(received_at) >= GAP_WAIT;
        if missing > 0 && !given_up {
            self.moving = false;
            return;
        }
        // Up to before this one; itself only when it is done.
        self.gaps.lost += missing;
        self.gaps.complete_to = Some(sequence.saturating_sub(1));
        if status == DeliveryStatus::Stored {
            self.moving = false;
            return;
        }
        self.gaps.complete_to = Some(sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_complete_up_to_the_first_that_may_still_come_or_waits() {
        use DeliveryStatus::{Applied, Failed, Stored};
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let (old, new) = (now - SignedDuration::from_mins(30), now - SignedDuration::from_mins(5));
        type Case<'a> = (Option<u64>, bool, &'a [(u64, Timestamp, DeliveryStatus)], Option<u64>, u64);
        let cases: [Case<'_>; 9] = [
            (None, true, &[], None, 0),
            (None, true, &[(7, old, Applied), (8, old, Failed)], Some(8), 0),
            (Some(3), true, &[(4, new, Applied), (5, new, Applied)], Some(5), 0),
            (Some(3), true, &[(4, old, Applied), (7, old, Applied)], Some(7), 2),
            (Some(3), false, &[(4, old, Applied), (7, old, Applied)], Some(4), 0),
            (Some(3), true, &[(4, old, Applied), (7, new, Applied)], Some(4), 0),
            (Some(3), true, &[(4, old, Stored), (5, old, Applied)], Some(3), 0),
            (Some(3), true, &[(6, old, Stored), (9, old, Applied)], Some(5), 2),
            (Some(5), true, &[(2, old, Applied), (3, old, Stored), (6, old, Applied)], Some(6), 0),
        ];
        for (complete_to, logged, rows, wanted, lost) in cases {
            let mut walk = Walk::from(complete_to, now, logged);
            rows.iter().for_each(|(sequence, at, status)| walk.step(*sequence, *at, *status));
            assert_eq!((walk.gaps.complete_to, walk.gaps.lost), (wanted, lost), "{complete_to:?} {rows:?}");
        }
        let mut walk = Walk::from(Some(5), now, true);
        [(2, Applied), (3, Stored), (4, Stored), (6, Stored)]
            .iter()
            .for_each(|(n, status)| walk.step(*n, old, *status));
        assert_eq!(walk.gaps.waits_from, Some(3), "the one above is met again anyway");
    }
}
