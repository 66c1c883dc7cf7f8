use super::*;

fn by_line(line: &Line, change: i64, date: &str) -> Value {
    json!({ "id": 0, "contractServiceID": line.line, "unitChange": change, "effectiveDate": date })
}

#[test]
fn units_rows_are_cut_at_the_effective_date_and_later_rows_move() {
    for (date, expected) in [
        (
            "2026-11-01T00:00:00",
            ["2026-10-01..2026-10-31 10", "2026-11-01..2026-11-30 13", "2026-12-01..2026-12-31 13"].as_slice(),
        ),
        (
            "2026-11-20",
            &[
                "2026-10-01..2026-10-31 10",
                "2026-11-01..2026-11-19 10",
                "2026-11-20..2026-11-30 13",
                "2026-12-01..2026-12-31 13",
            ],
        ),
        (
            "2026-12-31T23:00:00-11:00",
            &[
                "2026-10-01..2026-10-31 10",
                "2026-11-01..2026-11-30 10",
                "2026-12-01..2026-12-30 10",
                "2026-12-31..2026-12-31 13",
            ],
        ),
    ] {
        let world = world();
        let line = world.line(10);
        let answer = world.adjust(&by_line(&line, 3, date));
        assert_eq!(answer.status, 200);
        assert!(answer.value()["itemId"].as_i64().unwrap() > 0);
        assert_eq!(world.units(line.line), expected, "{date}");
    }
}

#[test]
fn the_same_adjustment_twice_counts_twice() {
    let world = world();
    let line = world.line(10);
    for expected in [12, 14] {
        world.adjust(&by_line(&line, 2, "2026-12-01"));
        assert_eq!(world.units(line.line)[2], format!("2026-12-01..2026-12-31 {expected}"));
    }
    let told = world.simulator.adjustments();
    assert_eq!(told.iter().map(|a| (a.units_before, a.units_after)).collect::<Vec<_>>(), [(10, 12), (12, 14)]);
}

#[test]
fn an_adjustment_may_name_contract_and_service_and_makes_a_missing_line() {
    let world = world();
    let line = world.line(10);
    let by_service = |service: i64, repeat: bool| {
        json!({
            "contractID": line.contract, "serviceID": service, "unitChange": 4, "effectiveDate": "2026-12-01", "allowRepeatService": repeat,
        })
    };
    world.adjust(&by_service(line.service, false));
    assert_eq!(world.units(line.line)[2], "2026-12-01..2026-12-31 14");

    let code = world.insert("BillingCodes", json!({ "name": "x", "useType": 5 }));
    let other = world.insert("Services", json!({ "name": "Other", "billingCodeID": code, "unitPrice": 1 }));
    assert_eq!(
        world.post(&format!("Contracts/{}/ServiceAdjustments", line.contract), &by_service(other, false)).status,
        200
    );
    let made = world.ids("ContractServices", &json!([{ "op": "eq", "field": "serviceID", "value": other }]));
    assert_eq!(world.units(made[0]), ["2026-12-01..2026-12-31 4"]);

    world.adjust(&by_service(other, true));
    assert_eq!(world.ids("ContractServices", &json!([{ "op": "eq", "field": "serviceID", "value": other }])).len(), 2);
}

