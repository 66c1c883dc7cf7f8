//! The machine that people and scripts run: `/_local/*` and the API's front, by HTTP, with state in a folder.

#![allow(clippy::disallowed_methods, reason = "servers and what they heard, beside the test")]

use domain::records::{Key, load};
use domain::vendor::Account;
use domain::{AccountId, PartnerId};
use jiff::Timestamp;
use local::serve::{self, Options, Serving};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

async fn start(folder: &Path) -> Serving {
    let options = Options {
        port: 0,
        autotask_port: 0,
        data: folder.to_path_buf(),
        fresh: false,
        autotask_url: None,
        manual: true,
        ticks: false,
        request_timeout: Duration::from_secs(10),
    };
    serve::start(&options).await.unwrap()
}

struct Machine {
    serving: Serving,
    http: reqwest::Client,
    _folder: Option<tempfile::TempDir>,
}

impl Machine {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self::on(&folder.path().join("state")).await;
        Self { _folder: Some(folder), ..machine }
    }

    async fn on(folder: &Path) -> Self {
        let serving = start(folder).await;
        Self { serving, http: reqwest::Client::new(), _folder: None }
    }

    async fn send(&self, method: &str, path: &str, body: Value, token: Option<&str>) -> (u16, Value) {
        let url = format!("{}{path}", self.serving.api_url());
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_null() {
            request = request.body(body.to_string()).header("content-type", "application/json");
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    async fn local(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(method, &format!("/_local/{path}"), body, None).await
    }

    async fn token(&self, grant: Value) -> String {
        let (status, answer) = self.local("POST", "token", grant).await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }
}

fn instant(clock: &Value) -> Timestamp {
    clock["now"].as_str().unwrap().parse().unwrap()
}

fn admin() -> Value {
    json!({"partner_id": "acme", "role": "partner_admin", "main_account": true})
}

#[tokio::test]
async fn the_front_answers_as_api_gateway_does_where_the_token_is_missing_forged_or_expired() {
    let machine = Machine::new().await;
    let good = machine.token(admin()).await;
    assert_eq!(machine.send("GET", "/v1/connections", json!(null), Some(&good)).await.0, 200);
    let mut grant = admin();
    grant["expires_in_seconds"] = json!(-5);
    let expired = machine.token(grant).await;
    let other = Machine::new().await;
    let forged = other.token(admin()).await;
    for token in [None, Some(""), Some("x.y.z"), Some(&*expired), Some(&*forged), Some(&good[..good.len() - 2])] {
        let answer = machine.send("GET", "/v1/connections", json!(null), token).await;
        assert_eq!(answer, (401, json!({"message": "Unauthorized"})), "{token:?}");
    }
    let (status, problem) = machine.send("POST", "/v1/connections", json!("x".repeat(2 << 20)), Some(&good)).await;
    assert_eq!((status, &problem["code"]), (413, &json!("payload_too_large")));
    let (status, problem) = machine.send("GET", "/v1/nothing", json!(null), Some(&good)).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    let (status, problem) = machine.send("DELETE", "/v1/connections", json!(null), Some(&good)).await;
    assert_eq!((status, &problem["code"]), (405, &json!("method_not_allowed")));
}

#[tokio::test]
async fn the_clock_is_moved_forward_by_both_forms_and_never_back() {
    let machine = Machine::new().await;
    let (_, before) = machine.local("GET", "clock", json!(null)).await;
    let (status, moved) = machine.local("POST", "clock", json!({"advance_seconds": 600})).await;
    assert_eq!(status, 200);
    assert!(instant(&moved) > instant(&before));
    let (status, refused) = machine.local("POST", "clock", json!({"now": before["now"]})).await;
    assert_eq!(status, 409, "{refused}");
    assert_eq!(machine.local("POST", "clock", json!({"advance_seconds": -1})).await.0, 409);
    assert_eq!(machine.local("POST", "clock", json!({})).await.0, 400);
    assert_eq!(machine.local("POST", "clock", json!({"now": "noon"})).await.0, 400);
    let (status, far) = machine.local("POST", "clock", json!({"now": "2100-01-01T00:00:00Z"})).await;
    assert_eq!((status, &far["now"]), (200, &json!("2100-01-01T00:00:00Z")));
    // The simulator goes by the same clock.
    assert_eq!(machine.serving.world.simulator.as_ref().unwrap().today().to_string(), "2100-01-01");
    // And tokens do not.
    let token = machine.token(admin()).await;
    assert_eq!(machine.send("GET", "/v1/connections", json!(null), Some(&token)).await.0, 200);
}

#[tokio::test]
async fn a_schedule_moves_the_clock_to_its_time_and_an_unknown_one_is_named() {
    let machine = Machine::new().await;
    let time = "2100-12-01T00:15:00Z";
    let (status, fired) = machine.local("POST", "schedules/seat-sync", json!({"time": time})).await;
    assert_eq!((status, &fired["outcome"]), (200, &json!("done")), "{fired}");
    let (_, clock) = machine.local("GET", "clock", json!(null)).await;
    assert!(instant(&clock) >= time.parse().unwrap());
    // An earlier slot is fired too, late; the clock stays.
    let (status, _) = machine.local("POST", "schedules/sweep", json!({"time": "2026-12-01T00:00:00Z"})).await;
    assert_eq!(status, 200);
    let (status, unknown) = machine.local("POST", "schedules/tea-time", json!({})).await;
    assert_eq!(status, 404);
    assert!(unknown["error"].as_str().unwrap().contains("secrets-sweep"), "{unknown}");
}

#[tokio::test]
async fn kill_says_whether_it_is_armed_and_refuses_what_it_does_not_know() {
    let machine = Machine::new().await;
    assert_eq!(machine.local("GET", "kill", json!(null)).await, (200, json!({"armed": false, "fired": false})));
    let armed = machine.local("POST", "kill", json!({"after_requests": 3, "function": "seat-sync"})).await;
    assert_eq!(armed, (200, json!({"armed": true, "fired": false})));
    assert_eq!(machine.local("POST", "kill", json!({"after_requests": 0})).await.0, 400);
    assert_eq!(machine.local("POST", "kill", json!({"after_requests": 1, "function": "nobody"})).await.0, 400);
    assert_eq!(machine.local("GET", "nothing", json!(null)).await.0, 404);
    assert_eq!(machine.local("POST", "events", json!({"detail": {}})).await.0, 400);
}

#[tokio::test]
async fn a_drain_with_nothing_to_do_says_so() {
    let machine = Machine::new().await;
    let (status, drained) = machine.local("POST", "drain", json!({"max_hours": 1, "max_messages": 10})).await;
    assert_eq!(status, 200);
    for nothing in ["processed", "failed", "dead", "remaining"] {
        assert_eq!(drained[nothing], 0, "{drained}");
    }
    assert!(drained["now"].is_string());
    assert_eq!(machine.local("POST", "drain", json!({"hours": 1})).await.0, 400);
}

/// A database in the simulated Autotask with a webhook of companies that calls `url`. Answers both ids.
fn webhook(machine: &Machine, url: &str) -> (u64, i64) {
    let simulator = machine.serving.world.simulator.as_ref().unwrap();
    let spec = simulator::DatabaseSpec::new("api@msp.example", "secret", "CODE");
    let ci = simulator.add_database(spec).unwrap().ci;
    let insert = |entity: &str, row: Value| simulator.insert(ci, entity, &[row]).unwrap()[0];
    let webhook = insert(
        "CompanyWebhooks",
        json!({
            "name": "ours", "isActive": true, "webhookUrl": url, "deactivationUrl": url, "secretKey": "key-of-a-test",
            "isSubscribedToCreateEvents": true, "sendThresholdExceededNotification": false,
        }),
    );
    // The first field that webhooks of companies can have: the demo's numbers are our own.
    let field = json!({"webhookID": webhook, "fieldID": 101, "isSubscribedField": true, "isDisplayAlwaysField": false});
    insert("CompanyWebhookFields", field);
    (ci, webhook)
}

#[tokio::test]
async fn what_changes_in_the_simulated_autotask_is_called_out_at_once_to_this_machine() {
    let machine = Machine::new().await;
    let (sender, mut came) = tokio::sync::mpsc::unbounded_channel();
    let take = move |body: String| {
        sender.send(body).unwrap();
        std::future::ready(())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/hooks", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (ci, _) = webhook(&machine, &url);
    let company = json!({"companyName": "Alpha", "companyType": 1, "phone": "1"});
    let autotask = format!("http://{}/_sim", machine.serving.autotask.unwrap());
    let made = machine.http.post(format!("{autotask}/databases/{ci}/Companies")).body(company.to_string());
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let callout = tokio::time::timeout(Duration::from_secs(5), came.recv()).await.unwrap().unwrap();
    let callout: Value = serde_json::from_str(&callout).unwrap();
    assert_eq!((&callout["Action"], &callout["Id"]), (&json!("Create"), &made[0]));
}

#[tokio::test]
async fn a_drain_waits_for_callouts_to_their_last_attempt() {
    let machine = Machine::new().await;
    let (ci, webhook) = webhook(&machine, "http://hooks.example/away");
    let simulator = machine.serving.world.simulator.clone().unwrap();
    let before = machine.local("GET", "clock", json!(null)).await.1;
    simulator.insert(ci, "Companies", &[json!({"companyName": "Alpha", "companyType": 1, "phone": "1"})]).unwrap();
    let (status, drained) = machine.local("POST", "drain", json!(null)).await;
    assert_eq!((status, &drained["remaining"]), (200, &json!(0)), "{drained}");
    let moved = instant(&drained).duration_since(instant(&before)).as_secs();
    assert!((120..=180).contains(&moved), "five attempts, 30 seconds apart: {moved}");
    let log = simulator.rows(ci, "WebhookEventErrorLogs").unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["accountWebhookID"], json!(webhook));
    assert_eq!(log[0]["errorMessage"], json!("This simulator calls out to its own machine only."));
}

#[tokio::test]
async fn everything_is_there_after_a_restart_on_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::on(folder.path()).await;
    machine.local("POST", "clock", json!({"now": "2099-05-05T05:05:05Z"})).await;
    let seeded = machine.serving.world.seed_once().unwrap().unwrap();
    assert!(seeded.1.is_some());
    let token = machine.token(json!({"role": "vendor_admin"})).await;
    let profile = json!({
        "integration_vendor": "Vendor", "integration_code": seeded.0.integration_code, "support_address": "a@b.example",
    });
    assert_eq!(machine.send("PUT", "/v1/vendor/profile", profile, Some(&token)).await.0, 200);
    let login = json!({"psa": "autotask", "username": seeded.0.username, "secret": seeded.0.secret});
    let partner = machine.token(admin()).await;
    let (status, made) = machine.send("POST", "/v1/connections", login, Some(&partner)).await;
    assert_eq!(status, 201, "{made}");
    let (_, events) = machine.local("GET", "events", json!(null)).await;
    machine.serving.stop().await;

    let machine = Machine::on(folder.path()).await;
    let (_, clock) = machine.local("GET", "clock", json!(null)).await;
    assert!(instant(&clock) >= "2099-05-05T05:05:05Z".parse().unwrap(), "{clock}");
    let path = format!("/v1/connections/{}", made["id"].as_str().unwrap());
    let (status, found) = machine.send("GET", &path, json!(null), Some(&partner)).await;
    assert_eq!((status, &found["status"]), (200, &json!("connected")));
    assert_eq!(machine.local("GET", "events?since=0", json!(null)).await.1, events);
    assert_eq!(events["events"][0]["detail-type"], "connection.connected", "{events}");
    assert!(machine.serving.world.seed_once().unwrap().unwrap().1.is_none(), "the simulator kept its database");
    // The secret is there, too: the connection still works, from the port that Autotask has now.
    let (status, _) = machine.send("GET", "/v1/setup-guide", json!(null), Some(&partner)).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_fresh_start_forgets_its_own_folder_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::on(folder.path()).await;
    machine.local("POST", "clock", json!({"now": "2099-05-05T05:05:05Z"})).await;
    machine.serving.stop().await;
    let fresh = |data: &Path| Options {
        port: 0,
        autotask_port: 0,
        data: data.to_path_buf(),
        fresh: true,
        autotask_url: None,
        manual: true,
        ticks: false,
        request_timeout: Duration::from_secs(10),
    };
    let serving = serve::start(&fresh(folder.path())).await.unwrap();
    assert!(serving.world.bundle.host().clock.now().to_string().as_str() < "2099");
    serving.stop().await;
    let theirs = tempfile::tempdir().unwrap();
    std::fs::write(theirs.path().join("thesis.txt"), "three years").unwrap();
    let used = Options { fresh: false, ..fresh(theirs.path()) };
    assert!(serve::start(&used).await.is_err(), "it would be marked as ours, and deleted the next time");
    assert!(serve::start(&fresh(theirs.path())).await.is_err());
    assert!(theirs.path().join("thesis.txt").exists());
}

