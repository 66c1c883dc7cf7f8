//! What the simulator holds, and the way to change a database so that it is also kept on disk.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::callouts::Callouts;
use crate::faults::ActiveFault;
use crate::limits::Usage;
use crate::persist::{Journal, Record};
use crate::schema::{Entity, EntityId, catalogue};
use crate::spec::Permissions;
use crate::switches::Switches;
use crate::table::{Row, Table};
use crate::webhooks;

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) databases: Vec<Db>,
    pub(crate) switches: Switches,
    pub(crate) faults: Vec<ActiveFault>,
    pub(crate) next_fault: u64,
    pub(crate) log: Vec<LoggedRequest>,
    pub(crate) next_seq: u64,
    pub(crate) late: Vec<LateRequest>,
    pub(crate) adjustments: Vec<AppliedAdjustment>,
    pub(crate) callouts: Callouts,
    pub(crate) journal: Journal,
}

/// One Autotask database.
#[derive(Debug)]
pub(crate) struct Db {
    pub(crate) meta: Meta,
    pub(crate) tables: Vec<Table>,
    pub(crate) usage: Usage,
    /// Units rows of a line as they were before an adjustment that readers do not see yet.
    pub(crate) before: HashMap<(EntityId, i64), Vec<Snapshot>>,
}

/// The rows of a line until an instant.
pub(crate) type Snapshot = (Timestamp, Vec<Row>);

/// What is known of a database besides its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) ci: u64,
    pub(crate) username: String,
    /// Digests only: no secret lies on disk.
    pub(crate) secret: String,
    pub(crate) integration_code: String,
    pub(crate) permissions: Permissions,
    pub(crate) page_size: usize,
    pub(crate) costs_readable: bool,
    pub(crate) hourly_threshold: u32,
    pub(crate) locked_after: u32,
    pub(crate) resource_id: i64,
    /// Where the zone look-up sends its user; requests elsewhere are unauthorised once it moved.
    pub(crate) moved_to: Option<Url>,
    pub(crate) failed_logins: u32,
    /// Most webhooks of the API user.
    #[serde(default)]
    pub(crate) webhooks_max: Option<u32>,
}

impl Db {
    pub(crate) fn new(meta: Meta) -> Self {
        Self {
            meta,
            tables: catalogue().entities.iter().map(Table::new).collect(),
            usage: Usage::default(),
            before: HashMap::new(),
        }
    }

    pub(crate) fn table(&self, entity: &Entity) -> &Table {
        &self.tables[entity.id]
    }
}

/// A request that the simulator got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// Counts from 1 and is never reused.
    pub seq: u64,
    /// When it came, by the simulator's clock.
    pub at: Timestamp,
    /// The `ci` of the database that its user belongs to.
    pub database: Option<u64>,
    /// The verb.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query string as sent.
    pub query: Option<String>,
    /// The body: JSON where it is JSON, else text; secrets masked.
    pub body: Value,
    /// The status of the answer; none where the connection was closed.
    pub status: Option<u16>,
}

/// A request that takes effect later than its connection lived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LateRequest {
    pub(crate) seq: u64,
    pub(crate) due: Timestamp,
    pub(crate) database: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) body: String,
}

/// An adjustment that took effect, in the order of taking effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppliedAdjustment {
    /// Counts from 1.
    pub seq: u64,
    /// When it took effect.
    pub at: Timestamp,
    /// Which database.
    pub ci: u64,
    /// The `itemId` of the answer.
    pub item_id: i64,
    /// `service` or `bundle`.
    pub kind: String,
    /// The contract.
    pub contract_id: i64,
    /// The contract service or contract service bundle.
    pub line_id: i64,
    /// The change, signed.
    pub unit_change: i64,
    /// From this day on.
    pub effective_date: jiff::civil::Date,
    /// Units on that day before.
    pub units_before: i64,
    /// Units on that day after.
    pub units_after: i64,
    /// The new unit cost, if one was written.
    pub adjusted_unit_cost: Option<rust_decimal::Decimal>,
    /// The new unit price, if one was written.
    pub adjusted_unit_price: Option<rust_decimal::Decimal>,
    /// Whether the line did not exist before.
    pub created_line: bool,
    /// Whether the period was posted already, so that a prorated correction is due.
    pub in_posted_period: bool,
}

