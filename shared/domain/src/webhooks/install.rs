//! What a person asks for: webhooks, none, or new keys. Carried out by the worker.

use super::amend::{Desk, Tell};
use super::callout::WebhookEntity;
use super::fit::is_possible;
use super::installed::{Webhooks, WebhooksState};
use super::schedule;
use super::work::AdminMessage;
use crate::actor::{Actor, Scope};
use crate::autotask_session::refuse_unless_connected;
use crate::connections::{Connection, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::Versioned;
use serde_json::json;
use std::time::Duration;

/// The kinds that are installed where nobody says which.
pub const ENTITIES_DEFAULT: [WebhookEntity; 2] = [WebhookEntity::Companies, WebhookEntity::Contacts];

/// Asks for one webhook of each of these kinds, and none of any other. Asked twice, there is one set.
///
/// # Errors
/// `invalid_input`; `needs_relink`, `connection_paused`; `unavailable` where the deployment has no webhooks.
pub async fn install(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    entities: &[String],
) -> Result<Versioned<Webhooks>> {
    let wanted = wanted(entities)?;
    let connection = usable(ports, scope, partner, id).await?;
    let slot = schedule::put(&connection, ports.clock.now())?;
    ask(Desk { ports, scope, actor, partner, connection: id }, move |record| {
        let before = json!({"entities": record.wanted});
        record.wanted.clone_from(&wanted);
        record.state = WebhooksState::Installing;
        let after = json!({"entities": record.wanted});
        Ok(vec![Tell::Audit("webhooks.install", before, after), Tell::Also(slot.clone())])
    })
    .await
}

/// Asks for the end of all webhooks.
///
/// # Errors
/// As [`install`].
pub async fn uninstall(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
) -> Result<Versioned<Webhooks>> {
    let connection = usable(ports, scope, partner, id).await?;
    let slot = schedule::put(&connection, ports.clock.now())?;
    ask(Desk { ports, scope, actor, partner, connection: id }, move |record| {
        let before = json!({"entities": record.wanted});
        record.wanted.clear();
        record.state = WebhooksState::Uninstalling;
        Ok(vec![Tell::Audit("webhooks.uninstall", before, json!({"entities": []})), Tell::Also(slot.clone())])
    })
    .await
}

/// Asks for new URLs and keys. Until Autotask has them everywhere, callouts with those of before are taken as well.
///
/// # Errors
/// `conflict` while a rotation is not through, or where there is nothing to rotate; as [`install`].
pub async fn rotate_keys(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
) -> Result<Versioned<Webhooks>> {
    let connection = usable(ports, scope, partner, id).await?;
    let slot = schedule::put(&connection, ports.clock.now())?;
    ask(Desk { ports, scope, actor, partner, connection: id }, move |record| {
        let settled = matches!(record.state, WebhooksState::Installed | WebhooksState::Failed);
        if !settled || record.hooks.iter().all(|hook| hook.id.is_none()) {
            return Err(Error::problem(Code::Conflict, "There are no webhooks whose keys could be changed now."));
        }
        if !record.is_of_one_generation() {
            let text = "Not every webhook has the present key yet; callouts signed with an older one would be lost.";
            return Err(Error::problem(Code::Conflict, text));
        }
        let before = json!({"generation": record.generation});
        record.generation = record.generation.saturating_add(1);
        record.state = WebhooksState::Installing;
        let after = json!({"generation": record.generation});
        Ok(vec![Tell::Audit("webhooks.rotate_keys", before, after), Tell::Also(slot.clone())])
    })
    .await
}

fn wanted(entities: &[String]) -> Result<Vec<WebhookEntity>> {
    let known = WebhookEntity::ALL.map(|entity| entity.as_str().to_owned()).join(", ");
    let mut errors = Vec::new();
    if entities.is_empty() {
        errors.push(FieldError { pointer: "/entities".to_owned(), detail: format!("name at least one of {known}") });
    }
    for (at, name) in entities.iter().enumerate() {
        if WebhookEntity::known(name).is_none() {
            let detail = format!("Autotask has webhooks of {known} only");
            errors.push(FieldError { pointer: format!("/entities/{at}"), detail });
        }
    }
    if let Some(problem) = Problem::fields(errors) {
        return Err(problem.into());
    }
    let named = |entity: &WebhookEntity| entities.iter().any(|name| name == entity.as_str());
    Ok(WebhookEntity::ALL.into_iter().filter(named).collect())
}

async fn usable(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Connection> {
    let connection = load_connection(ports, scope, partner, id).await?.value;
    refuse_unless_connected(&connection)?;
    is_possible(ports)?;
    Ok(connection)
}

async fn ask(
    desk: Desk<'_>,
    edit: impl FnMut(&mut Webhooks) -> Result<Vec<Tell>> + Send,
) -> Result<Versioned<Webhooks>> {
    let record = desk.amend(edit).await?;
    let (partner, connection) = (desk.partner.clone(), desk.connection.clone());
    AdminMessage::Fit { partner, connection, round: 0 }.send(desk.ports, Duration::ZERO).await?;
    Ok(record)
}
