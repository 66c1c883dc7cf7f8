use crate::actor::Actor;
use crate::connections::Settings;
use crate::ids::{AccountId, ChangeId, ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, QueueError, QueueName};
use crate::problem::{Code, Result};
use crate::records::{Index, Key, Record};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long runs and their lines are kept: 13 months.
pub const RUN_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);
/// Longest text of a line's explanation, in characters.
pub const WORDS_MAX: usize = 500;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Counts become units.
    SeatSync,
    /// Every package of the accounts becomes a line, the first time or again.
    Initial,
    /// Package changes become units.
    PackageChanges,
    /// What another run wrote is written back.
    Undo,
    /// Accounts are matched to companies.
    AutoMap,
    /// Mappings come from a CSV file.
    CsvImport,
}

/// Why a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The schedule's slot, in time.
    Schedule,
    /// The schedule's slot, late (at most 72 h).
    CatchUp,
    /// A person.
    Manual,
    /// The failed lines of another run.
    Retry,
    /// A package change of the vendor's core.
    Event,
    /// The held lines of another run that a person approved.
    Approval,
}

/// Whether a run may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// Plan only, until a person applies it.
    Preview,
    /// Plan and apply.
    Apply,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Claimed, not begun.
    Queued,
    /// Reading and planning.
    Planning,
    /// A plan is stored and waits for a person.
    Planned,
    /// Writing.
    Applying,
    /// Waiting until unclear writes can be judged by reading.
    Settling,
    /// Everything is right.
    Done,
    /// Some lines failed, are held or unverified.
    Partial,
    /// Nothing was done.
    Failed,
    /// The guards stopped it before any write.
    Stopped,
    /// A person stopped it.
    Cancelled,
}

impl RunKind {
    /// Whether it changes units: such runs have lines, a plan and a lease.
    #[must_use]
    pub fn is_billing(self) -> bool {
        match self {
            RunKind::SeatSync | RunKind::Initial | RunKind::PackageChanges | RunKind::Undo => true,
            RunKind::AutoMap | RunKind::CsvImport => false,
        }
    }

    /// The feature that must be on for it; undoing needs none.
    #[must_use]
    pub fn feature(self) -> Option<&'static str> {
        match self {
            RunKind::SeatSync => Some("seat_sync"),
            RunKind::Initial | RunKind::PackageChanges => Some("package_billing"),
            RunKind::Undo | RunKind::AutoMap | RunKind::CsvImport => None,
        }
    }

    /// The kind's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunKind::SeatSync => "seat_sync",
            RunKind::Initial => "initial",
            RunKind::PackageChanges => "package_changes",
            RunKind::Undo => "undo",
            RunKind::AutoMap => "auto_map",
            RunKind::CsvImport => "csv_import",
        }
    }
}

impl LineState {
    /// The state's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LineState::Changed => "changed",
            LineState::Unchanged => "unchanged",
            LineState::Held => "held",
            LineState::Failed => "failed",
            LineState::Skipped => "skipped",
            LineState::Superseded => "superseded",
            LineState::Unverified => "unverified",
        }
    }
}

impl RunState {
    /// The state's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Planning => "planning",
            RunState::Planned => "planned",
            RunState::Applying => "applying",
            RunState::Settling => "settling",
            RunState::Done => "done",
            RunState::Partial => "partial",
            RunState::Failed => "failed",
            RunState::Stopped => "stopped",
            RunState::Cancelled => "cancelled",
        }
    }

    /// Whether the run will change nothing any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, RunState::Done | RunState::Partial | RunState::Failed | RunState::Stopped | RunState::Cancelled)
    }
}

/// The calendar month that a run is for, in the connection's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// First day.
    pub start: Date,
    /// Last day.
    pub end: Date,
}

/// How many lines are in which state; `lines` is their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// Units (or cost) were written and seen.
    Changed,
    /// Nothing to do.
    Unchanged,
    /// A guard or an unclear write keeps it for a person.
    Held,
    /// It could not be done.
    Failed,
    /// Deliberately not done: posted period, paused account, no count.
    Skipped,
    /// Another run has a newer word on the line: a later count or change, a decision, or an undo.
    Superseded,
    /// Written and not yet seen.
    Unverified,
}

/// How many lines are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// All lines.
    pub lines: u32,
    /// See [`LineState`].
    pub changed: u32,
    /// See [`LineState`].
    pub unchanged: u32,
    /// See [`LineState`].
    pub held: u32,
    /// See [`LineState`].
    pub failed: u32,
    /// See [`LineState`].
    pub skipped: u32,
    /// See [`LineState`].
    pub superseded: u32,
    /// See [`LineState`].
    pub unverified: u32,
}

