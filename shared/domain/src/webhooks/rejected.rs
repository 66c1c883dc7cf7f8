//! Callouts that were refused: counted in memory, and written as one row a minute, so that a flood costs next to nothing.

use super::receive::Refusal;
use super::token::Hook;
use crate::ids::{ConnectionId, PartnerId};
use crate::records::{Key, Record};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How long counts gather before they are written.
const GATHERED: SignedDuration = SignedDuration::from_mins(1);
/// Connections that are counted apart within a minute; those beyond count as nobody's.
const COUNTED_APART_MAX: usize = 100;
/// How long a row is kept: as long as a delivery.
const ROW_KEPT: SignedDuration = super::DELIVERY_KEPT;

/// How many callouts one receiver refused within a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// Whose; absent where the URL names nobody.
    pub of: Option<(PartnerId, ConnectionId)>,
    /// UUID v7.
    pub id: String,
    /// When the first of them came.
    pub from: Timestamp,
    /// When the row was written.
    pub at: Timestamp,
    /// How many, by reason: `unknown_url`, `signature_invalid`, `unreadable`, `too_large`.
    pub counts: BTreeMap<String, u64>,
}

impl Record for RejectedRow {
    const ENTITY: &'static str = "rejected_callouts";
    fn key(&self) -> Key {
        Key::RejectedCallouts(self.of.clone(), self.id.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        self.at.checked_add(ROW_KEPT).ok()
    }
}

/// What one receiver refused and has not written yet.
#[derive(Debug, Default)]
pub struct Rejections(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    since: Option<Timestamp>,
    counts: BTreeMap<Option<(PartnerId, ConnectionId)>, BTreeMap<&'static str, u64>>,
}

/// Counts of one connection, or of nobody.
pub(super) type Counted = (Option<(PartnerId, ConnectionId)>, BTreeMap<&'static str, u64>);

impl Rejections {
    /// Counts one.
    pub fn count(&self, now: Timestamp, hook: Option<&Hook>, why: Refusal) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.since.get_or_insert(now);
        let named = hook.map(|hook| (hook.partner.clone(), hook.connection.clone()));
        let room = gathered.counts.len() < COUNTED_APART_MAX || gathered.counts.contains_key(&named);
        let whose = named.filter(|_| room);
        *gathered.counts.entry(whose).or_default().entry(why.as_str()).or_default() += 1;
    }

    /// Takes what was gathered, where the minute is over.
    pub(super) fn due(&self, now: Timestamp) -> Option<(Timestamp, Vec<Counted>)> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = gathered.since.filter(|since| now.duration_since(*since) >= GATHERED)?;
        gathered.since = None;
        Some((since, std::mem::take(&mut gathered.counts).into_iter().collect()))
    }
}
