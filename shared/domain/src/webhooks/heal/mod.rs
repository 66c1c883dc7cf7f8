//! The look that finds what went wrong: webhooks that are gone or switched off, events that Autotask gave up, numbers that
//! never came, deliveries that nobody works on. What cannot be found again as an event is found by reading what changed.

mod gaps;
mod log;
mod poll;

use super::amend::Tell;
use super::changed::Around;
use super::fit::{ALL, Fitted, Reach, fit};
use super::installed::{InstalledWebhook, Webhooks};
use super::look_after::Ended;
use super::work::AdminMessage;
use crate::ports::Deadline;
use crate::problem::{Code, Result};
use gaps::Gaps;
use jiff::SignedDuration;
use log::Log;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long callouts of a webhook that is gone may still come: Autotask gives up after five attempts in two minutes.
const GONE_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Looks at everything.
///
/// # Errors
/// A failed call that is about no webhook in particular; storage's own.
pub(super) async fn heal(around: &Around<'_>, deadline: &dyn Deadline, round: u32) -> Result<Ended> {
    let (desk, started) = (around.desk(), around.ports.clock.now());
    let (partner, connection) = (desk.partner.clone(), desk.connection.clone());
    let fitted = fit(around, deadline, Reach::Known, round).await?;
    let record = desk.webhooks().await?;
    let log = log::take(around, deadline, &record).await?;
    let mut gaps = BTreeMap::new();
    for hook in &record.hooks {
        let Some(guid) = &hook.guid else { continue };
        let lowest = log.lowest.get(guid).copied().into_iter().chain(hook.look_from).min();
        let found = gaps::of(&desk, guid, hook.complete_to, lowest, log.whole).await?;
        gaps.insert(guid.clone(), (hook.look_from, found));
    }
    let mut waiting = BTreeMap::new();
    for past in &record.past {
        let from = log.lowest.get(&past.guid).copied().into_iter().chain(past.look_from).min();
        let Some(from) = from else { continue };
        waiting.insert(past.guid.clone(), (past.look_from, gaps::waiting(&desk, &past.guid, from).await?));
    }
    let lost: u64 = gaps.values().map(|(_, gaps)| gaps.lost).sum();
    desk.amend(|record| {
        still_waiting(record, &waiting, started);
        Ok(taken_down(record, &gaps, &log, lost, started))
    })
    .await?;
    if lost > 0 || log.recovered > 0 {
        tracing::warn!(connection.id = %connection, lost, recovered = log.recovered, "events did not arrive");
    }
    if !poll::run(around, deadline).await? || !log.whole {
        return Ok(Ended::Next(AdminMessage::Heal { partner, connection, round: round + 1 }, Duration::ZERO));
    }
    let clean = lost == 0 && log.unreadable == 0;
    desk.amend(|record| {
        if all_call(record) && record.poll.is_none() {
            record.complete_until = record.complete_until.max(Some(started));
        }
        Ok(if clean { vec![Tell::Resolves(ALL.to_owned(), Code::EventsLost)] } else { Vec::new() })
    })
    .await?;
    Ok(match fitted {
        Fitted::Done => Ended::Done,
        Fitted::Later(wait) => Ended::Next(AdminMessage::Fit { partner, connection, round: round + 1 }, wait),
    })
}

/// What a look at the deliveries came to, in the record, with the poll that it asks for: they must not be forgotten
/// apart.
fn taken_down(
    record: &mut Webhooks,
    gaps: &BTreeMap<String, (Option<u64>, Gaps)>,
    log: &Log,
    lost: u64,
    now: jiff::Timestamp,
) -> Vec<Tell> {
    record.looked_at = Some(now);
    for hook in &mut record.hooks {
        let Some((looked_from, found)) = hook.guid.as_ref().and_then(|guid| gaps.get(guid)) else { continue };
        hook.complete_to = found.complete_to;
        let asked_meanwhile = hook.look_from.filter(|from| Some(*from) != *looked_from);
        hook.look_from = asked_meanwhile.into_iter().chain(found.waits_from).min();
    }
    if lost > 0 || log.unreadable > 0 || !all_call(record) {
        record.ask_poll(now);
    }
    if lost == 0 {
        return Vec::new();
    }
    let words = format!(
        "{} events were taken from Autotask's own log, {lost} were not found there. Companies and contacts that have changed \
         are read again.",
        log.recovered
    );
    let data = json!({"lost": lost, "recovered": log.recovered});
    vec![Tell::Opens(ALL.to_owned(), Code::EventsLost, words), Tell::Event("webhook.events_lost", data)]
}

/// From where on deliveries of webhooks that are gone still wait. One that went only now may have some on the way.
fn still_waiting(record: &mut Webhooks, waiting: &BTreeMap<String, (Option<u64>, Option<u64>)>, now: jiff::Timestamp) {
    for past in &mut record.past {
        let Some((looked_from, found)) = waiting.get(&past.guid) else { continue };
        let kept =
            past.look_from.filter(|from| Some(*from) != *looked_from || now.duration_since(past.since) < GONE_WAIT);
        past.look_from = kept.into_iter().chain(*found).min();
    }
}

/// Whether Autotask calls every webhook that is wanted.
fn all_call(record: &Webhooks) -> bool {
    let calls = |hook: &InstalledWebhook| hook.id.is_some() && hook.active && hook.ready;
    record.wanted.iter().all(|entity| record.hook(entity).is_some_and(calls))
}
