//! The table of webhooks as Autotask has them now, switching one on again, and removing those that are nobody's.

use super::amend::{Desk, Tell};
use super::callout::WebhookEntity;
use super::changed::Around;
use super::delivery::{Delivery, DeliveryStatus};
use super::fit;
use super::installed::{InstalledWebhook, PastWebhook, WebhookProblem, Webhooks};
use super::schedule;
use super::theirs::{Maker, Orphan, Whose, is_orphan, kind, of_kind};
use super::work::AdminMessage;
use crate::actor::{Actor, Scope};
use crate::autotask_session::{open_as, open_whatever_its_state, refuse_unless_connected, settle};
use crate::budget::Mode;
use crate::connections::{Connection, ConnectionStatus, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Expect, Write, load_page};
use autotask::{Field, Id, Webhook, WebhookPatch};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How far back errors are counted.
const ERRORS_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// Deliveries of one webhook that are looked through for errors: more than 1,500 an hour Autotask does not send.
const ERRORS_READ_MAX: usize = 2_000;
/// Deliveries read at once.
const PAGE: u32 = 500;
/// Generations of keys between webhooks that are forgotten and the next ones: a key's neighbours are taken, too.
const GENERATIONS_LEFT: u32 = 2;

/// A webhook's name in our API: its kind and Autotask's id, as each kind has ids of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookId {
    entity: WebhookEntity,
    id: i64,
}

/// It is not the name of a webhook.
#[derive(Debug, thiserror::Error)]
#[error("a webhook is named like companies-12")]
pub struct NotAWebhookId;

impl FromStr for WebhookId {
    type Err = NotAWebhookId;
    fn from_str(text: &str) -> std::result::Result<Self, NotAWebhookId> {
        let (entity, id) = text.rsplit_once('-').ok_or(NotAWebhookId)?;
        let entity = WebhookEntity::known(entity).ok_or(NotAWebhookId)?;
        Ok(Self { entity, id: id.parse().map_err(|_| NotAWebhookId)? })
    }
}

impl<'de> serde::Deserialize<'de> for WebhookId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.entity, self.id)
    }
}

/// How a webhook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// Autotask calls it.
    Active,
    /// It is switched off.
    Inactive,
    /// Autotask is not done with setting it up.
    NotReady,
    /// It is wanted and not there.
    Missing,
    /// It points at us and is nobody's.
    Orphan,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct TableRow {
    /// Its name in our API; none while it is not there.
    pub id: Option<WebhookId>,
    /// What Autotask calls it.
    pub name: String,
    /// Where it calls, without its token.
    pub url: Option<String>,
    /// About what.
    pub entity: WebhookEntity,
    /// How it stands.
    pub status: RowStatus,
    /// When its last event came.
    pub last_event_at: Option<Timestamp>,
    /// How many of its events of the last 24 hours have failed and were not worked off since.
    pub errors_24h: u32,
    /// What is wrong with it.
    pub problem: Option<WebhookProblem>,
    /// Fields that it should have and that Autotask does not know.
    pub skipped: Vec<String>,
}

/// The table.
#[derive(Debug, Clone)]
pub struct Table {
    /// What we know.
    pub webhooks: Webhooks,
    /// Its version; 0 where there are none.
    pub v: u64,
    /// Ours first.
    pub rows: Vec<TableRow>,
    /// Why it shows what was seen last and not what is there now.
    pub stale: Option<(Code, String)>,
}

