use super::*;

fn fill(world: &World, count: usize) -> Vec<i64> {
    let rows: Vec<Value> = (0..count)
        .map(|number| json!({ "companyName": format!("Company {number:04}"), "companyType": 1, "phone": "1" }))
        .collect();
    world.simulator.insert(world.database.ci, "Companies", &rows).unwrap()
}

fn small_pages() -> World {
    world_of(DatabaseSpec { page_size: 3, ..DatabaseSpec::new(USER, SECRET, CODE) })
}

/// The path and query after `V1.0/` of a page's URL.
fn next_of(page: &Value) -> Option<String> {
    page["pageDetails"]["nextPageUrl"].as_str().map(|url| {
        url.strip_prefix("https://webservices99.autotask.net/ATServicesRest/V1.0/").expect("this zone").to_owned()
    })
}

#[test]
fn the_zone_is_found_by_user_without_credentials_in_any_case() {
    let world = world();
    for path in [
        "/ATServicesRest/V1.0/zoneInformation?user=api%40msp.example",
        "/atservicesrest/v1.0/ZoneInformation?user=API@MSP.EXAMPLE",
        "/ATServicesRest/V1.0/ZoneInformation/?User=api@msp.example",
    ] {
        let outcome = world.simulator.handle(WireRequest::new(Method::GET, path));
        let answer = outcome.response().unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.value()["url"], json!("https://webservices99.autotask.net/ATServicesRest/"));
        assert_eq!(answer.value()["ci"], json!(world.database.ci));
    }
    let outcome =
        world.simulator.handle(WireRequest::new(Method::GET, "/ATServicesRest/V1.0/zoneInformation?user=nobody"));
    let answer = outcome.response().unwrap();
    assert_eq!(
        (answer.status, answer.value()),
        (500, json!({ "errors": ["Zone information could not be determined"] }))
    );
}

#[test]
fn wrong_user_wrong_code_and_wrong_secret_are_told_apart() {
    let world = world();
    let status = |user: &str, secret: &str, code: &str| {
        let request = WireRequest::new(Method::GET, "/ATServicesRest/V1.0/ThresholdInformation")
            .header("UserName", user)
            .header("Secret", secret)
            .header("ApiIntegrationCode", code);
        world.simulator.handle(request).response().unwrap().status
    };
    assert_eq!(status("API@msp.example", SECRET, CODE), 200);
    assert_eq!(status("nobody", SECRET, CODE), 500);
    assert_eq!(status(USER, SECRET, "other"), 500);
    assert_eq!(status(USER, "wrong", CODE), 401);
}

#[test]
fn a_user_is_locked_after_wrong_secrets_in_a_row() {
    let world = world_of(DatabaseSpec { locked_after: 3, ..DatabaseSpec::new(USER, SECRET, CODE) });
    let wrong = || {
        let request = signed(WireRequest::new(Method::GET, "/ATServicesRest/V1.0/ThresholdInformation"))
            .header("Secret", "wrong");
        world.simulator.handle(request).response().unwrap().status
    };
    assert_eq!((wrong(), wrong()), (401, 401));
    assert_eq!(world.get("ThresholdInformation").status, 200, "the right secret in between starts anew");
    assert_eq!((wrong(), wrong(), wrong()), (401, 401, 401));
    assert_eq!(world.get("ThresholdInformation").status, 401, "locked");
    world.simulator.set_secret(world.database.ci, SECRET).unwrap();
    assert_eq!(world.get("ThresholdInformation").status, 200);
}

#[test]
fn a_moved_database_is_unauthorised_at_its_old_zone() {
    let world = world();
    world
        .simulator
        .move_database(world.database.ci, "https://webservices98.autotask.net/zone2/".parse().unwrap())
        .unwrap();
    assert_eq!(world.get("ThresholdInformation").status, 401);
    let zone = world
        .simulator
        .handle(WireRequest::new(Method::GET, &format!("/ATServicesRest/V1.0/zoneInformation?user={USER}")));
    assert_eq!(
        zone.response().unwrap().value()["url"],
        json!("https://webservices98.autotask.net/zone2/ATServicesRest/")
    );
    let there = signed(WireRequest::new(Method::GET, "/zone2/ATServicesRest/V1.0/ThresholdInformation"))
        .header("Host", "webservices98.autotask.net");
    assert_eq!(world.simulator.handle(there).response().unwrap().status, 200);
}

