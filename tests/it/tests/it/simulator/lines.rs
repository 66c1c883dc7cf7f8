//! Contract lines made through the API: what is demanded, and what they hold until their first adjustment.

use autotask::{
    Contract, ContractService, ContractServiceAdjustment, ContractServiceBundle, ContractServiceBundleAdjustment,
    Error, Id, NewContractService, NewContractServiceBundle, Product, Service, ServiceBundle,
};
use jiff::civil::date;

use super::client::client;
use super::*;

/// What services and bundles call their parts.
struct Kind {
    segment: &'static str,
    lines: &'static str,
    units: &'static str,
    adjustments: &'static str,
    line_field: &'static str,
    item_field: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind {
        segment: "Services",
        lines: "ContractServices",
        units: "ContractServiceUnits",
        adjustments: "ContractServiceAdjustments",
        line_field: "contractServiceID",
        item_field: "serviceID",
    },
    Kind {
        segment: "ServiceBundles",
        lines: "ContractServiceBundles",
        units: "ContractServiceBundleUnits",
        adjustments: "ContractServiceBundleAdjustments",
        line_field: "contractServiceBundleID",
        item_field: "serviceBundleID",
    },
];

/// A recurring contract from October to December 2026 without the lines that these tests make.
struct Shop {
    world: World,
    contract: i64,
}

impl Shop {
    fn new() -> Self {
        Self::of(DatabaseSpec::new(USER, SECRET, CODE))
    }

    fn of(spec: DatabaseSpec) -> Self {
        let world = world_of(spec);
        let contract = world.line(10).contract;
        Self { world, contract }
    }

    /// A service or bundle of the catalogue that no contract has.
    fn item(&self, kind: &Kind) -> i64 {
        let code = self.world.insert("BillingCodes", json!({ "name": "SaaS", "useType": 5 }));
        let mut row = json!({
            "name": "Fresh", "billingCodeID": code, "periodType": 1, "unitPrice": 4, "unitCost": 2,
            "invoiceDescription": "Fresh seats",
        });
        if kind.segment == "ServiceBundles" {
            row.as_object_mut().unwrap().remove("unitCost");
        }
        self.world.insert(kind.segment, row)
    }

    fn create(&self, kind: &Kind, body: &Value) -> Response {
        self.world.post(&format!("Contracts/{}/{}", self.contract, kind.segment), body)
    }

    /// A line of that item; it must be taken.
    fn made(&self, kind: &Kind, item: i64) -> i64 {
        let answer = self.create(kind, &json!({ kind.item_field: item }));
        assert_eq!(answer.status, 200, "{}", answer.value());
        let id = answer.value()["itemId"].as_i64().unwrap();
        assert_eq!(answer.value(), json!({ "itemId": id }), "nothing else is told");
        id
    }

    fn adjust(&self, kind: &Kind, line: i64, change: i64, from: &str) -> Response {
        self.world.post(
            kind.adjustments,
            &json!({ kind.line_field: line, "contractID": self.contract, "unitChange": change, "effectiveDate": from }),
        )
    }

    /// `start..end units` for each units row of a line, in order.
    fn units(&self, kind: &Kind, line: i64) -> Vec<String> {
        let of_line = json!([{ "op": "eq", "field": kind.line_field, "value": line }]);
        let answer = self.world.query(kind.units, &of_line).value();
        let day = |row: &Value, field: &str| row[field].as_str().unwrap()[..10].to_owned();
        let rows = answer["items"].as_array().unwrap().iter();
        let mut rows: Vec<String> =
            rows.map(|row| format!("{}..{} {}", day(row, "startDate"), day(row, "endDate"), row["units"])).collect();
        rows.sort();
        rows
    }
}

#[test]
fn a_new_line_has_its_items_prices_and_no_quantity_of_its_own() {
    for kind in &KINDS {
        let shop = Shop::new();
        let item = shop.item(kind);
        let line = shop.made(kind, item);
        let row = shop.world.get(&format!("{}/{line}", kind.lines)).value()["item"].clone();
        assert_eq!((&row["contractID"], &row[kind.item_field]), (&json!(shop.contract), &json!(item)));
        assert_eq!((&row["unitPrice"], &row["invoiceDescription"]), (&json!(4.0), &json!("Fresh seats")));
        assert!(shop.units(kind, line).is_empty(), "{}", kind.units);

        let answer =
            shop.create(kind, &json!({ kind.item_field: item, "unitPrice": 3.5, "units": 7, "unitChange": 7 }));
        let priced = answer.value()["itemId"].as_i64().unwrap();
        let row = shop.world.get(&format!("{}/{priced}", kind.lines)).value()["item"].clone();
        assert_eq!((&row["unitPrice"], &row["internalCurrencyUnitPrice"]), (&json!(3.5), &json!(3.5)));
        assert!(shop.units(kind, priced).is_empty(), "a quantity that is sent is ignored");
        assert!(shop.world.simulator.adjustments().is_empty());
    }
}

