//! `/v1/connections/{cid}/settings`.

use crate::{READERS, SETTERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::connections::settings::{
    ApprovalMode, DriftPolicy, EffectiveFrom, InitialSyncGate, InvoiceReference, ManyAccounts, RenewalPolicy,
    ScheduleKind, Weekday,
};
use domain::connections::{self, PatchedSettings, Priority};
use domain::notify::EventKind;
use domain::tickets::TicketPer;
use domain::{ConnectionId, Role};
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// When the seat sync runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    /// `monthly`, `last_day` of each month, `weekly`, `daily`, or `manual`: only when a person starts it.
    #[schema(value_type = String, example = "monthly")]
    kind: ScheduleKind,
    /// Day of the month, 1 to 28, where monthly.
    #[schema(example = 1)]
    day: i8,
    /// Day of the week in English, where weekly.
    #[schema(value_type = String, example = "monday")]
    weekday: Weekday,
    /// Hour, 0 to 23, in the connection's time zone.
    #[schema(example = 0)]
    hour: i8,
    /// Minute, 0 to 59.
    #[schema(example = 15)]
    minute: i8,
    /// Whether it runs by itself.
    #[schema(example = true)]
    enabled: bool,
}

/// Guards against bad counts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuardsView {
    /// A change by more units is held.
    #[schema(example = 25)]
    max_units: i64,
    /// A change by more per cent is held, where it is by more than 5 units.
    #[schema(example = 50)]
    max_percent: i64,
    /// A line whose monthly invoice would change by more, either way, is held: a decimal string, 0 or more, at most 2
    /// decimals, in the contract's currency; null where money is no guard.
    #[schema(example = "250.00")]
    max_money: Option<String>,
    /// A fall to 0 is held.
    #[schema(example = true)]
    hold_zero: bool,
    /// A run with more than this share of held lines, in per cent, writes nothing.
    #[schema(example = 30)]
    stop_run_percent: i64,
    /// An older count, in hours, is not written.
    #[schema(example = 48)]
    usage_max_age_hours: i64,
}

/// From when changes count: `period_start`, `actual_date` (Autotask prorates) or `next_period`. A date in a period that
/// is posted already moves on to the next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectiveDatesView {
    /// More units, of counts.
    #[schema(value_type = String, example = "period_start")]
    increase: EffectiveFrom,
    /// Fewer units, of counts.
    #[schema(value_type = String, example = "period_start")]
    decrease: EffectiveFrom,
    /// More units, of package changes; both lines of a swap.
    #[schema(value_type = String, example = "actual_date")]
    package_change_increase: EffectiveFrom,
    /// Fewer units, of package changes.
    #[schema(value_type = String, example = "next_period")]
    package_change_decrease: EffectiveFrom,
}

/// Shapes beyond one account, one company, one contract.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopologiesView {
    /// Several accounts mapped to one company: `off`, `sum` (into one line for each package) or `separate` (each has
    /// lines of its own).
    #[schema(value_type = String, example = "off")]
    many_accounts_per_company: ManyAccounts,
    /// One account over several contracts of its company, by package.
    contract_per_package: bool,
}

/// Which companies the picker and auto-map offer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompanyScopeView {
    /// Labels of the company type.
    #[schema(example = json!(["Customer"]))]
    types: Vec<String>,
    /// Only active ones.
    active: bool,
}

/// By what auto-map compares.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AutomapView {
    /// The primary contact's e-mail address.
    email: bool,
    /// The exact company name.
    exact_name: bool,
}

/// Days in which no run writes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FreezeView {
    /// First day.
    #[schema(value_type = String, format = Date)]
    from: Date,
    /// Last day.
    #[schema(value_type = String, format = Date)]
    to: Date,
}

/// Tickets in Autotask about runs that fail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureTicketView {
    /// Whether there are any; off unless switched on.
    enabled: bool,
    /// `Tickets.queueID`; needed where enabled.
    #[schema(example = 29683354)]
    queue: Option<i64>,
    /// `Tickets.priority`; needed where enabled.
    #[schema(example = 2)]
    priority: Option<i64>,
    /// `Tickets.source`.
    source: Option<i64>,
    /// `Tickets.companyID`; 0 is the partner itself.
    company_id: i64,
    /// What gets a ticket of its own: `run` (all that fails in runs of one kind) or `client`.
    #[schema(value_type = String, example = "run")]
    per: TicketPer,
}

