//! How far the fetching has come, and the two buttons.

use crate::{BILLERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::connections::{ConnectionStatus, INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB};
use domain::invoices::fetch::{self, Counts, Fetch, FetchKind, FetchState, Last, SyncStatus};
use http::{HeaderName, StatusCode, header};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Caller, PathParams, ProblemBody, READERS};
use serde::Serialize;
use utoipa::ToSchema;

/// A fetch that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedFetch {
    /// Its id.
    #[schema(example = "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012")]
    run_id: String,
    /// Where its state can be read.
    #[schema(example = "/v1/connections/con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e/sync-status")]
    status_url: String,
}

/// How far the fetching of invoices and customers has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncStatusView {
    /// `idle`, `queued`, `running`, `paused` (the connection is paused, or needs new credentials) or `off` (the feature
    /// is off).
    state: &'static str,
    /// Everything that was so in Autotask at this instant is here; null until the first import has ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    checkpoint: Option<Timestamp>,
    /// The fetch that is under way.
    running: Option<FetchView>,
    /// `import`: everything that the filters let through; after connecting and when they let more through.
    import: KindView,
    /// `new`: hourly what is new, paid or voided, and changed customers; *Fetch New Data*.
    new: KindView,
    /// `open`: daily what is open here or in Autotask; *Fetch Unpaid Invoices*.
    open: KindView,
    /// Invoices whose PDF is still to be fetched, at most a thousand.
    pdfs_waiting: usize,
}

/// One kind of fetch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindView {
    /// How it last ended: `done`, `partial` (some rows could not be read) or `failed`; null where it never ran.
    last_state: Option<&'static str>,
    /// When that one was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_ended_at: Option<Timestamp>,
    /// What it did.
    last_counts: Option<CountsView>,
    /// Why it failed.
    last_problem: Option<String>,
    /// When it starts next by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// From when on its button may be pressed again; null: now, or it has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_manual_at: Option<Timestamp>,
}

/// A fetch that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FetchView {
    /// Its id.
    run_id: String,
    /// `import`, `new` or `open`.
    kind: &'static str,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// What it has done so far.
    counts: CountsView,
    /// What it waits for, if it does.
    waits_for: Option<String>,
}

/// What a fetch has done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountsView {
    customers_seen: u32,
    customers_changed: u32,
    invoices_seen: u32,
    invoices_created: u32,
    invoices_changed: u32,
    /// No longer returned by Autotask.
    invoices_missing: u32,
    /// Kept out by a filter.
    invoices_hidden: u32,
    /// Lines read.
    lines: u32,
    /// Rows that lack a customer, a date or a total.
    unreadable: u32,
    /// Calls to Autotask.
    autotask_calls: u32,
}

impl From<&Counts> for CountsView {
    fn from(counts: &Counts) -> Self {
        Self {
            customers_seen: counts.customers_seen,
            customers_changed: counts.customers_changed,
            invoices_seen: counts.invoices_seen,
            invoices_created: counts.invoices_created,
            invoices_changed: counts.invoices_changed,
            invoices_missing: counts.invoices_missing,
            invoices_hidden: counts.invoices_hidden,
            lines: counts.lines,
            unreadable: counts.unreadable,
            autotask_calls: counts.calls,
        }
    }
}

fn state_of(state: FetchState) -> &'static str {
    match state {
        FetchState::Queued => "queued",
        FetchState::Running => "running",
        FetchState::Partial => "partial",
        FetchState::Failed => "failed",
        FetchState::Done => "done",
    }
}

