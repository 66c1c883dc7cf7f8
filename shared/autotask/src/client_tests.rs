#![allow(clippy::unwrap_used)]

use futures::StreamExt;
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::json;

use crate::fake::{Fake, ZONE, body, hostile_urls, page, response};
use crate::*;

fn units(count: i64) -> Vec<serde_json::Value> {
    (1..=count).map(|n| json!({"id": n, "contractServiceID": 1000 + n, "units": 10})).collect()
}

fn adjustment() -> ContractServiceAdjustment {
    ContractServiceAdjustment::of_line(Id::new(1), Id::new(2), -3, date(2026, 11, 1))
}

#[tokio::test]
async fn a_query_posts_its_body_again_for_every_page_and_reads_to_the_end() {
    let fake = Fake::table(units(1201));
    let rows =
        fake.client().query::<ContractServiceUnit>().include(ContractServiceUnit::READ_FIELDS).all().await.unwrap();
    assert_eq!(rows.len(), 1201);
    assert_eq!(rows[1200].contract_service_id, Some(Id::new(2201)));

    let sent = fake.sent();
    assert_eq!(sent.len(), 3);
    for request in &sent {
        assert_eq!(request.method, Method::Post);
        assert_eq!(
            body(request),
            json!({"maxRecords": 500, "includeFields": ["id", "contractServiceID", "units", "approveAndPostDate"],
                   "filter": [{"op": "gte", "field": "id", "value": 0}]})
        );
    }
    assert_eq!(sent[0].url.as_str(), format!("{ZONE}V1.0/ContractServiceUnits/query"));
    assert_eq!(sent[2].url.as_str(), format!("{ZONE}V1.0/ContractServiceUnits/query/next?from=1000"));
}

#[tokio::test]
async fn a_full_page_without_a_next_one_is_the_end() {
    let fake = Fake::table(units(1000));
    assert_eq!(fake.client().query::<ContractServiceUnit>().all().await.unwrap().len(), 1000);
    assert_eq!(fake.sent().len(), 2);
}

#[tokio::test]
async fn ids_are_split_so_that_500_conditions_are_never_passed() {
    let fake = Fake::table(units(2000));
    let wanted = (1..=2000_i64).chain(1..=50).map(|n| Id::<ContractService>::new(1000 + n));
    let query = fake
        .client()
        .query::<ContractServiceUnit>()
        .any_of("contractServiceID", wanted)
        .filter(Filter::eq("units", 10));
    assert_eq!(query.clone().all().await.unwrap().len(), 2000);
    let sent = fake.sent();
    assert_eq!(sent.len(), 2000_usize.div_ceil(OR_IDS_MAX));
    for request in &sent {
        assert!(body(request)["filter"][0]["value"].as_array().unwrap().len() <= OR_IDS_MAX);
    }
    assert_eq!(query.count().await.unwrap(), 2000);
}

#[tokio::test]
async fn many_other_or_conditions_make_smaller_parts() {
    let fake = Fake::table(units(600));
    let query = fake.client().query::<ContractServiceUnit>();
    let found = query.filter(Filter::is_in("units", 0..100)).any_of("id", 1..=600_i64).all().await.unwrap();
    assert_eq!(found.len(), 600);
    for request in fake.sent() {
        let ors: usize = (0..2).map(|n| body(&request)["filter"][n]["value"].as_array().unwrap().len()).sum();
        assert!(ors <= OR_CONDITIONS_MAX);
    }
}

/// One line for each pair of 30 contracts and 20 services, in the order of contracts.
fn pairs() -> Vec<serde_json::Value> {
    (0..600_i64).map(|n| json!({"id": n + 1, "contractID": n / 20, "serviceID": n % 20})).collect()
}

