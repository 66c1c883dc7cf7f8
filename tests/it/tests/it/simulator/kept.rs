//! State on disk, sockets and seeds.

use std::path::Path;

use super::*;

fn open(folder: &Path, clock: &Arc<ManualClock>) -> Simulator {
    let options = Options { data: Some(folder.to_owned()), ..Options::default() };
    Simulator::open(clock.clone(), options).unwrap()
}

#[test]
fn everything_survives_a_kill_and_a_torn_last_line_never_happened() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(noon()));
    let simulator = open(folder.path(), &clock);
    let database = simulator.add_database(DatabaseSpec::new(USER, SECRET, CODE)).unwrap();
    let before = World { simulator, clock: clock.clone(), database: database.clone() };
    let line = before.line(10);
    before.simulator.switches_mut(|switches| switches.zero_units = Allow::Refused);
    let body =
        |change: i64| json!({ "contractServiceID": line.line, "unitChange": change, "effectiveDate": "2026-11-20" });
    let first_id = before.adjust(&body(3)).value()["itemId"].as_i64().unwrap();
    let late = Match::new("POST", "*ContractServiceAdjustments");
    before.simulator.add_fault(Fault::new(late, FaultKind::Late { after_seconds: 60 }).times(1));
    before.send(Method::POST, "ContractServiceAdjustments", Some(&body(1)));
    let units = before.units(line.line);
    let (requests, faults) = (before.simulator.requests(), before.simulator.faults());
    // The old one is neither stopped nor dropped: a killed process says no goodbye.
    let journal = folder.path().join("simulator.jsonl");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    assert!(!text.contains(SECRET) && !text.contains(CODE), "no secret lies on disk");
    text.push_str("[{\"switches\":{\"zero_un");
    std::fs::write(&journal, text).unwrap();

    let after = World { simulator: open(folder.path(), &clock), clock, database };
    assert_eq!(after.simulator.requests(), requests);
    assert_eq!(after.simulator.faults(), faults);
    assert_eq!(after.simulator.switches().zero_units, Allow::Refused);
    assert_eq!(after.units(line.line), units);
    after.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(after.units(line.line)[2], "2026-11-20..2026-11-30 14", "the late one is not forgotten");
    let second_id = after.adjust(&body(1)).value()["itemId"].as_i64().unwrap();
    assert!(second_id > first_id, "ids are not given out twice");
    assert_eq!(after.company("Fresh") - after.company("Fresher"), -1);
    assert_eq!(after.simulator.requests().last().unwrap().seq, requests.last().unwrap().seq + 3);
}

#[test]
fn a_journal_broken_in_the_middle_is_not_read_past() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("simulator.jsonl"), "[]\nbroken\n[]\n").unwrap();
    let clock = Arc::new(ManualClock::new(noon()));
    let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
    assert!(Simulator::open(clock, options).is_err());
}

async fn served(world: &World) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let simulator = world.simulator.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = listener.into_std().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            simulator.serve(listener).await
        })
    });
    format!("http://{address}/ATServicesRest/V1.0")
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().retry(reqwest::retry::never()).build().unwrap()
}

#[tokio::test]
async fn over_a_socket_a_reset_closes_the_connection_without_an_answer() {
    let world = world();
    let base = served(&world).await;
    let get = || {
        client()
            .get(format!("{base}/Companies/0"))
            .header("UserName", USER)
            .header("Secret", SECRET)
            .header("ApiIntegrationCode", CODE)
    };
    let item: Value = get().send().await.unwrap().json().await.unwrap();
    assert_eq!(item["item"]["id"], json!(0));
    world.simulator.add_fault(Fault::new(Match::default(), FaultKind::Reset).times(1));
    assert!(get().send().await.is_err());
    assert_eq!(get().send().await.unwrap().status(), 200);
    assert_eq!(
        world.simulator.requests().iter().map(|request| request.status).collect::<Vec<_>>(),
        [Some(200), None, Some(200)]
    );
}

#[tokio::test]
async fn a_fourth_request_at_once_meets_the_thread_limit() {
    let world = world();
    let base = served(&world).await;
    world.simulator.add_fault(Fault::new(Match::default(), FaultKind::Delay { ms: 500 }));
    let client = client();
    let get = || {
        client
            .get(format!("{base}/Companies/0"))
            .header("UserName", USER)
            .header("Secret", SECRET)
            .header("ApiIntegrationCode", CODE)
            .send()
    };
    let answers = futures::future::join_all((0..4).map(|_| get())).await;
    let mut statuses: Vec<u16> = answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429]);
}

