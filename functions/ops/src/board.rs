//! The vendor's board: every partner's connections at a glance.

use crate::{SUPPORT, examples, foreign_cursor};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::board::{self, After, BoardFilter, CLIENTS_MAX, Client, Row};
use domain::connections::ConnectionStatus;
use domain::invoices::fetch::{FetchKind, FetchState, Last};
use domain::mappings::status_text;
use domain::runs::Run;
use domain::{Code, ConnectionId, Problem};
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::edge::{ApiError, Caller, Paging, Params, ProblemBody};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use url::form_urlencoded::byte_serialize;
use utoipa::{IntoParams, ToSchema};

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/vendor/board";
/// Longest part of a name, in characters.
const CLIENT_CHARS_MAX: usize = 100;

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BoardQuery {
    /// Only `connected`, `needs_relink`, `paused` or `disconnected` ones.
    #[param(value_type = Option<String>, example = "needs_relink")]
    state: Option<ConnectionStatus>,
    /// Only of partners with a client whose name, or whose company's name, holds this; whatever its case.
    #[param(example = "umbrella")]
    client: Option<String>,
    /// With `client`: the day on which runs did something about it, in the connection's zone.
    #[param(value_type = Option<String>, format = Date, example = "2026-12-01")]
    date: Option<Date>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of the board.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoardPage {
    items: Vec<BoardRowView>,
    /// Where the next page begins; null on the last one. With a filter a page may be short, or empty, and not the
    /// last.
    next_cursor: Option<String>,
}

/// A connection at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoardRowView {
    #[schema(example = "acme")]
    partner_id: String,
    /// Null where the vendor's back end has not named the partner yet.
    #[schema(example = "Acme IT")]
    partner_name: Option<String>,
    #[schema(example = "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e")]
    connection_id: String,
    /// `connected`, `needs_relink`, `paused` or `disconnected`.
    #[schema(example = "connected")]
    state: &'static str,
    /// Which jobs are on.
    #[schema(example = json!(["seat_sync"]))]
    features: Vec<String>,
    /// When Autotask last took the credentials.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_ok_at: Option<Timestamp>,
    /// Since when it needs new credentials.
    #[schema(value_type = Option<String>, format = DateTime)]
    needs_relink_since: Option<Timestamp>,
    /// Issues that are open or acknowledged.
    issues: usize,
    /// Held lines of the newest seat sync.
    held: u32,
    /// The newest seat sync that was to write.
    seat_sync: Option<BoardRunView>,
    /// The newest initial sync or push of package changes.
    package_changes: Option<BoardRunView>,
    /// The newest fetch of invoices.
    invoices: Option<BoardRunView>,
    /// The clients that were looked for, at most 20.
    clients: Vec<BoardClientView>,
    /// What runs did about them on the day, where `date` is given.
    day: Option<BoardDayView>,
}

/// How something went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoardRunView {
    run_id: String,
    /// Of a run `queued` … `done`, `partial`, `failed`, `stopped`, `cancelled`; of a fetch `done`, `partial`, `failed`.
    #[schema(example = "partial")]
    state: &'static str,
    /// `seat_sync`, `initial`, `package_changes`; of a fetch `import`, `new`, `open`.
    #[schema(example = "seat_sync")]
    kind: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Lines that failed.
    failed: u32,
    /// Why it ended as a whole, where it did.
    #[schema(example = "run_stopped")]
    problem: Option<&'static str>,
    /// Where more can be read, with `X-Partner-Id`.
    status_url: String,
}

/// A client.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoardClientView {
    #[schema(example = "acc_0007")]
    account_id: String,
    #[schema(example = "Umbrella")]
    name: String,
    #[schema(example = 1007)]
    company_id: Option<i64>,
    #[schema(example = "Umbrella Corporation")]
    company_name: Option<String>,
    /// `unmapped`, `suggested`, `confirmed`, `excluded` or `broken`.
    #[schema(example = "confirmed")]
    mapping: &'static str,
}

/// What runs did about clients on a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoardDayView {
    lines: usize,
    /// Of these, failed, held or unverified.
    troubled: usize,
    /// Whether there were more than 200 lines or 100 runs.
    truncated: bool,
    /// The lines themselves, with `X-Partner-Id`.
    #[schema(example = "/v1/vendor/lines?client=umbrella&date=2026-12-01")]
    url: String,
}

/// What a cursor of the board says: where, and of which list.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    filter: BoardFilter,
    after: After,
}

