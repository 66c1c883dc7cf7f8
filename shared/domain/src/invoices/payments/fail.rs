//! What becomes of a write-back that was not done: when it is tried again, and when somebody is told.

use super::record::{LastProblem, Writeback};
use super::send::{Later, Round, over};
use crate::actor::{Actor, Scope};
use crate::calendar::day_of;
use crate::change::Change;
use crate::connections::{Connection, ConnectionStatus, Settings};
use crate::issues::{self, Subject};
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use crate::records::{Versioned, Write};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::json;

/// Wait after the first failure; each further one waits twice as long.
const BACKOFF_FIRST: SignedDuration = SignedDuration::from_mins(1);
/// Longest wait: four looks a day at something that a person must put right.
const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(6);
/// Failures in a row after which somebody is told: three are some minutes, in which most of Autotask's troubles pass.
const TOLD_AFTER: u32 = 3;
/// How soon a connection that is paused, or needs new credentials, is looked at again: it may be used again at once.
const HELD_AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// How soon a write-back that is switched off, whose connection has ended, or that waits for the fetch of its invoice, is
/// looked at again.
const OFF_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// How long to wait where our share of Autotask's limits is used up and nobody says how long.
const THROTTLED: SignedDuration = SignedDuration::from_mins(1);
/// How a person clears a date that Autotask does not take from us.
const BY_HAND: &str = "Clear the invoice's paid date in Autotask by hand, from the invoice's history.";
/// Longest text of a problem that is kept, in characters.
const DETAIL_CHARS_MAX: usize = 500;

/// The wait after so many failures.
fn backoff(attempts: u32) -> SignedDuration {
    let doubled = 1_i32.checked_shl(attempts.saturating_sub(1)).filter(|times| *times > 0).unwrap_or(i32::MAX);
    BACKOFF_FIRST.checked_mul(doubled).unwrap_or(BACKOFF_MAX).min(BACKOFF_MAX)
}

/// Why a write-back is not even tried, and until when.
#[derive(Debug)]
pub(super) struct Held {
    until: Timestamp,
    why: LastProblem,
    soon: bool,
}

impl Held {
    fn new(code: Code, detail: impl Into<String>, now: Timestamp, wait: SignedDuration) -> Self {
        let why = LastProblem { code, detail: detail.into() };
        Self { until: now.checked_add(wait).unwrap_or(Timestamp::MAX), why, soon: false }
    }

    /// Stores it; that is no failure.
    pub(super) async fn store(self, ports: &Ports, scope: &Scope, writeback: &Versioned<Writeback>) -> Result<Round> {
        let next = Writeback { next_at: self.until, last_problem: Some(self.why), ..writeback.value.clone() };
        let write = Write::replace(&next, writeback.v)?;
        let later = if self.soon { Later::At(self.until) } else { Later::Never };
        over(ports.storage.write(scope, vec![write]).await, later)
    }
}

/// Whether the connection may not be written through now.
pub(super) fn held(connection: &Connection, settings: &Settings, now: Timestamp) -> Option<Held> {
    let held = |code, words: &str, wait| Some(Held::new(code, words, now, wait));
    match connection.status {
        ConnectionStatus::Connected => {}
        ConnectionStatus::Paused => {
            return held(
                Code::ConnectionPaused,
                "The connection is paused; it is written when it is resumed.",
                HELD_AGAIN,
            );
        }
        ConnectionStatus::NeedsRelink => {
            return held(Code::NeedsRelink, "The connection needs new credentials.", HELD_AGAIN);
        }
        // It may come back with what it kept; what it does not keep is removed with all else.
        ConnectionStatus::Disconnected => {
            return held(
                Code::NeedsRelink,
                "The connection was ended; it is written when it is linked again.",
                OFF_AGAIN,
            );
        }
    }
    if settings.kill_switch {
        return held(Code::ConnectionPaused, "The connection's kill switch is on.", HELD_AGAIN);
    }
    let today = day_of(now, &settings.zone());
    if settings.freeze.as_ref().is_some_and(|freeze| freeze.from <= today && today <= freeze.to) {
        return held(Code::ConnectionPaused, "Writes are frozen by the settings.", OFF_AGAIN);
    }
    if !settings.payment_writeback {
        return held(Code::AutoSyncOff, "Writing payments back is switched off in the settings.", OFF_AGAIN);
    }
    None
}

/// Autotask's total is more than was paid: our copy is about to learn it.
pub(super) fn outgrown(total: Decimal, now: Timestamp) -> Held {
    let words = format!("Autotask's total is {total} by now, more than was paid; the invoice's next fetch decides.");
    Held::new(Code::PaymentConflict, words, now, OFF_AGAIN)
}

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Failure {
    why: LastProblem,
    at_once: bool,
}

