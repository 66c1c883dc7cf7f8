//! `PUT|DELETE /v1/partners/{partner}/accounts/{account}` and `POST /v1/accounts/batch`.

use crate::batch::{Batch, BatchView, in_place};
use crate::partners::{status_of, yes};
use crate::{BACK_END, reach};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::vendor::{self, Account, AccountInput, AccountItem, AccountPackage, Put, PutOutcome};
use domain::{AccountId, PackageId, PartnerId};
use http::StatusCode;
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A package that an account has.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPackageBody {
    #[schema(value_type = String, example = "training")]
    id: PackageId,
    /// How many, where it is sold by quantity.
    #[serde(default)]
    #[schema(example = 47)]
    quantity: Option<i64>,
}

/// An account, whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountBody {
    /// Its name, at most 200 characters.
    #[schema(example = "Blue Kite Ltd")]
    name: String,
    /// E-mail address of its primary contact; auto-map compares it.
    #[serde(default)]
    #[schema(example = "office@bluekite.example")]
    contact_email: Option<String>,
    /// What it has, at most 100, and nothing else; left out, its packages stay as they are.
    #[serde(default)]
    packages: Option<Vec<AccountPackageBody>>,
    /// Whether it still is a client.
    #[serde(default = "yes")]
    #[schema(default = true)]
    active: bool,
}

impl From<AccountBody> for AccountInput {
    fn from(body: AccountBody) -> Self {
        let package = |p: AccountPackageBody| AccountPackage::new(p.id, p.quantity);
        Self {
            name: body.name,
            contact_email: body.contact_email,
            packages: body.packages.map(|packages| packages.into_iter().map(package).collect()),
            active: body.active,
        }
    }
}

/// An account of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountItemBody {
    #[schema(value_type = String, example = "acme")]
    partner: PartnerId,
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    name: String,
    #[serde(default)]
    contact_email: Option<String>,
    #[serde(default)]
    packages: Option<Vec<AccountPackageBody>>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    active: bool,
}

impl AccountItemBody {
    fn item(self) -> AccountItem {
        let Self { partner, account_id, name, contact_email, packages, active } = self;
        let input = AccountBody { name, contact_email, packages, active }.into();
        AccountItem { partner, id: account_id, input, at: None }
    }
}

/// Many accounts.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes the body, whose items are read one by one")]
pub struct AccountsBody {
    /// 1 to 500.
    items: Vec<AccountItemBody>,
}

/// An account as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    #[schema(value_type = String, example = "acme")]
    partner_id: PartnerId,
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    name: String,
    contact_email: Option<String>,
    packages: Vec<AccountPackageBody>,
    active: bool,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// How the put ended: `created`, `updated`, `unchanged` or `older_ignored`.
    #[schema(value_type = String)]
    outcome: PutOutcome,
}

fn view(put: Put<Account>) -> AccountView {
    let account = put.record.value;
    let package = |p: AccountPackage| AccountPackageBody { id: p.id, quantity: p.quantity };
    AccountView {
        partner_id: account.partner,
        account_id: account.id,
        name: account.name,
        contact_email: account.contact_email,
        packages: account.packages.into_iter().map(package).collect(),
        active: account.active,
        updated_at: account.updated_at,
        outcome: put.outcome,
    }
}

/// Makes an account known or changes it
#[utoipa::path(
    put,
    path = "/v1/partners/{partner}/accounts/{account}",
    tag = "vendor",
    params(
        ("partner" = String, Path, example = "acme"),
        ("account" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
    ),
    request_body(content = AccountBody, example = json!({"name": "Blue Kite Ltd", "contact_email": "office@bluekite.example", "packages": [{"id": "training", "quantity": 47}], "active": true})),
    responses(
        (status = 200, description = "Changed, or already so", body = AccountView, example = json!({"partner_id": "acme", "account_id": "a1", "name": "Blue Kite Ltd", "contact_email": "office@bluekite.example", "packages": [{"id": "training", "quantity": 47}], "active": true, "updated_at": "2026-11-20T09:00:00Z", "outcome": "updated"})),
        (status = 201, description = "New", body = AccountView, example = json!({"partner_id": "acme", "account_id": "a1", "name": "Blue Kite Ltd", "contact_email": "office@bluekite.example", "packages": [{"id": "training", "quantity": 47}], "active": true, "updated_at": "2026-11-20T09:00:00Z", "outcome": "created"})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such partner", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_account(
    State(app): State<App>,
    caller: Caller,
    PathParams((partner, account)): PathParams<(PartnerId, AccountId)>,
    IfMatch(version): IfMatch,
    body: Body<AccountBody>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END, Some(&partner))?;
    let body = body.read()?;
    let item = AccountItem { partner, id: account, input: body.into(), at: None };
    let put = vendor::put_account(&app.ports, &scope, caller.actor(), item, version).await?;
    Ok((status_of(put.outcome), etag(put.record.v), Json(view(put))))
}

/// Notes that an account is no longer a client
///
/// Its record, mapping and counts stay; the seat sync skips it.
#[utoipa::path(
    delete,
    path = "/v1/partners/{partner}/accounts/{account}",
    tag = "vendor",
    params(
        ("partner" = String, Path, example = "acme"),
        ("account" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 204, description = "Inactive now, or already"),
        (status = 404, description = "`not_found`: no such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_account(
    State(app): State<App>,
    caller: Caller,
    PathParams((partner, account)): PathParams<(PartnerId, AccountId)>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END, Some(&partner))?;
    let of = (&partner, &account);
    vendor::deactivate_account(&app.ports, &scope, caller.actor(), of, None, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes up to 500 accounts known or changes them, each for itself
#[utoipa::path(
    post,
    path = "/v1/accounts/batch",
    tag = "vendor",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content = AccountsBody, example = json!({"items": [{"partner": "acme", "account_id": "a1", "name": "Blue Kite Ltd", "contact_email": "office@bluekite.example", "packages": [{"id": "training"}], "active": true}]})),
    responses(
        (status = 200, description = "One result per item", body = BatchView, example = json!({"succeeded": 1, "failed": 1, "results": [{"index": 0, "outcome": "created"}, {"index": 1, "error": {"code": "not_found", "detail": "There is no such partner."}}]})),
        (status = 400, description = "`invalid_input`: no items, or too many", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_accounts(
    State(app): State<App>,
    caller: Caller,
    batch: Body<Batch>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END, None)?;
    let batch = batch.read()?;
    let mut wanted = Vec::new();
    let read: Vec<Result<(), domain::Error>> =
        batch.read::<AccountItemBody>()?.into_iter().map(|item| item.map(|item| wanted.push(item.item()))).collect();
    let done = vendor::put_accounts(&app.ports, &scope, caller.actor(), wanted).await;
    Ok(Json(BatchView::of(in_place(read, done), |put| json!(put.outcome))))
}
