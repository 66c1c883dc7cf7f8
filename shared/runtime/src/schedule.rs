//! Ticks of EventBridge schedules.

use crate::app::App;
use crate::edge::EventError;
use crate::guard::caught;
use domain::Scope;
use domain::ports::Deadline;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;

/// One firing of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// When the schedule was due, which is not when it arrived.
    pub time: Timestamp,
    /// Which job: `seat-sync`, `package-changes`, `sweep`, `probe`, `watch`, `health`, `secrets-sweep`, `invoice-fetch`, `notify`.
    pub job: String,
}

/// The two forms of a tick: a schedule's own input, and a rule's event with the job in `detail`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    Input { job: String, time: Option<Timestamp> },
    Rule { time: Timestamp, detail: Detail },
}

#[derive(Deserialize)]
struct Detail {
    job: String,
}

/// The scope of a scheduled job: all partners.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "dispatchers and sweepers look at every partner")]
pub fn scope() -> Scope {
    Scope::system("a schedule")
}

/// Handles one tick: `{"job":"seat-sync","time":"2026-12-01T00:15:00Z"}` (without `time`: now), or an
/// EventBridge event with `time` and `detail.job`.
///
/// # Errors
/// [`EventError::NotOurs`] for anything else; otherwise what the job says, so that Lambda tries again.
pub async fn handle<H>(app: &App, event: Value, deadline: &dyn Deadline, handler: H) -> Result<(), EventError>
where
    H: for<'a> Fn(&'a App, Tick, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> + Send + Sync,
{
    let tick = match serde_json::from_value(event).map_err(EventError::NotOurs)? {
        Event::Input { job, time } => Tick { time: time.unwrap_or_else(|| app.ports.clock.now()), job },
        Event::Rule { time, detail } => Tick { time, job: detail.job },
    };
    let (job, span) = (tick.job.clone(), tracing::info_span!("tick", job = tick.job, due = %tick.time));
    let done = caught(async { handler(app, tick, deadline).await }.instrument(span)).await;
    done.map_err(|panicked| EventError::Panicked(panicked.into()))?.map_err(EventError::Failed)?;
    // An alarm of the template counts this field: a monthly run that nobody starts leaves no other trace.
    tracing::info!(tick_done = job, "a tick ended well");
    Ok(())
}
