//! What the API promises of every route, held against every route that the API's description names: one
//! row of the audit trail for each change, idempotency keys, versions, request ids, pages.

use crate::template::root;
use domain::change::{AuditRow, Change};
use domain::ids::{AccountId, LineRef, PackageId};
use domain::issues::Subject;
use domain::mappings::{CompanyRef, ContractRef, MappedLine, Mapping, MappingSource, MappingStatus};
use domain::records::Collection;
use domain::{Actor, Code, ConnectionId, Role};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Api, INTEGRATION_CODE, Line, PACKAGE, Reply, SECRET, USERNAME, World};

/// The month in which worlds begin; no test here gets out of it.
const MONTH: &str = "2026-11";
/// Routes that change nothing of ours, although they are POSTs: one asks Autotask's public look-up for a zone, one
/// counts what filters would let through.
const ASKS_ONLY: &[&str] = &["POST /v1/zones/discover", "POST /v1/connections/{cid}/filters/preview"];
/// Routes that are there to say no.
const REFUSES: &[&str] = &["PATCH /v1/connections/{cid}/invoices/{iid}"];
/// Routes whose change belongs to no partner: it stands in the log instead, marked `audit`.
const VENDORS_OWN: &[&str] = &["PUT /v1/vendor/profile", "PUT /v1/packages/{package}"];
/// Puts that are ordered by something of their own: the newest `as_of` stays.
const ORDERED_OTHERWISE: &[&str] = &["PUT /v1/usage/{partner}/{account}/{package}"];
/// Lists that are short by nature: at most a few connections, 50 companies or entries of the catalogue, 500 packages,
/// 200 lines, the contracts of one company, the lines of one contract, five kinds of webhooks; and a report that is read as a whole.
const SHORT_LISTS: &[&str] = &[
    "/v1/connections",
    "/v1/connections/{cid}/autotask/catalogue",
    "/v1/connections/{cid}/autotask/companies",
    "/v1/connections/{cid}/autotask/companies/{company_id}/contracts",
    "/v1/connections/{cid}/autotask/contracts/{contract_id}/services",
    "/v1/connections/{cid}/packages",
    "/v1/connections/{cid}/reconciliation",
    "/v1/connections/{cid}/webhooks",
    "/v1/vendor/lines",
];

