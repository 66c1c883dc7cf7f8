//! Sending what is due, by whatever way the host gives.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use super::body::signature;
use super::outcome::{kind_of, settle};
use super::{Callout, CalloutOutcome};
use crate::cell::Cell;
use crate::persist::Record;
use crate::schema::catalogue;
use crate::sim::{Simulator, SimulatorError};
use crate::state::State;

/// How long to wait at most before looking again: a clock may be moved between a look and the wait.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A callout as it leaves.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// [`Callout::number`].
    pub number: u64,
    /// Where to `POST` it.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl std::fmt::Debug for Delivery {
    /// Header and body stay out, and the URL may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("number", &self.number).finish_non_exhaustive()
    }
}

/// How callouts leave the simulator.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Posts a callout, once, following no redirect: the status of the answer, or why there is none.
    async fn post(&self, callout: &Delivery) -> Result<u16, String>;
}

impl Simulator {
    /// Every callout that is not forgotten, in the order of their numbers.
    pub fn callouts(&self) -> Vec<Callout> {
        self.changing(|state, _| state.callouts.all())
    }

    /// Those that are still to be sent.
    pub fn pending_callouts(&self) -> Vec<Callout> {
        self.callouts().into_iter().filter(Callout::is_pending).collect()
    }

    /// When the next callout can be sent; none if nothing waits. What is being sent at this moment does not count.
    pub fn next_callout_due(&self) -> Option<Timestamp> {
        self.changing(|state, _| {
            let callouts = &state.callouts;
            callouts.heads().filter(|head| !callouts.flying.contains(&head.number)).map(|head| head.due).min()
        })
    }

    /// Whether callouts are being sent at this moment.
    pub fn is_calling_out(&self) -> bool {
        self.changing(|state, _| !state.callouts.flying.is_empty())
    }

    /// Forgets the callouts that are over; numbers go on.
    pub fn forget_callouts(&self) {
        self.changing(|state, _| {
            let last = state.callouts.last();
            state.callouts.forget(last);
            state.journal.record(|| Record::ForgetCallouts(last));
        });
    }

    /// Loses what waits to be sent, without a trace in the error log. Answers how many that were.
    pub fn lose_callouts(&self) -> usize {
        self.changing(|state, setting| {
            let waiting: Vec<Callout> = state.callouts.pending.values().cloned().collect();
            let count = waiting.len();
            for callout in waiting {
                let at = setting.now;
                keep(state, Callout { outcome: CalloutOutcome::Lost { at }, ..callout });
            }
            count
        })
    }

    /// Sends callouts that were sent before again, with the same bytes and signatures, in the order of `numbers`, in
    /// which one may stand twice. Each is sent once, whatever comes of it. Answers the numbers of the repetitions.
    ///
    /// # Errors
    /// If one of them is not known, or was never sent; then none is repeated.
    pub fn replay_callouts(&self, numbers: &[u64]) -> Result<Vec<u64>, SimulatorError> {
        self.changing(|state, setting| {
            let all = state.callouts.all();
            let sent = |number: &u64| {
                let found = all.iter().find(|callout| callout.number == *number && callout.attempts > 0).cloned();
                found.ok_or_else(|| SimulatorError(format!("there is no callout {number} that was sent")))
            };
            let sent: Vec<Callout> = numbers.iter().map(sent).collect::<Result<_, _>>()?;
            Ok(sent
                .into_iter()
                .map(|callout| {
                    let number = state.callouts.next();
                    keep(
                        state,
                        Callout {
                            number,
                            replay_of: Some(callout.number),
                            raised_at: setting.now,
                            due: setting.now,
                            attempts: 0,
                            outcome: CalloutOutcome::Pending { last_error: None },
                            ..callout
                        },
                    );
                    number
                })
                .collect())
        })
    }

    /// Sends all that is due, and what becomes due by that, in order. Answers how many attempts that were.
    pub async fn deliver_due(&self, outbound: &dyn Outbound) -> usize {
        self.deliver(outbound, false).await
    }

    /// Sends what is due as long as it runs, as soon as it is due.
    pub async fn call_out(self, outbound: impl Outbound) {
        self.deliver(&outbound, true).await;
    }