#[test]
fn a_line_that_cannot_be_is_refused_and_not_made() {
    for kind in &KINDS {
        let shop = Shop::new();
        let (item, gone) = (shop.item(kind), shop.item(kind));
        let ci = shop.world.database.ci;
        shop.world.simulator.patch(ci, kind.segment, gone, &json!({ "isActive": false })).unwrap();
        let hours = shop.world.insert("Contracts", json!({
            "companyID": 0, "contractName": "Hours", "contractType": 4, "startDate": "2026-01-01", "endDate": "2026-12-31",
        }));
        let before = shop.world.ids(kind.lines, &match_all());
        for (contract, body, words) in [
            (shop.contract, json!({}), format!("Missing required field: {}.", kind.item_field)),
            (
                shop.contract,
                json!({ kind.item_field: 999_999 }),
                "Value 999999 does not exist or is invalid".to_owned(),
            ),
            (shop.contract, json!({ kind.item_field: gone }), format!("Value {gone} does not exist or is invalid")),
            (
                shop.contract,
                json!({ kind.item_field: item, "contractID": hours }),
                format!("contractID: Value {hours}"),
            ),
            (999_999, json!({ kind.item_field: item }), "contractID: Value 999999 does not exist".to_owned()),
            (hours, json!({ kind.item_field: item }), "Recurring Service".to_owned()),
            (
                shop.contract,
                json!({ kind.item_field: item, "invoiceDescription": "x".repeat(1_001) }),
                "maximum length of 1000".to_owned(),
            ),
        ] {
            let answer = shop.world.post(&format!("Contracts/{contract}/{}", kind.segment), &body);
            assert_eq!(answer.status, 500, "{body}");
            assert!(text(&answer).contains(&words), "{body}: {}", text(&answer));
        }
        assert_eq!(shop.world.post(kind.lines, &json!({ "contractID": shop.contract })).status, 404);
        assert_eq!(shop.world.ids(kind.lines, &match_all()), before);
    }
}

#[test]
fn a_user_without_the_right_to_add_lines_may_still_adjust_those_that_are_there() {
    for kind in &KINDS {
        let permissions = Permissions::default().with(kind.lines, Access::VIEW);
        let shop = Shop::of(DatabaseSpec { permissions, ..DatabaseSpec::new(USER, SECRET, CODE) });
        let item = shop.item(kind);
        let answer = shop.create(kind, &json!({ kind.item_field: item }));
        assert_eq!(answer.status, 500);
        assert!(text(&answer).contains("does not have the adequate permissions to create"), "{}", text(&answer));
        let line = shop.world.insert(kind.lines, json!({ "contractID": shop.contract, kind.item_field: item }));
        assert_eq!(shop.adjust(kind, line, 1, "2026-12-01").status, 200);
        assert_eq!(shop.units(kind, line), ["2026-12-01..2026-12-31 1"]);
    }
}

#[test]
fn the_first_adjustment_gives_a_line_its_units_from_that_day_to_the_contracts_end() {
    for kind in &KINDS {
        let shop = Shop::new();
        let line = shop.made(kind, shop.item(kind));
        assert_eq!(shop.adjust(kind, line, 5, "2026-11-20").status, 200);
        assert_eq!(shop.units(kind, line), ["2026-11-20..2026-11-30 5", "2026-12-01..2026-12-31 5"]);
        assert_eq!(shop.adjust(kind, line, 2, "2026-12-01").status, 200);
        assert_eq!(shop.units(kind, line), ["2026-11-20..2026-11-30 5", "2026-12-01..2026-12-31 7"]);
        let told = shop.world.simulator.adjustments();
        assert_eq!(told.iter().map(|a| (a.units_before, a.units_after)).collect::<Vec<_>>(), [(0, 5), (5, 7)]);
        assert!(told.iter().all(|a| a.line_id == line && !a.created_line));
        assert_eq!(shop.adjust(kind, line, -8, "2026-12-01").status, 500, "less than none");
    }
}

