use super::*;
use domain::change::AuditRow;
use domain::connections::{SEAT_SYNC_JOB, Schedule};
use simulator::{Access, Permissions};
use testkit::SUPPORT;

#[tokio::test]
async fn one_action_finds_the_zone_proves_the_login_and_saves() {
    let world = unconnected().await;
    add_billing_code(&world);
    let reply = admin(&world).post(CONNECTIONS, login()).await;
    reply.assert_status(201);
    let made = &reply.json;
    assert_eq!(reply.header("etag"), Some("\"1\""));
    assert_eq!(reply.header("location").unwrap(), format!("/v1/connections/{}", made["id"].as_str().unwrap()));
    assert_eq!(made["status"], "connected");
    assert_eq!(made["zone"]["url"], "https://webservices99.autotask.net/ATServicesRest/");
    assert_eq!(made["zone"]["ci"], world.ci);
    assert_eq!(made["username"], "ap***@msp.example");
    assert_eq!(made["settings"]["billing_auto_sync"], false);
    assert_eq!(made["settings"]["time_zone"], "Pacific/Auckland");
    assert_eq!(made["warnings"], json!([]));
    let ready = made["permissions"].as_array().unwrap();
    assert!(ready.len() >= 4 && ready.iter().all(|p| p["state"] == "ready"), "{ready:?}");

    let read = world.api(Role::PartnerViewer).get(reply.header("location").unwrap()).await;
    assert_eq!(read.header("etag"), Some("\"1\""));
    assert_eq!(read.json["next_run_at"], "2026-11-30T11:15:00Z");
    assert_eq!(read.json["zone"], made["zone"]);
    let key = Key::Schedule(world.partner.clone(), id_of(made), SEAT_SYNC_JOB.to_owned());
    let due = world.load::<Schedule>(&key).await.unwrap().due_at;
    assert_eq!(due.to_string(), "2026-11-30T11:15:00Z");
    assert_eq!(world.published("connection.connected").len(), 1);
}

#[tokio::test]
async fn the_probe_writes_nothing_starts_at_the_zone_and_stays_within_its_calls() {
    let world = unconnected().await;
    admin(&world).post(CONNECTIONS, login()).await.assert_status(201);
    let requests = world.sim.requests();
    assert!(requests[0].path.to_lowercase().ends_with("/zoneinformation"), "{}", requests[0].path);
    assert!((2..=15).contains(&requests.len()), "{} requests", requests.len());
    assert_eq!(world.writes().len(), 0, "{:?}", world.writes());
}

#[tokio::test]
async fn a_second_connection_is_refused_and_pointed_to_the_first() {
    let world = unconnected().await;
    let first = admin(&world).post(CONNECTIONS, login()).await.expect(201);
    world.sim.clear_requests();
    let second = admin(&world).post(CONNECTIONS, login()).await;
    let problem = second.assert_problem(409, "already_connected");
    assert_eq!(problem["connection_id"], first["id"]);
    assert!(world.sim.requests().is_empty());
    assert_eq!(connections_of(&world).await.len(), 1);
    assert_eq!(connection_secrets(&world).len(), 1);
    assert_eq!(world.published("connection.connected").len(), 1);
}

#[tokio::test]
async fn two_connects_at_once_make_one_connection_and_one_secret() {
    let world = unconnected().await;
    let (caller, body) = (admin(&world), login());
    let (one, other) = tokio::join!(caller.post(CONNECTIONS, body.clone()), caller.post(CONNECTIONS, body));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.text, other.text);
    assert_eq!(connections_of(&world).await.len(), 1);
    assert_eq!(connection_secrets(&world).len(), 1);
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_again() {
    let world = unconnected().await;
    let caller = admin(&world).header("idempotency-key", "connect-1");
    let first = caller.post(CONNECTIONS, login()).await.expect(201);
    let again = caller.post(CONNECTIONS, login()).await.expect(201);
    assert_eq!(first["id"], again["id"]);
}

