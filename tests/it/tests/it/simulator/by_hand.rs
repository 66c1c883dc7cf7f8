//! What a person does behind the API's back, by the library and by the routes under `/_sim`.

use jiff::civil::{Date, date};

use super::*;

const OCTOBER: Date = date(2026, 10, 1);
const DECEMBER: Date = date(2026, 12, 1);

impl World {
    fn ci(&self) -> u64 {
        self.database.ci
    }

    fn contract(&self, id: i64) -> Value {
        self.get(&format!("Contracts/{id}")).value()["item"].clone()
    }

    fn line_of(&self, contract: i64) -> i64 {
        self.ids("ContractServices", &json!([{ "op": "eq", "field": "contractID", "value": contract }]))[0]
    }

    /// A line of 4 bundles on the contract.
    fn bundle_line(&self, contract: i64) -> i64 {
        let code = self.insert("BillingCodes", json!({ "name": "x", "useType": 5 }));
        let bundle = self.insert("ServiceBundles", json!({ "name": "B", "billingCodeID": code, "unitPrice": 5 }));
        self.insert("ContractServiceBundles", json!({ "contractID": contract, "serviceBundleID": bundle, "units": 4 }))
    }

    fn bundle_units(&self) -> Vec<i64> {
        let rows = self.query("ContractServiceBundleUnits", &match_all()).value();
        rows["items"].as_array().unwrap().iter().map(|row| row["units"].as_i64().unwrap()).collect()
    }

    fn control(&self, path: &str, body: &Value) -> Response {
        let path = format!("/_sim/databases/{}/{path}", self.ci());
        self.simulator.handle(WireRequest::new(Method::POST, &path).json(body)).response().cloned().unwrap()
    }
}

#[test]
fn renewed_points_says_which_contract_of_a_renewal_names_the_other() {
    for points in [RenewedPoints::OldToNew, RenewedPoints::NewToOld] {
        let world = world();
        let line = world.line(10);
        world.bundle_line(line.contract);
        world.simulator.switches_mut(|switches| switches.renewed_points = points);
        let renew = |contract: i64, start: Date, end: Date| {
            world.simulator.renew_until(world.ci(), contract, Some(start), Some(end))
        };
        let new = renew(line.contract, DECEMBER, date(2027, 1, 31)).unwrap();
        let pointers = || [line.contract, new].map(|id| world.contract(id)["renewedContractID"].clone());
        match points {
            RenewedPoints::OldToNew => assert_eq!(pointers(), [json!(new), json!(null)]),
            RenewedPoints::NewToOld => assert_eq!(pointers(), [json!(null), json!(line.contract)]),
        }
        let days = |id: i64| {
            let row = world.contract(id);
            ["startDate", "endDate"].map(|field| row[field].as_str().unwrap()[..10].to_owned())
        };
        assert_eq!(days(line.contract), ["2026-10-01", "2026-11-30"], "{points:?}");
        assert_eq!(days(new), ["2026-12-01", "2027-01-31"], "{points:?}");
        assert_eq!(world.units(line.line), ["2026-10-01..2026-10-31 10", "2026-11-01..2026-11-30 10"]);
        assert_eq!(world.units(world.line_of(new)), ["2026-12-01..2026-12-31 10", "2027-01-01..2027-01-31 10"]);
        assert_eq!(world.bundle_units(), [4; 4], "bundle lines go with it");

        let again = renew(line.contract, date(2026, 11, 1), date(2026, 12, 31));
        assert!(again.unwrap_err().to_string().contains("once"), "{points:?}");
        let third = renew(new, date(2027, 2, 1), date(2027, 2, 28)).unwrap();
        let named = world.contract(third)["renewedContractID"].clone();
        assert_eq!(named, if points == RenewedPoints::NewToOld { json!(new) } else { json!(null) }, "{points:?}");
    }
}

#[test]
fn a_renewal_may_leave_a_gap_and_takes_the_last_units_over_it() {
    let world = world();
    let line = world.line(10);
    let new = world.simulator.renew(world.ci(), line.contract, Some(date(2027, 2, 1))).unwrap();
    assert_eq!(world.contract(line.contract)["endDate"], json!("2026-12-31T00:00:00Z"), "it ends as planned");
    assert_eq!(world.units(world.line_of(new))[0], "2027-02-01..2027-02-28 10");
}

#[test]
fn a_renewal_with_days_in_disorder_changes_nothing() {
    let world = world();
    let line = world.line(10);
    let before = world.simulator.rows(world.ci(), "Contracts").unwrap();
    for (start, end) in [(OCTOBER, date(2027, 1, 1)), (DECEMBER, date(2026, 11, 30))] {
        assert!(world.simulator.renew_until(world.ci(), line.contract, Some(start), Some(end)).is_err());
    }
    assert!(world.simulator.renew(world.ci(), 999_999, None).unwrap_err().to_string().contains("there is no Contract"));
    assert_eq!(world.simulator.rows(world.ci(), "Contracts").unwrap(), before);
}

