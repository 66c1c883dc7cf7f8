use super::*;
use domain::AccountId;
use domain::vendor::Account;
use simulator::{Access, Level, Permissions};

#[tokio::test]
async fn the_guide_is_ordered_names_the_vendor_and_is_the_level_that_is_enough() {
    let world = testkit::world().await;
    for role in [Role::PartnerViewer, Role::PartnerAdmin, Role::VendorSupport, Role::Service] {
        let guide = world.api(role).get("/v1/setup-guide?profile=package_billing").await.expect(200);
        let steps: Vec<_> = guide["steps"].as_array().unwrap().iter().map(|step| step["id"].clone()).collect();
        let order = [
            "log_in",
            "open_resources",
            "new_api_user",
            "fill_form",
            "security_level",
            "tracking_identifier",
            "save",
            "connect",
        ];
        assert_eq!(steps, order.map(Value::from));
        assert_eq!(guide["integration_vendor"], "Sentinel Awareness");
    }
    let guide = world.api(Role::VendorAdmin).of_no_partner().get("/v1/setup-guide").await.expect(200);
    let row =
        |object: &str| guide["matrix"].as_array().unwrap().iter().find(|row| row["object"] == object).cloned().unwrap();
    let rights = |row: Value| ["view", "add", "edit", "delete"].map(|right| row[right].as_bool().unwrap());
    assert_eq!(rights(row("Companies")), [true, false, false, false]);
    assert_eq!(rights(row("Contacts")), [true, false, false, false]);
    assert_eq!(rights(row("Contracts")), [true, false, false, false]);
    assert_eq!(rights(row("Contract Services")), [true, true, true, true]);
    assert_eq!(rights(row("Products and Services")), [true, false, false, false]);
    assert!(guide["never"].as_array().unwrap().iter().all(|never| never["supported"] == false));
    admin(&world).get("/v1/setup-guide?profile=frobs").await.assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn a_missing_billing_code_is_told_with_the_steps_until_it_is_there() {
    let world = testkit::world().await;
    for _ in 0..2 {
        let reply = admin(&world).post("C/billing-codes/ensure", Value::Null).await;
        let problem = reply.assert_problem(409, "billing_code_missing");
        assert!(problem["steps"].as_array().is_some_and(|steps| steps.len() > 3), "{problem}");
    }
    let wrong_kind = json!({"name": "Software as a Service", "useType": 1, "isActive": true});
    world.sim.insert(world.ci, "BillingCodes", &[wrong_kind]).unwrap();
    admin(&world).post("C/billing-codes/ensure", Value::Null).await.assert_problem(409, "billing_code_missing");
    let step = |progress: &Value, id: &str| {
        progress["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap()["state"].clone()
    };
    assert_eq!(step(&admin(&world).get("C/setup-progress").await.expect(200), "billing_code"), "attention");
    let id = add_billing_code(&world);
    for _ in 0..2 {
        let found = admin(&world).post("C/billing-codes/ensure", Value::Null).await.expect(200);
        assert_eq!((&found["id"], &found["present"]), (&json!(id), &json!(true)));
    }
    let progress = admin(&world).get("C/setup-progress").await.expect(200);
    assert_eq!(step(&progress, "billing_code"), "done");
    assert_eq!(step(&progress, "connected"), "done");
    assert_eq!(progress["complete"], false);
    world
        .api(Role::PartnerBilling)
        .post("C/billing-codes/ensure", Value::Null)
        .await
        .assert_problem(403, "forbidden_role");
    assert_eq!(world.writes().len(), 0);
}

#[tokio::test]
async fn the_counters_count_records() {
    let world = testkit::world().await;
    world.lines(2).await;
    let account = Account {
        partner: world.partner.clone(),
        id: AccountId::new("lonely").unwrap(),
        name: "Lonely Ltd".to_owned(),
        contact_email: None,
        packages: Vec::new(),
        removed: Vec::new(),
        told: std::collections::BTreeSet::new(),
        packages_at: None,
        active: true,
        updated_at: world.ports().clock.now(),
    };
    world.put(&account).await;
    let counters = admin(&world).get("C").await.expect(200)["counters"].clone();
    assert_eq!((&counters["accounts"], &counters["confirmed"]), (&json!(3), &json!(2)));
    assert_eq!((&counters["unmapped"], &counters["unconfirmed"], &counters["held"]), (&json!(1), &json!(0), &json!(0)));
    // The billing code that is not there.
    assert_eq!(counters["issues"], 1);
    let listed = admin(&world).get(CONNECTIONS).await.expect(200);
    assert_eq!(listed["items"][0]["counters"], counters);
}

#[tokio::test]
async fn the_vendors_code_is_written_and_never_read() {
    let world = World::builder().without_vendor().build().await;
    let vendor = world.api(Role::VendorAdmin).of_no_partner();
    vendor.get("/v1/vendor/profile").await.assert_problem(404, "not_found");
    let mut profile = json!({
        "integration_vendor": "Sentinel Awareness", "integration_code": "CANARY-CODE-7", "support_address": "help@vendor.example",
    });
    let put = vendor.put("/v1/vendor/profile", profile.clone()).await;
    assert_eq!((put.status, put.header("etag")), (200, Some("\"1\"")), "{}", put.text);
    assert_eq!(put.json["integration_code_set"], true);
    assert_eq!(put.json["saas_billing_code"], "Software as a Service");
    let read = world.api(Role::VendorSupport).of_no_partner().get("/v1/vendor/profile").await;
    for text in [&put.text, &read.text] {
        assert!(!text.contains("CANARY-CODE-7"));
    }
    world
        .api(Role::VendorSupport)
        .of_no_partner()
        .put("/v1/vendor/profile", profile.clone())
        .await
        .assert_problem(403, "forbidden_role");
    admin(&world).get("/v1/vendor/profile").await.assert_problem(403, "forbidden_role");

    profile.as_object_mut().unwrap().remove("integration_code");
    let same = vendor.put("/v1/vendor/profile", profile.clone()).await;
    assert_eq!((same.status, same.header("etag")), (200, Some("\"1\"")), "nothing was changed");
    assert_eq!(same.json["integration_code_set"], true);
    profile["support_address"] = json!("");
    vendor.put("/v1/vendor/profile", profile.clone()).await.assert_problem(400, "invalid_input");
    profile["support_address"] = json!("new@vendor.example");
    let stale = world.api(Role::VendorAdmin).of_no_partner().header("if-match", "\"9\"");
    stale.put("/v1/vendor/profile", profile.clone()).await.assert_problem(412, "precondition_failed");
    assert_eq!(vendor.put("/v1/vendor/profile", profile).await.header("etag"), Some("\"2\""));
    let words = world.logs().lines_with("CANARY-CODE-7");
    assert!(words.is_empty(), "{words:?}");
}

#[tokio::test]
async fn the_guide_for_invoices_has_its_own_level_form_and_promises() {
    let world = testkit::world().await;
    let guide = admin(&world).get("/v1/setup-guide?profile=invoices").await.expect(200);
    assert_eq!(guide["security_level"], "API User (system) Can't Read Costs");
    let names = |of: &str, member: &str| -> Vec<String> {
        guide[of].as_array().unwrap().iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("form", "name"), ["email", "username", "secret", "invoice_reference", "filters"]);
    assert_eq!(names("matrix", "object"), ["Companies", "Contacts", "Invoices", "Billing Items"]);
    let invoices = &guide["matrix"][2];
    assert_eq!(
        [&invoices["view"], &invoices["add"], &invoices["edit"], &invoices["delete"]].map(|right| right == true),
        [true, false, true, false]
    );
    let never = names("never", "id");
    for id in [
        "deposits",
        "archive_invoices",
        "archive_customers",
        "edit_invoices",
        "create_customers",
        "create_invoices",
        "delete_upstream",
    ] {
        assert!(never.contains(&id.to_owned()), "{id}: {never:?}");
    }
    assert!(guide["never"].as_array().unwrap().iter().all(|never| never["supported"] == false));
    let places = names("steps", "place");
    assert!(places.iter().any(|place| place.starts_with("Admin > Account Settings & Users")), "{places:?}");
    let level = guide["steps"].as_array().unwrap().iter().find(|step| step["id"] == "security_level").unwrap();
    assert!(level["warning"].as_str().unwrap().contains("line of business"));
}

#[tokio::test]
async fn an_api_user_that_reads_no_costs_and_no_contracts_is_enough_for_invoices() {
    let permissions = Permissions::default()
        .with("*", Access::NONE)
        .with("Companies", Access::VIEW)
        .with("Contacts", Access::VIEW)
        .with("Invoices", Access { edit: Level::All, ..Access::VIEW })
        .with("BillingItems", Access::VIEW);
    let world = World::builder()
        .unconnected()
        .database(|db| {
            db.costs_readable = false;
            db.permissions = permissions;
        })
        .build()
        .await;
    let mut body = login();
    body["profile"] = json!("invoices");
    let made = admin(&world).post("/v1/connections", body).await.expect(201);
    assert_eq!(made["warnings"], json!([]), "{made}");
    let of = |permissions: &Value| {
        permissions.as_array().unwrap().iter().find(|row| row["feature"] == "invoices").unwrap()["state"].clone()
    };
    assert_eq!(of(&made["permissions"]), "ready");
    let path = format!("/v1/connections/{}/setup-progress", made["id"].as_str().unwrap());
    let progress = admin(&world).get(&path).await.expect(200);
    let steps: Vec<_> =
        progress["steps"].as_array().unwrap().iter().map(|step| (&step["id"], &step["state"])).collect();
    let expected = [("connected", "done"), ("permissions", "done"), ("invoices_here", "todo")];
    assert_eq!(
        steps,
        expected.map(|(id, state)| (json!(id), json!(state))).iter().map(|(a, b)| (a, b)).collect::<Vec<_>>()
    );
    world.tick("invoice-fetch", &world.clock.now().to_string()).await;
    world.drain().await;
    let progress = admin(&world).get(&path).await.expect(200);
    assert_eq!(progress["complete"], true, "{progress}");
}

#[tokio::test]
async fn a_right_that_invoices_lack_is_named_and_leaves_billing_alone() {
    for (entity, access, state, missing) in [
        ("Invoices", Access::VIEW, "read_only", "Contracts › Invoices › Edit"),
        ("Invoices", Access::NONE, "missing", "Contracts › Invoices › View"),
        ("BillingItems", Access::NONE, "missing", "Contracts › Billing Items › View"),
    ] {
        let world = World::builder()
            .unconnected()
            .database(|db| db.permissions = Permissions::default().with(entity, access))
            .build()
            .await;
        let mut body = login();
        body["features"] = json!(["invoices", "seat_sync"]);
        let made = admin(&world).post("/v1/connections", body).await.expect(201);
        let of = |feature: &str| {
            made["permissions"].as_array().unwrap().iter().find(|row| row["feature"] == feature).unwrap().clone()
        };
        assert_eq!(of("invoices")["state"], state, "{made}");
        assert!(of("invoices")["missing"].as_array().unwrap().contains(&json!(missing)), "{made}");
        assert_eq!(of("seat_sync")["state"], "ready");
        assert!(made["warnings"][0]["detail"].as_str().unwrap().contains("invoices lacks"), "{made}");
    }
}