#[tokio::test]
async fn every_wrong_field_is_told_at_once_and_nothing_is_asked_or_saved() {
    let world = unconnected().await;
    let body = json!({
        "username": "", "secret": " ", "email": "nobody", "invoice_reference": "name", "features": ["seat_sync", "frobs"],
        "priority": "third",
    });
    let reply = admin(&world).post(CONNECTIONS, body).await;
    let problem = reply.assert_problem(400, "invalid_input");
    let mut pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    pointers.sort_by_key(ToString::to_string);
    let wanted = ["/email", "/features/1", "/invoice_reference", "/priority", "/secret", "/username"];
    assert_eq!(pointers, wanted.map(Value::from));
    assert_eq!(problem["support"], SUPPORT);
    let unknown = json!({"username": USERNAME, "secret": SECRET, "zone_url": "https://evil.example/"});
    admin(&world).post(CONNECTIONS, unknown).await.assert_problem(400, "invalid_input");
    admin(&world).send("POST", CONNECTIONS, b"{\"username\":").await.assert_problem(400, "invalid_input");
    assert!(world.sim.requests().is_empty());
    nothing_is_saved(&world).await;
}

#[tokio::test]
async fn an_unknown_user_is_told_from_a_wrong_secret_and_neither_is_saved() {
    let world = unconnected().await;
    let unknown = json!({"username": "person@msp.example", "secret": SECRET});
    for _ in 0..2 {
        admin(&world).post(CONNECTIONS, unknown.clone()).await.assert_problem(422, "zone_not_found");
    }
    let wrong = json!({"username": USERNAME, "secret": "wrong"});
    for _ in 0..2 {
        world.sim.clear_requests();
        admin(&world).post(CONNECTIONS, wrong.clone()).await.assert_problem(422, "credentials_invalid");
        assert_eq!(world.sim.requests().len(), 2, "the zone, and one login");
    }
    nothing_is_saved(&world).await;
    admin(&world).post(CONNECTIONS, login()).await.assert_status(201);
}

#[tokio::test]
async fn a_user_of_another_vendor_is_told_so() {
    let world = World::builder().unconnected().build().await;
    let vendor = world.api(Role::VendorAdmin).of_no_partner();
    let profile =
        json!({"integration_vendor": "Other", "integration_code": "ANOTHERCODE", "support_address": "a@b.example"});
    vendor.put("/v1/vendor/profile", profile).await.assert_status(200);
    admin(&world).post(CONNECTIONS, login()).await.assert_problem(422, "integration_vendor_mismatch");
    nothing_is_saved(&world).await;
}

#[tokio::test]
async fn a_locked_user_is_called_locked_only_when_autotask_says_so() {
    let world = unconnected().await;
    let path = "*/entityInformation";
    fault(&world, "GET", path, answer(401, json!({"errors": ["The API user is locked."]})));
    admin(&world).post(CONNECTIONS, login()).await.assert_problem(422, "account_locked_or_inactive");
    world.sim.clear_faults();
    fault(&world, "GET", path, FaultKind::Unauthorized);
    admin(&world).post(CONNECTIONS, login()).await.assert_problem(422, "credentials_invalid");
    nothing_is_saved(&world).await;
}

#[tokio::test]
async fn an_autotask_that_is_away_is_nobodys_mistake() {
    let world = unconnected().await;
    for (method, path, kind) in [
        ("GET", "*/zoneInformation", answer(503, json!("<html>Maintenance</html>"))),
        ("GET", "*/zoneInformation", FaultKind::Reset),
        ("GET", "*/Contracts/entityInformation", answer(502, json!("<html>Bad gateway</html>"))),
        ("GET", "*/Services/entityInformation", FaultKind::Reset),
        ("POST", "*/BillingCodes/query", answer(500, json!({"errors": ["A severe error occurred."]}))),
        ("GET", "*/Companies/entityInformation", FaultKind::ThreadLimit { status: 500 }),
    ] {
        world.sim.clear_faults();
        fault(&world, method, path, kind);
        let reply = admin(&world).post(CONNECTIONS, login()).await;
        let problem = reply.assert_problem(503, "autotask_unavailable");
        assert!(problem["retry"]["after"].as_u64().is_some(), "{problem}");
        nothing_is_saved(&world).await;
    }
    world.sim.clear_faults();
    admin(&world).post(CONNECTIONS, login()).await.assert_status(201);
}