impl Totals {
    /// Counts states.
    pub fn of(states: impl IntoIterator<Item = LineState>) -> Self {
        let mut totals = Self::default();
        for state in states {
            totals.lines += 1;
            let place = match state {
                LineState::Changed => &mut totals.changed,
                LineState::Unchanged => &mut totals.unchanged,
                LineState::Held => &mut totals.held,
                LineState::Failed => &mut totals.failed,
                LineState::Skipped => &mut totals.skipped,
                LineState::Superseded => &mut totals.superseded,
                LineState::Unverified => &mut totals.unverified,
            };
            *place += 1;
        }
        totals
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Its id: a UUID v7 of its claim, so that runs sort by time. A scheduled slot's uniqueness is a claim of its own.
    pub id: RunId,
    /// What it does.
    pub kind: RunKind,
    /// Why it was started.
    pub trigger: Trigger,
    /// Whether it may write.
    pub mode: RunMode,
    /// Where it stands.
    pub state: RunState,
    /// Who started it.
    pub actor: Actor,
    /// The person who applied a preview.
    #[serde(default)]
    pub applied_by: Option<Actor>,
    /// The run whose failed lines this one retries.
    #[serde(default)]
    pub retry_of: Option<RunId>,
    /// The run that this one undoes.
    #[serde(default)]
    pub undo_of: Option<RunId>,
    /// The run whose held lines were approved into this one.
    #[serde(default)]
    pub approval_of: Option<RunId>,
    /// Which accounts; none means all.
    pub accounts: Option<Vec<AccountId>>,
    /// Which package changes it pushes; none means all that are pending.
    #[serde(default)]
    pub changes: Option<Vec<ChangeId>>,
    /// The slot it is for, where a schedule started it.
    pub due_slot: Option<Timestamp>,
    /// The month it is for.
    pub period: Option<Period>,
    /// From when units count. From the run's record, never from the clock.
    pub effective_date: Option<Date>,
    /// The settings it was planned with.
    pub settings: Option<Settings>,
    /// SHA-256 of the plan, hex.
    pub plan_hash: Option<String>,
    /// When the plan was made.
    pub planned_at: Option<Timestamp>,
    /// Whether a person approved the stored plan: then only lines that still fit it are written.
    #[serde(default)]
    pub approved: bool,
    /// The invocation that works on it, and until when it can: a second delivery of its message waits.
    #[serde(default)]
    pub worker: Option<(String, Timestamp)>,
    /// Whether a person asked to stop it.
    #[serde(default)]
    pub cancel_requested: bool,
    /// How many lines are in which state.
    #[serde(default)]
    pub totals: Totals,
    /// Estimate of the change of all monthly invoices by the lines that change, where prices are readable.
    #[serde(default)]
    pub invoice_change: Option<Decimal>,
    /// How many chunks of lines are stored.
    #[serde(default)]
    pub chunks: u32,
    /// Calls made to Autotask.
    #[serde(default)]
    pub autotask_calls: u32,
    /// Why it failed or was stopped.
    pub problem: Option<(Code, String)>,
    /// Results of a run that has no lines of units: auto-map, CSV.
    #[serde(default)]
    pub outcome: serde_json::Value,
    /// When it was claimed.
    pub created_at: Timestamp,
    /// When it was last worked on; a sweep looks after runs that nobody works on.
    pub touched_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Run {
    /// A run that is claimed and not begun: to be written with [`crate::Change`] by whoever starts it.
    #[must_use]
    pub fn queued(
        ports: &Ports,
        actor: &Actor,
        of: (&PartnerId, &ConnectionId),
        kind: RunKind,
        trigger: Trigger,
    ) -> Self {
        let now = ports.clock.now();
        Self {
            partner: of.0.clone(),
            connection: of.1.clone(),
            id: RunId::new(ports.ids.uuid().to_string()).expect("a UUID is an identifier"),
            kind,
            trigger,
            mode: RunMode::Apply,
            state: RunState::Queued,
            actor: actor.clone(),
            applied_by: None,
            retry_of: None,
            undo_of: None,
            approval_of: None,
            accounts: None,
            changes: None,
            due_slot: None,
            period: None,
            effective_date: None,
            settings: None,
            plan_hash: None,
            planned_at: None,
            approved: false,
            worker: None,
            cancel_requested: false,
            totals: Totals::default(),
            invoice_change: None,
            chunks: 0,
            autotask_calls: 0,
            problem: None,
            outcome: serde_json::Value::Null,
            created_at: now,
            touched_at: now,
            finished_at: None,
        }
    }

    /// Where its state can be read.
    #[must_use]
    pub fn status_url(&self) -> String {
        format!("/v1/connections/{}/runs/{}", self.connection, self.id)
    }

    /// The message that makes a worker take it up.
    #[must_use]
    pub fn message(&self) -> WorkMessage {
        WorkMessage { partner: self.partner.clone(), connection: self.connection.clone(), run: self.id.clone() }
    }
}

/// The body of a message on [`QueueName::SeatSync`]: which run to take up. What to do stands in the run's record
/// alone, so that a message that comes twice or late does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkMessage {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which run.
    pub run: RunId,
}

impl WorkMessage {
    /// Puts the message on the seat sync's queue, to be seen after `delay`.
    ///
    /// # Errors
    /// [`crate::Error::Queue`].
    pub async fn send(&self, ports: &Ports, delay: Duration) -> Result<()> {
        let body = serde_json::to_string(self).map_err(|e| QueueError(Box::new(e)))?;
        Ok(ports.queue.send(QueueName::SeatSync, body, delay, &self.partner).await?)
    }
}

impl Record for Run {
    const ENTITY: &'static str = "run";
    fn key(&self) -> Key {
        Key::Run(self.partner.clone(), self.connection.clone(), self.id.clone())
    }
    fn index(&self) -> Option<Index> {
        (!self.state.is_final() && self.state != RunState::Planned).then_some(Index::OpenRun { at: self.created_at })
    }
    fn expires(&self) -> Option<Timestamp> {
        self.created_at.checked_add(RUN_KEPT).ok()
    }
}
