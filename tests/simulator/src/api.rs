//! One request to Autotask, from the log to the answer.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use crate::auth::{self, SERVICE};
use crate::behaviour;
use crate::faults::{self, FaultKind};
use crate::limits::{over_the_hour, thread_limit, threshold_answer};
use crate::metadata;
use crate::persist::Record;
use crate::query;
use crate::refusal::Refusal;
use crate::routes::{Call, Resolved, Target, resolve};
use crate::state::{LateRequest, LoggedRequest, State, Tenant};
use crate::switches::MissingItem;
use crate::webhooks;
use crate::wire::{Answer, Outcome, Response, WireRequest};
use crate::write;

/// Longest URL of a GET, in characters; beyond it the web server knows no route.
pub const GET_URL_MAX: usize = 2_100;

/// What all requests of a simulator have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) base: &'a Url,
    pub(crate) seed: u64,
    pub(crate) now: Timestamp,
}

/// Logs, meets faults, handles, answers.
pub(crate) fn answer(state: &mut State, setting: Setting, request: &WireRequest, over_threads: bool) -> Outcome {
    let resolved = resolve(&request.method, &request.path);
    let database = auth::database(state, request);
    let ci = database.map(|index| state.databases[index].meta.ci);
    state.next_seq += 1;
    let seq = state.next_seq;
    let fault = faults::pick(&mut state.faults, request, ci, setting.seed);
    if !state.faults.is_empty() {
        state.keep_faults();
    }
    let handler = Handler { setting, request, resolved: &resolved, over_threads };
    let outcome = handler.with_fault(state, fault, seq);
    let status = outcome.response().map(|response| response.status);
    log(state, setting.now, request, seq, ci, status);
    outcome
}

/// Applies what came late and is due by now, and what else the clock brings.
pub(crate) fn run_due(state: &mut State, setting: Setting) {
    run_late(state, setting);
    for index in 0..state.databases.len() {
        webhooks::run_due(&mut state.tenant(index, setting.now));
    }
}

fn run_late(state: &mut State, setting: Setting) {
    if state.late.iter().all(|late| late.due > setting.now) {
        return;
    }
    let (mut due, rest): (Vec<_>, Vec<_>) = state.late.drain(..).partition(|late| late.due <= setting.now);
    state.late = rest;
    due.sort_by_key(|late| (late.due, late.seq));
    for late in due {
        let path = match &late.query {
            Some(query) => format!("{}?{query}", late.path),
            None => late.path.clone(),
        };
        let method = late.method.parse().unwrap_or(http::Method::GET);
        let mut request = WireRequest::new(method, &path);
        request.body = late.body.clone().into();
        let resolved = resolve(&request.method, &request.path);
        // It takes effect at the moment it was due, even when the clock leapt over it.
        let setting = Setting { now: late.due, ..setting };
        let handler = Handler { setting, request: &request, resolved: &resolved, over_threads: false };
        if let (Some(index), Target::Call(call)) = (state.database(late.database), &resolved.target) {
            handler.admitted(state, index, *call);
        }
    }
    let late = &state.late;
    state.journal.record(|| Record::Late(late.clone()));
}

#[derive(Clone, Copy)]
struct Handler<'a> {
    setting: Setting<'a>,
    request: &'a WireRequest,
    resolved: &'a Resolved,
    over_threads: bool,
}

