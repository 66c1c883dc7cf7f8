//! The counts of a month, day by day, and what they come to.

use crate::{READERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::packages::counting::Counted;
use domain::packages::{CountRule, UsageHistory, usage_history};
use domain::vendor::DayCount;
use domain::{AccountId, ConnectionId, PackageId, Problem};
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Caller, Params, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Characters of a month: `2026-11`.
const MONTH_CHARS: usize = 7;

/// Whose counts of which month.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageHistoryQuery {
    /// The account.
    #[param(value_type = String, example = "acc_0007")]
    account: AccountId,
    /// The package.
    #[param(value_type = String, example = "training")]
    package: PackageId,
    /// The month, by the partner's time zone; the one that a run of today would bill if not given.
    #[param(example = "2026-11")]
    month: Option<String>,
}

/// A month of counts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageHistoryView {
    /// The account.
    account_id: String,
    /// The package.
    package_id: String,
    /// The month.
    #[schema(example = "2026-11")]
    month: String,
    /// IANA name of the zone that days and months are of: the partner's.
    #[schema(example = "Europe/London")]
    time_zone: String,
    /// The newest count, of whatever month.
    newest_count: Option<i64>,
    /// When that was counted.
    #[schema(value_type = Option<String>, format = DateTime)]
    newest_as_of: Option<Timestamp>,
    /// The count that the month began with, where one was known.
    opening: Option<i64>,
    /// The days that have counts, in order.
    days: Vec<DayCountView>,
    /// What each counting rule makes of them by now.
    rules: Vec<RuleCountView>,
}

/// The counts of one day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DayCountView {
    /// The day.
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// Its newest count.
    last: i64,
    /// Its largest count.
    high: i64,
    /// When the newest was counted.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
}

/// What a counting rule makes of the month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleCountView {
    /// `snapshot_on_run`, `high_water_mark`, `average_rounded_up` or `fixed`.
    #[schema(value_type = String, example = "high_water_mark")]
    rule: CountRule,
    /// The count; null where nothing was counted, or nothing is prepaid.
    count: Option<i64>,
    /// How new it is.
    #[schema(value_type = Option<String>, format = DateTime)]
    count_as_of: Option<Timestamp>,
    /// How it came about.
    explanation: Option<String>,
}

impl From<(CountRule, Option<Counted>)> for RuleCountView {
    fn from((rule, counted): (CountRule, Option<Counted>)) -> Self {
        let count = counted.as_ref().map(|counted| counted.count);
        let count_as_of = counted.as_ref().map(|counted| counted.as_of);
        Self { rule, count, count_as_of, explanation: counted.map(|counted| counted.how) }
    }
}

fn view(account: &AccountId, package: &PackageId, found: UsageHistory) -> UsageHistoryView {
    let month = found.month;
    let day = |(day, count): (i8, DayCount)| {
        let date = month.with().day(day).build().unwrap_or(month);
        DayCountView { date, last: count.last, high: count.high, as_of: count.as_of }
    };
    UsageHistoryView {
        account_id: account.to_string(),
        package_id: package.to_string(),
        month: month.strftime("%Y-%m").to_string(),
        time_zone: found.zone,
        newest_count: found.newest.as_ref().map(|newest| newest.active),
        newest_as_of: found.newest.as_ref().map(|newest| newest.as_of),
        opening: found.opening,
        days: found.days.into_iter().map(day).collect(),
        rules: found.rules.into_iter().map(Into::into).collect(),
    }
}

/// The first day of a month that is named as `2026-11`.
fn first_day(month: &str) -> Result<Date, ApiError> {
    let day = (month.len() == MONTH_CHARS).then(|| format!("{month}-01").parse().ok()).flatten();
    day.ok_or_else(|| Problem::field("month", "must be a month, for example 2026-11").into())
}

/// The counts of a month, day by day, and what each counting rule makes of them
///
/// Read-only, and from what was counted alone: free units, minimum and cap come after the count.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/usage-history",
    tag = "runs",
    params(("cid" = String, Path), UsageHistoryQuery),
    responses(
        (status = 200, description = "The month", body = UsageHistoryView, example = examples::usage_history),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such connection, account or package", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_usage_history(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<UsageHistoryQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let month = query.month.as_deref().map(first_day).transpose()?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let of = (&query.account, &query.package);
    let found = usage_history(&app.ports, &scope, partner, &cid, of, month).await?;
    Ok(Json(view(&query.account, &query.package, found)))
}