#[test]
fn a_post_is_paged_by_posting_the_same_body() {
    let world = small_pages();
    let mut ids = fill(&world, 7);
    ids.insert(0, 0);
    let body = json!({ "filter": match_all(), "IncludeFields": ["id"] });
    let mut page = world.post("Companies/query", &body).value();
    assert!(page["pageDetails"]["prevPageUrl"].is_null());
    let mut seen = Vec::new();
    loop {
        let items = page["items"].as_array().unwrap().clone();
        assert_eq!(page["pageDetails"]["count"], json!(items.len()));
        assert_eq!(page["pageDetails"]["requestCount"], json!(3));
        seen.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
        let Some(next) = next_of(&page) else { break };
        assert!(next.starts_with("Companies/query/next?paging="), "{next}");
        let by_get = world.get(&next);
        assert_eq!(by_get.status, 405);
        assert!(by_get.value()["Message"].as_str().unwrap().contains("'GET'"));
        assert_eq!(world.post(&next, &json!({ "filter": match_all() })).status, 500, "another body");
        page = world.post(&next, &body).value();
    }
    assert_eq!(seen, ids);
    let back = page["pageDetails"]["prevPageUrl"]
        .as_str()
        .unwrap()
        .replace("https://webservices99.autotask.net/ATServicesRest/V1.0/", "");
    assert_eq!(world.post(&back, &body).value()["items"][0]["id"], json!(seen[3]));
}

#[test]
fn a_get_is_paged_by_getting() {
    let world = small_pages();
    let count = fill(&world, 4).len() + 1;
    let search = r#"{"Filter":[{"op":"exist","field":"id"}],"MaxRecords":500}"#.replace('"', "%22");
    let first = world.get(&format!("companies/query?search={search}"));
    assert_eq!(first.status, 200, "{}", first.value());
    let next = next_of(&first.value()).unwrap();
    assert_eq!(world.post(&next, &json!({})).status, 405);
    let second = world.get(&next).value();
    let items = |page: &Value| page["items"].as_array().unwrap().len();
    assert_eq!(items(&first.value()) + items(&second), count);
    assert!(next_of(&second).is_none());
    assert_eq!(world.get(&format!("Companies/query/count?search={search}")).value(), json!({ "queryCount": count }));
    let counted = world.post("Companies/query/count", &json!({ "filter": match_all() }));
    assert_eq!(counted.value(), json!({ "queryCount": count }));
}

#[test]
fn a_long_get_is_an_unknown_route() {
    let world = world();
    let filler = "x".repeat(2_100);
    let answer = world.get(&format!("Companies/query?search={filler}"));
    assert_eq!(answer.status, 404);
    assert!(answer.body.starts_with(b"<!DOCTYPE html>"));
}

#[test]
fn the_capital_max_records_is_a_switch() {
    let world = world();
    fill(&world, 5);
    let ask = |name: &str| {
        world.post("Companies/query", &json!({ "filter": match_all(), name: 2 })).value()["pageDetails"]["requestCount"]
            .clone()
    };
    assert_eq!((ask("maxRecords"), ask("MaxRecords")), (json!(2), json!(500)));
    world.simulator.switches_mut(|switches| switches.max_records_capital = MaxRecordsCapital::Honoured);
    assert_eq!((ask("maxRecords"), ask("MaxRecords")), (json!(2), json!(2)));
}