/// All partners' connections: how they stand, how their last runs went, what waits
///
/// In no particular order. `X-Partner-Id` narrows it to one partner.
#[utoipa::path(
    get,
    path = "/v1/vendor/board",
    tag = "ops",
    params(BoardQuery),
    responses(
        (status = 200, description = "A page", body = BoardPage, example = examples::board),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn vendor_board(
    State(app): State<App>,
    caller: Caller,
    query: Params<BoardQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(SUPPORT)?;
    let query = query.read()?;
    let limit = Paging::limit_of(query.limit)?;
    let filter = BoardFilter {
        partner: caller.partner_if_named().cloned(),
        status: query.state,
        client: client(query.client)?,
        date: query.date,
    };
    if filter.date.is_some() && filter.client.is_none() {
        return Err(Problem::field("date", "goes with `client`").into());
    }
    let after = match &query.cursor {
        Some(text) => {
            let position: Position = cursor::decode(&app, &caller, ROUTE, text)?;
            if position.filter != filter {
                return Err(foreign_cursor());
            }
            Some(position.after)
        }
        None => None,
    };
    let (rows, next) = board::board(&app.ports, &caller.system_scope()?, &filter, limit, after).await?;
    let at = |after| Position { filter: filter.clone(), after };
    let next_cursor = next.map(|after| cursor::encode(&app, &caller, ROUTE, &at(after))).transpose()?;
    let items = rows.into_iter().map(|row| BoardRowView::of(row, &filter)).collect();
    Ok(Json(BoardPage { items, next_cursor }))
}

fn client(given: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(text) = given.map(|text| text.trim().to_owned()) else { return Ok(None) };
    match text.chars().count() {
        1..=CLIENT_CHARS_MAX => Ok(Some(text)),
        _ => Err(Problem::field("client", format!("must have 1 to {CLIENT_CHARS_MAX} characters")).into()),
    }
}

impl BoardRowView {
    fn of(row: Row, filter: &BoardFilter) -> Self {
        debug_assert!(row.clients.len() <= CLIENTS_MAX);
        let url = filter.client.as_ref().zip(filter.date).map(|(client, date)| {
            let client: String = byte_serialize(client.as_bytes()).collect();
            format!("/v1/vendor/lines?client={client}&date={date}")
        });
        let day = row.day.zip(url).map(|(day, url)| BoardDayView {
            lines: day.lines,
            troubled: day.troubled,
            truncated: day.truncated,
            url,
        });
        Self {
            held: row.held(),
            partner_id: row.connection.partner.to_string(),
            partner_name: row.partner.map(|partner| partner.name),
            state: row.connection.status.as_str(),
            last_ok_at: row.connection.last_ok_at,
            needs_relink_since: row.connection.needs_relink_since,
            issues: row.issues,
            seat_sync: row.seat_sync.as_ref().map(BoardRunView::of_run),
            package_changes: row.packages.as_ref().map(BoardRunView::of_run),
            invoices: row.invoices.map(|(kind, last)| BoardRunView::of_fetch(&row.connection.id, kind, last)),
            clients: row.clients.into_iter().map(Into::into).collect(),
            day,
            connection_id: row.connection.id.to_string(),
            features: row.connection.features,
        }
    }
}

impl BoardRunView {
    fn of_run(run: &Run) -> Self {
        Self {
            run_id: run.id.to_string(),
            state: run.state.as_str(),
            kind: run.kind.as_str(),
            started_at: run.created_at,
            ended_at: run.finished_at,
            failed: run.totals.failed,
            problem: run.problem.as_ref().map(|(code, _)| code.as_str()),
            status_url: run.status_url(),
        }
    }

    fn of_fetch(connection: &ConnectionId, kind: FetchKind, last: Last) -> Self {
        Self {
            run_id: last.id.to_string(),
            state: match last.state {
                FetchState::Queued => "queued",
                FetchState::Running => "running",
                FetchState::Partial => "partial",
                FetchState::Failed => "failed",
                FetchState::Done => "done",
            },
            kind: kind.as_str(),
            started_at: last.started_at,
            ended_at: Some(last.ended_at),
            failed: last.counts.unreadable,
            problem: last.problem.map(|(code, _): (Code, String)| code.as_str()),
            status_url: format!("/v1/connections/{connection}/sync-status"),
        }
    }
}

impl From<Client> for BoardClientView {
    fn from(client: Client) -> Self {
        let (company_id, company_name) = client.company.unzip();
        Self {
            account_id: client.account.into(),
            name: client.name,
            company_id,
            company_name,
            mapping: client.mapping.map_or("unmapped", status_text),
        }
    }
}
