//! A connection's settings with their defaults.

use crate::decoding::decimal_text;
use crate::ids::{AccountId, ConnectionId, PartnerId};
use crate::records::{Key, Record};
use crate::tickets::FailureTicketSettings;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// How often the seat sync runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// On one day of each month.
    #[default]
    Monthly,
    /// On the last day of each month.
    LastDay,
    /// On one day of each week.
    Weekly,
    /// Every day.
    Daily,
    /// Only when a person starts it.
    Manual,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Weekday {
    #[default]
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for jiff::civil::Weekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

/// When the seat sync runs: the connection's own day, hour and zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSchedule {
    /// How often.
    pub kind: ScheduleKind,
    /// Day of the month, 1 to 28, where monthly.
    pub day: i8,
    /// Day of the week, where weekly.
    pub weekday: Weekday,
    /// Hour of the day, 0 to 23.
    pub hour: i8,
    /// Minute, 0 to 59.
    pub minute: i8,
    /// Whether it runs by itself at all.
    pub enabled: bool,
}

impl Default for RunSchedule {
    fn default() -> Self {
        Self { kind: ScheduleKind::Monthly, day: 1, weekday: Weekday::Monday, hour: 0, minute: 15, enabled: true }
    }
}

/// Guards against bad counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guards {
    /// A change by more units than this is held.
    pub max_units: i64,
    /// A change by more per cent than this is held, where it is by more than 5 units.
    pub max_percent: i64,
    /// A line whose monthly invoice would change by more than this, either way, is held; in the contract's currency.
    /// None: money is no guard.
    #[serde(deserialize_with = "decimal_text")]
    pub max_money: Option<Decimal>,
    /// A fall to 0 is held.
    pub hold_zero: bool,
    /// A run with more than this share of held lines, in per cent, writes nothing.
    pub stop_run_percent: i64,
    /// A count older than this, in hours, is not written.
    pub usage_max_age_hours: i64,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_units: 25,
            max_percent: 50,
            max_money: None,
            hold_zero: true,
            stop_run_percent: 30,
            usage_max_age_hours: 48,
        }
    }
}

/// What to do with units that somebody changed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum DriftPolicy {
    /// Write our count (the sources' behaviour), and say so: the line's note has the code `drift_detected` with our
    /// last value and the one that was there. It opens no issue, as nothing is left for anybody to do; what was held
    /// before, and is overwritten now, is closed.
    #[default]
    Overwrite,
    /// Hold the line.
    Hold,
    /// Leave the line alone in the month of the edit. It is told like what is overwritten, and for the same reason.
    RespectUntilNextMonth,
}

/// Whether a run may write without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalMode {
    /// Runs apply their plan at once.
    #[default]
    Auto,
    /// Runs write what passes the guards; what is held waits for a person.
    ApproveExceptions,
    /// Runs that start by themselves stop at the plan until a person applies it.
    ApproveAll,
}

/// From when a change of units counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum EffectiveFrom {
    /// The first day of the present billing period.
    #[default]
    PeriodStart,
    /// The day of the change itself: Autotask prorates.
    ActualDate,
    /// The first day of the next billing period.
    NextPeriod,
}

/// From when changes count, by where they come from and which way they go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EffectiveDates {
    /// More units, of counts.
    pub increase: EffectiveFrom,
    /// Fewer units, of counts.
    pub decrease: EffectiveFrom,
    /// More units, of package changes; both lines of a swap.
    pub package_change_increase: EffectiveFrom,
    /// Fewer units, of package changes.
    pub package_change_decrease: EffectiveFrom,
}

impl Default for EffectiveDates {
    fn default() -> Self {
        Self {
            increase: EffectiveFrom::PeriodStart,
            decrease: EffectiveFrom::PeriodStart,
            package_change_increase: EffectiveFrom::ActualDate,
            package_change_decrease: EffectiveFrom::NextPeriod,
        }
    }
}

/// What to do about a mapped contract that was renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RenewalPolicy {
    /// Tell, and propose the successor.
    #[default]
    Propose,
    /// Map to the successor where there is exactly one with exactly one line of the same service.
    AutoRemap,
}

/// When the initial sync may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum InitialSyncGate {
    /// Every package in use by a confirmed account is mapped or excluded.
    #[default]
    InUse,
    /// Every package available to the partner is mapped or excluded.
    AllPackages,
}

/// Whether several accounts may be mapped to one company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ManyAccounts {
    /// One company, one account.
    #[default]
    Off,
    /// Their counts of one package are summed into one line.
    Sum,
    /// Each has a line of its own.
    Separate,
}