#[test]
fn all_fourteen_operators_find_what_they_say() {
    let world = world();
    let alpha = world.insert(
        "Companies",
        json!({ "companyName": "Alpha Ltd", "companyType": 1, "phone": "1", "parentCompanyID": 0 }),
    );
    let beta = world.insert("Companies", json!({ "companyName": "Beta Ltd", "companyType": 7, "phone": "2" }));
    let gamma = world.insert("Companies", json!({ "companyName": "Gamma Inc", "companyType": 3, "phone": "3" }));
    let one = |op: &str, field: &str, value: Value| {
        world.ids(
            "Companies",
            &json!([{ "op": "gt", "field": "id", "value": 0 }, { "op": op, "field": field, "value": value }]),
        )
    };
    let cases = [
        (one("eq", "companyName", json!("alpha ltd")), vec![alpha]),
        (one("noteq", "companyType", json!(1)), vec![beta, gamma]),
        (one("gt", "companyType", json!(3)), vec![beta]),
        (one("gte", "companyType", json!(3)), vec![beta, gamma]),
        (one("lt", "companyType", json!(3)), vec![alpha]),
        (one("lte", "companyType", json!("3")), vec![alpha, gamma]),
        (one("beginsWith", "companyName", json!("b")), vec![beta]),
        (one("endsWith", "companyName", json!("LTD")), vec![alpha, beta]),
        (one("contains", "companyName", json!("amm")), vec![gamma]),
        (one("exist", "parentCompanyID", json!(null)), vec![alpha]),
        (one("notExist", "parentCompanyID", json!(null)), vec![beta, gamma]),
        (one("in", "id", json!([gamma, alpha])), vec![alpha, gamma]),
        (one("notIn", "companyType", json!([1, 3])), vec![beta]),
        (one("eq", "id", json!(alpha.to_string())), vec![]),
        (
            world.ids(
                "Companies",
                &json!([{ "op": "or", "items": [
                    { "op": "eq", "field": "id", "value": beta },
                    { "op": "and", "items": [
                        { "op": "eq", "field": "companyType", "value": 3 },
                        { "op": "beginsWith", "field": "COMPANYNAME", "value": "Gamma" },
                    ]},
                ]}]),
            ),
            vec![beta, gamma],
        ),
    ];
    for (number, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found, expected, "case {number}");
    }
}

#[test]
fn bad_queries_are_refused_with_autotasks_own_words() {
    let world = world();
    let refused = |entity: &str, filter: Value| {
        let answer = world.query(entity, &filter);
        assert_eq!(answer.status, 500, "{filter}");
        text(&answer)
    };
    let eq = |field: &str, value: Value| json!([{ "op": "eq", "field": field, "value": value }]);
    assert_eq!(refused("Companies", eq("frobs", json!(1))), "Unable to find frobs in the Company Entity.");
    assert_eq!(refused("Contracts", eq("isActive", json!(true))), "Unable to find isActive in the Contract Entity.");
    assert_eq!(
        refused("Companies", eq("companyType", json!("x"))),
        "Conversion failed when converting varchar 'x' to data type int."
    );
    assert!(refused("Contacts", eq("isActive", json!(true))).starts_with("Unexpected character encountered"));
    assert!(refused("Companies", eq("sicCode", json!("1"))).contains("cannot be queried"));
    let many: Vec<i64> = (0..501).collect();
    let text_of_many = refused("Companies", json!([{ "op": "in", "field": "id", "value": many }]));
    assert_eq!(text_of_many, "Invalid query syntax. Queries are limited to 500 or fewer 'OR' conditions.");
    refused("Companies", json!([]));
    refused("Companies", json!(null));
    let unknown = world.post("Companies/query", &json!({ "filter": match_all(), "IncludeFields": ["id", "nope"] }));
    assert_eq!((unknown.status, text(&unknown)), (500, "Unable to find nope in the Company Entity.".to_owned()));
}

#[test]
fn user_defined_fields_are_asked_for_by_flag_and_left_out_where_nobody_has_one() {
    let world = world();
    let plain = world.company("Plain");
    let with = world.insert("Companies", json!({
        "companyName": "With", "companyType": 1, "phone": "1", "userDefinedFields": [{ "name": "Tier", "value": "Gold" }],
    }));
    let by_udf = json!([{ "op": "eq", "field": "tier", "udf": true, "value": "gold" }]);
    assert_eq!(world.ids("Companies", &by_udf), [with]);
    assert_eq!(world.query("Companies", &json!([{ "op": "eq", "field": "Tier", "value": "Gold" }])).status, 500);
    let twice = json!([by_udf[0], { "op": "exist", "field": "Portal Id", "udf": true }]);
    assert_eq!(world.query("Companies", &twice).status, 500);
    assert!(world.get(&format!("Companies/{plain}")).value()["item"].get("userDefinedFields").is_none());
    let item = world.get(&format!("Companies/{with}")).value()["item"].clone();
    assert_eq!(item["userDefinedFields"][1], json!({ "name": "Tier", "value": "Gold" }));
}

#[test]
fn a_missing_row_is_a_404_or_a_null_item() {
    let world = world();
    assert_eq!(world.get("Companies/999").status, 404);
    world.simulator.switches_mut(|switches| switches.missing_item = MissingItem::NullItem);
    assert_eq!(world.get("Companies/999").value(), json!({ "item": null }));
}

