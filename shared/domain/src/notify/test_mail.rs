//! The mail that only shows that mails arrive.

use super::hear::{TRIES, store};
use super::preferences::notifications_of;
use super::state::{after, armed, load_state};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::mail::{Address, MailError};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// How often a test mail may be asked for: nobody is to be flooded by a button.
pub const TEST_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Sends one mail to all recipients now. Returns whom it went to.
///
/// # Errors
/// `mail_off`, `no_recipients`, `test_mail_limited`, `mail_refused`; `unavailable` while the mail service is away.
pub async fn send_test(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
) -> Result<Vec<Address>> {
    let connection = load_connection(ports, scope, partner, id).await?;
    let to = notifications_of(ports, scope, partner, id).await?.recipients(&connection);
    if ports.mail.sender().is_none() {
        return Err(Error::problem(Code::MailOff, "This deployment has no address to send mails from."));
    }
    if to.is_empty() {
        return Err(Error::problem(
            Code::NoRecipients,
            "Neither the notifications nor the connection name an address.",
        ));
    }
    take_turn(ports, scope, partner, id).await?;
    let mail_id = ports.ids.uuid().to_string();
    let mail = super::compose::test_mail(ports, scope, &connection, to, mail_id).await?;
    let sent = ports.mail.send(&mail).await;
    let outcome = if sent.is_ok() { "sent" } else { "not_sent" };
    let after = json!({"to": mail.to, "outcome": outcome});
    let change = Change::of_connection(ports, actor, partner, id);
    change.audit("notifications.tested", "notifications", Value::Null, after)?.commit(scope).await?;
    match sent {
        Ok(()) => Ok(mail.to),
        Err(MailError::Off) => Err(Error::problem(Code::MailOff, "This deployment sends no mail.")),
        Err(error @ MailError::Refused(_)) => {
            tracing::warn!(connection.id = %id, error = ?error, "a test mail was refused");
            Err(Error::problem(Code::MailRefused, "The mail service did not take the mail for these addresses."))
        }
        Err(error @ MailError::Unavailable(_)) => {
            tracing::warn!(connection.id = %id, error = ?error, "a test mail was not sent");
            Err(Error::problem(
                Code::Unavailable,
                "The mail service does not answer; nobody knows whether it went out.",
            ))
        }
    }
}

/// One test a minute, however many press.
async fn take_turn(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<()> {
    for _ in 0..TRIES {
        let (now, found) = (ports.clock.now(), load_state(ports, scope, partner, id).await?);
        let mut state = match &found {
            Some(found) => found.value.clone(),
            None => armed(ports, scope, partner, id).await?,
        };
        if let Some(next) = state.tested_at.map(|tested| after(tested, TEST_EVERY)).filter(|next| *next > now) {
            let wait = u64::try_from(next.duration_since(now).as_secs()).unwrap_or(0).saturating_add(1);
            let words = format!("The next test mail can be sent at {next}.");
            return Err(Problem::new(Code::TestMailLimited, words).retry_after(wait).into());
        }
        state.tested_at = Some(now);
        match store(ports, scope, &state, found.as_ref().map(|found| found.v)).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(Error::problem(Code::Conflict, "The notifications are being changed by others."))
}