/// Whom mails go to, and of what: changed by `PUT /v1/connections/{cid}/notifications`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotificationSettingsView {
    /// Addresses; where there are none, mails go to `email`.
    emails: Vec<String>,
    /// What they are told of.
    #[schema(value_type = Vec<String>, example = json!(["run_failed", "held"]))]
    events: Vec<EventKind>,
}

/// What Autotask calls us about: changed by `POST /v1/connections/{cid}/webhooks/install` and `…/uninstall`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookSettingsView {
    /// The kinds of which a webhook is installed.
    #[schema(example = json!(["companies", "contacts"]))]
    entities: Vec<String>,
}

/// A connection's settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingsView {
    /// `primary` or `secondary`.
    #[schema(value_type = String, example = "primary")]
    priority: Priority,
    /// Which jobs are on.
    #[schema(example = json!(["seat_sync"]))]
    features: Vec<String>,
    /// Notification contact.
    email: Option<String>,
    /// IANA name.
    #[schema(example = "Europe/London")]
    time_zone: String,
    /// "Enable Billing Auto Sync": package changes are pushed by themselves. Never gates the monthly sync.
    billing_auto_sync: bool,
    schedule: ScheduleView,
    /// `auto`, `approve_exceptions` or `approve_all`.
    #[schema(value_type = String, example = "auto")]
    approval_mode: ApprovalMode,
    guards: GuardsView,
    /// `overwrite`, `hold` or `respect_until_next_month`.
    #[schema(value_type = String, example = "overwrite")]
    drift: DriftPolicy,
    /// Where neither line nor package says.
    overwrite_cost: bool,
    effective_date: EffectiveDatesView,
    /// Whether a mapped package's missing line is added to the contract, by the initial sync and package changes; the
    /// seat sync never adds one.
    create_missing_lines: bool,
    /// When the initial sync opens: `in_use` (every package in use by a confirmed account is mapped or excluded) or
    /// `all_packages` (every package available to the partner).
    #[schema(value_type = String, example = "in_use")]
    initial_sync_gate: InitialSyncGate,
    /// Whether what one person started or decided must be applied by another.
    second_approver: bool,
    /// Renewed contracts: `propose` the successor, or `auto_remap` where there is exactly one.
    #[schema(value_type = String, example = "propose")]
    renewal: RenewalPolicy,
    /// How long before a mapped contract's end it is told, 1 to 180 days.
    #[schema(example = 30)]
    renewal_notice_days: i64,
    /// By how much a fetch of new invoices looks back before what it has already seen, in days, 1 to 60.
    #[schema(example = 7)]
    lookback_days: i64,
    topologies: TopologiesView,
    company_scope: CompanyScopeView,
    automap: AutomapView,
    /// Share of Autotask's hourly limit, in per cent.
    #[schema(example = 25)]
    api_share_percent: i64,
    /// Where not empty, only these accounts are written.
    pilot_accounts: Vec<String>,
    /// No writes in this span.
    freeze: Option<FreezeView>,
    /// Stops every write at once.
    kill_switch: bool,
    /// `invoice_number` or `autotask_id`.
    #[schema(value_type = String, example = "invoice_number")]
    invoice_reference: InvoiceReference,
    /// Whether the PDFs of invoices are fetched.
    pdf: bool,
    /// Whether the paid date of an invoice that was paid in full here is written into Autotask; switched on again, what
    /// is due is written within the hour.
    payment_writeback: bool,
    failure_ticket: FailureTicketView,
    notifications: NotificationSettingsView,
    webhooks: WebhookSettingsView,
}

