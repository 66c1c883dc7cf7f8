//! Queries and their pages: ascending ids, a keyset in `nextPageUrl`, the verb of the first page.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::faults::mix;
use crate::filter::{self, Node, member};
use crate::refusal::Refusal;
use crate::schema::{Entity, EntityId, catalogue};
use crate::show::{self, Include};
use crate::state::Tenant;
use crate::switches::{FutureRows, MaxRecordsCapital};
use crate::table::{Row, Table};
use crate::webhooks;
use crate::wire::{Response, WireRequest};

/// `POST …/query` with a body, or `GET …/query?search=`.
pub(crate) fn first_page(
    tenant: &Tenant,
    entity: &Entity,
    request: &WireRequest,
    base: &str,
) -> Result<Response, Refusal> {
    let asked = asked(request)?;
    let query = Query::read(tenant, entity, &asked)?;
    let page = Page {
        page_size: query.page_size,
        previous_ids: Vec::new(),
        next_ids: vec![BEGIN],
        ..Page::of(request, &asked)
    };
    Ok(serve(tenant, entity, &query, &page, request, base))
}

/// `…/query/next?paging=`, by the verb that began and with the same query.
pub(crate) fn next_page(
    tenant: &Tenant,
    entity: &Entity,
    request: &WireRequest,
    base: &str,
) -> Result<Response, Refusal> {
    let page: Page = request
        .parameter("paging")
        .and_then(|paging| serde_json::from_str(&paging).ok())
        .ok_or_else(|| Refusal::invalid("Invalid query syntax. The paging parameter cannot be read."))?;
    if page.verb != request.method.as_str() {
        return Ok(Response::wrong_verb(&request.method));
    }
    let asked = asked(request)?;
    if page.query != fingerprint(&asked) {
        return Err(Refusal::invalid("The query of a next page must be the query of its first page."));
    }
    let query = Query::read(tenant, entity, &asked)?;
    Ok(serve(tenant, entity, &query, &page, request, base))
}

/// `…/query/count`.
pub(crate) fn count(tenant: &Tenant, entity: &Entity, request: &WireRequest) -> Result<Response, Refusal> {
    let query = Query::read(tenant, entity, &asked(request)?)?;
    let found = find(tenant, entity, &query.filter, BEGIN, usize::MAX);
    Ok(Response::json(200, &json!({ "queryCount": found.len() })))
}

/// All children of a parent, as `GET {Parent}/{id}/{Children}` lists them.
pub(crate) fn children(tenant: &Tenant, entity: &Entity, parent: i64) -> Response {
    let field = entity.def.child.as_ref().map_or("id", |child| child.field);
    let filter = filter::read(entity, &json!([{ "op": "eq", "field": field, "value": parent }]));
    let found = match &filter {
        Ok(filter) => find(tenant, entity, filter, BEGIN, tenant.db.meta.page_size),
        Err(_) => Vec::new(),
    };
    let items = show::items(tenant, entity, &found, None);
    Response::json(
        200,
        &json!({ "items": items, "pageDetails": details(found.len(), tenant.db.meta.page_size, None, None) }),
    )
}

/// One row as a reader sees it now.
pub(crate) fn one(tenant: &Tenant, entity: &Entity, id: i64) -> Option<Row> {
    if !may_view(tenant, entity) {
        return None;
    }
    View::new(tenant, entity).get(id).filter(|row| is_own(tenant, entity, row)).cloned()
}

/// Whether a row is among those that the API user sees: of the error log only those of its own webhooks.
pub(crate) fn is_own(tenant: &Tenant, entity: &Entity, row: &Row) -> bool {
    entity.def.plural != "WebhookEventErrorLogs" || webhooks::owner_of_log(entity, row) == Some(tenant.actor)
}

pub(crate) fn may_view(tenant: &Tenant, entity: &Entity) -> bool {
    tenant.db.meta.permissions.access(entity.def.plural).view.granted()
}

/// Before every id, the tenant's own company with id 0 included.
const BEGIN: i64 = -1;

struct Query {
    filter: Node,
    page_size: usize,
    include: Option<Vec<Include>>,
}

