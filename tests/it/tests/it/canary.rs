//! No secret where it does not belong, and no connection where none belongs ("How it shows" 7).

mod hosts;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Role;
use domain::connections::Settings;
use domain::records::Collection;
use domain::runs::{Run, lines::load_lines};
use local::host::engine::TABLE;
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Match};
use store::Settings as StoreSettings;
use testkit::{Line, USERNAME, World};

/// Each stands in one place only; none may be found anywhere else.
const SECRET: &str = "CANARY-api-user-secret-5d1c";
const CODE: &str = "CANARY-integration-code-77aa";
const WRONG: &str = "CANARY-mistyped-secret-0b9e";
const ROTATED: &str = "CANARY-rotated-secret-c3f2";
/// What `testkit` makes the key of cursors and of the idempotency of.
const MAC_KEY: &str = "a key for message authentication in tests";
const ALL: [&str; 5] = [SECRET, CODE, WRONG, ROTATED, MAC_KEY];

/// Everything that was written down or said anywhere, with where.
#[derive(Default)]
struct Told(Vec<(String, String)>);

impl Told {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn queues(&mut self, world: &World) {
        for message in world.queue.waiting().into_iter().chain(world.queue.dead()) {
            self.add(format!("{:?}", message.queue), message.body);
        }
    }

    async fn stored(&mut self, world: &World) {
        let aws = store::Aws::new(&StoreSettings::local(world.engine.endpoint())).await;
        let mut from = None;
        loop {
            let page = aws.dynamodb().scan().table_name(TABLE).set_exclusive_start_key(from).send().await.unwrap();
            for item in page.items() {
                self.add("table", item.values().map(text_of).collect::<Vec<_>>().join(" "));
            }
            from = page.last_evaluated_key().cloned();
            if from.is_none() {
                break;
            }
        }
        // Reports lie deflated.
        let of = Collection::Runs(world.partner.clone(), world.connection.clone());
        for run in world.load_all::<Run>(&of).await {
            let scope = world.scope();
            let lines = load_lines(world.ports(), &scope, &run.partner, &run.connection, &run.id).await.unwrap();
            self.add("report", serde_json::to_string(&lines).unwrap());
        }
    }

    fn find(&self, canary: &str) -> Vec<&(String, String)> {
        self.0.iter().filter(|(_, text)| text.contains(canary)).collect()
    }
}

fn text_of(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::B(bytes) => String::from_utf8_lossy(bytes.as_ref()).into_owned(),
        AttributeValue::L(list) => list.iter().map(text_of).collect::<Vec<_>>().join(" "),
        AttributeValue::M(map) => map.iter().map(|(name, value)| format!("{name} {}", text_of(value))).collect(),
        other => format!("{other:?}"),
    }
}

/// An Autotask that repeats what it was sent, in each way in which it can fail.
fn echoes() -> Vec<FaultKind> {
    let words = format!("Bad header Secret: {SECRET}, ApiIntegrationCode {CODE}");
    let errors = json!({"errors": [words]});
    vec![
        FaultKind::Status { status: 500, body: errors.clone() },
        FaultKind::Status { status: 400, body: json!({"Message": words}) },
        FaultKind::Status { status: 403, body: errors.clone() },
        FaultKind::Status { status: 404, body: json!(words) },
        FaultKind::Status { status: 429, body: errors.clone() },
        FaultKind::Status { status: 200, body: json!(words) },
        FaultKind::ApplyThenStatus { status: 500, body: errors },
        FaultKind::ApplyThenReset,
        FaultKind::Reset,
        FaultKind::ThreadLimit { status: 500 },
    ]
}

async fn synced(world: &World, lines: &[Line], active: i64, told: &mut Told) {
    for line in lines {
        world.usage(line, active).await;
    }
    let billing = world.api(Role::PartnerBilling);
    let started = billing.post("C/runs", json!({"kind": "seat_sync", "mode": "apply"})).await;
    told.add("POST runs", started.text.clone());
    told.queues(world);
    world.drain().await;
    told.queues(world);
}

async fn asked(world: &World, told: &mut Told) {
    let billing = world.api(Role::PartnerBilling);
    for path in
        ["C", "C/settings", "C/permissions", "C/setup-progress", "C/runs?limit=1", "C/accounts", "C/reconciliation"]
    {
        told.add(path, billing.get(path).await.text);
    }
    let of = Collection::Runs(world.partner.clone(), world.connection.clone());
    for run in world.load_all::<Run>(&of).await {
        for rest in ["", "/lines", "/lines.csv"] {
            told.add("run", billing.get(&format!("C/runs/{}{rest}", run.id)).await.text);
        }
    }
}