#[test]
fn units_changed_by_hand_are_no_adjustment_of_the_api() {
    let world = world();
    let line = world.line(10);
    let by_hand = |change: i64, from: Date| {
        world.simulator.adjust_by_hand(world.ci(), "ContractServices", line.line, from, change)
    };
    assert_eq!(by_hand(3, date(2026, 11, 20)).unwrap(), 13);
    assert_eq!(
        world.units(line.line),
        [
            "2026-10-01..2026-10-31 10",
            "2026-11-01..2026-11-19 10",
            "2026-11-20..2026-11-30 13",
            "2026-12-01..2026-12-31 13",
        ]
    );
    assert!(world.simulator.adjustments().is_empty());
    assert_eq!(world.simulator.requests().len(), 1, "the read of the units, and no write");
    let body = json!({ "contractServiceID": line.line, "unitChange": 1, "effectiveDate": "2026-12-01" });
    assert_eq!(world.adjust(&body).status, 200);
    let told = world.simulator.adjustments();
    assert_eq!((told.len(), told[0].seq, told[0].units_before), (1, 1, 13));

    let bundles = world.bundle_line(line.contract);
    let change =
        |change| world.simulator.adjust_by_hand(world.ci(), "ContractServiceBundles", bundles, DECEMBER, change);
    assert_eq!(change(-1).unwrap(), 3);
    assert_eq!(world.bundle_units(), [4, 4, 3]);
    assert_eq!(world.simulator.adjustments().len(), 1);
}

#[test]
fn switches_about_adjustments_do_not_bind_a_person() {
    let world = world();
    let line = world.line(10);
    world.simulator.switches_mut(|switches| {
        switches.zero_units = Allow::Refused;
        switches.posted_period = Allow::Refused;
        switches.outside_contract = Allow::Accepted;
    });
    world.simulator.post_period(world.ci(), line.contract, DECEMBER).unwrap();
    let by_hand = |lines: &str, line: i64, change: i64, from: Date| {
        world.simulator.adjust_by_hand(world.ci(), lines, line, from, change)
    };
    assert_eq!(by_hand("ContractServices", line.line, -10, DECEMBER).unwrap(), 0);
    let before = world.units(line.line);
    for (lines, id, change, from, words) in [
        ("ContractServices", line.line, -1, DECEMBER, "less than 0"),
        ("ContractServices", line.line, -1, OCTOBER, "less than 0"),
        ("ContractServices", line.line, 1, date(2027, 1, 1), "within the start date"),
        ("ContractServices", line.line, 1, date(2026, 9, 30), "within the start date"),
        ("ContractServices", 999_999, 1, DECEMBER, "there is no ContractService"),
        ("Contracts", line.contract, 1, DECEMBER, "no lines"),
    ] {
        let refused = by_hand(lines, id, change, from).unwrap_err().to_string();
        assert!(refused.contains(words), "{lines} {id}: {refused}");
    }
    assert_eq!(world.units(line.line), before);
}

#[test]
fn posting_a_period_marks_every_row_of_the_contract_that_holds_the_day() {
    let world = world();
    let line = world.line(10);
    let bundles = world.bundle_line(line.contract);
    let other = world.line(5);
    world.simulator.adjust_by_hand(world.ci(), "ContractServices", line.line, date(2026, 11, 20), 1).unwrap();
    let posted = || {
        let mut rows = Vec::new();
        for (entity, field) in
            [("ContractServiceUnits", "contractServiceID"), ("ContractServiceBundleUnits", "contractServiceBundleID")]
        {
            for row in world.simulator.rows(world.ci(), entity).unwrap() {
                if let Some(at) = row["approveAndPostDate"].as_str() {
                    let start = row["startDate"].as_str().unwrap()[..10].to_owned();
                    rows.push((row[field].as_i64().unwrap(), start, at.to_owned()));
                }
            }
        }
        rows
    };
    let post = |day: Date| world.simulator.post_period(world.ci(), line.contract, day).unwrap();
    let marked = |line: i64, start: &str, at: &str| (line, start.to_owned(), at.to_owned());
    let (early, late) = ("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z");
    assert_eq!(post(date(2026, 11, 5)), 2);
    let mut wanted = vec![marked(line.line, "2026-11-01", early), marked(bundles, "2026-11-01", early)];
    assert_eq!(posted(), wanted, "neither the row from the 20th on nor the other contract's line {}", other.line);

    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(post(date(2026, 11, 25)), 1, "the bundle's row is posted as it was");
    wanted.insert(1, marked(line.line, "2026-11-20", late));
    assert_eq!(posted(), wanted);
    assert_eq!(post(date(2027, 5, 1)), 0);
}