/// The table of a connection's webhooks. Where Autotask cannot be asked it shows what was seen last, and says so.
///
/// # Errors
/// Storage's own.
pub async fn table(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
) -> Result<Table> {
    let connection = load_connection(ports, scope, partner, id).await?.value;
    let found = super::load_webhooks(ports, scope, partner, id).await?;
    let v = found.as_ref().map_or(0, |found| found.v);
    let webhooks = found.map_or_else(|| Webhooks::none(partner, id), |found| found.value);
    let (seen, stale) = match seen(ports, scope, actor, &connection).await {
        Ok(seen) => (Some(seen), None),
        Err(Error::Problem(problem)) => (None, Some((problem.code, problem.detail))),
        Err(other) => return Err(other),
    };
    let maker = Maker::of(ports).ok();
    let mut rows = Vec::new();
    for entity in WebhookEntity::ALL {
        let known = webhooks.hook(&entity);
        if known.is_none() && !webhooks.wanted.contains(&entity) {
            continue;
        }
        let now = seen.as_ref().map(|seen| seen.ours.iter().find(|(of, row)| *of == entity && is(known, row)));
        let found = match now {
            Some(now) => now.map(|(_, row)| status_of(row)),
            None => known.filter(|known| known.id.is_some()).map(status_as_known),
        };
        let url = maker.as_ref().map(|maker| maker.masked(&maker.url(&connection, webhooks.generation)));
        let (last_event_at, errors_24h) = events(ports, scope, &connection, known).await?;
        rows.push(TableRow {
            id: known.and_then(|known| known.id).map(|id| WebhookId { entity: entity.clone(), id }),
            name: known.map(|known| known.name.clone()).unwrap_or_default(),
            url: url.filter(|_| found.is_some()),
            status: found.unwrap_or(RowStatus::Missing),
            last_event_at,
            errors_24h,
            problem: known.and_then(|known| known.problem.clone()),
            skipped: known.map(|known| known.skipped.clone()).unwrap_or_default(),
            entity,
        });
    }
    for orphan in seen.into_iter().flat_map(|seen| seen.orphans) {
        rows.push(orphaned(maker.as_ref(), orphan));
    }
    Ok(Table { webhooks, v, rows, stale })
}

fn is(known: Option<&InstalledWebhook>, row: &Webhook) -> bool {
    known.is_none_or(|known| known.id.is_none_or(|id| row.id == Id::new(id)))
}

fn status_of(row: &Webhook) -> RowStatus {
    match (row.is_active, row.is_ready) {
        (Some(true), Some(true)) => RowStatus::Active,
        (Some(true), _) => RowStatus::NotReady,
        _ => RowStatus::Inactive,
    }
}

fn status_as_known(known: &InstalledWebhook) -> RowStatus {
    match (known.active, known.ready) {
        (false, _) => RowStatus::Inactive,
        (true, true) => RowStatus::Active,
        (true, false) => RowStatus::NotReady,
    }
}

fn orphaned(maker: Option<&Maker<'_>>, orphan: Orphan) -> TableRow {
    let Orphan { entity, webhook } = orphan;
    let url = webhook.webhook_url.as_deref();
    TableRow {
        id: Some(WebhookId { entity: entity.clone(), id: webhook.id.get() }),
        name: webhook.name.clone().unwrap_or_default(),
        url: maker.zip(url).map(|(maker, url)| maker.masked(url)),
        entity,
        status: RowStatus::Orphan,
        last_event_at: None,
        errors_24h: 0,
        problem: None,
        skipped: Vec::new(),
    }
}

/// What Autotask shows of webhooks that point at us.
struct Seen {
    ours: Vec<(WebhookEntity, Webhook)>,
    orphans: Vec<Orphan>,
}

async fn seen(ports: &Ports, scope: &Scope, actor: &Actor, connection: &Connection) -> Result<Seen> {
    refuse_unless_connected(connection)?;
    let session = open_as(ports, scope, connection, Mode::Interactive).await?;
    let around = Around { ports, scope, actor, connection, session: &session };
    let seen = look(&around).await;
    session.close().await;
    match seen {
        Err(Error::Autotask { source, .. }) => Err(settle(ports, scope, actor, connection, source).await),
        other => other,
    }
}