impl Query {
    fn read(tenant: &Tenant, entity: &Entity, asked: &Map<String, Value>) -> Result<Self, Refusal> {
        let filter = filter::read(entity, member(asked, "filter").unwrap_or(&Value::Null)).map_err(Refusal::invalid)?;
        let honoured = tenant.switches.max_records_capital == MaxRecordsCapital::Honoured;
        let wanted = asked
            .iter()
            .find(|(name, _)| *name == "maxRecords" || (honoured && name.eq_ignore_ascii_case("maxRecords")))
            .and_then(|(_, value)| value.as_u64())
            .and_then(|wanted| usize::try_from(wanted).ok())
            .filter(|wanted| *wanted > 0);
        let most = tenant.db.meta.page_size;
        let include = match member(asked, "includeFields") {
            Some(Value::Array(names)) if !names.is_empty() => {
                let names = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                Some(show::include(entity, names)?)
            }
            Some(Value::String(names)) => {
                let names = names.split(',').map(|name| name.trim().to_owned()).collect();
                Some(show::include(entity, names)?)
            }
            _ => None,
        };
        Ok(Self { filter, page_size: wanted.unwrap_or(most).min(most), include })
    }
}

/// The `paging` parameter.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    page_size: usize,
    previous_ids: Vec<i64>,
    next_ids: Vec<i64>,
    /// The verb of the first page.
    verb: String,
    /// The first page's query, as a number.
    query: String,
}

impl Page {
    fn of(request: &WireRequest, asked: &Map<String, Value>) -> Self {
        Self {
            page_size: 0,
            previous_ids: Vec::new(),
            next_ids: Vec::new(),
            verb: request.method.to_string(),
            query: fingerprint(asked),
        }
    }

    fn begin(&self) -> i64 {
        self.next_ids.last().copied().unwrap_or(BEGIN)
    }

    fn after(&self, last: i64) -> Self {
        let mut previous_ids = self.previous_ids.clone();
        previous_ids.push(self.begin());
        Self { previous_ids, next_ids: vec![last], ..self.clone() }
    }

    fn before(&self) -> Option<Self> {
        let (last, rest) = self.previous_ids.split_last()?;
        Some(Self { previous_ids: rest.to_vec(), next_ids: vec![*last], ..self.clone() })
    }

    fn url(&self, entity: &Entity, request: &WireRequest, base: &str) -> String {
        let paging = serde_json::to_string(self).unwrap_or_default();
        let mut parameters = url::form_urlencoded::Serializer::new(String::new());
        parameters.append_pair("paging", &paging);
        if request.method == Method::GET
            && let Some(search) = request.parameter("search")
        {
            parameters.append_pair("search", &search);
        }
        // Percent-encoded throughout: a `+` for a blank is read differently by different clients.
        let parameters = parameters.finish().replace('+', "%20");
        format!("{base}V1.0/{}/query/next?{parameters}", entity.def.plural)
    }
}

fn asked(request: &WireRequest) -> Result<Map<String, Value>, Refusal> {
    let parsed = if request.method == Method::GET {
        request.parameter("search").and_then(|search| serde_json::from_str(&search).ok())
    } else {
        serde_json::from_slice(&request.body).ok()
    };
    match parsed {
        Some(Value::Object(asked)) => Ok(asked),
        _ => Err(Refusal::invalid("Invalid query syntax. The query is not a JSON object.")),
    }
}

fn fingerprint(asked: &Map<String, Value>) -> String {
    let text = serde_json::to_string(asked).unwrap_or_default();
    format!("{:016x}", text.bytes().fold(0_u64, |hash, byte| mix(hash ^ u64::from(byte))))
}

fn serve(tenant: &Tenant, entity: &Entity, query: &Query, page: &Page, request: &WireRequest, base: &str) -> Response {
    let mut found = find(tenant, entity, &query.filter, page.begin(), query.page_size.saturating_add(1));
    let more = found.len() > query.page_size;
    found.truncate(query.page_size);
    let next = found.last().filter(|_| more).map(|row| page.after(row.id(entity)).url(entity, request, base));
    let previous = page.before().map(|page| page.url(entity, request, base));
    let items = show::items(tenant, entity, &found, query.include.as_deref());
    Response::json(
        200,
        &json!({ "items": items, "pageDetails": details(found.len(), query.page_size, previous, next) }),
    )
}

/// The URL of the page at hand, for a fault that makes a page its own next one.
pub(crate) fn own_url(entity: &Entity, request: &WireRequest, base: &str) -> String {
    if let Some(page) = request.parameter("paging").and_then(|paging| serde_json::from_str::<Page>(&paging).ok()) {
        return page.url(entity, request, base);
    }
    let Ok(asked) = asked(request) else { return base.to_owned() };
    Page { page_size: 0, next_ids: vec![BEGIN], ..Page::of(request, &asked) }.url(entity, request, base)
}

