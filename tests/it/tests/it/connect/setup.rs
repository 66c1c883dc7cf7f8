use super::*;
use domain::AccountId;
use domain::vendor::Account;

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