impl Handler<'_> {
    fn with_fault(self, state: &mut State, fault: Option<FaultKind>, seq: u64) -> Outcome {
        match fault {
            None => Outcome::respond(self.handle(state)),
            Some(FaultKind::Status { status, body }) => Outcome::respond(faults::prescribed(status, &body)),
            Some(FaultKind::ApplyThenStatus { status, body }) => {
                self.handle(state);
                Outcome::respond(faults::prescribed(status, &body))
            }
            Some(FaultKind::Reset) => Outcome::reset(),
            Some(FaultKind::ApplyThenReset) => {
                self.handle(state);
                Outcome::reset()
            }
            Some(FaultKind::Late { after_seconds }) => {
                self.postpone(state, seq, after_seconds);
                Outcome::reset()
            }
            Some(FaultKind::Delay { ms }) => Outcome { delay_ms: ms, answer: Answer::Respond(self.handle(state)) },
            Some(FaultKind::BadPage { how }) => {
                let response = self.handle(state);
                let own_page = self.own_page(state);
                Outcome::respond(faults::spoil(how, response, &self.request.path, &own_page))
            }
            Some(FaultKind::ThreadLimit { status }) => Outcome::respond(thread_limit(status)),
            Some(FaultKind::Unauthorized) => {
                Outcome::respond(Response::new(401, "application/json; charset=utf-8", ""))
            }
        }
    }

    fn handle(self, state: &mut State) -> Response {
        let url_length = self.setting.base.as_str().len()
            + self.request.path.len()
            + self.request.query.as_ref().map_or(0, |query| query.len() + 1);
        if self.request.method == http::Method::GET && url_length > GET_URL_MAX {
            return Response::not_found_page();
        }
        let call = match &self.resolved.target {
            Target::Nowhere => return Response::not_found_page(),
            Target::WrongVerb => return Response::wrong_verb(&self.request.method),
            Target::Call(Call::Zone) => return auth::zone(state, self.setting.base, self.request),
            Target::Call(Call::Versions) => return metadata::versions(),
            Target::Call(call) => *call,
        };
        let index = match auth::admit(state, self.request, self.resolved) {
            Ok(index) => index,
            Err(refused) => return refused,
        };
        let threshold = state.databases[index].meta.hourly_threshold;
        if state.databases[index].usage.in_last_hour(self.setting.now) >= threshold {
            return over_the_hour(state.switches.hourly_cap, threshold);
        }
        state.databases[index].usage.count(self.setting.now);
        if self.over_threads {
            return thread_limit(429);
        }
        self.admitted(state, index, call)
    }

    /// The request takes effect; who sent it is settled.
    fn admitted(self, state: &mut State, index: usize, call: Call) -> Response {
        let base = self.zone_url(state, index);
        let now = self.setting.now;
        if let Call::Threshold = call {
            let db = &mut state.databases[index];
            return threshold_answer(db.meta.hourly_threshold, db.usage.in_last_hour(now));
        }
        let mut tenant = state.tenant(index, now);
        self.on_entity(&mut tenant, call, &base).unwrap_or_else(|refusal| refusal.response())
    }

    fn on_entity(self, tenant: &mut Tenant, call: Call, base: &str) -> Result<Response, Refusal> {
        let request = self.request;
        let is_get = request.method == http::Method::GET;
        let is_delete = request.method == http::Method::DELETE;
        match call {
            Call::Query(entity) => query::first_page(tenant, entity, request, base),
            Call::Next(entity) => query::next_page(tenant, entity, request, base),
            Call::Count(entity) => query::count(tenant, entity, request),
            Call::Information(entity) => Ok(metadata::information(tenant, entity)),
            Call::Fields(entity) => Ok(metadata::fields(tenant, entity)),
            Call::UserDefinedFields(entity) => Ok(metadata::user_defined_fields(entity)),
            Call::Item(entity, id) if is_delete => write::delete(tenant, entity, None, id),
            Call::Item(entity, id) => Ok(item(tenant, entity, None, id)),
            Call::Child(entity, parent, id) if is_delete => write::delete(tenant, entity, Some(parent), id),
            Call::Child(entity, parent, id) => Ok(item(tenant, entity, Some(parent), id)),
            Call::Children(entity, parent) if is_get => Ok(query::children(tenant, entity, parent)),
            Call::Children(entity, parent) => write::write(tenant, entity, Some(parent), request),
            Call::InvoicePdf(_, id) => Ok(behaviour::pdf(tenant, id).unwrap_or_else(|| missing_item(tenant))),
            Call::Root(entity) => write::write(tenant, entity, None, request),
            Call::Zone | Call::Versions | Call::Threshold => Ok(metadata::versions()),
        }
    }

    fn zone_url(self, state: &State, index: usize) -> String {
        let zone = state.databases[index].meta.moved_to.as_ref().unwrap_or(self.setting.base);
        format!("{zone}{SERVICE}")
    }

    fn own_page(self, state: &State) -> String {
        let base = auth::database(state, self.request)
            .map_or_else(|| format!("{}{SERVICE}", self.setting.base), |index| self.zone_url(state, index));
        match &self.resolved.target {
            Target::Call(Call::Query(entity) | Call::Next(entity)) => query::own_url(entity, self.request, &base),
            _ => base,
        }
    }

    /// Who sent it is checked now; what it does happens later.
    fn postpone(self, state: &mut State, seq: u64, after_seconds: u64) {
        let Ok(index) = auth::admit(state, self.request, self.resolved) else { return };
        let wait = SignedDuration::from_secs(i64::try_from(after_seconds).unwrap_or(i64::MAX));
        let due = self.setting.now.checked_add(wait).unwrap_or(Timestamp::MAX);
        state.late.push(LateRequest {
            seq,
            due,
            database: state.databases[index].meta.ci,
            method: self.request.method.to_string(),
            path: self.request.path.clone(),
            query: self.request.query.clone(),
            body: String::from_utf8_lossy(&self.request.body).into_owned(),
        });
        let late = &state.late;
        state.journal.record(|| Record::Late(late.clone()));
    }
}

fn item(tenant: &Tenant, entity: &crate::schema::Entity, parent: Option<i64>, id: i64) -> Response {
    let row = query::one(tenant, entity, id).filter(|row| match (&entity.def.child, parent) {
        (Some(child), Some(parent)) => row.get(entity, child.field).int() == Some(parent),
        _ => true,
    });
    match row {
        Some(row) => {
            let items = crate::show::items(tenant, entity, &[&row], None);
            Response::json(200, &json!({ "item": items.into_iter().next() }))
        }
        None => missing_item(tenant),
    }
}

fn missing_item(tenant: &Tenant) -> Response {
    match tenant.switches.missing_item {
        MissingItem::NullItem => Response::json(200, &json!({ "item": null })),
        MissingItem::NotFound => Refusal::not_found().response(),
    }
}

fn log(state: &mut State, now: Timestamp, request: &WireRequest, seq: u64, ci: Option<u64>, status: Option<u16>) {
    let mut body = serde_json::from_slice(&request.body).unwrap_or_else(|_| match request.body.is_empty() {
        true => Value::Null,
        false => json!(String::from_utf8_lossy(&request.body)),
    });
    mask(&mut body);
    let logged = LoggedRequest {
        seq,
        at: now,
        database: ci,
        method: request.method.to_string(),
        path: request.path.clone(),
        query: request.query.clone(),
        body,
        status,
    };
    state.journal.record(|| Record::Request(Box::new(logged.clone())));
    state.log.push(logged);
}

/// Members whose values no log shows.
const MASKED: &[&str] = &["secret", "secretkey", "password"];

fn mask(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if MASKED.contains(&name.to_ascii_lowercase().as_str()) {
                    *value = json!("***");
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}