#[test]
fn without_the_right_to_look_lists_are_empty_and_writes_are_refused() {
    let permissions = Permissions::default().with("Contracts", Access::NONE).with("Companies", Access::VIEW);
    let world = world_of(DatabaseSpec { permissions, ..DatabaseSpec::new(USER, SECRET, CODE) });
    let line = world.line(10);
    let answer = world.query("Contracts", &match_all());
    assert_eq!((answer.status, answer.value()["items"].clone()), (200, json!([])));
    assert_eq!(world.post("Contracts/query/count", &json!({ "filter": match_all() })).value()["queryCount"], json!(0));
    assert_eq!(world.get(&format!("Contracts/{}", line.contract)).status, 404);
    let refused = world.post("Companies", &json!({ "companyName": "x" }));
    assert!(text(&refused).contains("adequate permissions"), "{}", text(&refused));
    let info = |entity: &str| world.get(&format!("{entity}/entityInformation")).value()["info"].clone();
    assert_eq!(info("Contracts")["userAccessForQuery"], json!(0));
    assert_eq!(info("Companies")["userAccessForQuery"], json!(1));
    assert_eq!(info("Companies")["userAccessForCreate"], json!(0));
    assert_eq!(info("Companies")["canCreate"], json!(true));
    assert_eq!(info("ContractServiceUnits")["canCreate"], json!(false));
}

#[test]
fn picklist_values_are_strings_in_metadata_and_numbers_on_rows() {
    let world = world();
    let line = world.line(1);
    let fields = world.get("contracts/EntityInformation/fields").value()["fields"].clone();
    let field =
        |name: &str| fields.as_array().unwrap().iter().find(|field| field["name"] == json!(name)).unwrap().clone();
    let recurring = field("contractType")["picklistValues"]
        .as_array()
        .unwrap()
        .iter()
        .find(|pick| pick["label"] == json!("Recurring Service"))
        .unwrap()["value"]
        .clone();
    assert_eq!(recurring, json!("7"));
    assert_eq!(field("companyID")["referenceEntityType"], json!("Company"));
    assert_eq!(field("contractName")["length"], json!(100));
    assert_eq!(
        field("contractPeriodType")["isReadOnly"],
        json!(true),
        "so says the real one, and takes it all the same"
    );
    let contract = || world.get(&format!("Contracts/{}", line.contract)).value()["item"]["contractPeriodType"].clone();
    assert_eq!(contract(), json!(1));
    world.simulator.switches_mut(|switches| switches.contract_period_type = PeriodTypeForm::Letter);
    assert_eq!(contract(), json!("m"));
    let udfs = world.get("Companies/entityInformation/userDefinedFields").value();
    assert_eq!(udfs["fields"][1]["name"], json!("Tier"));
}

#[test]
fn the_hourly_threshold_counts_every_integration_and_ends_after_an_hour() {
    let world = world_of(DatabaseSpec { hourly_threshold: 3, ..DatabaseSpec::new(USER, SECRET, CODE) });
    assert_eq!(
        world.get("ThresholdInformation").value(),
        json!({
            "externalRequestThreshold": 3, "requestThresholdTimeframe": 60, "currentTimeframeRequestCount": 1,
        })
    );
    world.get("Companies/0");
    assert_eq!(world.get("Companies/0").status, 200);
    assert_eq!(world.get("Companies/0").status, 429);
    world.simulator.switches_mut(|switches| switches.hourly_cap = HourlyCap::Unavailable);
    assert_eq!(world.get("Companies/0").status, 503);
    world.clock.advance(SignedDuration::from_mins(61));
    assert_eq!(world.get("Companies/0").status, 200);
}

#[test]
fn two_databases_know_nothing_of_each_other() {
    let world = world();
    let other = world.simulator.add_database(DatabaseSpec::new("other@msp.example", "else", "B")).unwrap();
    let mine = world.company("Mine");
    world.simulator.insert(other.ci, "Companies", &[json!({ "companyName": "Theirs" })]).unwrap();
    let item = world.get(&format!("Companies/{mine}")).value()["item"].clone();
    assert_eq!(item["companyName"], json!("Mine"), "ids are the same in both");
    assert!(world.simulator.add_database(DatabaseSpec::new(&USER.to_uppercase(), "x", "x")).is_err());
}