#[tokio::test]
async fn credentials_go_to_no_host_that_is_not_autotasks() {
    let world = unconnected().await;
    for url in [
        "https://evil.example/ATServicesRest/",
        "http://webservices99.autotask.net/ATServicesRest/",
        "https://webservices99.autotask.net.evil.example/",
        "https://user@webservices99.autotask.net/",
        "https://webservices99.autotask.net:8443/",
    ] {
        world.sim.clear_faults();
        let zone = json!({"zoneName": "z", "url": url, "webUrl": "https://ww1.autotask.net/", "ci": world.ci});
        fault(&world, "GET", "*/zoneInformation", answer(200, zone));
        admin(&world).post(CONNECTIONS, login()).await.assert_problem(503, "autotask_unavailable");
    }
    let hosts: Vec<String> = world.transport.hosts().into_keys().collect();
    assert_eq!(hosts, ["https://webservices.autotask.net"]);
    nothing_is_saved(&world).await;
}

#[tokio::test]
async fn only_the_main_accounts_admin_connects() {
    let world = unconnected().await;
    let sub_account = admin(&world).claim("main_account", json!(false));
    sub_account.post(CONNECTIONS, login()).await.assert_problem(403, "not_main_account");
    for role in [Role::PartnerBilling, Role::PartnerViewer, Role::VendorSupport, Role::VendorAdmin, Role::Service] {
        world.api(role).post(CONNECTIONS, login()).await.assert_problem(403, "forbidden_role");
    }
    assert!(world.sim.requests().is_empty());
    nothing_is_saved(&world).await;
}