async fn bad_input(world: &World, told: &mut Told) {
    let admin = world.api(Role::PartnerAdmin);
    let with = |secret: &str| json!({"username": USERNAME, "secret": secret});
    told.add("relink", admin.post("C/relink", with(WRONG)).await.text);
    for body in [
        with(WRONG),
        json!({"username": 7, "secret": WRONG, "frobs": WRONG}),
        json!([WRONG]),
        json!({"secret": {"x": WRONG}}),
    ] {
        told.add("connect", admin.post("/v1/connections", body.clone()).await.text);
        told.add("relink", admin.post("C/relink", body).await.text);
    }
    let broken = format!("{{\"username\": \"{USERNAME}\", \"secret\": \"{WRONG}\"");
    for path in ["/v1/connections", "C/relink"] {
        told.add(
            "broken",
            admin.clone().header("content-type", "application/json").send("POST", path, broken.as_bytes()).await.text,
        );
    }
}

#[tokio::test]
async fn no_secret_is_logged_stored_published_queued_or_answered() {
    let world = World::builder()
        .at("2026-11-30T12:00:00Z")
        .database(|database| {
            SECRET.clone_into(&mut database.secret);
            CODE.clone_into(&mut database.integration_code);
            database.locked_after = 1_000;
        })
        .settings(|settings: &mut Settings| settings.overwrite_cost = true)
        .build()
        .await;
    let team =
        json!({"emails": ["team@msp.example"], "events": ["run_finished", "run_failed", "held", "disconnected"]});
    world.api(Role::PartnerAdmin).put("C/notifications", team).await.assert_status(200);
    let lines = world.lines(2).await;
    let mut told = Told::default();
    synced(&world, &lines, 12, &mut told).await;
    for (at, echo) in echoes().into_iter().enumerate() {
        for (method, path) in [("POST", "*Adjustments"), ("POST", "*/query"), ("PATCH", "*"), ("GET", "*")] {
            world.sim.add_fault(Fault::new(Match::new(method, path), echo.clone()).times(1));
        }
        synced(&world, &lines, 13 + i64::try_from(at % 3).unwrap(), &mut told).await;
        world.sim.clear_faults();
        told.add("test", world.api(Role::PartnerAdmin).post("C/test", Value::Null).await.text);
    }
    bad_input(&world, &mut told).await;
    world.sim.set_secret(world.ci, ROTATED).unwrap();
    synced(&world, &lines, 9, &mut told).await;
    let login = json!({"username": USERNAME, "secret": ROTATED});
    world.api(Role::PartnerAdmin).post("C/relink", login).await.assert_status(200);
    synced(&world, &lines, 8, &mut told).await;
    asked(&world, &mut told).await;
    told.queues(&world);
    world.drain().await;
    told.stored(&world).await;
    told.queues(&world);
    world.advance(jiff::SignedDuration::from_hours(1));
    world.tick("notify", &world.clock.now().to_string()).await;
    for mail in world.mail.sent() {
        told.add("mail", format!("{} {} {:?}", mail.subject(), mail.text(), mail.attachments));
    }
    for event in world.events.all() {
        told.add(event.detail_type.clone(), event.detail.to_string());
    }

    // What was looked at is what it should be: something of everything.
    for place in ["mail", "table", "report", "run", "relink", "billing.run_completed", "SeatSync"] {
        assert!(told.0.iter().any(|(at, text)| at == place && !text.is_empty()), "nothing was found in {place}");
    }
    assert!(told.find("redacted").len() + told.find("***").len() > 0, "Autotask's echoes did arrive somewhere");
    let logs = world.logs().text();
    assert!(logs.contains("a run is "), "the log is the log");
    for canary in ALL {
        assert!(told.find(canary).is_empty(), "{canary} leaked: {:#?}", told.find(canary));
        // This file's name for it must not be in the log of any test, either.
        let logged: Vec<&str> = logs.lines().filter(|line| line.contains(canary)).collect();
        assert!(logged.is_empty(), "{canary} was logged: {logged:#?}");
    }
}