#[test]
fn the_demo_msp_is_what_it_promises() {
    let world = world();
    let ci = world.database.ci;
    let msp = seed::demo_msp(&world.simulator, ci, "2026-11-20".parse().unwrap()).unwrap();
    let companies = world.ids("Companies", &json!([{ "op": "gt", "field": "id", "value": 0 }]));
    assert_eq!(companies.len(), 40);
    assert_eq!((msp.accounts.len(), msp.lines.len()), (36, 35));
    for (account, line) in msp.accounts.iter().zip(&msp.lines) {
        let by_address = json!([
            { "op": "eq", "field": "emailAddress", "value": account.contact_email },
            { "op": "eq", "field": "primaryContact", "value": true },
        ]);
        let found = world.query("Contacts", &by_address).value();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{account:?}");
        assert_eq!(found["items"][0]["companyID"], json!(line.company_id));
        let covering = json!([
            { "op": "eq", "field": "contractServiceID", "value": line.contract_service_id },
            { "op": "lte", "field": "startDate", "value": "2026-12-01" },
            { "op": "gte", "field": "endDate", "value": "2026-12-01" },
        ]);
        let rows = world.query("ContractServiceUnits", &covering).value();
        assert_eq!(rows["items"][0]["units"], json!(line.units), "{account:?}");
        let posted = !rows["items"][0]["approveAndPostDate"].is_null();
        assert_eq!(posted, line.contract_service_id == msp.billed_line, "{account:?}");
        assert!(account.seats > 0);
    }
    let stranger = msp.accounts.last().unwrap();
    let by_address = json!([{ "op": "eq", "field": "emailAddress", "value": stranger.contact_email }]);
    assert!(world.ids("Contacts", &by_address).is_empty());
    let twins = world
        .query("Contacts", &json!([{ "op": "eq", "field": "companyID", "value": msp.company_with_twin_contacts }]))
        .value();
    assert_eq!(twins["items"][0]["emailAddress"], twins["items"][1]["emailAddress"]);
    let types = world.query("Contracts", &json!([{ "op": "noteq", "field": "contractType", "value": 7 }])).value();
    assert!(types["items"].as_array().unwrap().len() > 8);
    let (old, new) = msp.renewed_contract;
    let old = world.get(&format!("Contracts/{old}")).value()["item"].clone();
    assert_eq!((old["renewedContractID"].clone(), old["endDate"].clone()), (json!(new), json!("2026-10-31T00:00:00Z")));
    let same =
        seed::demo_msp(&world_of(DatabaseSpec::new(USER, SECRET, CODE)).simulator, ci, "2026-11-20".parse().unwrap())
            .unwrap();
    assert_eq!(same.lines, msp.lines, "the same each time");
}

#[test]
fn the_demos_catalogue_has_services_that_no_contract_has_and_products_with_and_without_one() {
    let world = world();
    let msp = seed::demo_msp(&world.simulator, world.database.ci, "2026-11-20".parse().unwrap()).unwrap();
    let on_contracts = json!([{ "op": "in", "field": "serviceID", "value": msp.spare_services }]);
    assert!(world.ids("ContractServices", &on_contracts).is_empty());
    let item = |entity: &str, id: i64| world.get(&format!("{entity}/{id}")).value()["item"].clone();
    assert_eq!(msp.spare_services.len(), 3);
    for id in &msp.spare_services {
        let service = item("Services", *id);
        let facts = (&service["billingCodeID"], &service["periodType"], &service["isActive"]);
        assert_eq!(facts, (&json!(msp.billing_code_id), &json!(1), &json!(true)), "{service}");
    }
    let named_like = |product: i64| {
        let name = item("Products", product)["name"].clone();
        world.ids("Services", &json!([{ "op": "eq", "field": "name", "value": name }]))
    };
    assert_eq!(named_like(msp.product_with_service), msp.spare_services[..1]);
    assert!(named_like(msp.product_without_service).is_empty());
}

#[test]
fn the_demo_can_be_seeded_on_any_day_of_the_year() {
    for day in ["2026-01-01", "2026-01-31", "2026-02-28", "2026-12-31", "2028-02-29"] {
        let world = world();
        seed::demo_msp(&world.simulator, world.database.ci, day.parse().unwrap())
            .unwrap_or_else(|error| panic!("{day}: {error}"));
    }
}

#[test]
fn two_thousand_lines_are_found_by_their_ids() {
    let world = world();
    let lines = seed::lines(&world.simulator, world.database.ci, 2_000).unwrap();
    let some: Vec<i64> = lines.iter().step_by(5).map(|line| line.contract_service_id).collect();
    let covering = json!([
        { "op": "in", "field": "contractServiceID", "value": some },
        { "op": "lte", "field": "startDate", "value": "2026-12-01T23:59:59Z" },
        { "op": "gte", "field": "endDate", "value": "2026-11-30T10:00:00Z" },
    ]);
    let found = world.query("ContractServiceUnits", &covering).value();
    // The row of November ends on the 30th at midnight, and so before 10:00.
    assert_eq!(found["items"].as_array().unwrap().len(), 400);
    assert_eq!(world.clock.now(), noon());
}

#[tokio::test]
async fn the_clients_transport_reaches_it_without_a_socket() {
    let world = world();
    let send = || async {
        let request = autotask::Request {
            method: autotask::Method::Get,
            url: "https://webservices99.autotask.net/ATServicesRest/V1.0/Companies/0".parse().unwrap(),
            headers: vec![
                autotask::Header::plain("UserName", USER),
                autotask::Header::sensitive("Secret", SECRET.into()),
                autotask::Header::plain("ApiIntegrationCode", CODE),
            ],
            body: None,
            timeout: std::time::Duration::from_millis(50),
        };
        world.simulator.transport().send(request).await
    };
    assert_eq!(send().await.unwrap().status, 200);
    for kind in [FaultKind::ApplyThenReset, FaultKind::Delay { ms: 5_000 }] {
        world.simulator.add_fault(Fault::new(Match::default(), kind).times(1));
        assert!(matches!(send().await, Err(autotask::TransportError::Unknown { .. })));
    }
    assert_eq!(send().await.unwrap().status, 200);
}