#[tokio::test]
async fn lines_are_found_by_contracts_and_services_in_as_few_requests_as_the_limit_allows() {
    for (contracts, services, rows, requests) in [
        (0..30_i64, 0..20_i64, 600, 1),
        (5..7, 3..4, 2, 1),
        (29..2_000, 19..20, 1, 5),
        (29..30, 19..2_000, 1, 5),
        (0..300, 0..300, 600, 4),
        (0..30, 20..20, 0, 0),
        (30..30, 0..20, 0, 0),
    ] {
        let fake = Fake::table(pairs());
        let query = fake.client().query::<ContractService>();
        let query = query.any_of("contractID", contracts.clone()).any_of("serviceID", services.clone());
        let found = query.clone().include(ContractService::READ_FIELDS).all().await.unwrap();
        let ids: std::collections::BTreeSet<_> = found.iter().map(|row| row.id.get()).collect();
        assert_eq!((found.len(), ids.len()), (rows, rows), "{contracts:?} {services:?}");
        let wanted = |row: &ContractService| {
            contracts.contains(&row.contract_id.unwrap().get()) && services.contains(&row.service_id.unwrap().get())
        };
        assert!(found.iter().all(wanted));
        let first_pages = fake.sent().iter().filter(|request| request.url.path().ends_with("/query")).count();
        assert_eq!(first_pages, requests, "{contracts:?} {services:?}");
        for request in fake.sent() {
            let ors: usize = (0..2).map(|n| body(&request)["filter"][n]["value"].as_array().unwrap().len()).sum();
            assert!(ors <= OR_IDS_MAX, "{ors}");
        }
        assert_eq!(query.count().await.unwrap(), u64::try_from(rows).unwrap());
    }
}

#[tokio::test]
async fn of_no_ids_nothing_is_asked() {
    let fake = Fake::table(units(5));
    let none: [i64; 0] = [];
    assert!(fake.client().query::<ContractServiceUnit>().any_of("id", none).all().await.unwrap().is_empty());
    assert_eq!(fake.client().query::<ContractServiceUnit>().any_of("id", none).count().await.unwrap(), 0);
    assert!(fake.sent().is_empty());
}

#[tokio::test]
async fn first_asks_for_one_row() {
    let fake = Fake::table(units(5));
    let first = fake.client().query::<ContractServiceUnit>().filter(Filter::gte("id", 3)).first().await.unwrap();
    assert_eq!(first.unwrap().id, Id::new(3));
    assert_eq!(fake.sent().len(), 1);
    assert_eq!(body(&fake.sent()[0])["maxRecords"], 1);
}

#[tokio::test]
async fn included_fields_always_have_the_id() {
    let fake = Fake::table(units(1));
    fake.client().query::<ContractServiceUnit>().include(&["units"]).all().await.unwrap();
    assert_eq!(body(&fake.sent()[0])["includeFields"], json!(["id", "units"]));
}

/// What a bad answer in place of a page must lead to: an error, never fewer rows.
async fn reading(second: &str) -> Error {
    let next = format!("{ZONE}V1.0/ContractServiceUnits/query/next?paging=2");
    let fake = Fake::script(vec![(200, page(json!([{"id": 1}]), Some(&next))), (200, second.to_owned())]);
    let client = fake.client();
    let mut stream = std::pin::pin!(client.query::<ContractServiceUnit>().stream());
    assert_eq!(stream.next().await.unwrap().unwrap().id, Id::new(1));
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(stream.next().await.is_none(), "a stream ends with its error");
    error
}

#[tokio::test]
async fn a_page_that_is_no_page_is_an_error() {
    let whole = page(json!([{"id": 2}, {"id": 3}]), None);
    let cases = [
        "<!DOCTYPE html><html></html>".to_owned(),
        String::new(),
        "[]".to_owned(),
        r#"{"items":null,"pageDetails":{"count":0,"nextPageUrl":null}}"#.to_owned(),
        r#"{"pageDetails":{"count":0,"nextPageUrl":null}}"#.to_owned(),
        r#"{"items":[]}"#.to_owned(),
        r#"{"items":[],"pageDetails":{"count":0}}"#.to_owned(),
        r#"{"items":[{"units":1}],"pageDetails":{"count":1,"nextPageUrl":null}}"#.to_owned(),
        r#"{"items":[{"id":2}],"pageDetails":{"count":9,"nextPageUrl":null}}"#.to_owned(),
    ];
    for case in cases.into_iter().chain((1..whole.len()).step_by(7).map(|cut| whole[..cut].to_owned())) {
        let error = reading(&case).await;
        assert!(matches!(error, Error::Malformed { .. }), "{case}: {error:?}");
    }
}