async fn look(around: &Around<'_>) -> Result<Seen> {
    let maker = Maker::of(around.ports)?;
    let asked = WebhookEntity::ALL.into_iter().map(|entity| async move {
        let Some(kind) = kind(&entity) else { return Ok((entity, Vec::new())) };
        match of_kind(around.session, kind).await {
            Ok(rows) => Ok((entity, rows)),
            // What this user may not see is not shown.
            Err(autotask::Error::Forbidden { .. } | autotask::Error::NotFound { .. }) => Ok((entity, Vec::new())),
            Err(source) => Err(Error::Autotask { doing: "reading webhooks", source }),
        }
    });
    let mut seen = Seen { ours: Vec::new(), orphans: Vec::new() };
    for (entity, rows) in try_join_all(asked).await? {
        for webhook in rows {
            let whose = maker.whose(around.connection, &webhook);
            if matches!(whose, Whose::Ours(_)) {
                seen.ours.push((entity.clone(), webhook));
            } else if is_orphan(around.ports, around.scope, around.connection, &whose).await? {
                seen.orphans.push(Orphan { entity: entity.clone(), webhook });
            }
        }
    }
    Ok(seen)
}

/// When a webhook's last event came, and how many failed of late.
async fn events(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
    known: Option<&InstalledWebhook>,
) -> Result<(Option<Timestamp>, u32)> {
    let Some(guid) = known.and_then(|known| known.guid.clone()) else { return Ok((None, 0)) };
    let since = ports.clock.now() - ERRORS_WITHIN;
    let of = Collection::Deliveries(connection.partner.clone(), connection.id.clone(), guid);
    let (mut last, mut errors, mut read, mut after) = (None, 0, 0, None);
    loop {
        let page = PageRequest { limit: PAGE, after, order: Order::Descending, read: Read::Eventual };
        let (found, next) = load_page::<Delivery>(&*ports.storage, scope, &of, page).await?;
        last = last.or_else(|| found.first().map(|found| found.received_at));
        let late = found.iter().filter(|found| found.received_at >= since);
        let failed = late.clone().filter(|found| found.status == DeliveryStatus::Failed).count();
        errors += u32::try_from(failed).unwrap_or(u32::MAX);
        read += found.len();
        let over = late.count() < found.len() || read >= ERRORS_READ_MAX;
        match next.filter(|_| !over) {
            Some(token) => after = Some(token),
            None => return Ok((last, errors)),
        }
    }
}

/// Switches a webhook of ours on again. What was missed meanwhile is looked for.
///
/// # Errors
/// `not_found` for one that is not ours or not there; what is wrong with the connection, a failed call as explained.
pub async fn reactivate(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    webhook: &WebhookId,
) -> Result<Table> {
    let connection = load_connection(ports, scope, partner, id).await?.value;
    refuse_unless_connected(&connection)?;
    let desk = Desk { ports, scope, actor, partner, connection: id };
    let record = desk.webhooks().await?;
    let ours = record.hook(&webhook.entity).is_some_and(|hook| hook.id == Some(webhook.id));
    let kind = kind(&webhook.entity).filter(|_| ours).ok_or_else(|| Error::not_found("webhook"))?;
    let session = open_as(ports, scope, &connection, Mode::Interactive).await?;
    let done = async {
        let (api, id) = (session.client.webhooks(kind), Id::new(webhook.id));
        let mut patch = WebhookPatch::new(id);
        patch.is_active = Field::Set(true);
        api.patch(&patch).await?;
        api.get(id).await
    }
    .await;
    session.close().await;
    let row = match done {
        Ok(row) => row.ok_or_else(|| Error::not_found("webhook"))?,
        Err(error) => return Err(settle(ports, scope, actor, &connection, error).await),
    };
    let now = ports.clock.now();
    desk.amend(|record| {
        record.ask_poll(now);
        let before = json!({"active": record.hook(&webhook.entity).is_some_and(|hook| hook.active)});
        Ok(vec![Tell::Audit("webhooks.reactivate", before, json!({"webhook": webhook.to_string(), "active": true}))])
    })
    .await?;
    fit::note(&desk, &webhook.entity, &row).await?;
    let (partner, connection) = (partner.clone(), id.clone());
    AdminMessage::Heal { partner, connection, round: 0 }.send(ports, Duration::ZERO).await?;
    table(ports, scope, actor, (desk.partner, desk.connection)).await
}

