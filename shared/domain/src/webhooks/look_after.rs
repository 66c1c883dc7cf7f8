//! What the worker does with a message about webhooks in Autotask: one invocation at a time for each connection.

use super::amend::Desk;
use super::changed::Around;
use super::fit::{Fitted, Reach, fit};
use super::heal;
use super::installed::{WebhookProblem, WebhooksState};
use super::work::AdminMessage;
use crate::actor::{Actor, Scope};
use crate::autotask_session;
use crate::connections::{Connection, ConnectionStatus};
use crate::ports::{DELAY_MAX, Deadline, Ports, QueueError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, load};
use jiff::SignedDuration;
use std::time::Duration;

/// How long a claim of an invocation lasts: the worker's time-out of 300 s and a minute for clocks.
const INVOCATION_MAX: SignedDuration = SignedDuration::from_secs(360);
/// The shortest pause after "not now".
const PAUSE_MIN: Duration = Duration::from_secs(15);
/// The pause where nobody says how long.
const LATER: Duration = Duration::from_secs(60);
/// How often a message is put off while Autotask cannot serve it; the hourly look tries again.
const PUT_OFF_MAX: u32 = 30;
/// An unsigned callback has webhooks looked at no more often than this.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// How the work on a message ended.
pub(super) enum Ended {
    Done,
    /// The rest is for another message.
    Next(AdminMessage, Duration),
}

/// Works a message off.
///
/// # Errors
/// What brings the message back, and at last into the dead-letter queue.
pub async fn look_after(ports: &Ports, scope: &Scope, deadline: &dyn Deadline, body: &str) -> Result<()> {
    let message: AdminMessage = serde_json::from_str(body).map_err(|error| QueueError(Box::new(error)))?;
    let (partner, id) = message.of();
    let scope = &scope.narrow(partner).ok_or_else(|| Error::not_found("connection"))?;
    let actor = &Actor::system("queue:webhook-admin", ports.ids.uuid().to_string());
    let desk = Desk { ports, scope, actor, partner, connection: id };
    let key = Key::Connection(partner.clone(), id.clone());
    let Some(connection) = load::<Connection>(&*ports.storage, scope, &key).await? else { return Ok(()) };
    let webhooks = desk.webhooks().await?;
    if connection.status != ConnectionStatus::Connected || webhooks.state == WebhooksState::Absent {
        return Ok(());
    }
    let now = ports.clock.now();
    let looked = |at| now.duration_since(at) < LOOK_EVERY;
    if matches!(message, AdminMessage::Look { .. }) && webhooks.looked_at.is_some_and(looked) {
        return Ok(());
    }
    let claim = ports.ids.uuid().to_string();
    if let Some(wait) = claimed(&desk, &claim).await? {
        return message.send(ports, wait.clamp(PAUSE_MIN, DELAY_MAX)).await;
    }
    let ended = attempt(&desk, &connection, deadline, &message).await;
    let ended = explained(&desk, &connection, &message, ended).await;
    released(&desk, &claim).await?;
    match ended? {
        Ended::Done => Ok(()),
        Ended::Next(message, wait) => message.send(ports, wait.min(DELAY_MAX)).await,
    }
}

/// Claims the connection's webhooks for this invocation, or says how long somebody else may have them.
async fn claimed(desk: &Desk<'_>, claim: &str) -> Result<Option<Duration>> {
    let now = desk.ports.clock.now();
    let mut wait = None;
    desk.amend(|record| {
        wait = record.worker.as_ref().map(|(_, until)| *until).filter(|until| *until > now);
        if wait.is_none() {
            record.worker = Some((claim.to_owned(), now + INVOCATION_MAX));
        }
        Ok(Vec::new())
    })
    .await?;
    Ok(wait.map(|until| Duration::try_from(until.duration_since(now)).unwrap_or(LATER)))
}

async fn released(desk: &Desk<'_>, claim: &str) -> Result<()> {
    desk.amend(|record| {
        record.worker = record.worker.take().filter(|(who, _)| who != claim);
        Ok(Vec::new())
    })
    .await?;
    Ok(())
}

async fn attempt(
    desk: &Desk<'_>,
    connection: &Connection,
    deadline: &dyn Deadline,
    message: &AdminMessage,
) -> Result<Ended> {
    let session = autotask_session::open(desk.ports, desk.scope, connection).await?;
    let Desk { ports, scope, actor, .. } = *desk;
    let around = Around { ports, scope, actor, connection, session: &session };
    let ended = match message {
        AdminMessage::Fit { round, .. } => {
            fit(&around, deadline, Reach::All, *round).await.map(|fitted| match fitted {
                Fitted::Done => Ended::Done,
                Fitted::Later(wait) => Ended::Next(put_off(message), wait),
            })
        }
        AdminMessage::Heal { round, .. } => heal::heal(&around, deadline, *round).await,
        AdminMessage::Look { .. } => heal::heal(&around, deadline, 0).await,
    };
    session.close().await;
    ended
}

/// The same message, once more.
pub(super) fn put_off(message: &AdminMessage) -> AdminMessage {
    let mut next = message.clone();
    match &mut next {
        AdminMessage::Fit { round, .. } | AdminMessage::Heal { round, .. } => *round += 1,
        AdminMessage::Look { .. } => {}
    }
    next
}

/// What a failed attempt means: it is waited out, or said where people look.
async fn explained(
    desk: &Desk<'_>,
    connection: &Connection,
    message: &AdminMessage,
    ended: Result<Ended>,
) -> Result<Ended> {
    let problem = match ended {
        Err(Error::Autotask { source, .. }) => {
            match autotask_session::settle(desk.ports, desk.scope, desk.actor, connection, source).await {
                Error::Problem(problem) => problem,
                other => return Err(other),
            }
        }
        Err(Error::Problem(problem)) => problem,
        other => return other,
    };
    let passing = matches!(
        problem.code,
        Code::Throttled | Code::AutotaskUnavailable | Code::Unavailable | Code::SecretStoreUnavailable | Code::Conflict
    );
    let rounds = match message {
        AdminMessage::Fit { round, .. } | AdminMessage::Heal { round, .. } => *round,
        AdminMessage::Look { .. } => PUT_OFF_MAX,
    };
    if passing && rounds < PUT_OFF_MAX {
        let wait = problem.retry_after.map_or(LATER, Duration::from_secs);
        return Ok(Ended::Next(put_off(message), wait.max(PAUSE_MIN)));
    }
    if matches!(message, AdminMessage::Fit { .. }) {
        gave_up(desk, *problem).await?;
    }
    Ok(Ended::Done)
}

/// The hourly look tries again; until then it is said why there are none.
async fn gave_up(desk: &Desk<'_>, problem: Problem) -> Result<()> {
    let now = desk.ports.clock.now();
    desk.amend(|record| {
        record.state = WebhooksState::Failed;
        record.problem = Some(WebhookProblem { code: problem.code, words: problem.detail.clone(), since: now });
        Ok(Vec::new())
    })
    .await?;
    Ok(())
}
