use super::*;

#[test]
fn children_are_written_under_their_parents_only() {
    let world = world();
    let company = world.company("Alpha");
    let contact = json!({ "firstName": "A", "lastName": "B", "isActive": 1, "emailAddress": "a@b.example" });
    assert_eq!(world.post("Contacts", &contact).status, 404);
    let made = world.post(&format!("Companies/{company}/Contacts"), &contact);
    assert_eq!(made.status, 200, "{}", made.value());
    let id = made.value()["itemId"].as_i64().unwrap();
    assert_eq!(world.get(&format!("Contacts/{id}")).value()["item"]["companyID"], json!(company));
    assert_eq!(world.get(&format!("Companies/{company}/Contacts/{id}")).status, 200);
    assert_eq!(world.get(&format!("Companies/0/Contacts/{id}")).status, 404);
    assert_eq!(world.get(&format!("Companies/{company}/Contacts")).value()["items"][0]["id"], json!(id));
    assert_eq!(world.patch("Companies/0/Contacts", &json!({ "id": id, "title": "x" })).status, 404);
}

#[test]
fn a_patch_has_its_id_in_the_body_and_changes_what_it_names() {
    let world = world();
    let company = world.company("Alpha");
    assert_eq!(world.patch(&format!("Companies/{company}"), &json!({ "phone": "2" })).status, 405);
    assert_eq!(world.patch("Companies", &json!({ "phone": "2" })).status, 500);
    assert_eq!(world.patch("Companies", &json!({ "id": 999, "phone": "2" })).status, 404);
    let done = world.patch("Companies/", &json!({ "id": company, "phone": "2", "city": null, "isTaxExempt": "True" }));
    assert_eq!(done.value(), json!({ "itemId": company }));
    let item = world.get(&format!("Companies/{company}")).value()["item"].clone();
    assert_eq!(
        (item["phone"].clone(), item["companyName"].clone(), item["isTaxExempt"].clone()),
        (json!("2"), json!("Alpha"), json!(true))
    );
}

#[test]
fn a_put_replaces_the_whole_row() {
    let world = world();
    let owner = world.simulator.rows(world.database.ci, "Resources").unwrap()[0]["id"].clone();
    let body =
        json!({ "companyName": "Alpha", "companyType": 1, "phone": "1", "ownerResourceID": owner, "city": "Leith" });
    let id = world.post("Companies", &body).value()["itemId"].clone();
    let put = json!({ "id": id, "companyName": "Beta", "companyType": 1, "phone": "1", "ownerResourceID": owner });
    assert_eq!(world.call(Method::PUT, "Companies", Some(&put)).status, 200);
    let item = world.get(&format!("Companies/{id}")).value()["item"].clone();
    assert_eq!((item["companyName"].clone(), item["city"].clone()), (json!("Beta"), json!(null)));
    assert!(!item["createDate"].is_null(), "read-only fields stay");
}

#[test]
fn a_create_is_checked_and_refused_with_a_text() {
    let world = world();
    let owner = world.simulator.rows(world.database.ci, "Resources").unwrap()[0]["id"].clone();
    let whole = json!({ "companyName": "Alpha", "companyType": 1, "phone": "1", "ownerResourceID": owner });
    for (field, value, words) in [
        ("companyName", json!(null), "Missing required field: companyName."),
        ("companyName", json!("x".repeat(101)), "exceeds the maximum length of 100"),
        ("companyType", json!(null), "Value does not reference an existing entity for companyType ."),
        ("companyType", json!(99), "companyType: Value 99 does not exist or is invalid"),
        ("ownerResourceID", json!(1), "ownerResourceID: Value 1 does not exist or is invalid"),
        ("companyType", json!(true), "Unexpected character encountered while parsing value: t."),
    ] {
        let mut body = whole.clone();
        body[field] = value;
        let answer = world.post("Companies", &body);
        assert_eq!(answer.status, 500, "{body}");
        assert!(text(&answer).contains(words), "{body}: {}", text(&answer));
    }
    assert_eq!(world.post("Companies", &whole).status, 200);
}