#[test]
fn a_contract_that_is_ended_loses_its_later_units_and_one_that_is_prolonged_gains_some() {
    let world = world();
    let line = world.line(10);
    let end = |day: Date| world.simulator.end_contract(world.ci(), line.contract, day);
    end(date(2026, 11, 15)).unwrap();
    assert_eq!(world.units(line.line), ["2026-10-01..2026-10-31 10", "2026-11-01..2026-11-15 10"]);
    assert_eq!(world.contract(line.contract)["endDate"], json!("2026-11-15T00:00:00Z"));
    assert!(end(date(2026, 9, 30)).is_err());
    assert_eq!(world.contract(line.contract)["endDate"], json!("2026-11-15T00:00:00Z"));
    end(date(2026, 12, 31)).unwrap();
    assert_eq!(world.units(line.line)[2..], ["2026-11-16..2026-11-30 10", "2026-12-01..2026-12-31 10"]);
    assert!(world.simulator.end_contract(world.ci(), 999_999, DECEMBER).is_err());
}

#[test]
fn a_person_can_do_all_of_it_by_the_control_routes() {
    let world = world();
    let line = world.line(10);
    let (contract, id) = (line.contract, line.line);
    let change = json!({ "from": "2026-12-01", "change": 2 });
    let adjusted = world.control(&format!("adjust/ContractServices/{id}"), &change);
    assert_eq!((adjusted.status, adjusted.value()), (200, json!({ "units": 12 })));
    let posted = world.control(&format!("post/{contract}"), &json!({ "date": "2026-10-15" }));
    assert_eq!((posted.status, posted.value()), (200, json!({ "rows": 1 })));
    assert_eq!(world.control(&format!("end/{contract}"), &json!({ "date": "2026-12-15" })).status, 200);
    assert_eq!(world.units(id)[2], "2026-12-01..2026-12-15 12");
    let renewed = world.control(&format!("renew/{contract}"), &json!({ "start": "2026-12-10", "end": "2026-12-31" }));
    let new = renewed.value()["id"].as_i64().unwrap();
    assert_eq!(world.units(world.line_of(new)), ["2026-12-10..2026-12-31 12"]);
    assert_eq!(world.units(id)[2], "2026-12-01..2026-12-09 12");
    assert!(world.simulator.adjustments().is_empty());

    for (path, body, status) in [
        (format!("renew/{contract}"), json!({}), 400),
        (format!("end/{contract}"), json!({}), 400),
        ("end/999999".to_owned(), json!({ "date": "2026-12-15" }), 404),
        ("post/999999".to_owned(), json!({ "date": "2026-12-15" }), 404),
        ("post/x".to_owned(), json!({ "date": "2026-12-15" }), 400),
        (format!("adjust/ContractServices/{id}"), json!({ "from": "2026-12-01", "change": -13 }), 400),
        (format!("adjust/ContractServices/{id}"), json!({ "from": "2026-12-01" }), 400),
        (format!("adjust/Frobs/{id}"), json!({ "from": "2026-12-01", "change": 1 }), 404),
        (format!("adjust/{id}"), json!({ "from": "2026-12-01", "change": 1 }), 404),
        ("dismiss/1".to_owned(), json!({}), 404),
    ] {
        assert_eq!(world.control(&path, &body).status, status, "{path} {body}");
    }
}

#[test]
fn what_a_person_did_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(noon()));
    let open = || {
        let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
        Simulator::open(clock.clone(), options).unwrap()
    };
    let simulator = open();
    let database = simulator.add_database(DatabaseSpec::new(USER, SECRET, CODE)).unwrap();
    let before = World { simulator, clock: clock.clone(), database: database.clone() };
    let line = before.line(10);
    before.simulator.switches_mut(|switches| switches.renewed_points = RenewedPoints::NewToOld);
    before.simulator.adjust_by_hand(before.ci(), "ContractServices", line.line, DECEMBER, 2).unwrap();
    before.simulator.post_period(before.ci(), line.contract, OCTOBER).unwrap();
    before.simulator.end_contract(before.ci(), line.contract, date(2026, 12, 20)).unwrap();
    before.simulator.renew(before.ci(), line.contract, None).unwrap();
    let entities = ["Contracts", "ContractServices", "ContractServiceUnits"];
    let rows = |simulator: &Simulator| entities.map(|entity| simulator.rows(database.ci, entity).unwrap());
    let (held, switches) = (rows(&before.simulator), before.simulator.switches());
    let after = open();
    assert_eq!(rows(&after), held);
    assert_eq!(after.switches(), switches);
}
