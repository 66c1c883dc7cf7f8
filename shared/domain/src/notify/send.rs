//! A connection's next mail: claimed, sent, recorded.

use super::compose;
use super::hear::{TRIES, store};
use super::preferences::notifications_of;
use super::state::{NotifyState, RETRY_AWAY, RETRY_REFUSED, Sending, load_state};
use crate::actor::Scope;
use crate::connections::Connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::mail::{Address, MailError};
use crate::ports::{Ports, StorageError};
use crate::problem::{Error, Result, chain};
use crate::records::{Expect, Key, Record, Write, load};

/// Sends what is due, if anything is. First the state says that it is being sent, then it is sent, then the state says
/// that it was: who dies in between leaves a mail that is sent again some minutes later, never one that is lost.
///
/// # Errors
/// Records. What the mail service does not take is no error: it stays in the state and is tried again.
pub(super) async fn flush(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<()> {
    let Some((state, sending, to, connection)) = claim(ports, scope, partner, id).await? else { return Ok(()) };
    let mail = compose::mail(ports, scope, &connection, &state, &sending, to).await?;
    let result = ports.mail.send(&mail).await;
    if let Err(error) = &result {
        tracing::error!(connection.id = %id, cause = %chain(error), "a mail to a partner was not sent");
    } else {
        tracing::info!(connection.id = %id, notices = sending.notices, recipients = mail.to.len(), "sent a mail");
    }
    settle(ports, scope, partner, id, &sending, &result).await
}

type Claimed = (NotifyState, Sending, Vec<Address>, Connection);

/// Claims what is due; none where nothing is, somebody else is sending, or there is nobody to tell.
async fn claim(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Option<Claimed>> {
    for _ in 0..TRIES {
        let now = ports.clock.now();
        let Some(found) = load_state(ports, scope, partner, id).await? else { return Ok(None) };
        if !found.value.is_due(now) {
            return Ok(None);
        }
        let key = Key::Connection(partner.clone(), id.clone());
        let Some(connection) = load::<Connection>(&*ports.storage, scope, &key).await? else {
            // The connection was deleted with all that it had.
            let gone = Write::delete(found.key(), Expect::Any);
            ports.storage.write(scope, vec![gone]).await?;
            return Ok(None);
        };
        let notifications = notifications_of(ports, scope, partner, id).await?;
        let to = notifications.recipients(&connection);
        let mut state = found.value.clone();
        let nobody = to.is_empty() || ports.mail.sender().is_none();
        let sending = if nobody {
            state.forget();
            None
        } else {
            Some(state.claim(ports.ids.uuid().to_string(), now))
        };
        match store(ports, scope, &state, Some(found.v)).await {
            Ok(()) => return Ok(sending.map(|sending| (state, sending, to, connection.value))),
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Records what became of a mail.
async fn settle(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
    sending: &Sending,
    result: &Result<(), MailError>,
) -> Result<()> {
    for _ in 0..TRIES {
        let now = ports.clock.now();
        let Some(found) = load_state(ports, scope, partner, id).await? else { return Ok(()) };
        if found.value.sending.as_ref() != Some(sending) {
            // Somebody took this mail for lost and has it.
            return Ok(());
        }
        let mut state = found.value.clone();
        let given_up = match result {
            Ok(()) => {
                state.sent(sending, now);
                0
            }
            Err(error @ MailError::Unavailable(_)) => state.failed(&error.to_string(), RETRY_AWAY, now),
            Err(error @ (MailError::Refused(_) | MailError::Off)) => {
                state.failed(&error.to_string(), RETRY_REFUSED, now)
            }
        };
        if given_up > 0 {
            tracing::error!(connection.id = %id, notices = given_up, "gave up telling a partner by mail");
        }
        match store(ports, scope, &state, Some(found.v)).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(StorageError::Conflict { at: 0, current: None }.into())
}