impl Failure {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into().chars().take(DETAIL_CHARS_MAX).collect();
        Self { why: LastProblem { code, detail }, at_once: false }
    }

    /// One that does not pass by itself: somebody is told at once.
    pub(super) fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Counts it, says when it is tried again, and tells somebody, once.
    pub(super) async fn store(
        self,
        ports: &Ports,
        scope: &Scope,
        actor: &Actor,
        writeback: &Versioned<Writeback>,
        closes: bool,
    ) -> Result<Round> {
        let now = ports.clock.now();
        let mut next = writeback.value.clone();
        next.attempts = next.attempts.saturating_add(1);
        next.open = next.open.filter(|_| !closes);
        let wait = now.checked_add(backoff(next.attempts)).unwrap_or(Timestamp::MAX);
        next.next_at = next.open.as_ref().map_or(wait, |open| wait.max(super::compare::settled_at(open)));
        let tells = !next.told && (self.at_once || next.attempts >= TOLD_AFTER);
        next.told |= tells;
        let (code, mut detail) = (self.why.code, self.why.detail.clone());
        if next.desired.is_none() {
            detail = format!("{detail} {BY_HAND}");
        }
        next.last_problem = Some(self.why);
        let later = Later::At(next.next_at);
        tracing::warn!(
            connection.id = %next.connection,
            invoice = next.invoice,
            attempts = next.attempts,
            code = code.as_str(),
            detail,
            "an invoice's paid date was not written"
        );
        let (partner, connection) = (&next.partner, &next.connection);
        let mut change = Change::of_connection(ports, actor, partner, connection).replace(&next, writeback.v)?;
        if tells {
            let subject = format!("invoice/{}", next.invoice);
            let on = Subject { partner, connection, subject: &subject };
            let data = json!({
                "autotask_invoice_id": next.invoice, "paid_date": next.desired, "since": next.since,
                "attempts": next.attempts, "next_at": next.next_at, "code": code, "detail": detail,
            });
            change = change.event("payment.writeback_failed", data)?;
            change = issues::open(change, ports, scope, on, Code::PaymentWritebackFailed, &detail).await?;
        }
        over(change.commit(scope).await, later)
    }
}

/// Files a failed call: some things only have to wait, some pass by themselves, the rest needs a person.
pub(super) async fn failed(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    writeback: &Versioned<Writeback>,
    error: Error,
    closes: bool,
) -> Result<Round> {
    let problem = match error {
        Error::Storage(error) => return Err(error.into()),
        Error::Problem(problem) => problem,
        other => {
            let failure = Failure::new(Code::AutotaskUnavailable, words(&other));
            return failure.store(ports, scope, actor, writeback, closes).await;
        }
    };
    let now = ports.clock.now();
    let close = |mut found: Versioned<Writeback>| {
        found.value.open = found.value.open.filter(|_| !closes);
        found
    };
    match problem.code {
        Code::Throttled => {
            let seconds = problem.retry_after.and_then(|seconds| i64::try_from(seconds).ok());
            let wait = seconds.map_or(THROTTLED, SignedDuration::from_secs).clamp(SignedDuration::ZERO, BACKOFF_MAX);
            let mut held = Held::new(problem.code, problem.detail, now, wait);
            held.soon = true;
            held.store(ports, scope, &close(writeback.clone())).await
        }
        Code::NeedsRelink | Code::ConnectionPaused | Code::CredentialsInvalid | Code::AccountLockedOrInactive => {
            let held = Held::new(problem.code, problem.detail, now, HELD_AGAIN);
            held.store(ports, scope, &close(writeback.clone())).await
        }
        Code::AutotaskUnavailable
        | Code::SecretStoreUnavailable
        | Code::Unavailable
        | Code::InvoiceMissingUpstream
        | Code::PaymentWritebackFailed => {
            Failure::new(problem.code, problem.detail).store(ports, scope, actor, writeback, closes).await
        }
        _ => Failure::new(problem.code, problem.detail).at_once().store(ports, scope, actor, writeback, closes).await,
    }
}

/// An error in words, for the record.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Problem(problem) => problem.detail.clone(),
        Error::Autotask { source, .. } if source.texts().is_empty() => format!("Autotask: {source}."),
        Error::Autotask { source, .. } => format!("Autotask says: {}", source.texts().join("; ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_minute_to_six_hours() {
        let minutes: Vec<i64> = (1..=11).map(|attempts| backoff(attempts).as_mins()).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
        assert_eq!(backoff(0), BACKOFF_FIRST);
    }
}