/// Removes the webhooks that point at us and are nobody's. Returns how many.
///
/// # Errors
/// What is wrong with the connection, a failed call as explained; what was removed until then stays removed.
pub async fn clean_orphans(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
) -> Result<u32> {
    let connection = load_connection(ports, scope, partner, id).await?.value;
    refuse_unless_connected(&connection)?;
    let session = open_as(ports, scope, &connection, Mode::Interactive).await?;
    let around = Around { ports, scope, actor, connection: &connection, session: &session };
    let removed = remove_orphans(&around).await;
    session.close().await;
    let removed = match removed {
        Err(Error::Autotask { source, .. }) => return Err(settle(ports, scope, actor, &connection, source).await),
        other => other?,
    };
    let desk = Desk { ports, scope, actor, partner, connection: id };
    let names: Vec<String> = removed.iter().map(ToString::to_string).collect();
    desk.amend(|_| Ok(vec![Tell::Audit("webhooks.clean_orphans", json!({"orphans": names}), json!({"orphans": []}))]))
        .await?;
    Ok(u32::try_from(removed.len()).unwrap_or(u32::MAX))
}

async fn remove_orphans(around: &Around<'_>) -> Result<Vec<WebhookId>> {
    let mut removed = Vec::new();
    for Orphan { entity, webhook } in look(around).await?.orphans {
        let Some(kind) = kind(&entity) else { continue };
        match around.session.client.webhooks(kind).delete(webhook.id).await {
            Ok(()) | Err(autotask::Error::NotFound { .. }) => {}
            Err(source) => return Err(Error::Autotask { doing: "removing a webhook", source }),
        }
        removed.push(WebhookId { entity, id: webhook.id.get() });
    }
    Ok(removed)
}

/// Removes a connection's webhooks from Autotask as far as that is possible now: it is about to lose its credentials.
/// What stays calls a URL whose events are dropped.
pub(crate) async fn remove_while_possible(ports: &Ports, scope: &Scope, actor: &Actor, connection: &Connection) {
    if !matches!(connection.status, ConnectionStatus::Connected | ConnectionStatus::Paused) {
        return;
    }
    let desk = Desk { ports, scope, actor, partner: &connection.partner, connection: &connection.id };
    let Ok(record) = desk.webhooks().await else { return };
    if record.hooks.iter().all(|hook| hook.id.is_none()) {
        return;
    }
    let Ok(session) = open_whatever_its_state(ports, scope, connection, Mode::Interactive).await else { return };
    for hook in &record.hooks {
        let (Some(kind), Some(id)) = (kind(&hook.entity), hook.id) else { continue };
        if let Err(error) = session.client.webhooks(kind).delete(Id::new(id)).await {
            tracing::warn!(connection.id = %connection.id, webhook = %hook.entity, error = %error, "a webhook stays in Autotask");
            if error.is_transient() || matches!(error, autotask::Error::Unauthorised { .. }) {
                break;
            }
        }
    }
    session.close().await;
}

/// Forgets a connection's webhooks, which are those of a database or of credentials that it has no longer. Their keys
/// are valid no more: ids that they name may be something else's in another database.
///
/// # Errors
/// Storage's own.
pub(crate) async fn forget(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<()> {
    let now = ports.clock.now();
    if super::load_webhooks(ports, scope, partner, id).await?.is_none() {
        return Ok(());
    }
    Desk { ports, scope, actor, partner, connection: id }
        .amend(|record| {
            for entity in WebhookEntity::ALL {
                if record.hook(&entity).is_some() {
                    record.bury(&entity, now);
                }
            }
            let generation = record.generation.saturating_add(GENERATIONS_LEFT);
            let past = std::mem::take(&mut record.past);
            let past = past.into_iter().map(|past| PastWebhook { look_from: None, ..past }).collect();
            *record = Webhooks { past, generation, ..Webhooks::none(partner, id) };
            Ok(vec![Tell::Also(Write::delete(schedule::key(partner, id), Expect::Any))])
        })
        .await?;
    Ok(())
}
