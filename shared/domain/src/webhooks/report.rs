//! What came: every delivery of 30 days, newest first, and what was refused.

use super::callout::WebhookEntity;
use super::delivery::{Delivery, DeliveryStatus};
use super::rejected::RejectedRow;
use super::{Webhooks, load_webhooks};
use crate::actor::Scope;
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::{Error, Result};
use crate::records::{Collection, Key, Versioned, load, load_page};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;

/// Deliveries of one webhook that are read at once.
const PAGE: u32 = 100;
/// Deliveries that one page of the report looks through at most: a filter that nothing passes ends there.
const READ_MAX: usize = 1_000;
/// How much later than its neighbours a delivery may have come: found in Autotask's log after an outage of ours.
const LATE_MAX: SignedDuration = SignedDuration::from_hours(48);

/// A delivery's name in our API: its webhook's GUID and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryId {
    /// `Guid`.
    pub guid: String,
    /// `SequenceNumber`.
    pub sequence: u64,
}

/// It is not the name of a delivery.
#[derive(Debug, thiserror::Error)]
#[error("it is not the name of a delivery")]
pub struct NotADeliveryId;

impl FromStr for DeliveryId {
    type Err = NotADeliveryId;
    fn from_str(text: &str) -> std::result::Result<Self, NotADeliveryId> {
        let (guid, sequence) = text.rsplit_once('.').ok_or(NotADeliveryId)?;
        let good = !guid.is_empty() && guid.len() <= 64 && guid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let sequence = sequence.parse().map_err(|_| NotADeliveryId)?;
        if good { Ok(Self { guid: guid.to_owned(), sequence }) } else { Err(NotADeliveryId) }
    }
}

impl<'de> serde::Deserialize<'de> for DeliveryId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.guid, self.sequence)
    }
}

impl Delivery {
    /// Its name in our API.
    #[must_use]
    pub fn name(&self) -> DeliveryId {
        DeliveryId { guid: self.guid.clone(), sequence: self.sequence }
    }
}

/// Which deliveries.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// What became of them.
    pub status: Option<DeliveryStatus>,
    /// About what.
    pub entity: Option<WebhookEntity>,
    /// Received at or after this.
    pub from: Option<Timestamp>,
    /// Received before this.
    pub to: Option<Timestamp>,
}

impl DeliveryFilter {
    fn passes(&self, delivery: &Delivery) -> bool {
        self.status.is_none_or(|status| delivery.status == status)
            && self.entity.as_ref().is_none_or(|entity| delivery.entity == *entity)
            && self.from.is_none_or(|from| delivery.received_at >= from)
            && self.to.is_none_or(|to| delivery.received_at < to)
    }

    fn is_over(&self, delivery: &Delivery) -> bool {
        self.from.is_some_and(|from| from.duration_since(delivery.received_at) > LATE_MAX)
    }
}

/// Where a page ended: by GUID the number below which the next one goes on.
pub type Below = BTreeMap<String, u64>;

/// A page of deliveries, newest first; each webhook's in the order of their numbers. The second value says where the next
/// page begins; none: this was the last one.
///
/// # Errors
/// `not_found`; storage's own.
pub async fn list_deliveries(
    ports: &Ports,
    scope: &Scope,
    (partner, id): (&PartnerId, &ConnectionId),
    filter: &DeliveryFilter,
    limit: u32,
    below: Below,
) -> Result<(Vec<Versioned<Delivery>>, Option<Below>)> {
    load_connection(ports, scope, partner, id).await?;
    let found = load_webhooks(ports, scope, partner, id).await?;
    let webhooks = found.map_or_else(|| Webhooks::none(partner, id), |found| found.value);
    let mut heads: Vec<Head> = Vec::new();
    for guid in webhooks.guids() {
        let mut head =
            Head { guid: guid.to_owned(), below: below.get(guid).copied(), rows: VecDeque::new(), more: true };
        head.fill(ports, scope, (partner, id)).await?;
        heads.push(head);
    }
    let (mut page, mut read) = (Vec::new(), 0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    while page.len() < limit && read < READ_MAX {
        let newest = heads.iter_mut().filter(|head| !head.rows.is_empty()).max_by_key(|head| head.rows[0].received_at);
        let Some(head) = newest else { return Ok((page, None)) };
        let Some(delivery) = head.rows.pop_front() else { return Ok((page, None)) };
        (head.below, read) = (Some(delivery.sequence), read + 1);
        if filter.is_over(&delivery) {
            head.end();
            continue;
        }
        if head.rows.is_empty() {
            head.fill(ports, scope, (partner, id)).await?;
        }
        if filter.passes(&delivery) {
            page.push(delivery);
        }
    }
    let over = heads.iter().all(|head| head.rows.is_empty());
    let next = heads.into_iter().filter_map(|head| Some((head.guid, head.below?))).collect();
    Ok((page, (!over).then_some(next)))
}

/// One webhook's deliveries, from the newest on.
struct Head {
    guid: String,
    below: Option<u64>,
    rows: VecDeque<Versioned<Delivery>>,
    more: bool,
}

impl Head {
    async fn fill(&mut self, ports: &Ports, scope: &Scope, (partner, id): (&PartnerId, &ConnectionId)) -> Result<()> {
        let (partner, id, guid) = (partner.clone(), id.clone(), self.guid.clone());
        let of = match self.below {
            None => Collection::Deliveries(partner, id, guid),
            Some(0 | 1) => return Ok(()),
            Some(below) => Collection::DeliveriesBetween(partner, id, guid, 0, below - 1),
        };
        if self.more {
            let page = PageRequest { limit: PAGE, after: None, order: Order::Descending, read: Read::Eventual };
            let (rows, next) = load_page::<Delivery>(&*ports.storage, scope, &of, page).await?;
            self.rows = rows.into();
            self.more = next.is_some();
        }
        Ok(())
    }

    /// What is older is not wanted.
    fn end(&mut self) {
        self.rows.clear();
        (self.below, self.more) = (Some(0), false);
    }
}

/// One delivery.
///
/// # Errors
/// `not_found`; storage's own.
pub async fn read_delivery(
    ports: &Ports,
    scope: &Scope,
    (partner, id): (&PartnerId, &ConnectionId),
    delivery: &DeliveryId,
) -> Result<Versioned<Delivery>> {
    load_connection(ports, scope, partner, id).await?;
    let key = Key::Delivery(partner.clone(), id.clone(), delivery.guid.clone(), delivery.sequence);
    let found = load::<Delivery>(&*ports.storage, scope, &key).await?;
    found.ok_or_else(|| Error::not_found("delivery"))
}

/// A page of refused callouts, newest first: one row for each minute of a receiver.
///
/// # Errors
/// `not_found`; storage's own.
pub async fn list_rejected(
    ports: &Ports,
    scope: &Scope,
    (partner, id): (&PartnerId, &ConnectionId),
    limit: u32,
    after: Option<String>,
) -> Result<(Vec<RejectedRow>, Option<String>)> {
    load_connection(ports, scope, partner, id).await?;
    let of = Collection::RejectedCallouts(Some((partner.clone(), id.clone())));
    let page = PageRequest { limit, after, order: Order::Descending, read: Read::Eventual };
    let (rows, next) = load_page::<RejectedRow>(&*ports.storage, scope, &of, page).await?;
    Ok((rows.into_iter().map(|row| row.value).collect(), next))
}
