//! Named switches: what nobody outside Autotask has confirmed, each with its other values.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::callouts::LOGGED_PAYLOAD_MAX;

/// How the simulated Autotask behaves where its behaviour is not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Adjustments that end at 0 units.
    pub zero_units: Allow,
    /// Adjustments whose effective date lies in an approved and posted period.
    pub posted_period: Allow,
    /// Adjustments whose effective date lies outside of the contract. Accepted, a date before the contract counts from
    /// its start on, and one after it changes nothing.
    pub outside_contract: Allow,
    /// Units rows of a line that was created through the API.
    pub created_line_units: CreatedLineUnits,
    /// Creating a line of a service or bundle that the contract has already.
    pub repeat_service: Allow,
    /// Seconds of clock until reads of units rows show an adjustment.
    pub units_lag_seconds: u64,
    /// Units rows of periods that have not begun.
    pub future_rows: FutureRows,
    /// How date-only values are shown.
    pub date_values: DateValues,
    /// What becomes of `MaxRecords` with a capital M; `maxRecords` always counts.
    pub max_records_capital: MaxRecordsCapital,
    /// The answer once the hourly threshold is used up.
    pub hourly_cap: HourlyCap,
    /// The answer of `GET /{Entity}/{id}` for a row that is not there.
    pub missing_item: MissingItem,
    /// The form of `contractPeriodType`.
    pub contract_period_type: PeriodTypeForm,
    /// Where monthly billing periods begin.
    pub period_start: PeriodStart,
    /// The JSON type of `userAccessFor…`.
    pub user_access: UserAccessForm,
    /// Which contract of a renewal names the other in `renewedContractID`.
    pub renewed_points: RenewedPoints,
    /// A `PATCH` that sets an invoice's `paidDate` to null.
    pub clear_paid_date_patch: Clearing,
    /// A `PUT` of an invoice without `paidDate`.
    pub clear_paid_date_put: Clearing,
    /// What becomes of fields of invoices and billing items that cannot be written.
    pub unwritable_fields: Unwritable,
    /// Whether `invoiceTotal` holds the taxes. It counts when totals follow their lines.
    pub invoice_total: InvoiceTotal,
    /// What `Invoices/{id}/InvoicePdf` answers.
    pub invoice_pdf: PdfForm,
    /// Creating a webhook for an entity, URL and kind of event that another webhook has, or making one so.
    pub repeat_webhook: Allow,
    /// Events that wait when their webhook is switched off.
    pub deactivated_queue: DeactivatedQueue,
    /// Most characters of a payload that the error log keeps: 8,000, or fewer to see it cut.
    pub logged_payload_max: usize,
    /// Seconds of clock from a webhook's first subscribed field to its being ready.
    pub webhook_ready_seconds: u64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            zero_units: Allow::Accepted,
            posted_period: Allow::Accepted,
            outside_contract: Allow::Refused,
            created_line_units: CreatedLineUnits::None,
            repeat_service: Allow::Accepted,
            units_lag_seconds: 0,
            future_rows: FutureRows::ToContractEnd,
            date_values: DateValues::UtcMidnight,
            max_records_capital: MaxRecordsCapital::Ignored,
            hourly_cap: HourlyCap::TooManyRequests,
            missing_item: MissingItem::NotFound,
            contract_period_type: PeriodTypeForm::Number,
            period_start: PeriodStart::ContractStart,
            user_access: UserAccessForm::Number,
            renewed_points: RenewedPoints::OldToNew,
            clear_paid_date_patch: Clearing::Accepted,
            clear_paid_date_put: Clearing::Accepted,
            unwritable_fields: Unwritable::Ignored,
            invoice_total: InvoiceTotal::WithTax,
            invoice_pdf: PdfForm::Whole,
            repeat_webhook: Allow::Refused,
            deactivated_queue: DeactivatedQueue::Logged,
            logged_payload_max: LOGGED_PAYLOAD_MAX,
            webhook_ready_seconds: 0,
        }
    }
}

/// Whether something goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    /// It takes effect.
    Accepted,
    /// 500 with a text.
    Refused,
}

/// Units rows of a line that was created through the API, until its first adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreatedLineUnits {
    /// There are none.
    None,
    /// 0 units in every period of the contract.
    ZeroRows,
    /// 1 unit from the contract's start or today, whichever is later, to its end.
    One,
}

/// Which units rows can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FutureRows {
    /// Rows exist to the end of the contract.
    ToContractEnd,
    /// Only rows that have begun can be read.
    BegunOnly,
}

/// How `2026-12-01` is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateValues {
    /// `2026-12-01T00:00:00Z`.
    UtcMidnight,
    /// Midnight of this IANA zone, told in UTC: `America/Chicago` gives `2026-12-01T06:00:00Z`.
    TenantMidnight(String),
}

impl DateValues {
    pub(crate) fn zone(&self) -> TimeZone {
        match self {
            DateValues::UtcMidnight => TimeZone::UTC,
            DateValues::TenantMidnight(name) => TimeZone::get(name).unwrap_or(TimeZone::UTC),
        }
    }
}

/// What becomes of `MaxRecords`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxRecordsCapital {
    /// Full pages are served.
    Ignored,
    /// It counts like `maxRecords`.
    Honoured,
}

/// The answer at the hourly cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HourlyCap {
    /// 429 with a text.
    TooManyRequests,
    /// 500 with the same text.
    ServerError,
    /// 503 with an HTML page.
    Unavailable,
    /// 401 without a body.
    Unauthorized,
}

/// The answer for a row that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingItem {
    /// 404 with errors.
    NotFound,
    /// 200 `{"item":null}`.
    NullItem,
}

/// The form of `contractPeriodType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodTypeForm {
    /// `1`, `2`, …
    Number,
    /// `"m"`, `"q"`, …
    Letter,
}

/// Where monthly billing periods begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodStart {
    /// On the contract's start day of each month.
    ContractStart,
    /// On the 1st; a first period may be shorter.
    FirstOfMonth,
}

/// Which contract of a renewal names the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewedPoints {
    /// The old one names the one that renews it.
    OldToNew,
    /// The new one names the one that it renews.
    NewToOld,
}

/// What becomes of a field that is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clearing {
    /// It is null afterwards.
    Accepted,
    /// 200, and it holds what it held.
    Ignored,
    /// 500 with a text.
    Refused,
}

/// What becomes of fields that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unwritable {
    /// They stay as they are, the others are written.
    Ignored,
    /// 500 with a text, if the body has another value.
    Refused,
}

/// What `invoiceTotal` is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceTotal {
    /// The lines and `totalTaxValue`.
    WithTax,
    /// The lines.
    WithoutTax,
}

/// What becomes of events that wait when their webhook is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeactivatedQueue {
    /// They are in the error log.
    Logged,
    /// Only the gap in the sequence tells of them.
    Lost,
}

/// How an invoice's PDF is answered. For delays and other statuses there are faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PdfForm {
    /// A small PDF.
    Whole,
    /// The same, its base64 with the escapes that .NET can write.
    Escaped,
    /// A web page called a PDF.
    NotPdf,
    /// A `fileSize` that is not the file's.
    WrongSize,
    /// 8,000,000 bytes.
    TooBig,
    /// `data` that is no base64.
    NoBase64,
}

/// The JSON type of `userAccessFor…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserAccessForm {
    /// `1`
    Number,
    /// `"1"`
    Text,
}