#[tokio::test]
async fn a_page_that_leads_elsewhere_or_back_is_an_error() {
    let hosts = [
        "https://webservices98.autotask.net/ATServicesRest/V1.0/x",
        "http://webservices99.autotask.net/ATServicesRest/V1.0/x",
        "https://webservices99.autotask.net:8443/ATServicesRest/V1.0/x",
        "https://webservices99.autotask.net@evil.example/V1.0/x",
        "https://a:b@webservices99.autotask.net/V1.0/x",
        "https://evil.example\\@webservices99.autotask.net/V1.0/x",
        "//evil.example/V1.0/x",
        "/ATServicesRest/V1.0/x",
        "file:///etc/passwd",
    ];
    for next in hosts {
        let error = reading(&page(json!([{"id": 2}]), Some(next))).await;
        assert!(matches!(error, Error::OutOfBounds { .. }), "{next}: {error:?}");
    }
    let again = format!("{ZONE}V1.0/ContractServiceUnits/query/next?paging=2");
    assert!(matches!(reading(&page(json!([]), Some(&again))).await, Error::OutOfBounds { .. }));
    assert!(matches!(reading(&page(json!([{"id": 1}]), None)).await, Error::OutOfBounds { .. }), "a row came twice");
}

#[tokio::test]
async fn over_a_thousand_hostile_pages_are_never_asked_for() {
    for next in hostile_urls() {
        let fake = Fake::script(vec![(200, page(json!([{"id": 1}]), Some(&next)))]);
        let error = fake.client().query::<Company>().all().await.unwrap_err();
        assert!(matches!(error, Error::OutOfBounds { .. }), "{next}: {error:?}");
        assert_eq!(fake.sent().len(), 1, "{next}");
    }
}

#[tokio::test]
async fn pages_without_end_are_an_error() {
    let fake = Fake::new(|n, _| Ok(response(200, &page(json!([]), Some(&format!("{ZONE}V1.0/x/query/next?{n}"))))));
    let error = fake.client().query::<Company>().all().await.unwrap_err();
    assert!(matches!(error, Error::OutOfBounds { .. }));
    assert_eq!(fake.sent().len(), 50);
}