#[test]
fn created_line_units_says_what_a_line_has_before_its_first_adjustment() {
    let zero = ["2026-10-01..2026-10-31 0", "2026-11-01..2026-11-30 0", "2026-12-01..2026-12-31 0"];
    let one = ["2026-11-20..2026-11-30 1", "2026-12-01..2026-12-31 1"];
    for (switch, fresh, adjusted) in [
        (CreatedLineUnits::None, &[][..], &["2026-12-01..2026-12-31 5"][..]),
        (CreatedLineUnits::ZeroRows, &zero, &[zero[0], zero[1], "2026-12-01..2026-12-31 5"]),
        (CreatedLineUnits::One, &one, &[one[0], "2026-12-01..2026-12-31 6"]),
    ] {
        for kind in &KINDS {
            let shop = Shop::new();
            shop.world.simulator.switches_mut(|switches| switches.created_line_units = switch);
            let line = shop.made(kind, shop.item(kind));
            assert_eq!(shop.units(kind, line), fresh, "{switch:?}");
            assert_eq!(shop.adjust(kind, line, 5, "2026-12-01").status, 200);
            assert_eq!(shop.units(kind, line), adjusted, "{switch:?}");
            assert_eq!(shop.world.simulator.adjustments().len(), 1, "units of a new line are no adjustment");
        }
    }
}

#[test]
fn the_one_unit_of_a_new_line_begins_with_a_contract_that_has_not_begun() {
    let shop = Shop::new();
    shop.world.simulator.switches_mut(|switches| switches.created_line_units = CreatedLineUnits::One);
    let later = json!({ "startDate": "2026-12-01", "endDate": "2027-01-31" });
    shop.world.simulator.patch(shop.world.database.ci, "Contracts", shop.contract, &later).unwrap();
    let line = shop.made(&KINDS[0], shop.item(&KINDS[0]));
    assert_eq!(shop.units(&KINDS[0], line), ["2026-12-01..2026-12-31 1", "2027-01-01..2027-01-31 1"]);
}

#[test]
fn repeat_service_says_whether_a_contract_may_have_a_service_twice() {
    for kind in &KINDS {
        let shop = Shop::new();
        let (item, other) = (shop.item(kind), shop.item(kind));
        let (first, second) = (shop.made(kind, item), shop.made(kind, item));
        assert_ne!(first, second);
        shop.adjust(kind, second, 3, "2026-12-01");
        assert_eq!((shop.units(kind, first).len(), shop.units(kind, second).len()), (0, 1), "each has its own units");

        shop.world.simulator.switches_mut(|switches| switches.repeat_service = Allow::Refused);
        let answer = shop.create(kind, &json!({ kind.item_field: item }));
        assert_eq!(answer.status, 500);
        assert!(text(&answer).contains("already"), "{}", text(&answer));
        shop.made(kind, other);
        let of_item = json!([{ "op": "eq", "field": kind.item_field, "value": item }]);
        assert_eq!(shop.world.ids(kind.lines, &of_item), [first, second]);
    }
}

#[test]
fn outside_contract_says_what_becomes_of_dates_that_the_contract_does_not_cover() {
    for kind in &KINDS {
        let shop = Shop::new();
        let line = shop.made(kind, shop.item(kind));
        for date in ["2026-09-30", "2027-01-01"] {
            assert_eq!(shop.adjust(kind, line, 1, date).status, 500);
        }
        assert!(shop.units(kind, line).is_empty());

        shop.world.simulator.switches_mut(|switches| switches.outside_contract = Allow::Accepted);
        let three = |units: i64| {
            ["2026-10-01..2026-10-31", "2026-11-01..2026-11-30", "2026-12-01..2026-12-31"]
                .map(|period| format!("{period} {units}"))
        };
        for (change, date, units) in [(4, "2026-09-15", 4), (1, "2026-09-30", 5), (9, "2027-01-01", 5)] {
            assert_eq!(shop.adjust(kind, line, change, date).status, 200);
            assert_eq!(shop.units(kind, line), three(units), "{date}");
        }
        assert_eq!(shop.world.simulator.adjustments().len(), 3);
    }
}

#[tokio::test]
async fn the_typed_client_makes_lines_and_finds_them_by_contract_and_service() {
    let shop = Shop::new();
    let (service, bundle) = (shop.item(&KINDS[0]), shop.item(&KINDS[1]));
    let client = client(&shop.world).await;
    let contract = Id::<Contract>::new(shop.contract);
    let mut new = NewContractService::new(contract, service);
    new.unit_cost = Some("1.75".parse().unwrap());
    let line = client.create_under(contract, &new).await.unwrap();
    let bundle_line = client.create_under(contract, &NewContractServiceBundle::new(contract, bundle)).await.unwrap();

    let found = client.query::<ContractService>().any_of("contractID", [contract]).any_of("serviceID", [service]);
    let found = found.include(ContractService::READ_FIELDS).all().await.unwrap();
    assert_eq!(found.iter().map(|row| row.id.get()).collect::<Vec<_>>(), [line], "not the contract's other line");
    assert_eq!(found[0].unit_cost, Some("1.75".parse().unwrap()));
    let found = client.query::<ContractServiceBundle>().any_of("contractID", [contract]);
    let found = found.any_of("serviceBundleID", [bundle]).include(ContractServiceBundle::READ_FIELDS).all().await;
    assert_eq!(found.unwrap()[0].id.get(), bundle_line);

    let day = date(2026, 12, 1);
    client.create(&ContractServiceAdjustment::of_line(contract, Id::new(line), 6, day)).await.unwrap();
    client.create(&ContractServiceBundleAdjustment::of_line(contract, Id::new(bundle_line), 2, day)).await.unwrap();
    assert_eq!(shop.units(&KINDS[0], line), ["2026-12-01..2026-12-31 6"]);
    assert_eq!(shop.units(&KINDS[1], bundle_line), ["2026-12-01..2026-12-31 2"]);
}

