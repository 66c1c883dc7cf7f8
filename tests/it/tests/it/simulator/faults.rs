use super::*;

fn adjustments() -> Match {
    Match::new("post", "*contractserviceADJUSTMENTS")
}

fn one_more(line: &Line) -> Value {
    json!({ "contractServiceID": line.line, "unitChange": 1, "effectiveDate": "2026-12-01" })
}

/// Sends an adjustment under a fault: the status of its answer, and the units then.
fn under(kind: FaultKind) -> (World, Option<u16>, i64) {
    let world = world();
    let line = world.line(10);
    world.simulator.add_fault(Fault::new(adjustments(), kind).times(1));
    let outcome = world.send(Method::POST, "ContractServiceAdjustments", Some(&one_more(&line)));
    let status = outcome.response().map(|response| response.status);
    let units = world.units(line.line)[2].rsplit(' ').next().unwrap().parse().unwrap();
    (world, status, units)
}

#[test]
fn each_fault_does_what_it_says() {
    let error = json!({ "errors": ["boom"] });
    for (kind, status, units) in [
        (FaultKind::Status { status: 500, body: error.clone() }, Some(500), 10),
        (FaultKind::ApplyThenStatus { status: 500, body: error }, Some(500), 11),
        (FaultKind::Reset, None, 10),
        (FaultKind::ApplyThenReset, None, 11),
        (FaultKind::Late { after_seconds: 90 }, None, 10),
        (FaultKind::Delay { ms: 1 }, Some(200), 11),
        (FaultKind::ThreadLimit { status: 500 }, Some(500), 10),
        (FaultKind::Unauthorized, Some(401), 10),
    ] {
        let (world, got, then) = under(kind.clone());
        assert_eq!((got, then), (status, units), "{kind:?}");
        assert_eq!(world.simulator.faults()[0].hits, 1);
        let logged: Vec<LoggedRequest> = world.simulator.requests();
        assert_eq!(logged[0].status, status, "the log tells what was answered");
    }
}

#[test]
fn a_late_request_takes_effect_when_the_clock_gets_there() {
    let (world, _, _) = under(FaultKind::Late { after_seconds: 90 });
    world.clock.advance(SignedDuration::from_secs(89));
    world.simulator.run_due();
    assert!(world.simulator.adjustments().is_empty());
    world.clock.advance(SignedDuration::from_secs(1_000));
    let applied = world.simulator.adjustments();
    assert_eq!(applied.len(), 1);
    assert_eq!(applied[0].at, noon() + SignedDuration::from_secs(90), "at the moment it was due");
    world.clock.advance(SignedDuration::from_secs(1_000));
    assert_eq!(world.simulator.adjustments().len(), 1, "once");
}

#[test]
fn a_late_request_with_a_wrong_secret_never_takes_effect() {
    let world = world();
    let line = world.line(10);
    world.simulator.add_fault(Fault::new(adjustments(), FaultKind::Late { after_seconds: 1 }));
    let request = signed(WireRequest::new(Method::POST, "/ATServicesRest/V1.0/ContractServiceAdjustments"));
    world.simulator.handle(request.header("Secret", "wrong").json(&one_more(&line)));
    world.clock.advance(SignedDuration::from_secs(10));
    assert!(world.simulator.adjustments().is_empty());
}