#[test]
fn what_cannot_be_adjusted_is_refused_and_changes_nothing() {
    let world = world();
    let line = world.line(10);
    let before = world.units(line.line);
    let block = world.insert("Contracts", json!({
        "companyID": 0, "contractName": "Hours", "contractType": 4, "startDate": "2026-01-01", "endDate": "2026-12-31",
    }));
    for (body, words) in [
        (by_line(&line, 1, "2027-01-01"), "effective date must be within"),
        (by_line(&line, 1, "2026-09-30"), "effective date must be within"),
        (by_line(&line, -11, "2026-12-01"), "cannot be less than 0"),
        (
            json!({ "contractServiceID": 999_999, "unitChange": 1, "effectiveDate": "2026-12-01" }),
            "does not exist or is invalid",
        ),
        (json!({ "contractServiceID": line.line, "unitChange": 1 }), "effectiveDate"),
        (
            json!({ "contractID": block, "serviceID": line.service, "unitChange": 1, "effectiveDate": "2026-12-01" }),
            "Recurring Service",
        ),
        (
            json!({ "contractID": line.contract, "serviceID": 999, "unitChange": 1, "effectiveDate": "2026-12-01" }),
            "serviceID",
        ),
    ] {
        let answer = world.adjust(&body);
        assert_eq!(answer.status, 500, "{body}");
        assert!(text(&answer).contains(words), "{body}: {}", text(&answer));
    }
    assert_eq!(world.units(line.line), before);
    assert!(world.simulator.adjustments().is_empty());
}

#[test]
fn adjustments_cannot_be_read() {
    let world = world();
    let line = world.line(10);
    let id = world.adjust(&by_line(&line, 1, "2026-12-01")).value()["itemId"].clone();
    assert_eq!(world.get(&format!("ContractServiceAdjustments/{id}")).status, 404);
    assert_eq!(world.query("ContractServiceAdjustments", &match_all()).status, 404);
    assert_eq!(world.get("ContractServiceAdjustments").status, 405);
}

#[test]
fn a_new_cost_counts_from_the_date_on_and_only_with_the_right_to_costs() {
    for (readable, cost) in [(true, json!(104.5)), (false, json!(null))] {
        let world = world();
        let line = world.line(10);
        world.simulator.set_costs_readable(world.database.ci, readable).unwrap();
        let mut body = by_line(&line, 1, "2026-12-01");
        body["adjustedUnitCost"] = json!(9.5);
        assert_eq!(world.adjust(&body).status, 200);
        let row = |at: usize| world.query("ContractServiceUnits", &match_all()).value()["items"][at].clone();
        assert_eq!(row(2)["cost"], cost);
        world.simulator.set_costs_readable(world.database.ci, true).unwrap();
        assert_eq!(row(0)["cost"], json!(70.0));
        let line_now = world.get(&format!("ContractServices/{}", line.line)).value()["item"]["unitCost"].clone();
        assert_eq!(line_now, if readable { json!(9.5) } else { json!(7.0) });
    }
}

#[test]
fn zero_units_and_posted_periods_are_switches() {
    let world = world();
    let line = world.line(10);
    let december = world.ids("ContractServiceUnits", &match_all())[2];
    world
        .simulator
        .patch(
            world.database.ci,
            "ContractServiceUnits",
            december,
            &json!({ "approveAndPostDate": "2026-12-01T08:00:00Z" }),
        )
        .unwrap();
    world.simulator.switches_mut(|switches| {
        switches.zero_units = Allow::Refused;
        switches.posted_period = Allow::Refused;
    });
    assert!(text(&world.adjust(&by_line(&line, 1, "2026-12-01"))).contains("posted"));
    assert!(text(&world.adjust(&by_line(&line, -10, "2026-11-01"))).contains("cannot be 0"));
    world.simulator.switches_mut(|switches| {
        switches.zero_units = Allow::Accepted;
        switches.posted_period = Allow::Accepted;
    });
    assert_eq!(world.adjust(&by_line(&line, -10, "2026-12-01")).status, 200);
    assert!(world.simulator.adjustments()[0].in_posted_period);
    assert_eq!(world.units(line.line)[2], "2026-12-01..2026-12-31 0");
}

#[test]
fn reads_may_lag_behind_an_adjustment() {
    let world = world();
    let line = world.line(10);
    world.simulator.switches_mut(|switches| switches.units_lag_seconds = 60);
    let before = world.units(line.line);
    world.adjust(&by_line(&line, 1, "2026-11-20"));
    world.clock.advance(SignedDuration::from_secs(30));
    world.adjust(&by_line(&line, 1, "2026-11-20"));
    assert_eq!(world.units(line.line), before);
    world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(world.units(line.line)[2], "2026-11-20..2026-11-30 11", "the first is seen, the second not yet");
    world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(world.units(line.line)[2], "2026-11-20..2026-11-30 12");
}