fn kind_view(status: &SyncStatus, kind: FetchKind, now: Timestamp) -> KindView {
    let last: Option<&Last> = status.progress.last.get(&kind);
    let job = if kind == FetchKind::Open { INVOICE_REFRESH_JOB } else { INVOICE_FETCH_JOB };
    let due = status.due.iter().find(|(own, _)| own == job).map(|(_, at)| *at);
    let import_next = status.progress.checkpoint.is_none() || status.progress.import_wanted_at.is_some();
    let its_turn = match kind {
        FetchKind::Import => import_next,
        FetchKind::New => !import_next,
        FetchKind::Open => true,
    };
    KindView {
        last_state: last.map(|last| state_of(last.state)),
        last_started_at: last.map(|last| last.started_at),
        last_ended_at: last.map(|last| last.ended_at),
        last_counts: last.map(|last| CountsView::from(&last.counts)),
        last_problem: last
            .and_then(|last| last.problem.as_ref())
            .map(|(code, words)| format!("{}: {words}", code.as_str())),
        next_at: due.filter(|_| its_turn),
        next_manual_at: (kind != FetchKind::Import)
            .then(|| fetch::next_allowed(&status.progress, kind, status.limits, now))
            .flatten(),
    }
}

/// How far the fetching of invoices and customers has come
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/sync-status",
    tag = "invoices",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "State, checkpoint, counts, last and next fetches", body = SyncStatusView, example = examples::sync_status),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_sync_status(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let status = fetch::sync_status(&app.ports, &scope, partner, &cid).await?;
    let now = app.ports.clock.now();
    let running = status.running.as_ref().map(|fetch| FetchView {
        run_id: fetch.id.to_string(),
        kind: fetch.kind.as_str(),
        started_at: fetch.started_at,
        counts: CountsView::from(&fetch.counts),
        waits_for: fetch.problem.as_ref().map(|(code, words)| format!("{}: {words}", code.as_str())),
    });
    let state = match (&status.running, status.connection) {
        _ if !status.feature => "off",
        (_, ConnectionStatus::Paused | ConnectionStatus::NeedsRelink | ConnectionStatus::Disconnected) => "paused",
        (Some(fetch), ConnectionStatus::Connected) => state_of(fetch.state),
        (None, ConnectionStatus::Connected) => "idle",
    };
    Ok(Json(SyncStatusView {
        state,
        checkpoint: status.progress.checkpoint,
        running,
        import: kind_view(&status, FetchKind::Import, now),
        new: kind_view(&status, FetchKind::New, now),
        open: kind_view(&status, FetchKind::Open, now),
        pdfs_waiting: status.pdfs_waiting,
    }))
}

/// Fetch New Data: invoices and customers that are new, paid, voided or changed
///
/// Once an hour, unless the vendor has set another time. Autotask keeps no time of an invoice's change: of what is only edited this sees what was made in the
/// last days (`lookback_days`); the rest is found daily, or by *Fetch Unpaid Invoices*.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/sync/fetch-new",
    tag = "invoices",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "Started; a worker takes it up", body = StartedFetch),
        (status = 403, description = "`forbidden_role`; `secondary_no_manual`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`already_running` with `run_id`; `feature_off`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited_manual` with `next_allowed_at`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn fetch_new(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    press(&app, &caller, &cid, FetchKind::New).await
}

/// Fetch Unpaid Invoices: everything that is open here or in Autotask, at once instead of daily
///
/// Once in 12 hours, unless the vendor has set another time. Amount, due date, payment and voiding of each are corrected to Autotask's.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/sync/fetch-unpaid",
    tag = "invoices",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "Started; a worker takes it up", body = StartedFetch),
        (status = 403, description = "`forbidden_role`; `secondary_no_manual`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`already_running` with `run_id`; `feature_off`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited_manual` with `next_allowed_at`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn fetch_unpaid(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    press(&app, &caller, &cid, FetchKind::Open).await
}

type Accepted = (StatusCode, [(HeaderName, String); 1], Json<StartedFetch>);

async fn press(app: &App, caller: &Caller, cid: &ConnectionId, kind: FetchKind) -> Result<Accepted, ApiError> {
    caller.require(BILLERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let fetch: Fetch = fetch::press(&app.ports, &scope, caller.actor(), partner, cid, kind).await?;
    let status_url = format!("/v1/connections/{cid}/sync-status");
    let body = StartedFetch { run_id: fetch.id.to_string(), status_url: status_url.clone() };
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, status_url)], Json(body)))
}