#[tokio::test]
async fn the_demo_does_the_main_job_a_second_run_writes_nothing_and_packages_follow_a_change_and_back() {
    let mut said = String::new();
    let report = local::demo::run(|text| said += &format!("{text}\n")).await.unwrap();
    assert_eq!(report.wrong, Vec::<String>::new(), "{said}");
    let json = serde_json::to_value(&report.summary).unwrap();
    let number = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("{name} of {json}"));
    assert_eq!(json["connected"], true);
    let states = ["changed", "unchanged", "held", "failed", "skipped"];
    assert_eq!(number("lines"), states.iter().map(|state| number(state)).sum::<u64>());
    assert_eq!((number("companies"), number("second_run_writes")), (40, 0));
    assert!(number("changed") > 0 && number("autotask_calls") > number("changed"), "{json}");
    assert_eq!(number("autotask_calls"), 56, "the first act alone");
    // 12 by the initial sync, which finds the thirteenth, and one by the swap; both lines of the swap, there and back.
    assert_eq!(json["billing"], json!({"lines_created": 13, "changed": 2, "undone": 2}));
    let invoices = &json["invoices"];
    assert_eq!(
        (&invoices["fetched"], &invoices["paid"], &invoices["second_fetch_writes"]),
        (&json!(109), &json!(1), &json!(0))
    );
    assert!(invoices["pdfs"].as_u64() > Some(100) && invoices["lines"].as_u64() > Some(109), "{json}");
    assert!(said.contains("Juniper Yachts") && said.contains(" → "), "a person can read it:\n{said}");
    assert!(said.contains("initial_sync_not_ready") && said.contains("Phishing Simulation"), "{said}");
}

#[tokio::test]
async fn an_event_of_the_vendors_core_is_taken_in() {
    let machine = Machine::new().await;
    let service = machine.token(json!({"role": "service"})).await;
    let partner = json!({"name": "Acme IT", "time_zone": "Europe/London", "active": true});
    assert!(machine.send("PUT", "/v1/partners/acme", partner, Some(&service)).await.0 < 300);
    let detail = json!({
        "version": "1", "id": "evt_1", "occurred_at": "2026-11-20T09:00:00Z", "partner_id": "acme",
        "data": {"account_id": "a1", "name": "Blue Kite", "contact_email": "office@bluekite.example", "packages": []},
    });
    let event = json!({"detail-type": "account.created", "source": "vendor.core", "detail": detail});
    let (status, answer) = machine.local("POST", "events", event).await;
    assert_eq!((status, &answer["outcome"]), (200, &json!("done")), "{answer}");
    let app = machine.serving.world.bundle.app();
    let key = Key::Account(PartnerId::new("acme").unwrap(), AccountId::new("a1").unwrap());
    let account = load::<Account>(&*app.ports.storage, &runtime::schedule::scope(), &key).await.unwrap().unwrap();
    assert_eq!(account.name, "Blue Kite");
}