impl From<PatchedSettings> for SettingsView {
    fn from(of: PatchedSettings) -> Self {
        let (head, s, notifications) = (of.head, of.settings, of.notifications);
        Self {
            priority: head.priority,
            features: head.features,
            email: head.email,
            time_zone: s.time_zone,
            billing_auto_sync: s.billing_auto_sync,
            schedule: ScheduleView {
                kind: s.schedule.kind,
                day: s.schedule.day,
                weekday: s.schedule.weekday,
                hour: s.schedule.hour,
                minute: s.schedule.minute,
                enabled: s.schedule.enabled,
            },
            approval_mode: s.approval_mode,
            guards: GuardsView {
                max_units: s.guards.max_units,
                max_percent: s.guards.max_percent,
                max_money: s.guards.max_money.map(|money| money.to_string()),
                hold_zero: s.guards.hold_zero,
                stop_run_percent: s.guards.stop_run_percent,
                usage_max_age_hours: s.guards.usage_max_age_hours,
            },
            drift: s.drift,
            overwrite_cost: s.overwrite_cost,
            effective_date: EffectiveDatesView {
                increase: s.effective_date.increase,
                decrease: s.effective_date.decrease,
                package_change_increase: s.effective_date.package_change_increase,
                package_change_decrease: s.effective_date.package_change_decrease,
            },
            create_missing_lines: s.create_missing_lines,
            initial_sync_gate: s.initial_sync_gate,
            second_approver: s.second_approver,
            renewal: s.renewal,
            renewal_notice_days: s.renewal_notice_days,
            lookback_days: s.lookback_days,
            topologies: TopologiesView {
                many_accounts_per_company: s.topologies.many_accounts_per_company,
                contract_per_package: s.topologies.contract_per_package,
            },
            company_scope: CompanyScopeView { types: s.company_scope.types, active: s.company_scope.active },
            automap: AutomapView { email: s.automap.email, exact_name: s.automap.exact_name },
            api_share_percent: s.api_share_percent,
            pilot_accounts: s.pilot_accounts.iter().map(ToString::to_string).collect(),
            freeze: s.freeze.map(|f| FreezeView { from: f.from, to: f.to }),
            kill_switch: s.kill_switch,
            invoice_reference: s.invoice_reference,
            pdf: s.pdf,
            payment_writeback: s.payment_writeback,
            failure_ticket: FailureTicketView {
                enabled: s.failure_ticket.enabled,
                queue: s.failure_ticket.queue,
                priority: s.failure_ticket.priority,
                source: s.failure_ticket.source,
                company_id: s.failure_ticket.company_id,
                per: s.failure_ticket.per,
            },
            notifications: NotificationSettingsView {
                emails: notifications.emails.into_iter().map(String::from).collect(),
                events: notifications.events,
            },
            webhooks: WebhookSettingsView {
                entities: of.webhooks.entities.iter().map(|entity| entity.as_str().to_owned()).collect(),
            },
        }
    }
}

/// Reads the settings
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/settings",
    tag = "settings",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "With `ETag`", body = SettingsView, example = examples::settings),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_settings(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let found = connections::read_settings(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    Ok((etag(found.v), Json(SettingsView::from(found))))
}

/// Changes settings by JSON merge patch; null brings a default back
///
/// `partner_billing` may change `billing_auto_sync`, `approval_mode`, `guards`, `drift`, `overwrite_cost`,
/// `effective_date`, `create_missing_lines`, `initial_sync_gate`, `renewal`, `renewal_notice_days`, `pilot_accounts`,
/// `freeze`, `kill_switch` and `payment_writeback`; `partner_admin` everything.
#[utoipa::path(
    patch,
    path = "/v1/connections/{cid}/settings",
    tag = "settings",
    params(("cid" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content = Object, description = "Any part of the settings", example = json!({"schedule": {"day": 2}, "guards": {"max_units": 50}, "freeze": null})),
    responses(
        (status = 200, description = "Changed, or already so; with `ETag`", body = SettingsView, example = examples::settings),
        (status = 400, description = "`invalid_input`, every wrong value at once", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`; `topology_in_use` with `account_ids`: mappings do not fit the `topologies`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn patch_settings(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    IfMatch(version): IfMatch,
    patch: Body<Map<String, Value>>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(SETTERS)?;
    if caller.role() == Role::PartnerAdmin {
        caller.require_main()?;
    }
    let patch = patch.read()?;
    let scope = caller.scope()?;
    let done =
        connections::patch_settings(&app.ports, &scope, caller.actor(), caller.partner()?, &cid, version, &patch)
            .await?;
    Ok((etag(done.v), Json(SettingsView::from(done))))
}