#[test]
fn the_first_fault_whose_dice_fall_wins_and_the_seed_decides() {
    let run = |seed: u64| {
        let world = world();
        let line = world.line(10);
        let lost = Fault::new(adjustments(), FaultKind::Reset).probability(0.3, seed);
        world.simulator.add_fault(lost);
        world.simulator.add_fault(Fault::new(adjustments(), FaultKind::Unauthorized).probability(0.5, seed + 1));
        let statuses: Vec<Option<u16>> = (0..100)
            .map(|_| {
                world
                    .send(Method::POST, "ContractServiceAdjustments", Some(&one_more(&line)))
                    .response()
                    .map(|r| r.status)
            })
            .collect();
        let hits: Vec<u64> = world.simulator.faults().iter().map(|fault| fault.hits).collect();
        assert_eq!(hits[0], statuses.iter().filter(|status| status.is_none()).count() as u64);
        assert_eq!(hits[1], statuses.iter().filter(|status| **status == Some(401)).count() as u64);
        assert!((15..50).contains(&hits[0]) && (15..60).contains(&hits[1]), "{hits:?}");
        statuses
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_fault_may_be_for_one_database_only() {
    let world = world();
    world.simulator.add_database(DatabaseSpec::new("other@msp.example", "else", "B")).unwrap();
    world.simulator.add_fault(Fault::new(
        Match { database: Some(world.database.ci), ..Match::default() },
        FaultKind::Unauthorized,
    ));
    assert_eq!(world.get("Companies/0").status, 401);
    let other = WireRequest::new(Method::GET, "/ATServicesRest/V1.0/Companies/0")
        .header("UserName", "other@msp.example")
        .header("Secret", "else")
        .header("ApiIntegrationCode", "B");
    assert_eq!(world.simulator.handle(other).response().unwrap().status, 200);
}

#[test]
fn bad_pages_are_bad() {
    let page = |how: BadPage| {
        let world = world();
        world.simulator.add_fault(Fault::new(Match::new("POST", "*/Companies/query*"), FaultKind::BadPage { how }));
        let answer = world.query("Companies", &match_all());
        (world, answer)
    };
    assert!(page(BadPage::Html).1.body.starts_with(b"<!DOCTYPE html>"));
    let (_, truncated) = page(BadPage::Truncated);
    assert!(serde_json::from_slice::<Value>(&truncated.body).is_err());
    let (_, foreign) = page(BadPage::ForeignHost);
    let url = foreign.value()["pageDetails"]["nextPageUrl"].as_str().unwrap().to_owned();
    assert!(!url.contains("autotask.net"), "{url}");
    let (world, looped) = page(BadPage::Loop);
    let next = |page: &Response| {
        page.value()["pageDetails"]["nextPageUrl"].as_str().unwrap().split_once("V1.0/").unwrap().1.to_owned()
    };
    let again = world.post(&next(&looped), &json!({ "filter": match_all() }));
    assert_eq!(again.value()["items"], looped.value()["items"]);
    assert_eq!(next(&again), next(&looped));
}

#[test]
fn faults_switches_and_requests_have_routes() {
    let world = world();
    let sim = |method: Method, path: &str, body: Value| {
        let outcome = world.simulator.handle(WireRequest::new(method, path).json(&body));
        outcome.response().cloned().unwrap()
    };
    let fault = json!({
        "match": { "method": "POST", "path": "*ContractServiceAdjustments", "database": world.database.ci },
        "fault": { "kind": "apply_then_status", "status": 500, "body": { "errors": ["x"] } }, "times": 2, "probability": 0.1, "seed": 7,
    });
    assert_eq!(sim(Method::POST, "/_sim/faults", fault.clone()).status, 200);
    for kind in [
        json!({ "kind": "status", "status": 503, "body": "no" }),
        json!({ "kind": "reset" }),
        json!({ "kind": "apply_then_reset" }),
        json!({ "kind": "late", "after_seconds": 5 }),
        json!({ "kind": "delay", "ms": 1 }),
        json!({ "kind": "bad_page", "how": "foreign_host" }),
        json!({ "kind": "thread_limit", "status": 500 }),
        json!({ "kind": "unauthorized" }),
    ] {
        let answer = sim(Method::POST, "/_sim/faults", json!({ "match": { "path": "/nowhere" }, "fault": kind }));
        assert_eq!(answer.status, 200, "{kind}");
    }
    let listed = sim(Method::GET, "/_sim/faults", json!(null)).value();
    assert_eq!((listed[0]["match"].clone(), listed[0]["hits"].clone()), (fault["match"].clone(), json!(0)));
    assert_eq!(listed.as_array().unwrap().len(), 9);
    assert_eq!(sim(Method::POST, "/_sim/faults", json!({ "fault": { "kind": "unheard_of" } })).status, 400);
    sim(Method::DELETE, "/_sim/faults", json!(null));
    assert_eq!(sim(Method::GET, "/_sim/faults", json!(null)).value(), json!([]));

    let switched = sim(
        Method::POST,
        "/_sim/switches",
        json!({ "zero_units": "refused", "date_values": { "tenant_midnight": "Etc/GMT+5" } }),
    );
    assert_eq!(
        (switched.value()["zero_units"].clone(), switched.value()["posted_period"].clone()),
        (json!("refused"), json!("accepted"))
    );
    assert_eq!(sim(Method::POST, "/_sim/switches", json!({ "nonsense": 1 })).status, 400);

    world.post("Companies/query", &json!({ "filter": match_all(), "secret": "canary" }));
    let log = sim(Method::GET, "/_sim/requests", json!(null));
    let lines: Vec<Value> =
        std::str::from_utf8(&log.body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "inspection is not logged");
    let names: Vec<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["at", "body", "database", "method", "path", "query", "seq", "status"]);
    assert!(!String::from_utf8_lossy(&log.body).contains("canary"));
    sim(Method::DELETE, "/_sim/requests", json!(null));
    assert!(world.simulator.requests().is_empty());
}

#[test]
fn databases_and_rows_have_routes() {
    let world = world();
    let sim = |method: Method, path: &str, body: Value| {
        let outcome = world.simulator.handle(WireRequest::new(method, path).json(&body));
        outcome.response().cloned().unwrap()
    };
    let made = sim(
        Method::POST,
        "/_sim/databases",
        json!({
            "username": "new@msp.example", "secret": "s", "integration_code": "c", "page_size": 2,
            "permissions": { "Contracts": "none", "Companies": { "view": "all", "add": "none" } },
        }),
    );
    assert_eq!(made.status, 201);
    let ci = made.value()["ci"].as_u64().unwrap();
    assert_eq!(made.value()["url"], json!("https://webservices99.autotask.net/ATServicesRest/"));
    assert!(made.value()["resource_id"].as_i64().unwrap() > 0);
    let base = format!("/_sim/databases/{ci}/companies");
    let ids = sim(Method::POST, &base, json!([{ "companyName": "A" }, { "companyName": "B", "id": 77 }])).value();
    assert_eq!(ids[1], json!(77));
    assert_eq!(
        sim(Method::GET, &base, json!(null)).value().as_array().unwrap().len(),
        3,
        "its own company and two more"
    );
    sim(Method::PATCH, &format!("{base}/77"), json!({ "city": "Leith" }));
    assert_eq!(sim(Method::GET, &format!("{base}/77"), json!(null)).value()["city"], json!("Leith"));
    assert_eq!(sim(Method::PATCH, &format!("{base}/77"), json!({ "frobs": 1 })).status, 400);
    assert_eq!(sim(Method::DELETE, &format!("{base}/77"), json!(null)).status, 200);
    assert_eq!(sim(Method::DELETE, &format!("{base}/77"), json!(null)).status, 404);
    assert_eq!(sim(Method::GET, "/_sim/databases/1/companies", json!(null)).status, 404);
    assert_eq!(
        sim(
            Method::POST,
            "/_sim/databases",
            json!({ "username": "new@msp.example", "secret": "s", "integration_code": "c" })
        )
        .status,
        400
    );
    let contract = sim(
        Method::POST,
        &format!("/_sim/databases/{ci}/Contracts"),
        json!([{
            "companyID": 0, "contractName": "C", "contractType": 7, "startDate": "2026-01-01", "endDate": "2026-12-31",
        }]),
    )
    .value()[0]
        .clone();
    let renewed =
        sim(Method::POST, &format!("/_sim/databases/{ci}/renew/{contract}"), json!({ "start": "2026-07-01" }));
    assert_eq!(renewed.status, 200, "{}", renewed.value());
    assert_eq!(sim(Method::GET, &format!("/_sim/adjustments?ci={ci}"), json!(null)).value(), json!([]));
}