    async fn deliver(&self, outbound: &dyn Outbound, for_ever: bool) -> usize {
        let mut attempts = 0;
        let mut flying = FuturesUnordered::new();
        loop {
            for flight in self.take_off() {
                flying.push(self.fly(outbound, flight));
            }
            if flying.is_empty() && !for_ever {
                return attempts;
            }
            tokio::select! {
                Some(()) = flying.next() => attempts += 1,
                () = self.anything_due(), if for_ever => {}
            }
        }
    }

    /// Returns when it is worth to look again.
    async fn anything_due(&self) {
        let wait = self.next_callout_due().map(|due| due.duration_since(self.now()));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or(LOOK_EVERY);
        tokio::select! {
            () = self.callouts_raised() => {}
            () = self.clock_moved() => {}
            () = tokio::time::sleep(wait.min(LOOK_EVERY)) => {}
        }
    }

    async fn fly(&self, outbound: &dyn Outbound, mut flight: Flight<'_>) {
        let sent = tokio::time::timeout(self.callout_timeout(), outbound.post(&flight.delivery)).await;
        let answer = sent.unwrap_or_else(|_| Err("The operation has timed out.".to_owned()));
        flight.land(answer);
    }

    /// Takes the first of each line that is due and not being sent.
    fn take_off(&self) -> Vec<Flight<'_>> {
        self.changing(|state, setting| {
            let callouts = &state.callouts;
            let due = |head: &&Callout| head.due <= setting.now && !callouts.flying.contains(&head.number);
            let heads: Vec<Callout> = callouts.heads().filter(due).cloned().collect();
            let flights = heads.into_iter().filter_map(|mut callout| {
                address(state, &mut callout);
                let Some(url) = callout.url.clone() else {
                    // The webhook is gone by a way that tells nobody.
                    keep(state, Callout { outcome: CalloutOutcome::Lost { at: setting.now }, ..callout });
                    return None;
                };
                state.callouts.flying.insert(callout.number);
                let mut headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
                headers.extend(callout.signature.clone().map(|signature| ("X-Hook-Signature".to_owned(), signature)));
                let body = Bytes::copy_from_slice(callout.body.as_bytes());
                let delivery = Delivery { number: callout.number, url, headers, body };
                Some(Flight { simulator: self, callout: Some(callout), delivery })
            });
            flights.collect()
        })
    }
}

fn keep(state: &mut State, callout: Callout) {
    state.journal.record(|| Record::Callout(Box::new(callout.clone())));
    state.callouts.keep(callout);
}

/// Where an event goes, and its signature, by what the webhook says now. What has a URL from the start keeps it.
fn address(state: &State, callout: &mut Callout) {
    if callout.replay_of.is_some() || callout.sequence_number.is_none() {
        return;
    }
    let row = kind_of(callout).zip(state.database(callout.ci)).and_then(|(kind, index)| {
        let webhooks = catalogue().known(kind.webhooks);
        let row = state.databases[index].table(webhooks).rows.get(&callout.webhook_id)?;
        Some((webhooks, row))
    });
    let text = |field: &str| match row {
        Some((webhooks, row)) => match row.get(webhooks, field) {
            Cell::Text(text) => Some(text.to_string()),
            _ => None,
        },
        None => None,
    };
    callout.url = text("webhookUrl");
    callout.signature = text("secretKey").map(|key| signature(&key, &callout.body));
}

/// A callout on its way. Dropped before it was answered, it is as if it had not been sent, and will be sent again.
struct Flight<'s> {
    simulator: &'s Simulator,
    callout: Option<Callout>,
    delivery: Delivery,
}

impl Flight<'_> {
    fn land(&mut self, answer: Result<u16, String>) {
        let Some(callout) = self.callout.take() else { return };
        self.simulator.changing(|state, setting| {
            state.callouts.flying.remove(&callout.number);
            // While it was on its way, its webhook may have been switched off.
            if !state.callouts.pending.contains_key(&callout.number) {
                return;
            }
            if let Some(index) = state.database(callout.ci) {
                settle(&mut state.tenant(index, setting.now), callout, answer);
            }
        });
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some(callout) = &self.callout {
            self.simulator.changing(|state, _| state.callouts.flying.remove(&callout.number));
        }
    }
}