/// Shapes beyond one account, one company, one contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Topologies {
    /// Several accounts into one company.
    pub many_accounts_per_company: ManyAccounts,
    /// One account over several contracts of its company, by package.
    pub contract_per_package: bool,
}

/// Which companies the picker and auto-map offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanyScope {
    /// Labels of `companyType`.
    pub types: Vec<String>,
    /// Only active ones.
    pub active: bool,
}

impl Default for CompanyScope {
    fn default() -> Self {
        Self { types: vec!["Customer".to_owned()], active: true }
    }
}

/// By what auto-map compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Automap {
    /// The primary contact's e-mail address.
    pub email: bool,
    /// The exact company name.
    pub exact_name: bool,
}

impl Default for Automap {
    fn default() -> Self {
        Self { email: true, exact_name: false }
    }
}

/// A span of days in which no run writes, first and last included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeWindow {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// Which identifier invoices carry outside Autotask. Ours is always the Autotask id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceReference {
    /// `invoiceNumber`.
    #[default]
    InvoiceNumber,
    /// `Invoices.id`.
    AutotaskId,
}

/// What a partner can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// IANA name; the partner's zone when connecting, else UTC.
    pub time_zone: String,
    /// Whether package changes are pushed by themselves; never gates the monthly sync.
    pub billing_auto_sync: bool,
    /// When the seat sync runs.
    pub schedule: RunSchedule,
    /// Whether scheduled runs apply their plan at once.
    pub approval_mode: ApprovalMode,
    /// Guards.
    pub guards: Guards,
    /// Units changed by hand.
    pub drift: DriftPolicy,
    /// Overwrite Cost where neither line nor package says.
    pub overwrite_cost: bool,
    /// From when changes count.
    pub effective_date: EffectiveDates,
    /// Whether a mapped package's missing line is added to the contract (initial sync and package changes; the seat
    /// sync never adds one).
    pub create_missing_lines: bool,
    /// When the initial sync may be started.
    pub initial_sync_gate: InitialSyncGate,
    /// Whether what one person started or decided must be applied by another.
    pub second_approver: bool,
    /// Contracts that were renewed.
    pub renewal: RenewalPolicy,
    /// How long before a mapped contract's end it is told, in days.
    pub renewal_notice_days: i64,
    /// Several accounts or contracts.
    pub topologies: Topologies,
    /// Picker and auto-map.
    pub company_scope: CompanyScope,
    /// Auto-map.
    pub automap: Automap,
    /// Share of Autotask's hourly limit, in per cent of the database's threshold.
    pub api_share_percent: i64,
    /// Where not empty, only these accounts are written.
    pub pilot_accounts: Vec<AccountId>,
    /// No writes in this span.
    pub freeze: Option<FreezeWindow>,
    /// Stops every write of the connection at once.
    pub kill_switch: bool,
    /// Which identifier invoices carry.
    pub invoice_reference: InvoiceReference,
    /// By how much a fetch of new invoices looks back before what it has already seen, in days.
    pub lookback_days: i64,
    /// Whether the PDFs of invoices are fetched.
    pub pdf: bool,
    /// Whether the paid date of an invoice that was paid in full here is written into Autotask.
    pub payment_writeback: bool,
    /// Tickets about runs that fail; off.
    pub failure_ticket: FailureTicketSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            billing_auto_sync: false,
            schedule: RunSchedule::default(),
            approval_mode: ApprovalMode::default(),
            guards: Guards::default(),
            drift: DriftPolicy::default(),
            overwrite_cost: false,
            effective_date: EffectiveDates::default(),
            create_missing_lines: true,
            initial_sync_gate: InitialSyncGate::default(),
            second_approver: false,
            renewal: RenewalPolicy::default(),
            renewal_notice_days: 30,
            topologies: Topologies::default(),
            company_scope: CompanyScope::default(),
            automap: Automap::default(),
            api_share_percent: 25,
            pilot_accounts: Vec::new(),
            freeze: None,
            kill_switch: false,
            invoice_reference: InvoiceReference::default(),
            lookback_days: 7,
            pdf: true,
            payment_writeback: true,
            failure_ticket: FailureTicketSettings::default(),
        }
    }
}

impl Settings {
    /// The time zone; UTC where the name is unknown (it is checked when stored).
    #[must_use]
    pub fn zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.time_zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

/// Settings as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsRecord {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// The settings.
    pub settings: Settings,
    /// Since when package changes are pushed by themselves: what was recorded before waits for *Sync now*.
    #[serde(default)]
    pub auto_sync_since: Option<Timestamp>,
}

impl Record for SettingsRecord {
    const ENTITY: &'static str = "settings";
    fn key(&self) -> Key {
        Key::Settings(self.partner.clone(), self.connection.clone())
    }
}