fn details(count: usize, requested: usize, previous: Option<String>, next: Option<String>) -> Value {
    json!({ "count": count, "requestCount": requested, "prevPageUrl": previous, "nextPageUrl": next })
}

fn find<'t>(tenant: &'t Tenant<'_>, entity: &Entity, filter: &Node, after: i64, most: usize) -> Vec<&'t Row> {
    if !may_view(tenant, entity) {
        return Vec::new();
    }
    let view = View::new(tenant, entity);
    let zone = tenant.switches.date_values.zone();
    let held = |id: &i64| view.get(*id).filter(|row| filter.holds(row, &zone) && is_own(tenant, entity, row));
    match view.candidates(filter, after) {
        Some(ids) => ids.iter().filter_map(held).take(most).collect(),
        None => {
            // Who pages by `id gt` must not make every page walk over all rows before it.
            let begin = after.saturating_add(1).max(filter.at_least(entity.at("id")).unwrap_or(i64::MIN));
            let rows = &tenant.db.table(entity).rows;
            rows.range(begin..).map(|(id, _)| id).filter_map(held).take(most).collect()
        }
    }
}

/// A table as readers see it: without rows that have not begun, or as it was a while ago.
struct View<'t> {
    table: &'t Table,
    entity: EntityId,
    begun_by: Option<(usize, jiff::civil::Date)>,
    /// Rows that look different for a while: as they were, or not there yet.
    past: BTreeMap<i64, Option<&'t Row>>,
}

impl<'t> View<'t> {
    fn new(tenant: &'t Tenant<'_>, entity: &Entity) -> Self {
        let is_units = entity.field("approveAndPostDate").is_some() && entity.field("units").is_some();
        let begun_only = tenant.switches.future_rows == FutureRows::BegunOnly;
        Self {
            table: tenant.db.table(entity),
            entity: entity.id,
            begun_by: (is_units && begun_only).then(|| (entity.at("startDate"), tenant.today())),
            past: if is_units { past(tenant, entity) } else { BTreeMap::new() },
        }
    }

    fn get(&self, id: i64) -> Option<&'t Row> {
        let row = match self.past.get(&id) {
            Some(past) => (*past)?,
            None => self.table.rows.get(&id)?,
        };
        match self.begun_by {
            Some((at, today)) if row.cells[at].date().is_some_and(|start| start > today) => None,
            _ => Some(row),
        }
    }

    /// Ids that may fit, ascending; none means: look at every row.
    fn candidates(&self, filter: &Node, after: i64) -> Option<Vec<i64>> {
        let table = self.table;
        let entity = &catalogue().entities[self.entity];
        let mut ids: Vec<i64> = match filter.demanded(entity.at("id")) {
            Some(ids) => ids,
            None => (0..entity.fields.len())
                .filter(|at| table.is_indexed(*at))
                .filter_map(|at| Some((at, filter.demanded(at)?)))
                .min_by_key(|(_, values)| values.len())
                .map(|(at, values)| values.iter().flat_map(|value| table.ids_by(at, *value)).collect())?,
        };
        ids.extend(self.past.iter().filter(|(_, row)| row.is_some()).map(|(id, _)| *id));
        ids.retain(|id| *id > after);
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }
}

fn past<'t>(tenant: &'t Tenant<'_>, entity: &Entity) -> BTreeMap<i64, Option<&'t Row>> {
    let mut past = BTreeMap::new();
    let lag = i64::try_from(tenant.switches.units_lag_seconds).unwrap_or(i64::MAX);
    if lag == 0 {
        return past;
    }
    let line_field = entity.at(crate::adjust::family_of_units(entity).line_field);
    for ((units, line), snapshots) in &tenant.db.before {
        let unseen = snapshots.iter().find(|(at, _)| tenant.now.as_second() - at.as_second() < lag);
        if let (true, Some((_, rows))) = (*units == entity.id, unseen) {
            past.extend(tenant.db.table(entity).ids_by(line_field, *line).map(|id| (id, None)));
            past.extend(rows.iter().map(|row| (row.id(entity), Some(row))));
        }
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_knows_one_query_from_another() {
        let asked = |value: Value| value.as_object().cloned().unwrap_or_default();
        let one = fingerprint(&asked(json!({ "filter": [1], "maxRecords": 2 })));
        assert_eq!(one, fingerprint(&asked(json!({ "maxRecords": 2, "filter": [1] }))));
        assert_ne!(one, fingerprint(&asked(json!({ "maxRecords": 3, "filter": [1] }))));
    }
}