#[tokio::test]
async fn a_line_whose_answer_is_lost_may_be_there_and_is_sent_once() {
    for kind in [FaultKind::ApplyThenReset, FaultKind::Reset, FaultKind::Late { after_seconds: 5 }] {
        let shop = Shop::new();
        let service = shop.item(&KINDS[0]);
        let client = client(&shop.world).await;
        let contract = Id::<Contract>::new(shop.contract);
        shop.world.simulator.clear_requests();
        shop.world.simulator.add_fault(Fault::new(Match::new("POST", "*/Services"), kind.clone()).times(1));
        let error = client.create_under(contract, &NewContractService::new(contract, service)).await.unwrap_err();
        assert!(matches!(error, Error::UnknownOutcome { .. }), "{kind:?}: {error}");
        assert_eq!(shop.world.simulator.requests().len(), 1, "{kind:?}");
        let there =
            || shop.world.ids("ContractServices", &json!([{ "op": "eq", "field": "serviceID", "value": service }]));
        assert_eq!(there().len(), usize::from(kind == FaultKind::ApplyThenReset), "{kind:?}");
        shop.world.clock.advance(SignedDuration::from_secs(6));
        assert_eq!(there().len(), usize::from(kind != FaultKind::Reset), "{kind:?}");
    }
}

#[tokio::test]
async fn refusals_of_lines_are_told_apart() {
    let permissions = Permissions::default().with("ContractServices", Access::VIEW);
    let shop = Shop::of(DatabaseSpec { permissions, ..DatabaseSpec::new(USER, SECRET, CODE) });
    let (service, bundle) = (shop.item(&KINDS[0]), shop.item(&KINDS[1]));
    let client = client(&shop.world).await;
    let contract = Id::<Contract>::new(shop.contract);
    let refused = client.create_under(contract, &NewContractService::new(contract, service)).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    let gone = json!({ "isActive": false });
    shop.world.simulator.patch(shop.world.database.ci, "ServiceBundles", bundle, &gone).unwrap();
    let refused = client.create_under(contract, &NewContractServiceBundle::new(contract, bundle)).await;
    assert!(matches!(refused, Err(Error::Rejected { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_catalogue_is_searched_by_name_and_number() {
    let shop = Shop::new();
    let (service, bundle) = (shop.item(&KINDS[0]), shop.item(&KINDS[1]));
    let code = shop.world.insert("BillingCodes", json!({ "name": "Hardware", "useType": 2 }));
    let product = shop.world.insert("Products", json!({
        "name": "Fresh box", "sku": "FB-1", "vendorProductNumber": "V-77", "productBillingCodeID": code, "unitPrice": 9,
    }));
    let client = client(&shop.world).await;
    let by_name = |part: &str| autotask::Filter::contains("name", part);
    let services = client.query::<Service>().filter(by_name("fres")).include(Service::READ_FIELDS).all().await.unwrap();
    assert_eq!(services.iter().map(|row| row.id.get()).collect::<Vec<_>>(), [service]);
    assert!(services[0].billing_code_id.is_some() && services[0].period_type.is_some());
    assert_eq!((services[0].is_active, services[0].unit_price), (Some(true), Some("4".parse().unwrap())));
    let bundles = client.query::<ServiceBundle>().filter(by_name("Fresh")).include(ServiceBundle::READ_FIELDS);
    assert_eq!(bundles.all().await.unwrap()[0].id.get(), bundle);
    for filter in [
        by_name("FRESH"),
        autotask::Filter::eq("sku", "FB-1"),
        autotask::Filter::eq("vendorProductNumber", "V-77").or(autotask::Filter::eq("name", "none")),
    ] {
        let found = client.query::<Product>().filter(filter).include(Product::READ_FIELDS).all().await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id.get(), found[0].sku.as_deref()), (product, Some("FB-1")));
        assert_eq!(found[0].vendor_product_number.as_deref(), Some("V-77"));
    }
}
