//! Nothing that a run answers, logs, stores, sends or publishes holds a secret, even where Autotask repeats one.

use domain::Role;
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Match};
use testkit::{USERNAME, World};

const SECRET: &str = "CANARY-OF-THE-API-USER";
const CODE: &str = "CANARYOFTHEVENDOR";
const ROTATED: &str = "CANARY-ROTATED";
/// For the engine, which wants a signature and does not verify it.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20261120/eu-west-1/dynamodb/aws4_request, \
    SignedHeaders=host;x-amz-date, Signature=0000";

/// Every item of the table as it is stored.
async fn stored(world: &World) -> String {
    // Somebody else may have done so: that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let (mut all, mut from) = (String::new(), Value::Null);
    loop {
        let mut body = json!({"TableName": local::host::engine::TABLE});
        if !from.is_null() {
            body["ExclusiveStartKey"] = from;
        }
        let answer = http
            .post(world.engine.endpoint())
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("x-amz-date", "20261120T110000Z")
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", SIGNED)
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        all += &page["Items"].to_string();
        from = page["LastEvaluatedKey"].clone();
        if from.is_null() {
            return all;
        }
    }
}

/// Autotask answers one adjustment with its credentials in an error's text.
fn repeats_secrets(world: &World, text: &str) {
    let errors = json!({"errors": [format!("{text} (secret {SECRET}, code {CODE})")]});
    let fault = FaultKind::Status { status: 500, body: errors };
    world.sim.add_fault(Fault::new(Match::new("POST", "*adjustments"), fault).times(1));
}

#[tokio::test]
async fn no_secret_is_in_anything_that_a_run_writes() {
    let build = World::builder().database(|db| {
        SECRET.clone_into(&mut db.secret);
        CODE.clone_into(&mut db.integration_code);
    });
    let world = build.build().await;
    let made = world.lines(6).await;
    for line in &made[..4] {
        world.usage(line, 12).await;
    }
    repeats_secrets(&world, "The value 12 does not exist or is invalid for this contract.");
    repeats_secrets(&world, "Something nobody knows.");
    let api = world.api(Role::PartnerAdmin);
    let mut told = Vec::new();
    for mode in ["preview", "apply"] {
        let run = api.post("C/runs", json!({"kind": "seat_sync", "mode": mode})).await;
        let id = run.json["run_id"].as_str().unwrap().to_owned();
        told.push(run);
        let mut message = world.queue.waiting().into_iter().map(|m| m.body);
        assert!(message.all(|body| !body.contains("CANARY")));
        world.drain().await;
        for rest in ["", "/lines", "/lines.csv"] {
            told.push(api.get(&format!("C/runs/{id}{rest}")).await);
        }
    }
    let report = &told.last().unwrap().text;
    assert!(report.contains("rejected_by_autotask"), "the fault was met, and its text dropped: {report}");
    // Refused credentials end a run; new ones come in.
    world.usage(&made[0], 13).await;
    world.sim.set_secret(world.ci, ROTATED).unwrap();
    told.push(api.post("C/runs", json!({"kind": "seat_sync", "mode": "apply"})).await);
    world.drain().await;
    told.push(api.get("C/runs").await);
    told.push(api.post("C/relink", json!({"username": USERNAME, "secret": ROTATED})).await);
    for path in ["C", "C/accounts", "C/accounts?live=true", "C/reconciliation", "C/mappings.csv", "C/settings"] {
        told.push(api.get(path).await);
    }
    // The look at the accounts has started auto-map.
    world.drain().await;
    let stored = stored(&world).await;
    let events: String = world.events.all().iter().map(|event| event.detail.to_string()).collect();
    let logs = world.logs().text();
    for kind in ["unit_line", "audit", "run_chunk", "issue", "usage"] {
        assert!(stored.contains(&format!("\"{kind}\"")), "nothing of the kind {kind} is stored");
    }
    assert!(events.contains("line_kind") && logs.contains("a run is "));
    for canary in [SECRET, CODE, ROTATED] {
        for reply in &told {
            assert!(!reply.text.contains(canary), "{}", reply.text);
        }
        assert!(!stored.contains(canary), "{canary} is stored");
        assert!(!events.contains(canary), "{canary} is published");
        assert!(!logs.contains(canary), "{canary} is logged: {:?}", world.logs().lines_with(canary));
    }
}
