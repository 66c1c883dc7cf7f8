//! Customers: a list, one with its contacts, and archiving by hand.

use crate::{BILLERS, examples, foreign_cursor};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::invoices::customers::{self, CustomerFilter};
use domain::invoices::{Address, Contact, Customer};
use jiff::Timestamp;
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, READERS, etag};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/customers";
/// Longest text that is searched for, in characters: a company's name.
const TEXT_CHARS_MAX: usize = 100;

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CustomersQuery {
    /// True: those that a filter keeps out. False, or left out: those that are fetched.
    hidden: Option<bool>,
    /// Only with this in the name, the number or a contact's e-mail address, in any case.
    q: Option<String>,
    /// Also those that were archived here.
    archived: Option<bool>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Where a customer is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddressView {
    line1: String,
    line2: String,
    city: String,
    state: String,
    postal_code: String,
    /// `countryID`, Autotask's number.
    country_id: Option<i64>,
}

impl From<&Address> for AddressView {
    fn from(of: &Address) -> Self {
        Self {
            line1: of.line1.clone(),
            line2: of.line2.clone(),
            city: of.city.clone(),
            state: of.state.clone(),
            postal_code: of.postal_code.clone(),
            country_id: of.country,
        }
    }
}

/// A customer: a company in Autotask that invoices go to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerView {
    /// `Companies.id`: the name of the customer in this API.
    company_id: i64,
    name: String,
    /// Autotask's number; empty where it has none.
    number: String,
    /// Whether it is active in Autotask.
    active: bool,
    phone: Option<String>,
    tax_id: Option<String>,
    /// The currency's name, where Autotask tells one.
    currency: Option<String>,
    address: AddressView,
    /// Which filter keeps it and its invoices out; null: it is fetched.
    hidden_by: Option<String>,
    /// Since when Autotask no longer returns it. It is not archived by that.
    #[schema(value_type = Option<String>, format = DateTime)]
    missing_since: Option<Timestamp>,
    /// When a person archived it here.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// When our copy last changed.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

impl From<&Customer> for CustomerView {
    fn from(of: &Customer) -> Self {
        Self {
            company_id: of.id,
            name: of.name.clone(),
            number: of.number.clone(),
            active: of.active,
            phone: of.phone.clone(),
            tax_id: of.tax_id.clone(),
            currency: of.currency.clone(),
            address: AddressView::from(&of.address),
            hidden_by: of.hidden_by.clone(),
            missing_since: of.missing_since,
            archived_at: of.archived_at,
            changed_at: of.changed_at,
        }
    }
}

/// An active contact of a customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// `Contacts.id`.
    contact_id: i64,
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone: Option<String>,
    /// Whether it is the company's primary contact.
    primary: bool,
}

impl From<&Contact> for ContactView {
    fn from(of: &Contact) -> Self {
        Self {
            contact_id: of.id,
            first_name: of.first_name.clone(),
            last_name: of.last_name.clone(),
            email: of.email.clone(),
            phone: of.phone.clone(),
            primary: of.primary,
        }
    }
}

/// A customer with its active contacts, the primary one first; at most 100.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerWithContactsView {
    #[serde(flatten)]
    customer: CustomerView,
    contacts: Vec<ContactView>,
}

impl From<&Customer> for CustomerWithContactsView {
    fn from(of: &Customer) -> Self {
        Self { customer: of.into(), contacts: of.contacts.iter().map(ContactView::from).collect() }
    }
}

/// A page of customers, by Autotask's id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomersPage {
    items: Vec<CustomerView>,
    /// Where the next page begins; null on the last one. A page may be short, or empty, and not the last.
    next_cursor: Option<String>,
}

/// What a cursor of the list says: where, and of which list.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Position {
    connection: ConnectionId,
    hidden: bool,
    text: Option<String>,
    archived: bool,
    after: String,
}

/// Customers of the connection
///
/// Customers that are made or changed here are not made or changed in Autotask. One that is deleted in Autotask is not
/// archived here: delete it there, then archive it here by hand.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/customers",
    tag = "invoices",
    params(("cid" = String, Path), CustomersQuery),
    responses(
        (status = 200, description = "A page", body = CustomersPage, example = examples::customers),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_customers(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<CustomersQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let limit = Paging::limit_of(query.limit)?;
    let text = query.q.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if text.as_deref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX) {
        return Err(domain::Problem::field("q", "has at most 100 characters").into());
    }
    let (hidden, archived) = (query.hidden.unwrap_or(false), query.archived.unwrap_or(false));
    let at = |after| Position { connection: cid.clone(), hidden, text: text.clone(), archived, after };
    let after = match &query.cursor {
        Some(cursor) => {
            let position: Position = cursor::decode(&app, &caller, ROUTE, cursor)?;
            if position != at(position.after.clone()) {
                return Err(foreign_cursor());
            }
            Some(position.after)
        }
        None => None,
    };
    let filter = CustomerFilter { hidden, text: text.clone(), archived };
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let (found, next) = customers::list_customers(&app.ports, &scope, of, &filter, limit, after).await?;
    let next_cursor = next.map(|after| cursor::encode(&app, &caller, ROUTE, &at(after))).transpose()?;
    let items = found.iter().map(|customer| CustomerView::from(&customer.value)).collect();
    Ok(Json(CustomersPage { items, next_cursor }))
}

/// A customer with its contacts
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/customers/{company_id}",
    tag = "invoices",
    params(("cid" = String, Path), ("company_id" = i64, Path, description = "`Companies.id`")),
    responses(
        (status = 200, description = "The customer; its version in `ETag`", body = CustomerWithContactsView, example = examples::customer),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_customer(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, company_id)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let found = customers::load_customer(&app.ports, &scope, of, company_id).await?;
    Ok((etag(found.v), Json(CustomerWithContactsView::from(&found.value))))
}

/// Archives a customer here: it leaves the list, and its invoices stay as they are
///
/// Autotask is not told. What is deleted in Autotask is not archived here by that: delete it there, then archive it here.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/customers/{company_id}/archive",
    tag = "invoices",
    params(("cid" = String, Path), ("company_id" = i64, Path, description = "`Companies.id`"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Archived, or already so", body = CustomerWithContactsView, example = examples::customer),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn archive_customer(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, company_id)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    set_archived(&app, &caller, &cid, company_id, true).await
}

/// Brings an archived customer back into the list
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/customers/{company_id}/unarchive",
    tag = "invoices",
    params(("cid" = String, Path), ("company_id" = i64, Path, description = "`Companies.id`"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Back, or never archived", body = CustomerWithContactsView, example = examples::customer),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn unarchive_customer(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, company_id)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    set_archived(&app, &caller, &cid, company_id, false).await
}

async fn set_archived(
    app: &App,
    caller: &Caller,
    cid: &ConnectionId,
    company: i64,
    archived: bool,
) -> Result<impl IntoResponse + use<>, ApiError> {
    caller.require(BILLERS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, cid));
    let done = customers::set_customer_archived(&app.ports, &scope, caller.actor(), of, company, archived).await?;
    Ok((etag(done.v), Json(CustomerWithContactsView::from(&done.value))))
}