/// (method, path, description) of every operation.
fn operations() -> Vec<(String, String, Value)> {
    let text = std::fs::read_to_string(root().join("openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

fn takes(operation: &Value, name: &str) -> bool {
    operation["parameters"].as_array().into_iter().flatten().any(|parameter| {
        parameter["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name))
            || parameter["$ref"].as_str().is_some_and(|own| own.ends_with(&name.replace('-', "")))
    })
}

#[test]
fn every_post_takes_an_idempotency_key_and_every_other_change_a_version() {
    let mut lacking = Vec::new();
    for (method, path, operation) in operations() {
        let route = format!("{method} {path}");
        let lacks = match method.as_str() {
            "POST" => !takes(&operation, "Idempotency-Key"),
            "GET" => false,
            _ => !takes(&operation, "If-Match") && !ORDERED_OTHERWISE.contains(&route.as_str()),
        };
        if lacks {
            lacking.push(route);
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}

#[test]
fn every_list_that_can_be_long_comes_in_pages() {
    let mut lacking = Vec::new();
    for (method, path, operation) in operations() {
        let example = &operation["responses"]["200"]["content"]["application/json"]["example"];
        let is_list = method == "GET" && example["items"].is_array();
        if is_list
            && !SHORT_LISTS.contains(&path.as_str())
            && !(takes(&operation, "limit") && takes(&operation, "cursor"))
        {
            lacking.push(path);
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}

/// Everything that has been called in a world, and what it left in the audit trail.
struct Trail {
    world: World,
    called: BTreeSet<String>,
    connections: Vec<ConnectionId>,
    calls: usize,
}

impl Trail {
    async fn new() -> Self {
        let world = testkit::world().await;
        let connections = vec![world.connection.clone()];
        Self { world, called: BTreeSet::new(), connections, calls: 0 }
    }

    async fn rows(&self) -> Vec<AuditRow> {
        let month = || MONTH.to_owned();
        let partner = &self.world.partner;
        let mut rows = self.world.load_all::<AuditRow>(&Collection::Audit(partner.clone(), None, month())).await;
        for connection in &self.connections {
            let of = Collection::Audit(partner.clone(), Some(connection.clone()), month());
            rows.extend(self.world.load_all::<AuditRow>(&of).await);
        }
        rows
    }

    /// Calls a route (`PUT /v1/partners/{partner}` with its parameters written out in `path`) and checks that it leaves
    /// so many rows, all of this request and of this caller; then repeats a POST under the same key, which leaves none.
    async fn leaves(&mut self, route: &str, role: Role, path: &str, body: Value, rows: usize) -> Reply {
        let (method, _) = route.split_once(' ').unwrap();
        self.called.insert(route.to_owned());
        self.calls += 1;
        let request_id = format!("req_conventions_{}", self.calls);
        let before = self.rows().await.len();
        let key = format!("key-{}", self.calls);
        let api = self.world.api(role).header("x-request-id", &request_id).header("idempotency-key", &key);
        let reply = send(&api, method, path, &body).await;
        assert!(reply.is_success(), "{route}: {} {}", reply.status, reply.text);
        assert_eq!(reply.header("x-request-id"), Some(request_id.as_str()), "{route}");
        if route == "POST /v1/connections" {
            self.connections.push(ConnectionId::new(reply.json["id"].as_str().unwrap()).unwrap());
        }
        let all = self.rows().await;
        let left: Vec<_> = all.iter().filter(|row| row.actor.request_id == request_id).collect();
        let actions: Vec<_> = left.iter().map(|row| (row.action.as_str(), row.subject.as_str())).collect();
        assert_eq!((left.len(), all.len() - before), (rows, rows), "{route} left {actions:?}");
        assert!(left.iter().all(|row| row.actor.role == role && row.actor.who == format!("user-{}", role.as_str())));
        let text = serde_json::to_string(&left).unwrap();
        assert!(!text.contains(SECRET) && !text.contains(INTEGRATION_CODE), "{route} left a secret: {text}");
        if VENDORS_OWN.contains(&route) {
            let marked = self.world.logs().lines_with(&request_id);
            assert!(marked.iter().any(|line| line.contains("\"audit\":true")), "{route}: {marked:?}");
        }
        if method == "POST" {
            let again = send(&api, method, path, &body).await;
            assert_eq!(again.header("idempotent-replayed"), Some("true"), "{route}");
            assert_eq!((again.status, &again.text), (reply.status, &reply.text), "{route}");
            assert_eq!(self.rows().await.len(), all.len(), "{route}: a repeat was carried out");
        }
        reply
    }

    async fn drain(&self) {
        self.world.drain().await;
    }
}

async fn send(api: &Api<'_>, method: &str, path: &str, body: &Value) -> Reply {
    match (method, body) {
        ("POST", Value::String(text)) => {
            api.clone().header("content-type", "text/csv").send(method, path, text.as_bytes()).await
        }
        ("POST", _) => api.post(path, body.clone()).await,
        ("PUT", _) => api.put(path, body.clone()).await,
        ("PATCH", _) => api.patch(path, body.clone()).await,
        ("DELETE", _) => api.delete(path).await,
        _ => panic!("{method} changes nothing"),
    }
}

fn suggested(world: &World, account: &str, line: &Line) -> Mapping {
    Mapping {
        partner: world.partner.clone(),
        connection: world.connection.clone(),
        account: AccountId::new(account).unwrap(),
        status: MappingStatus::Suggested,
        company: Some(CompanyRef { id: line.company_id, name: "A company".to_owned() }),
        contract: Some(ContractRef { id: line.contract_id, name: "A contract".to_owned(), start: None, end: None }),
        contracts: Vec::new(),
        leaving: Vec::new(),
        lines: vec![MappedLine {
            package_id: PackageId::new(PACKAGE).unwrap(),
            line: LineRef::service(line.line.id),
            service_id: line.service_id,
            service_name: "A service".to_owned(),
            overwrite_cost: None,
        }],
        source: MappingSource::Email,
        broken: None,
        paused: false,
        confirmed_at: None,
        updated_at: world.clock.now(),
    }
}

/// What the vendor's back end and its administrator change.
async fn vendors_side(trail: &mut Trail) {
    let partner = trail.world.partner.clone();
    let at = |rest: &str| format!("/v1/partners/{partner}{rest}");
    let account = |name: &str| json!({"name": name, "packages": [{"id": PACKAGE}]});
    let profile = json!({"integration_vendor": "Sentinel", "support_address": "help@vendor.example",
        "integration_code": INTEGRATION_CODE});
    trail.leaves("PUT /v1/vendor/profile", Role::VendorAdmin, "/v1/vendor/profile", profile, 0).await;
    let body = json!({"name": "Acme IT Services", "time_zone": "UTC"});
    trail.leaves("PUT /v1/partners/{partner}", Role::Service, &at(""), body, 1).await;
    let body = json!({"name": "Phishing", "metric": "user"});
    trail.leaves("PUT /v1/packages/{package}", Role::Service, "/v1/packages/phishing", body, 0).await;
    let body = json!({"packages": [PACKAGE, "phishing"]});
    trail.leaves("PUT /v1/partners/{partner}/packages", Role::Service, &at("/packages"), body, 1).await;
    let one = "PUT /v1/partners/{partner}/accounts/{account}";
    trail.leaves(one, Role::Service, &at("/accounts/b1"), account("Blue Kite"), 1).await;
    let batch: Vec<Value> = ["b2", "b3"]
        .iter()
        .map(|id| json!({"partner": partner, "account_id": id, "name": id, "packages": [{"id": PACKAGE}]}))
        .collect();
    // One row for each account that changes.
    trail.leaves("POST /v1/accounts/batch", Role::Service, "/v1/accounts/batch", json!({"items": batch}), 2).await;
    let count = json!({"active": 7, "as_of": "2026-11-20T09:00:00Z"});
    let path = format!("/v1/usage/{partner}/b1/{PACKAGE}");
    trail.leaves("PUT /v1/usage/{partner}/{account}/{package}", Role::Service, &path, count, 1).await;
    let items: Vec<Value> = ["b1", "b2"]
        .iter()
        .map(|id| json!({"partner": partner, "account_id": id, "package_id": PACKAGE, "active": 9, "as_of": "2026-11-20T10:00:00Z"}))
        .collect();
    trail.leaves("POST /v1/usage/batch", Role::Service, "/v1/usage/batch", json!({"items": items}), 2).await;
    let change = json!({"partner": partner, "account_id": "b2", "to": "phishing", "quantity": 3,
        "occurred_at": "2026-11-20T10:00:00Z", "change_id": "chg-1"});
    trail.leaves("POST /v1/package-changes", Role::Service, "/v1/package-changes", change, 1).await;
    let gone = "DELETE /v1/partners/{partner}/accounts/{account}";
    trail.leaves(gone, Role::Service, &at("/accounts/b3"), Value::Null, 1).await;
}

/// What a person changes of mappings.
async fn mappings(trail: &mut Trail, lines: &[Line]) {
    const BILLING: Role = Role::PartnerBilling;
    const OF: &str = "/v1/connections/{cid}/company-mappings/{account_id}";
    let (first, second) = (&lines[0], &lines[1]);
    trail.world.put(&suggested(&trail.world, "b1", first)).await;
    trail.leaves(&format!("POST {OF}/confirm"), BILLING, "C/company-mappings/b1/confirm", Value::Null, 1).await;
    trail.world.put(&suggested(&trail.world, "b2", second)).await;
    let bulk = "POST /v1/connections/{cid}/company-mappings/bulk-confirm";
    let body = json!({"account_ids": ["b1", "b2"]});
    trail.leaves(bulk, BILLING, "C/company-mappings/bulk-confirm", body, 1).await;
    trail.leaves(&format!("POST {OF}/pause"), BILLING, "C/company-mappings/b1/pause", Value::Null, 1).await;
    trail.leaves(&format!("POST {OF}/resume"), BILLING, "C/company-mappings/b1/resume", Value::Null, 1).await;
    let body = json!({"company_id": first.company_id});
    trail.leaves(&format!("PUT {OF}"), BILLING, "C/company-mappings/b1", body, 1).await;
    let body = json!({"to_contract_id": first.contract_id});
    trail.leaves(&format!("POST {OF}/remap"), BILLING, "C/company-mappings/b1/remap", body, 1).await;
    for account in ["b1", "b2"] {
        let path = format!("C/company-mappings/{account}");
        trail.leaves(&format!("DELETE {OF}"), BILLING, &path, Value::Null, 1).await;
    }
    let automap = "POST /v1/connections/{cid}/company-mappings/auto-map";
    trail.leaves(automap, BILLING, "C/company-mappings/auto-map", json!({"rerun": false}), 1).await;
    trail.drain().await;
    let csv = trail.world.api(BILLING).get("C/mappings.csv").await.text;
    let import = "POST /v1/connections/{cid}/mappings/import";
    trail.leaves(import, BILLING, "C/mappings/import", json!(csv), 1).await;
    trail.drain().await;
}

/// What a person changes of what packages are billed as.
async fn packages(trail: &mut Trail) {
    const BILLING: Role = Role::PartnerBilling;
    const OF: &str = "/v1/connections/{cid}/package-mappings/{package}";
    let path = format!("C/package-mappings/{PACKAGE}");
    let service = trail.world.service("Awareness", "4.00", "2.00");
    let body = json!({"target": {"kind": "service", "id": service}});
    trail.leaves(&format!("PUT {OF}"), BILLING, &path, body, 1).await;
    trail.leaves(&format!("DELETE {OF}"), BILLING, &path, Value::Null, 1).await;
}

/// What a person starts and stops.
async fn runs(trail: &mut Trail, lines: &[Line]) {
    const BILLING: Role = Role::PartnerBilling;
    const RUNS: &str = "/v1/connections/{cid}/runs";
    let start = format!("POST {RUNS}");
    let preview = json!({"kind": "seat_sync", "mode": "preview"});
    let waiting = trail.leaves(&start, BILLING, "C/runs", preview.clone(), 1).await;
    let path = format!("C/runs/{}/cancel", waiting.json["run_id"].as_str().unwrap());
    trail.leaves(&format!("POST {RUNS}/{{rid}}/cancel"), BILLING, &path, Value::Null, 1).await;
    let health = "POST /v1/connections/{cid}/health/run";
    trail.leaves(health, BILLING, "C/health/run", Value::Null, 1).await;
    decisions(trail, &lines[1], &start, &preview).await;
    trail.world.usage(&lines[0], 60).await;
    let planned = trail.leaves(&start, BILLING, "C/runs", preview, 1).await;
    trail.drain().await;
    let id = planned.json["run_id"].as_str().unwrap();
    let hash = trail.world.api(BILLING).get(&format!("C/runs/{id}")).await.expect(200)["plan_hash"].clone();
    let path = format!("C/runs/{id}/apply");
    trail.leaves(&format!("POST {RUNS}/{{rid}}/apply"), BILLING, &path, json!({"plan_hash": hash}), 1).await;
    trail.drain().await;
    let path = format!("C/runs/{id}/retry-failed");
    let body = json!({"reason": "ticket 4711"});
    trail.leaves(&format!("POST {RUNS}/{{rid}}/retry-failed"), Role::VendorSupport, &path, body, 1).await;
    trail.drain().await;
}

/// What a person says of a plan's line, and takes back.
async fn decisions(trail: &mut Trail, line: &Line, start: &str, preview: &Value) {
    const BILLING: Role = Role::PartnerBilling;
    const RUN: &str = "POST /v1/connections/{cid}/runs/{rid}";
    trail.world.usage(line, 12).await;
    let planned = trail.leaves(start, BILLING, "C/runs", preview.clone(), 1).await;
    trail.drain().await;
    let path = format!("C/runs/{}", planned.json["run_id"].as_str().unwrap());
    for (act, body) in [
        ("approve", json!({"note": "Checked with the client."})),
        ("dismiss", Value::Null),
        ("adjust", json!({"units": 14, "effective_date": "2026-12-01"})),
    ] {
        trail.leaves(&format!("{RUN}/lines/{{no}}/{act}"), BILLING, &format!("{path}/lines/2/{act}"), body, 1).await;
    }
    let body = json!({"lines": [2], "decision": "adjust", "units": 13});
    trail.leaves(&format!("{RUN}/lines/bulk"), BILLING, &format!("{path}/lines/bulk"), body, 1).await;
    let api = trail.world.api(BILLING);
    let hash = api.get(&path).await.expect(200)["plan_hash"].clone();
    api.post(&format!("{path}/apply"), json!({"plan_hash": hash})).await.assert_status(202);
    trail.drain().await;
    let body = json!({"note": "Counts of the day before."});
    trail.leaves(&format!("{RUN}/undo"), BILLING, &format!("{path}/undo"), body, 1).await;
    trail.drain().await;
}

/// What is told of an invoice's payments, and archiving it.
async fn payments(trail: &mut Trail) {
    const C: &str = "/v1/connections/{cid}/invoices/{iid}";
    let invoice = trail.world.synced_invoice("150.00").await;
    let at = |rest: &str| format!("C/invoices/{invoice}{rest}");
    let body = json!({"connection": trail.world.connection, "autotask_invoice_id": invoice, "amount": "100.00",
        "paid_at": "2026-11-19T12:00:00Z", "payment_id": "pay-1"});
    trail.leaves("POST /v1/payments", Role::Service, "/v1/payments", body, 1).await;
    let credit = json!({"credit_id": "credit-1", "amount": "5.00"});
    trail.leaves(&format!("POST {C}/credits"), Role::PartnerBilling, &at("/credits"), credit, 1).await;
    let gone = format!("DELETE {C}/credits/{{credit_id}}");
    trail.leaves(&gone, Role::PartnerBilling, &at("/credits/credit-1"), Value::Null, 1).await;
    trail.leaves("DELETE /v1/payments/{pid}", Role::Service, "/v1/payments/pay-1", Value::Null, 1).await;
    trail.leaves(&format!("POST {C}/archive"), Role::PartnerBilling, &at("/archive"), Value::Null, 1).await;
    trail.leaves(&format!("POST {C}/unarchive"), Role::PartnerBilling, &at("/unarchive"), Value::Null, 1).await;
}

/// What a person does about invoices.
async fn invoices(trail: &mut Trail) {
    const BILLING: Role = Role::PartnerBilling;
    const C: &str = "/v1/connections/{cid}";
    let (filters, none) = (json!({"unpaid_only": true}), json!({}));
    trail.leaves(&format!("POST {C}/filters/preview"), BILLING, "C/filters/preview", filters.clone(), 0).await;
    trail.leaves(&format!("PUT {C}/filters"), Role::PartnerAdmin, "C/filters", filters, 1).await;
    trail.leaves(&format!("PUT {C}/filters"), Role::PartnerAdmin, "C/filters", none, 1).await;
    let features = json!({"features": ["seat_sync", "invoices"]});
    trail.world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
    trail.world.tick("invoice-fetch", &trail.world.clock.now().to_string()).await;
    trail.drain().await;
    let company = trail.world.company("Northwind");
    let invoice = trail.world.invoice(company, &[("Seats", 4, "2.50")]).id;
    let path = format!("C/invoices/{invoice}/resync");
    trail.leaves(&format!("POST {C}/invoices/{{iid}}/resync"), BILLING, &path, Value::Null, 1).await;
    for act in ["archive", "unarchive"] {
        let (route, path) =
            (format!("POST {C}/customers/{{company_id}}/{act}"), format!("C/customers/{company}/{act}"));
        trail.leaves(&route, BILLING, &path, Value::Null, 1).await;
    }
    for button in ["fetch-new", "fetch-unpaid"] {
        let (route, path) = (format!("POST {C}/sync/{button}"), format!("C/sync/{button}"));
        trail.leaves(&route, BILLING, &path, Value::Null, 1).await;
        trail.drain().await;
    }
}

/// What people do about issues.
async fn issues(trail: &mut Trail) {
    const BILLING: Role = Role::PartnerBilling;
    const C: &str = "/v1/connections/{cid}/issues";
    let (world, actor) = (&trail.world, Actor::system("test", "req_test"));
    let on = Subject { partner: &world.partner, connection: &world.connection, subject: "connection" };
    let change = Change::of_connection(world.ports(), &actor, &world.partner, &world.connection);
    let words = "Autotask refused the credentials.";
    let change = domain::issues::open(change, world.ports(), &world.scope(), on, Code::NeedsRelink, words).await;
    change.unwrap().commit(&world.scope()).await.unwrap();
    let page = world.api(BILLING).get("C/issues?code=needs_relink").await.expect(200);
    let id = page["items"][0]["id"].as_str().unwrap().to_owned();
    for act in ["acknowledge", "dismiss", "ignore"] {
        let (route, path) = (format!("POST {C}/{{issue}}/{act}"), format!("C/issues/{id}/{act}"));
        trail.leaves(&route, BILLING, &path, Value::Null, 1).await;
    }
    let body = json!({"ids": [id], "action": "acknowledge"});
    trail.leaves(&format!("POST {C}/bulk"), BILLING, "C/issues/bulk", body, 1).await;
    let (route, path) = (format!("POST {C}/{{issue}}/retry"), format!("C/issues/{id}/retry"));
    trail.leaves(&route, BILLING, &path, Value::Null, 1).await;
}

/// Webhooks, and what came of them.
async fn webhooks(trail: &mut Trail) {
    const ADMIN: Role = Role::PartnerAdmin;
    const C: &str = "/v1/connections/{cid}";
    let entities = json!({"entities": ["companies"]});
    trail.leaves(&format!("POST {C}/webhooks/install"), ADMIN, "C/webhooks/install", entities, 1).await;
    trail.drain().await;
    for act in ["rotate-keys", "clean-orphans"] {
        let (route, path) = (format!("POST {C}/webhooks/{act}"), format!("C/webhooks/{act}"));
        trail.leaves(&route, ADMIN, &path, Value::Null, 1).await;
        trail.drain().await;
    }
    let id = trail.world.api(ADMIN).get("C/webhooks").await.expect(200)["items"][0]["id"].clone();
    let path = format!("C/webhooks/{}/reactivate", id.as_str().unwrap());
    trail.leaves(&format!("POST {C}/webhooks/{{wid}}/reactivate"), ADMIN, &path, Value::Null, 1).await;
    trail.drain().await;
    let (partner, connection) = (trail.world.partner.clone(), trail.world.connection.clone());
    let key = domain::records::Key::Webhooks(partner.clone(), connection.clone());
    let installed = trail.world.load::<domain::webhooks::Webhooks>(&key).await.unwrap().value;
    let guid = installed.hooks[0].guid.clone().unwrap();
    let body = json!({"Action": "Update", "Guid": guid, "EntityType": "Account", "Id": 0, "SequenceNumber": 1});
    let callout = domain::webhooks::Callout::read(body.to_string().as_bytes()).unwrap();
    let (event, now) = ("0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012".to_owned(), trail.world.clock.now());
    let delivery = domain::webhooks::Delivery::new((&partner, &connection), callout, event, now);
    trail.world.put(&domain::webhooks::Delivery { generation: installed.generation, ..delivery }).await;
    let path = format!("C/webhook-deliveries/{guid}.1/replay");
    trail.leaves(&format!("POST {C}/webhook-deliveries/{{did}}/replay"), ADMIN, &path, Value::Null, 1).await;
    let (route, path) = (format!("POST {C}/webhook-deliveries/replay"), "C/webhook-deliveries/replay");
    trail.leaves(&route, ADMIN, path, json!({"since": "2026-01-01T00:00:00Z", "only": "all"}), 1).await;
    trail.drain().await;
    trail.leaves(&format!("POST {C}/webhooks/uninstall"), ADMIN, "C/webhooks/uninstall", Value::Null, 1).await;
    trail.drain().await;
}

/// What an administrator does with the connection, to its end and a new beginning.
async fn connection(trail: &mut Trail) {
    const ADMIN: Role = Role::PartnerAdmin;
    const C: &str = "/v1/connections/{cid}";
    let body = json!({"emails": ["team@acme.example"], "events": ["digest"]});
    trail.leaves(&format!("PUT {C}/notifications"), ADMIN, "C/notifications", body, 1).await;
    trail.leaves(&format!("POST {C}/notifications/test"), ADMIN, "C/notifications/test", Value::Null, 1).await;
    let row = json!({"name": "Software as a Service", "useType": 5, "isActive": true});
    trail.world.sim.insert(trail.world.ci, "BillingCodes", &[row]).unwrap();
    let ensure = format!("POST {C}/billing-codes/ensure");
    trail.leaves(&ensure, ADMIN, "C/billing-codes/ensure", Value::Null, 1).await;
    issues(trail).await;
    trail.leaves(&format!("POST {C}/test"), ADMIN, "C/test", Value::Null, 1).await;
    let probe = format!("POST {C}/permissions/probe");
    trail.leaves(&probe, ADMIN, "C/permissions/probe", Value::Null, 1).await;
    let body = json!({"guards": {"max_units": 30}, "email": "billing@acme.example"});
    trail.leaves(&format!("PATCH {C}/settings"), ADMIN, "C/settings", body, 1).await;
    trail.leaves(&format!("POST {C}/pause"), ADMIN, "C/pause", Value::Null, 1).await;
    trail.leaves(&format!("POST {C}/resume"), ADMIN, "C/resume", Value::Null, 1).await;
    let login = json!({"username": USERNAME, "secret": SECRET});
    trail.leaves(&format!("POST {C}/relink"), ADMIN, "C/relink", login.clone(), 1).await;
    trail.leaves(&format!("DELETE {C}"), ADMIN, "C", Value::Null, 1).await;
    trail.leaves("POST /v1/connections", ADMIN, "/v1/connections", login, 1).await;
    let body = json!({"username": USERNAME});
    trail.leaves("POST /v1/zones/discover", ADMIN, "/v1/zones/discover", body, 0).await;
}

#[tokio::test]
async fn every_change_leaves_one_row_of_the_audit_trail_and_its_repeat_none() {
    let mut trail = Trail::new().await;
    let lines = trail.world.lines(6).await;
    let spare = trail.world.lines(2).await;
    // The spare ones' accounts give them up, so that others can take them.
    for line in &spare {
        let path = format!("C/company-mappings/{}", line.account);
        trail.world.api(Role::PartnerBilling).delete(&path).await.assert_status(204);
    }
    vendors_side(&mut trail).await;
    mappings(&mut trail, &spare).await;
    packages(&mut trail).await;
    runs(&mut trail, &lines).await;
    invoices(&mut trail).await;
    payments(&mut trail).await;
    webhooks(&mut trail).await;
    connection(&mut trail).await;
    let all: BTreeSet<String> = operations()
        .into_iter()
        .filter(|(method, ..)| method != "GET")
        .map(|(method, path, _)| format!("{method} {path}"))
        .filter(|route| !REFUSES.contains(&route.as_str()))
        .collect();
    let missing: Vec<_> = all.difference(&trail.called).collect();
    assert!(missing.is_empty(), "changes that this test does not make: {missing:?}");
    assert!(trail.called.is_subset(&all) && ASKS_ONLY.iter().all(|route| all.contains(*route)));
}

#[tokio::test]
async fn a_change_of_an_outdated_version_changes_nothing_wherever_a_version_is_taken() {
    let world = testkit::world().await;
    let line = world.lines(1).await.remove(0);
    let api = |role| world.api(role).header("if-match", "\"77\"");
    let partner = &world.partner;
    let mapping = format!("C/company-mappings/{}", line.account);
    let account = format!("/v1/partners/{partner}/accounts/{}", line.account);
    let package = format!("C/package-mappings/{PACKAGE}");
    world.api(Role::PartnerBilling).put(&package, json!({"excluded": true})).await.assert_status(200);
    let (billing, admin, service) = (Role::PartnerBilling, Role::PartnerAdmin, Role::Service);
    let profile = json!({"integration_vendor": "Other", "support_address": "other@vendor.example"});
    let invoice = world.synced_invoice("150.00").await;
    let told = json!({"connection": world.connection, "autotask_invoice_id": invoice, "amount": "100.00",
        "paid_at": "2026-11-19T12:00:00Z", "payment_id": "pay-1"});
    world.api(service).post("/v1/payments", told).await.assert_status(201);
    let credits = format!("C/invoices/{invoice}/credits");
    world.api(billing).post(&credits, json!({"credit_id": "k", "amount": "1"})).await.assert_status(201);
    for (role, method, path, body) in [
        (admin, "PATCH", "C/settings".to_owned(), json!({"overwrite_cost": true})),
        (admin, "POST", "C/pause".to_owned(), Value::Null),
        (admin, "POST", "C/relink".to_owned(), json!({"username": USERNAME, "secret": SECRET})),
        (admin, "PUT", "C/filters".to_owned(), json!({"unpaid_only": true})),
        (admin, "PUT", "C/notifications".to_owned(), json!({"emails": []})),
        (admin, "DELETE", "C".to_owned(), Value::Null),
        (billing, "PUT", mapping.clone(), json!({"company_id": line.company_id})),
        (billing, "POST", format!("{mapping}/confirm"), Value::Null),
        (billing, "POST", format!("{mapping}/pause"), Value::Null),
        (billing, "POST", format!("{mapping}/remap"), json!({"to_contract_id": line.contract_id})),
        (billing, "DELETE", mapping.clone(), Value::Null),
        (billing, "PUT", package.clone(), json!({"excluded": true})),
        (billing, "DELETE", package.clone(), Value::Null),
        (service, "PUT", format!("/v1/partners/{partner}"), json!({"name": "Other", "time_zone": "UTC"})),
        (service, "PUT", format!("/v1/packages/{PACKAGE}"), json!({"name": "Other", "metric": "user"})),
        (service, "PUT", format!("/v1/partners/{partner}/packages"), json!({"packages": [PACKAGE]})),
        (service, "PUT", account.clone(), json!({"name": "Other", "packages": []})),
        (service, "DELETE", account.clone(), Value::Null),
        (Role::VendorAdmin, "PUT", "/v1/vendor/profile".to_owned(), profile),
        (service, "DELETE", "/v1/payments/pay-1".to_owned(), Value::Null),
        (billing, "DELETE", format!("{credits}/k"), Value::Null),
    ] {
        let reply = send(&api(role), method, &path, &body).await;
        assert_eq!(
            (reply.status, reply.json["code"].as_str()),
            (412, Some("precondition_failed")),
            "{method} {path}: {}",
            reply.text
        );
    }
    assert!(world.writes().is_empty());
}