#[test]
fn future_rows_and_date_values_are_switches() {
    let world = world();
    let line = world.line(10);
    world.simulator.switches_mut(|switches| {
        switches.future_rows = FutureRows::BegunOnly;
        switches.date_values = DateValues::TenantMidnight("America/Chicago".to_owned());
    });
    assert_eq!(world.units(line.line).len(), 2);
    let first = world.query("ContractServiceUnits", &match_all()).value()["items"][0].clone();
    assert_eq!(
        (first["startDate"].as_str(), first["endDate"].as_str()),
        (Some("2026-10-01T05:00:00Z"), Some("2026-10-31T05:00:00Z"))
    );
    let at_midnight = json!([{ "op": "lte", "field": "startDate", "value": "2026-10-01T00:00:00Z" }]);
    assert!(world.ids("ContractServiceUnits", &at_midnight).is_empty(), "05:00Z is later than midnight");
}

#[test]
fn bundles_change_their_quantity_only() {
    let world = world();
    let line = world.line(10);
    let code = world.insert("BillingCodes", json!({ "name": "x", "useType": 5 }));
    let bundle = world.insert("ServiceBundles", json!({ "name": "B", "billingCodeID": code, "unitPrice": 5 }));
    let body = json!({
        "contractID": line.contract, "serviceBundleID": bundle, "unitChange": 3, "effectiveDate": "2026-12-01", "adjustedUnitPrice": 99,
    });
    assert_eq!(world.post("ContractServiceBundleAdjustments", &body).status, 200);
    let row = world.query("ContractServiceBundleUnits", &match_all()).value()["items"][0].clone();
    assert_eq!((row["units"].clone(), row["price"].clone()), (json!(3), json!(15.0)));
}

#[test]
fn an_earlier_end_removes_what_lies_after_it_and_a_later_one_adds_periods() {
    let world = world();
    let line = world.line(10);
    let end = |date: &str| world.patch("Contracts", &json!({ "id": line.contract, "endDate": date })).status;
    assert_eq!(end("2026-11-15"), 200);
    assert_eq!(world.units(line.line), ["2026-10-01..2026-10-31 10", "2026-11-01..2026-11-15 10"]);
    assert_eq!(end("2027-01-31"), 200);
    assert_eq!(
        world.units(line.line)[2..],
        ["2026-11-16..2026-11-30 10", "2026-12-01..2026-12-31 10", "2027-01-01..2027-01-31 10"]
    );
}

#[test]
fn a_renewal_copies_lines_and_units_and_ends_the_old_contract_the_day_before() {
    let world = world();
    let line = world.line(10);
    world.adjust(&by_line(&line, 5, "2026-12-01"));
    let new = world.simulator.renew(world.database.ci, line.contract, None).unwrap();
    let contract = |id: i64| world.get(&format!("Contracts/{id}")).value()["item"].clone();
    assert_eq!(contract(line.contract)["renewedContractID"], json!(new));
    assert_eq!(contract(line.contract)["endDate"], json!("2026-12-31T00:00:00Z"));
    assert_eq!(contract(new)["startDate"], json!("2027-01-01T00:00:00Z"));
    assert_eq!(contract(new)["endDate"], json!("2027-03-31T00:00:00Z"));
    let copied = world.ids("ContractServices", &json!([{ "op": "eq", "field": "contractID", "value": new }]));
    assert_eq!(world.units(copied[0])[0], "2027-01-01..2027-01-31 15");
    assert!(world.simulator.renew(world.database.ci, line.contract, None).is_err(), "one renewal per contract");
}