#[test]
fn references_to_inactive_rows_are_refused() {
    let world = world();
    let line = world.line(1);
    world.simulator.patch(world.database.ci, "Services", line.service, &json!({ "isActive": false })).unwrap();
    let answer = world.post(&format!("Contracts/{}/Services", line.contract), &json!({ "serviceID": line.service }));
    assert_eq!(text(&answer), format!("serviceID: Value {} does not exist or is invalid", line.service));
}

#[test]
fn what_is_fixed_on_create_stays() {
    let world = world();
    let line = world.line(1);
    let answer = world.patch("Contracts", &json!({ "id": line.contract, "contractType": 1 }));
    assert_eq!((answer.status, text(&answer)), (500, "contractType cannot be updated.".to_owned()));
    assert_eq!(world.patch("Contracts", &json!({ "id": line.contract, "contractName": "New" })).status, 200);
}

#[test]
fn services_go_on_recurring_contracts_only_and_have_no_units_yet() {
    let world = world();
    let line = world.line(1);
    let hours = world.insert("Contracts", json!({
        "companyID": 0, "contractName": "Hours", "contractType": 4, "startDate": "2026-01-01", "endDate": "2026-12-31",
    }));
    let body = json!({ "serviceID": line.service });
    assert_eq!(world.post(&format!("Contracts/{hours}/Services"), &body).status, 500);
    let made = world.post(&format!("Contracts/{}/Services", line.contract), &body);
    let id = made.value()["itemId"].as_i64().unwrap();
    assert!(world.units(id).is_empty());
    assert_eq!(
        world.get(&format!("ContractServices/{id}")).value()["item"]["unitCost"],
        json!(7.0),
        "priced like its service"
    );
}

#[test]
fn costs_are_blank_and_cost_writes_ignored_without_the_right_to_them() {
    let world = world_of(DatabaseSpec { costs_readable: false, ..DatabaseSpec::new(USER, SECRET, CODE) });
    let line = world.line(10);
    let path = format!("Contracts/{}/Services", line.contract);
    assert_eq!(world.patch(&path, &json!({ "id": line.line, "unitCost": 1, "internalDescription": "x" })).status, 200);
    assert!(world.get(&format!("ContractServices/{}", line.line)).value()["item"]["unitCost"].is_null());
    let raw = world.simulator.rows(world.database.ci, "ContractServices").unwrap()[0].clone();
    assert_eq!((raw["unitCost"].clone(), raw["internalDescription"].clone()), (json!(7.0), json!("x")));
}

#[test]
fn a_new_unit_cost_of_a_line_counts_for_rows_that_are_not_posted() {
    let world = world();
    let line = world.line(10);
    let first = world.ids("ContractServiceUnits", &match_all())[0];
    world
        .simulator
        .patch(world.database.ci, "ContractServiceUnits", first, &json!({ "approveAndPostDate": "2026-11-01" }))
        .unwrap();
    world.patch(&format!("Contracts/{}/Services", line.contract), &json!({ "id": line.line, "unitCost": 8 }));
    let costs: Vec<Value> = world.query("ContractServiceUnits", &match_all()).value()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["cost"].clone())
        .collect();
    assert_eq!(costs, [json!(70.0), json!(80.0), json!(80.0)]);
}

#[test]
fn the_primary_contact_stays_and_another_one_takes_its_place() {
    let world = world();
    let company = world.company("Alpha");
    let contact = |primary: bool| {
        let body = json!({ "firstName": "A", "lastName": "B", "isActive": 1, "primaryContact": primary });
        world.post(&format!("Companies/{company}/Contacts"), &body).value()["itemId"].as_i64().unwrap()
    };
    let (first, second) = (contact(true), contact(true));
    let primary = json!([{ "op": "eq", "field": "primaryContact", "value": true }]);
    assert_eq!(world.ids("Contacts", &primary), [second]);
    let delete = |id: i64| world.call(Method::DELETE, &format!("Companies/{company}/Contacts/{id}"), None);
    assert_eq!(delete(second).status, 500);
    assert_eq!(delete(first).status, 200);
    assert!(text(&delete(first)).starts_with("No matching records found."));
}