#[tokio::test]
async fn each_denied_right_is_named_and_the_rest_goes_on() {
    for (entity, access, feature, state, missing) in [
        ("ContractServiceAdjustments", Access::VIEW, "seat_sync", "read_only", "Contracts › Contract Services › Add"),
        ("ContractServiceUnits", Access::NONE, "seat_sync", "missing", "Contracts › Contract Services › View"),
        ("Contracts", Access::NONE, "seat_sync", "missing", "Contracts › Contracts › View"),
        ("Companies", Access::NONE, "mapping", "missing", "CRM › Companies › View"),
        ("Contacts", Access::NONE, "mapping", "missing", "CRM › Contacts › View"),
        ("Services", Access::NONE, "mapping", "missing", "Products › Products and Services › View"),
        ("ContractServices", Access::VIEW, "overwrite_cost", "read_only", "Contracts › Contract Services › Edit"),
    ] {
        let world = World::builder()
            .unconnected()
            .database(|db| db.permissions = Permissions::default().with(entity, access))
            .build()
            .await;
        let made = admin(&world).post(CONNECTIONS, login()).await.expect(201);
        let found = made["permissions"].as_array().unwrap().iter().find(|p| p["feature"] == feature).unwrap();
        assert_eq!((found["state"].as_str(), &found["missing"]), (Some(state), &json!([missing])), "{entity}");
        let warned = made["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "permission_missing");
        assert_eq!(warned, feature != "overwrite_cost", "{entity}: {}", made["warnings"]);
        let path = format!("{CONNECTIONS}/{}/permissions", made["id"].as_str().unwrap());
        let again = world.api(Role::PartnerViewer).get(&path).await.expect(200);
        assert_eq!(again["permissions"], made["permissions"]);
    }
}

#[tokio::test]
async fn hidden_costs_and_a_missing_billing_code_are_warnings() {
    let world = World::builder().unconnected().database(|db| db.costs_readable = false).build().await;
    let code = add_billing_code(&world);
    let service = json!({"name": "Seats", "unitPrice": 5, "unitCost": 3, "periodType": 1, "billingCodeID": code});
    world.sim.insert(world.ci, "Services", &[service]).unwrap();
    world.sim.patch(world.ci, "BillingCodes", code, &json!({"isActive": false})).unwrap();
    let made = admin(&world).post(CONNECTIONS, login()).await.expect(201);
    let codes: Vec<_> = made["warnings"].as_array().unwrap().iter().map(|w| w["code"].clone()).collect();
    assert_eq!(codes, ["cost_not_readable", "billing_code_missing"].map(Value::from));
    assert_eq!((&made["costs_readable"], &made["billing_code_present"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn a_profile_is_all_defaults_in_one_choice() {
    let world = unconnected().await;
    let mut body = login();
    body["profile"] = json!("package_billing");
    body["invoice_reference"] = json!("autotask_id");
    let made = admin(&world).post(CONNECTIONS, body).await.expect(201);
    assert_eq!(made["features"], json!(["package_billing"]));
    assert_eq!(made["settings"]["schedule"]["enabled"], false);
    assert_eq!(made["settings"]["billing_auto_sync"], false);
    assert_eq!(made["settings"]["invoice_reference"], "autotask_id");
    let key = Key::Schedule(world.partner.clone(), id_of(&made), SEAT_SYNC_JOB.to_owned());
    assert!(world.load::<Schedule>(&key).await.is_none());
    let warned = made["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "feature_not_available");
    assert!(!warned, "{}", made["warnings"]);
}

#[tokio::test]
async fn a_feature_that_this_version_does_not_do_may_be_chosen_and_is_warned_about() {
    let world = unconnected().await;
    let mut body = login();
    body["features"] = json!(["package_billing", "quotes"]);
    let made = admin(&world).post(CONNECTIONS, body).await.expect(201);
    let warnings: Vec<_> =
        made["warnings"].as_array().unwrap().iter().filter(|w| w["code"] == "feature_not_available").collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0]["detail"].as_str().unwrap().contains("quotes"));
}

#[tokio::test]
async fn without_the_vendors_code_nobody_connects() {
    let world = World::builder().without_vendor().build().await;
    admin(&world).post(CONNECTIONS, login()).await.assert_problem(503, "unavailable");
    nothing_is_saved(&world).await;
}

#[tokio::test]
async fn another_partners_connection_does_not_exist() {
    let world = testkit::world().await;
    let stranger = admin(&world).of_partner("stranger");
    for path in ["C", "C/permissions", "C/settings", "C/setup-progress"] {
        stranger.get(path).await.assert_problem(404, "not_found");
        world.api(Role::VendorSupport).of_partner("stranger").get(path).await.assert_problem(404, "not_found");
    }
    for path in ["C/test", "C/permissions/probe", "C/pause", "C/resume", "C/billing-codes/ensure"] {
        stranger.post(path, Value::Null).await.assert_problem(404, "not_found");
    }
    stranger.post("C/relink", login()).await.assert_problem(404, "not_found");
    stranger.patch("C/settings", json!({"kill_switch": true})).await.assert_problem(404, "not_found");
    stranger.delete("C").await.assert_problem(404, "not_found");
    assert_eq!(stranger.get(CONNECTIONS).await.expect(200), json!({"items": []}));
    admin(&world).header("x-partner-id", "stranger").get("C").await.assert_problem(404, "not_found");
    assert!(world.sim.requests().is_empty());
    assert_eq!(world.api(Role::VendorSupport).get("C").await.expect(200)["status"], "connected");
}

#[tokio::test]
async fn connecting_writes_one_row_of_the_audit_trail() {
    let world = unconnected().await;
    let made = admin(&world).post(CONNECTIONS, login()).await.expect(201);
    let rows: Vec<AuditRow> =
        world.load_all(&Collection::Audit(world.partner.clone(), Some(id_of(&made)), "2026-11".to_owned())).await;
    assert_eq!(rows.iter().map(|row| row.action.as_str()).collect::<Vec<_>>(), ["connection.connected"]);
    assert_eq!(rows[0].actor.who, "user-partner_admin");
}
