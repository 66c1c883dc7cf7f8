//! Takes a callout: checked, kept, handed on; only then acknowledged. Nothing here waits for Autotask, and what is not
//! genuine is recognised without any call.

use super::callout::Callout;
use super::delivery::Delivery;
use super::rejected::{RejectedRow, Rejections};
use super::signature::is_signed_with;
use super::token::{Hook, HookKey, HookMaster};
use super::work::{AdminMessage, EventMessage};
use crate::actor::Scope;
use crate::ports::{Ports, QueueName, StorageError};
use crate::problem::Result;
use crate::records::{Record, Versioned, Write, load};
use std::time::Duration;

/// Why a callout is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The URL is none that we made.
    UnknownUrl,
    /// There is no signature, several, or one that our key did not make.
    BadSignature,
    /// It is signed and is no callout.
    Unreadable,
    /// Its body is too large.
    TooLarge,
}

impl Refusal {
    /// Its name in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::UnknownUrl => "unknown_url",
            Refusal::BadSignature => "signature_invalid",
            Refusal::Unreadable => "unreadable",
            Refusal::TooLarge => "too_large",
        }
    }
}

/// What became of a callout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is kept, and will be worked on.
    Kept,
    /// It had come before.
    Again,
    /// It is refused.
    Refused(Refusal),
}

/// A callout that is genuine.
#[derive(Debug)]
pub struct Genuine {
    /// Of which hook.
    pub hook: Hook,
    /// Which generation of its key signed it.
    pub generation: u32,
    /// What it says.
    pub callout: Callout,
}

/// Checks a callout. No call is made. `signature`: the header's value where there is exactly one.
///
/// # Errors
/// Why it is refused, and the hook where the URL is right.
pub fn check(
    master: &HookMaster,
    token: &str,
    signature: Option<&[u8]>,
    body: &[u8],
) -> std::result::Result<Genuine, (Refusal, Option<Hook>)> {
    let Some((hook, key)) = master.open(token) else { return Err((Refusal::UnknownUrl, None)) };
    let Some(generation) = signature.and_then(|signature| signed_by(master, &hook, &key, signature, body)) else {
        return Err((Refusal::BadSignature, Some(hook)));
    };
    match Callout::read(body) {
        Ok(callout) => Ok(Genuine { hook, generation, callout }),
        Err(_) => Err((Refusal::Unreadable, Some(hook))),
    }
}

/// Which generation of a hook's key signed a body. While keys are changed, callouts that were on their way carry the new
/// URL with the old key, or the other way round.
fn signed_by(master: &HookMaster, hook: &Hook, key: &HookKey, signature: &[u8], body: &[u8]) -> Option<u32> {
    if is_signed_with([key], signature, body) {
        return Some(hook.generation);
    }
    let others = [hook.generation.checked_sub(1), hook.generation.checked_add(1)];
    others
        .into_iter()
        .flatten()
        .find(|generation| is_signed_with([&master.key(&hook.at(*generation))], signature, body))
}

/// Takes a callout: kept by one conditional write, then queued. One that had come before and is not done is queued again.
///
/// # Errors
/// Those of the storage and the queue: it must not be acknowledged, so that Autotask sends it again.
pub async fn receive(
    ports: &Ports,
    scope: &Scope,
    master: &HookMaster,
    rejections: &Rejections,
    (token, signature): (&str, Option<&[u8]>),
    body: &[u8],
) -> Result<Received> {
    let now = ports.clock.now();
    let genuine = match check(master, token, signature, body) {
        Ok(genuine) => genuine,
        Err((why, hook)) => {
            rejections.count(now, hook.as_ref(), why);
            flush(ports, scope, rejections).await;
            return Ok(Received::Refused(why));
        }
    };
    let (partner, connection) = (&genuine.hook.partner, &genuine.hook.connection);
    let own = Scope::Partner(partner.clone());
    let delivery = Delivery::new((partner, connection), genuine.callout, ports.ids.uuid().to_string(), now);
    let delivery = Delivery { generation: genuine.generation, ..delivery }.with_payload(body);
    flush(ports, scope, rejections).await;
    keep(ports, &own, &delivery).await
}

/// Keeps a delivery and hands it on.
pub(super) async fn keep(ports: &Ports, scope: &Scope, delivery: &Delivery) -> Result<Received> {
    let known = match ports.storage.write(scope, vec![Write::create(delivery)?]).await {
        Ok(()) => None,
        Err(StorageError::Conflict { current, .. }) => match current {
            Some(current) => Some(current.decode::<Delivery>()?),
            None => load::<Delivery>(&*ports.storage, scope, &delivery.key()).await?,
        },
        Err(error) => return Err(error.into()),
    };
    // Before it is queued: whoever is at work on what was read before has to leave it to that message.
    if let Some(known) = &known {
        count(ports, scope, known).await;
    }
    if known.as_ref().is_none_or(|known| !known.status.is_done()) {
        EventMessage::of(delivery).send(ports).await?;
    }
    Ok(if known.is_some() { Received::Again } else { Received::Kept })
}

/// Counts that a delivery came again. The count may be lost; the delivery is not.
async fn count(ports: &Ports, scope: &Scope, known: &Versioned<Delivery>) {
    let after = Delivery { again: known.again.saturating_add(1), ..known.value.clone() };
    let written = match Write::replace(&after, known.v) {
        Ok(write) => ports.storage.write(scope, vec![write]).await,
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::info!(error = %error, "that a delivery came again is not counted");
    }
}

/// Takes Autotask's word that a webhook was switched off, which is not signed: a reason to look, and nothing else.
///
/// # Errors
/// Those of the queue.
pub async fn deactivated(
    ports: &Ports,
    scope: &Scope,
    master: &HookMaster,
    rejections: &Rejections,
    token: &str,
) -> Result<Received> {
    let Some((hook, _)) = master.open(token) else {
        rejections.count(ports.clock.now(), None, Refusal::UnknownUrl);
        flush(ports, scope, rejections).await;
        return Ok(Received::Refused(Refusal::UnknownUrl));
    };
    let message = AdminMessage::Look { partner: hook.partner.clone(), connection: hook.connection };
    let body = serde_json::to_string(&message).map_err(|error| crate::ports::QueueError(Box::new(error)))?;
    ports.queue.send(QueueName::WebhookAdmin, body, Duration::ZERO, &hook.partner).await?;
    Ok(Received::Kept)
}

/// Writes what was refused in the minutes before. It is lost when that fails: counting must not stop receiving.
pub async fn flush(ports: &Ports, scope: &Scope, rejections: &Rejections) {
    let now = ports.clock.now();
    let Some((from, counted)) = rejections.due(now) else { return };
    for (of, counts) in counted {
        tracing::warn!(rejected_callouts = counts.values().sum::<u64>(), "callouts were refused");
        let counts = counts.into_iter().map(|(why, count)| (why.to_owned(), count)).collect();
        let row = RejectedRow { of, id: ports.ids.uuid().to_string(), from, at: now, counts };
        let written = match Write::create(&row) {
            Ok(write) => ports.storage.write(scope, vec![write]).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(error = %error, "a count of refused callouts is lost");
        }
    }
}