#[tokio::test]
async fn reads_are_tried_again_and_writes_never() {
    // A byte order mark before JSON changes nothing.
    let (ok, wait) = (format!("\u{feff}{}", page(json!([{"id": 1}]), None)), String::new());
    let fake = Fake::script(vec![(503, wait.clone()), (500, wait.clone()), (200, "<html>".to_owned()), (200, ok)]);
    let (client, waits) = fake.client_with_waits();
    assert_eq!(client.query::<Company>().all().await.unwrap().len(), 1);
    assert_eq!(waits.millis(), [500, 1000, 2000]);

    for status in [429, 500, 502, 503, 504] {
        let fake = Fake::script(vec![(status, wait.clone()), (200, r#"{"itemId":1}"#.to_owned())]);
        let error = fake.client().create(&adjustment()).await.unwrap_err();
        assert_eq!(error.may_have_been_applied(), status != 429, "{status}");
        assert_eq!(fake.sent().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn what_became_of_a_write_is_said_exactly() {
    let not_sent = Fake::new(|_, _| Err(TransportError::not_sent("refused")));
    assert!(matches!(not_sent.client().create(&adjustment()).await, Err(Error::NotSent { .. })));
    let reset = Fake::new(|_, _| Err(TransportError::unknown("reset")));
    assert!(matches!(reset.client().create(&adjustment()).await, Err(Error::UnknownOutcome { .. })));
    for answer in ["", "<html></html>", "{}", r#"{"itemId":null}"#, r#"{"itemId":12"#] {
        let error = Fake::script(vec![(200, answer.to_owned())]).client().create(&adjustment()).await.unwrap_err();
        assert!(error.may_have_been_applied(), "{answer}: {error:?}");
    }
    let limited =
        Fake::script(vec![(200, r#"{"errors":["thread threshold of 3 threads has been exceeded"]}"#.to_owned())]);
    let error = limited.client().create(&adjustment()).await.unwrap_err();
    assert!(matches!(error, Error::ThreadLimit { .. }) && !error.may_have_been_applied());
}

#[tokio::test]
async fn an_adjustment_is_exactly_this_request() {
    let fake = Fake::script(vec![(200, r#"{"itemId":77}"#.to_owned())]);
    let mut wanted = adjustment();
    wanted.adjusted_unit_cost = Some(Decimal::new(125, 1));
    assert_eq!(fake.client().create(&wanted).await.unwrap(), 77);
    let request = &fake.sent()[0];
    assert_eq!(request.method, Method::Post);
    assert_eq!(request.url.as_str(), format!("{ZONE}V1.0/ContractServiceAdjustments"));
    assert_eq!(
        request.body.as_ref().unwrap(),
        &br#"{"contractID":1,"effectiveDate":"2026-11-01T00:00:00","unitChange":-3,"contractServiceID":2,"adjustedUnitCost":12.5}"#[..]
    );
    let headers: Vec<_> = request.headers.iter().map(|header| (header.name(), header.expose())).collect();
    for wanted in [
        ("UserName", "canary-user"),
        ("Secret", "canary-secret"),
        ("ApiIntegrationCode", "canary-code"),
        ("Content-Type", "application/json"),
    ] {
        assert!(headers.contains(&wanted), "{wanted:?}");
    }
}

#[tokio::test]
async fn a_new_line_is_exactly_this_request() {
    let fake = Fake::script(vec![(200, r#"{"itemId":881}"#.to_owned())]);
    let contract = Id::<Contract>::new(3300);
    let mut line = NewContractService::new(contract, 41);
    assert_eq!(fake.client().create_under(contract, &line).await.unwrap(), 881);
    line.unit_cost = Some(Decimal::new(175, 2));
    line.unit_price = Some(Decimal::new(35, 1));
    line.invoice_description = Some("Seats".to_owned());
    fake.client().create_under(contract, &line).await.unwrap();
    let mut bundle = NewContractServiceBundle::new(contract, 12);
    bundle.unit_price = Some(Decimal::new(38, 0));
    fake.client().create_under(contract, &bundle).await.unwrap();

    let sent = fake.sent();
    for (request, path, wanted) in [
        (&sent[0], "Services", r#"{"contractID":3300,"serviceID":41}"#),
        (
            &sent[1],
            "Services",
            r#"{"contractID":3300,"serviceID":41,"unitCost":1.75,"unitPrice":3.5,"invoiceDescription":"Seats"}"#,
        ),
        (&sent[2], "ServiceBundles", r#"{"contractID":3300,"serviceBundleID":12,"unitPrice":38}"#),
    ] {
        assert_eq!(request.method, Method::Post);
        assert_eq!(request.url.as_str(), format!("{ZONE}V1.0/Contracts/3300/{path}"));
        assert_eq!(request.body.as_ref().unwrap(), wanted.as_bytes());
    }
}

#[tokio::test]
async fn a_new_line_is_sent_once_whatever_the_answer_and_may_exist_unless_that_was_denied() {
    let words = |text: &str| json!({ "errors": [text] }).to_string();
    for (answer, may_exist) in [
        ((500, words("Something went wrong.")), true),
        ((502, "<html></html>".to_owned()), true),
        ((503, String::new()), true),
        ((504, String::new()), true),
        ((200, "{}".to_owned()), true),
        (
            (500, words("The logged in Resource does not have the adequate permissions to create this entity type.")),
            false,
        ),
        ((500, words("serviceID: Value 41 does not exist or is invalid")), false),
        ((500, words("The thread threshold of 3 threads has been exceeded.")), false),
        ((429, String::new()), false),
        ((401, String::new()), false),
        ((404, String::new()), false),
    ] {
        let fake = Fake::script(vec![answer.clone(), (200, r#"{"itemId":881}"#.to_owned())]);
        let (client, waits) = fake.client_with_waits();
        let contract = Id::<Contract>::new(3300);
        let error = client.create_under(contract, &NewContractService::new(contract, 41)).await.unwrap_err();
        assert_eq!(error.may_have_been_applied(), may_exist, "{answer:?}: {error:?}");
        assert_eq!(matches!(error, Error::UnknownOutcome { .. }), may_exist, "{answer:?}: {error:?}");
        let next = client.create_under(contract, &NewContractServiceBundle::new(contract, 12)).await;
        assert_eq!(next.unwrap(), 881, "{answer:?}");
        assert_eq!((fake.sent().len(), waits.millis().len()), (2, 0), "{answer:?}");
    }
    let reset = Fake::new(|_, _| Err(TransportError::unknown("reset")));
    let contract = Id::<Contract>::new(3300);
    let bundle = NewContractServiceBundle::new(contract, 12);
    let error = reset.client().create_under(contract, &bundle).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }));
    assert_eq!(reset.sent().len(), 1);
}

#[tokio::test]
async fn children_are_written_under_their_parent_with_the_id_in_the_body() {
    let fake = Fake::script(vec![(200, r#"{"itemId":9}"#.to_owned())]);
    let client = fake.client();
    let mut patch = ContractServicePatch::new(880);
    patch.unit_cost = Decimal::new(7, 0).into();
    patch.invoice_description = Field::Null;
    client.patch_under(Id::new(3300), &patch).await.unwrap();
    client.create_under(Id::new(4101), &NewContact::new(4101, "Ada", "L", 1)).await.unwrap();
    client.delete_under::<Contact>(Id::new(4101), Id::new(5)).await.unwrap();

    let sent = fake.sent();
    let lines: Vec<_> =
        sent.iter().map(|r| format!("{} {}", r.method, r.url.as_str().trim_start_matches(ZONE))).collect();
    assert_eq!(
        lines,
        [
            "PATCH V1.0/Contracts/3300/Services",
            "POST V1.0/Companies/4101/Contacts",
            "DELETE V1.0/Companies/4101/Contacts/5"
        ]
    );
    assert_eq!(body(&sent[0]), json!({"id": 880, "unitCost": 7, "invoiceDescription": null}));
    assert_eq!(body(&sent[1]), json!({"companyID": 4101, "firstName": "Ada", "lastName": "L", "isActive": 1}));
    assert!(sent[2].body.is_none());
}

#[tokio::test]
async fn a_missing_row_is_none_but_a_missing_route_is_an_error() {
    for (status, answer) in [(200, r#"{"item":null}"#), (404, ""), (404, r#"{"errors":["no such row"]}"#)] {
        let fake = Fake::script(vec![(status, answer.to_owned())]);
        assert_eq!(fake.client().get::<Company>(Id::new(1)).await.unwrap(), None, "{status} {answer}");
    }
    let no_route = r#"{"Message":"No HTTP resource was found that matches the request URI."}"#;
    for answer in ["<html>404</html>", no_route] {
        let fake = Fake::script(vec![(404, answer.to_owned())]);
        assert!(fake.client().get::<Company>(Id::new(1)).await.is_err(), "{answer}");
    }
    let fake = Fake::script(vec![(200, r#"{"item":{"id":4101,"companyName":"Blue Kite Ltd"}}"#.to_owned())]);
    let company = fake.client().get::<Company>(Id::new(4101)).await.unwrap().unwrap();
    assert_eq!(company.company_name.as_deref(), Some("Blue Kite Ltd"));
    assert_eq!(fake.sent()[0].url.as_str(), format!("{ZONE}V1.0/Companies/4101"));
    assert!(matches!(fake.client().raw_get("Companies/../../x").await, Err(Error::OutOfBounds { .. })));
}

#[tokio::test]
async fn neither_the_client_nor_its_errors_print_secrets() {
    let answer = r#"{"errors":["who is canary-secret with canary-code?"]}"#;
    let fake = Fake::script(vec![(500, answer.to_owned())]);
    let client = fake.client();
    let mut printed = format!("{client:?} {:?}", client.query::<Company>());
    for error in [client.query::<Company>().all().await.unwrap_err(), client.create(&adjustment()).await.unwrap_err()] {
        printed
            .push_str(&format!("{error} {error:?} {:?}", std::error::Error::source(&error).map(ToString::to_string)));
    }
    assert!(printed.contains("who is [redacted]"), "{printed}");
    assert!(!printed.contains("canary"), "{printed}");
}

#[tokio::test]
async fn metadata_are_read_in_every_form() {
    let info = r#"{"info":{"name":"Contract","canQuery":true,"userAccessForQuery":2,"userAccessForCreate":"0","userAccessForUpdate":"All","userAccessForDelete":{}}}"#;
    let fake = Fake::script(vec![(200, info.to_owned())]);
    let info = fake.client().entity_information::<Contract>().await.unwrap();
    assert_eq!(info.user_access_for_query, Some(metadata::UserAccess::Restricted));
    assert_eq!(info.user_access_for_create, Some(metadata::UserAccess::None));
    assert_eq!(info.user_access_for_update, Some(metadata::UserAccess::All));
    assert_eq!(info.user_access_for_delete, Some(metadata::UserAccess::Other("{}".to_owned())));

    let fields = r#"{"fields":[{"name":"status","dataType":"integer","length":0,"isRequired":true,"referenceEntityType":"","isPickList":true,"picklistValues":[{"value":"3","label":"Active","isActive":false},{"value":"1","label":"Active","isActive":true,"parentValue":""}]},{"name":"contractName","dataType":"string","length":100,"picklistValues":null},{"name":"Tier","label":"Tier","type":"string"}]}"#;
    let fake = Fake::script(vec![(200, fields.to_owned())]);
    let fields = fake.client().fields::<Contract>().await.unwrap();
    let status = fields.picklist("Status").unwrap();
    assert_eq!(status.value_of_label(" active"), Some(1));
    assert_eq!(status.value_of_label("Gone"), None);
    assert_eq!(status.label_of(1), Some("Active"));
    assert!(fields.picklist("contractName").is_none());
    assert_eq!(fields.get("Tier").unwrap().data_type.as_deref(), Some("string"));

    let threshold =
        r#"{"externalRequestThreshold":10000,"requestThresholdTimeframe":60,"currentTimeframeRequestCount":842}"#;
    let fake = Fake::script(vec![(200, threshold.to_owned())]);
    let threshold = fake.client().threshold().await.unwrap();
    assert_eq!((threshold.limit, threshold.timeframe_minutes, threshold.used), (10_000, 60, 842));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_it_is() {
    let fake = Fake::script(vec![(200, String::new())]);
    let zone = fake.client().zone().clone();
    let credentials = Credentials::new("u", "canary-secret\n".into(), None);
    let client = Client::new(fake.clone(), zone, credentials);
    let error = client.create(&adjustment()).await.unwrap_err();
    assert!(matches!(error, Error::OutOfBounds { .. }));
    assert!(!format!("{error} {error:?}").contains("canary"));
    let client = fake.client();
    for size in [0, 501] {
        let refused = client.query::<Company>().page_size(size).all().await;
        assert!(matches!(refused, Err(Error::OutOfBounds { .. })));
    }
    let two_udfs = Filter::eq("a", 1).udf().and(Filter::eq("b", 1).udf());
    let refused = client.query::<Company>().filter(two_udfs).count().await;
    assert!(matches!(refused, Err(Error::OutOfBounds { .. })));
    let thrice = client.query::<Company>().any_of("id", [1]).any_of("id", [2]).any_of("id", [3]).all().await;
    assert!(matches!(thrice, Err(Error::OutOfBounds { .. })));
    let full = Filter::is_in("companyType", 0..499);
    let no_room = client.query::<Company>().any_of("id", [1]).any_of("ownerResourceID", [2]).filter(full).all().await;
    assert!(matches!(no_room, Err(Error::OutOfBounds { .. })));
    assert!(fake.sent().is_empty());
}

#[tokio::test]
async fn a_caller_in_a_hurry_sends_a_read_once() {
    let fake = Fake::script(vec![(503, String::new())]);
    let zone = fake.client().zone().clone();
    let credentials = Credentials::new("u", "s".into(), None);
    let client = Client::builder(fake.clone(), zone, credentials).attempts_max(1).build();
    assert!(client.query::<Company>().all().await.is_err());
    assert_eq!(fake.sent().len(), 1);
}

#[tokio::test]
async fn a_patch_lists_the_user_defined_fields_that_it_changes() {
    let fake = Fake::script(vec![(200, r#"{"itemId":4101}"#.to_owned())]);
    let mut patch = CompanyPatch::new(4101);
    patch.user_defined_fields.set("Tier", Some("gold".to_owned()));
    patch.user_defined_fields.set("Portal Id", None);
    fake.client().patch(&patch).await.unwrap();
    assert_eq!(
        body(&fake.sent()[0]),
        json!({"id": 4101, "userDefinedFields": [{"name": "Tier", "value": "gold"}, {"name": "Portal Id", "value": null}]})
    );
}