/// One database together with what a change of it needs.
#[derive(Debug)]
pub(crate) struct Tenant<'a> {
    pub(crate) db: &'a mut Db,
    pub(crate) journal: &'a mut Journal,
    pub(crate) switches: &'a Switches,
    pub(crate) adjustments: &'a mut Vec<AppliedAdjustment>,
    pub(crate) callouts: &'a mut Callouts,
    pub(crate) now: Timestamp,
    /// The resource that does what is done: the API user, or a person.
    pub(crate) actor: i64,
}

impl State {
    pub(crate) fn database(&self, ci: u64) -> Option<usize> {
        self.databases.iter().position(|db| db.meta.ci == ci)
    }

    pub(crate) fn user(&self, name: &str) -> Option<usize> {
        self.databases.iter().position(|db| db.meta.username.eq_ignore_ascii_case(name.trim()))
    }

    /// A database in the hands of its API user.
    pub(crate) fn tenant(&mut self, index: usize, now: Timestamp) -> Tenant<'_> {
        let actor = self.databases[index].meta.resource_id;
        Tenant {
            actor,
            db: &mut self.databases[index],
            journal: &mut self.journal,
            switches: &self.switches,
            adjustments: &mut self.adjustments,
            callouts: &mut self.callouts,
            now,
        }
    }

    pub(crate) fn keep_meta(&mut self, index: usize) {
        let meta = &self.databases[index].meta;
        self.journal.record(|| Record::Database(Box::new(meta.clone())));
    }

    pub(crate) fn keep_faults(&mut self) {
        let faults = &self.faults;
        self.journal.record(|| Record::Faults(faults.clone()));
    }
}

impl Tenant<'_> {
    /// The same database in the hands of a person.
    pub(crate) fn by_hand(mut self) -> Self {
        let person = self.db.table(catalogue().known("Resources")).rows.keys().next();
        self.actor = person.copied().unwrap_or(self.actor);
        self
    }

    pub(crate) fn ci(&self) -> u64 {
        self.db.meta.ci
    }

    pub(crate) fn row(&self, entity: &Entity, id: i64) -> Option<&Row> {
        self.db.table(entity).rows.get(&id)
    }

    /// Puts a row; a row without an id gets the next one. Answers its id.
    pub(crate) fn put(&mut self, entity: &Entity, mut row: Row) -> i64 {
        if row.get(entity, "id").is_null() {
            let id = self.db.tables[entity.id].take_id();
            row.set(entity, "id", crate::cell::Cell::Int(id));
        }
        let id = row.id(entity);
        let ci = self.ci();
        self.journal.record(|| Record::Put(ci, entity.def.plural.to_owned(), kept(entity, &row)));
        let before = self.db.tables[entity.id].put(entity, row);
        webhooks::after_put(self, entity, id, before.as_ref());
        id
    }

    pub(crate) fn remove(&mut self, entity: &Entity, id: i64) -> bool {
        let ci = self.ci();
        let Some(row) = self.db.tables[entity.id].remove(id) else { return false };
        self.journal.record(|| Record::Remove(ci, entity.def.plural.to_owned(), id));
        webhooks::after_remove(self, entity, &row);
        true
    }

    pub(crate) fn today(&self) -> jiff::civil::Date {
        self.now.to_zoned(TimeZone::UTC).date()
    }
}

/// A row in the form in which it is kept.
pub(crate) fn kept(entity: &Entity, row: &Row) -> Map<String, Value> {
    let mut object = row.to_json(entity, &TimeZone::UTC, true);
    object.retain(|_, value| !value.is_null());
    object
}
