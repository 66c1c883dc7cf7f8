//! What is told of payments, and what becomes of it.

use super::*;
use domain::connections::Connection;
use domain::invoices::payments::ENTRIES_MAX;
use domain::invoices::{Entry, InvoiceStatus};
use domain::{ConnectionId, PartnerId};
use jiff::civil::date;

#[tokio::test]
async fn what_is_paid_in_part_is_kept_here_and_the_last_payment_is_written_into_autotask() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    assert_eq!(marked_open(&world).await, [invoice]);

    let part = pay(&world, invoice, "pay-1", "100.00").await.expect(201);
    assert_eq!((&part["outcome"], &part["invoice"]["outstanding"]), (&json!("recorded"), &json!("50.00")));
    assert_eq!(part["invoice"]["writeback"]["state"], "partial");
    assert_eq!(part["invoice"]["writeback"]["code"], "partial_not_visible");
    world.drain().await;
    assert_eq!(told(&world), ["invoice.updated"]);
    assert!(world.sim.requests().is_empty(), "Autotask cannot be told a part");

    let paid = pay(&world, invoice, "pay-2", "50").await.expect(201);
    assert_eq!(
        (&paid["invoice"]["status"], &paid["invoice"]["writeback"]["state"]),
        (&json!("paid"), &json!("waiting"))
    );
    assert!(marked_open(&world).await.is_empty());
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(told(&world), ["invoice.updated", "invoice.paid", "payment.written_back"]);
    assert_eq!(invoice_writes(&world), ["PATCH"]);
    let stands = shown(&world, invoice).await;
    assert_eq!(stands["invoice"]["writeback"]["state"], "written");
    assert_eq!(stands["invoice"]["writeback"]["written_paid_date"], "2026-11-19");
    assert_eq!(stands["payments"].as_array().unwrap().len(), 2);
    assert_eq!(writeback(&world, invoice).await, None);
    let ours = world.our_invoice(invoice).await;
    assert_eq!((ours.status, ours.paid_on), (InvoiceStatus::Paid, Some(date(2026, 11, 19))));
    assert_eq!(issues(&world).await, BTreeSet::new());
}

#[tokio::test]
async fn the_paid_date_is_the_day_in_the_connections_zone_of_the_payment_that_completes_it() {
    let world = World::builder().settings(|settings| settings.time_zone = "Pacific/Auckland".to_owned()).build().await;
    let invoice = world.synced_invoice("100.00").await;
    for (id, at) in [("late", "2026-11-19T11:30:00Z"), ("early", "2026-11-10T23:00:00Z")] {
        let body = payment(&world, invoice, id, "50.00", at);
        world.api(Role::Service).post("/v1/payments", body).await.assert_status(201);
    }
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 20)), "half past midnight there");
}

#[tokio::test]
async fn a_payment_told_twice_is_one_and_its_name_is_never_another() {
    let world = testkit::world().await;
    let (invoice, other) = (world.synced_invoice("150.00").await, world.synced_invoice("90.00").await);
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    let again = pay(&world, invoice, "pay-1", "150").await.expect(200);
    assert_eq!((&again["outcome"], &again["invoice"]["paid"]), (&json!("repeated"), &json!("150.00")));
    pay(&world, invoice, "pay-1", "149.00").await.assert_problem(422, "idempotency_mismatch");
    pay(&world, other, "pay-1", "150.00").await.assert_problem(422, "idempotency_mismatch");
    let later = payment(&world, invoice, "pay-1", "150.00", "2026-11-20T10:00:00Z");
    world.api(Role::Service).post("/v1/payments", later).await.assert_problem(422, "idempotency_mismatch");

    let gone = unpay(&world, "pay-1").await.expect(200);
    assert_eq!((&gone["outcome"], amount(&gone["invoice"]["outstanding"])), (&json!("deleted"), Decimal::from(150)));
    assert_eq!(unpay(&world, "pay-1").await.expect(200)["outcome"], "repeated");
    pay(&world, invoice, "pay-1", "150.00").await.assert_problem(409, "payment_deleted");
    world.drain().await;
    assert_eq!(world.paid_there(invoice), None);
    let wanted = ["invoice.paid", "payment.written_back", "invoice.reopened", "payment.writeback_deleted"];
    assert_eq!(told(&world), wanted);
    assert_eq!(marked_open(&world).await, [invoice, other]);
}

#[tokio::test]
async fn what_cannot_be_a_payment_is_refused_with_every_wrong_field() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    for (field, value, pointer) in [
        ("amount", json!("0"), "/amount"),
        ("amount", json!("-5"), "/amount"),
        ("amount", json!("1.00001"), "/amount"),
        ("amount", json!("1000000000001"), "/amount"),
        ("amount", json!(12.5), "/amount"),
        ("amount", Value::Null, "/amount"),
        ("paid_at", json!("2026-11-22T11:00:00Z"), "/paid_at"),
        ("paid_at", json!("1999-12-31T00:00:00Z"), "/paid_at"),
        ("payment_id", json!("a b"), "/payment_id"),
        ("currency", json!("euro"), "/currency"),
        ("tip", json!("1"), "/tip"),
    ] {
        let mut body = payment(&world, invoice, "pay-1", "150.00", PAID_AT);
        body[field] = value.clone();
        let reply = world.api(Role::Service).post("/v1/payments", body).await;
        let problem = reply.assert_problem(400, "invalid_input");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{field} {value}");
    }
    let mut ours = world.our_invoice(invoice).await;
    ours.currency = Some("EUR".to_owned());
    world.put(&ours).await;
    let mut body = payment(&world, invoice, "pay-1", "150.00", PAID_AT);
    body["currency"] = json!("USD");
    world.api(Role::Service).post("/v1/payments", body.clone()).await.assert_problem(400, "invalid_input");
    body["currency"] = json!("EUR");
    world.api(Role::Service).post("/v1/payments", body).await.assert_status(201);
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
}

#[tokio::test]
async fn more_than_is_kept_of_one_invoice_is_refused() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-0", "1").await.assert_status(201);
    let mut full = ledger(&world, invoice).await;
    let first = full.payments[0].clone();
    let more = (1..ENTRIES_MAX).map(|n| Entry { id: format!("pay-{n}").parse().unwrap(), ..first.clone() });
    full.payments.extend(more);
    world.put(&full).await;
    pay(&world, invoice, "one-more", "1").await.assert_problem(409, "ledger_full");
    unpay(&world, "pay-0").await.assert_status(200);
    world.drain().await;
}

#[tokio::test]
async fn an_invoice_that_is_not_here_is_said_so_and_an_event_waits_for_it() {
    let world = testkit::world().await;
    let company = world.company("Late");
    let id = world.invoice_with(company, json!({"invoiceTotal": "80", "totalTaxValue": "0"})).id;
    let refused = pay(&world, id, "pay-1", "80.00").await;
    let problem = refused.assert_problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("filter"), "{problem}");
    world.api(Role::PartnerViewer).get(&format!("C/invoices/{id}/payments")).await.assert_problem(404, "not_found");

    let data = payment(&world, id, "pay-1", "80.00", PAID_AT);
    world.event("payment.succeeded", event(&world, data)).await;
    let waiting = shown(&world, id).await;
    assert_eq!((&waiting["invoice"]["status"], &waiting["invoice"]["paid"]), (&Value::Null, &json!("80.00")));
    world.drain().await;
    assert!(world.sim.requests().is_empty() && told(&world).is_empty());

    world.sync_invoice(id).await;
    assert_eq!(world.our_invoice(id).await.status, InvoiceStatus::Paid);
    world.drain().await;
    assert_eq!(world.paid_there(id), Some(date(2026, 11, 19)));
    assert_eq!(told(&world), ["payment.written_back"]);
}

#[tokio::test]
async fn a_payment_of_another_partner_does_not_exist_and_may_have_the_same_name() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;

    // Another partner with a connection and an invoice of the same ids.
    let (partner, connection) = (PartnerId::new("other").unwrap(), ConnectionId::new("con_other").unwrap());
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let own = world.load::<Connection>(&key).await.unwrap().value;
    world.put(&Connection { partner: partner.clone(), id: connection.clone(), ..own }).await;
    let mut theirs = world.our_invoice(invoice).await;
    (theirs.partner, theirs.connection) = (partner.clone(), connection.clone());
    (theirs.paid_on, theirs.ledger, theirs.status) = (None, Default::default(), InvoiceStatus::Open);
    world.put(&theirs).await;

    let other = || world.api(Role::Service).of_partner("other");
    other().delete("/v1/payments/pay-1").await.assert_problem(404, "not_found");
    other().get(&format!("C/invoices/{invoice}/payments")).await.assert_problem(404, "not_found");
    let foreign = payment(&world, invoice, "pay-9", "150.00", PAID_AT);
    other().post("/v1/payments", foreign).await.assert_problem(404, "not_found");

    let mut body = payment(&world, invoice, "pay-1", "10.00", PAID_AT);
    body["connection"] = json!(connection);
    assert_eq!(other().post("/v1/payments", body).await.expect(201)["invoice"]["paid"], "10.00");
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "150.00");
    assert_eq!(other().delete("/v1/payments/pay-1").await.expect(200)["invoice"]["paid"], "0");
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "150.00");
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
}

#[tokio::test]
async fn only_the_back_end_tells_payments_and_viewers_give_no_credits() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let body = payment(&world, invoice, "pay-1", "150.00", PAID_AT);
    for role in [Role::PartnerAdmin, Role::PartnerBilling, Role::PartnerViewer, Role::VendorAdmin, Role::VendorSupport]
    {
        world.api(role).post("/v1/payments", body.clone()).await.assert_problem(403, "forbidden_role");
        world.api(role).delete("/v1/payments/pay-1").await.assert_problem(403, "forbidden_role");
    }
    let credit = json!({"credit_id": "k", "amount": "1"});
    for role in [Role::PartnerViewer, Role::VendorAdmin, Role::VendorSupport] {
        let path = format!("C/invoices/{invoice}/credits");
        world.api(role).post(&path, credit.clone()).await.assert_problem(403, "forbidden_role");
        world.api(role).delete(&format!("{path}/k")).await.assert_problem(403, "forbidden_role");
        let path = format!("C/invoices/{invoice}/archive");
        world.api(role).post(&path, Value::Null).await.assert_problem(403, "forbidden_role");
    }
    world.api(Role::Service).of_no_partner().post("/v1/payments", body).await.assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn credits_leave_less_to_be_paid_and_come_off_again() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let billing = world.api(Role::PartnerBilling);
    let path = format!("C/invoices/{invoice}/credits");
    let credit = json!({"credit_id": "goodwill", "amount": "25.50"});
    let given = billing.post(&path, credit.clone()).await.expect(201);
    assert_eq!(given["invoice"]["outstanding"], "124.50");
    assert_eq!(billing.post(&path, credit).await.expect(200)["outcome"], "repeated");
    let other = json!({"credit_id": "goodwill", "amount": "26"});
    billing.post(&path, other).await.assert_problem(422, "idempotency_mismatch");
    pay(&world, invoice, "pay-1", "124.50").await.assert_status(201);
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));

    let gone = billing.delete(&format!("{path}/goodwill")).await.expect(200);
    assert_eq!((&gone["invoice"]["outstanding"], &gone["invoice"]["status"]), (&json!("25.50"), &json!("open")));
    assert_eq!(billing.delete(&format!("{path}/goodwill")).await.expect(200)["outcome"], "repeated");
    billing.delete(&format!("{path}/unknown")).await.assert_problem(404, "not_found");
    billing
        .post(&path, json!({"credit_id": "goodwill", "amount": "25.50"}))
        .await
        .assert_problem(409, "payment_deleted");
    world.drain().await;
    assert_eq!(world.paid_there(invoice), None, "25.50 are outstanding again");
    let wanted =
        ["invoice.updated", "invoice.paid", "payment.written_back", "invoice.reopened", "payment.writeback_deleted"];
    assert_eq!(told(&world), wanted);
    // Credits alone are no payment: Autotask is not told.
    let all = world.synced_invoice("10.00").await;
    let whole = json!({"credit_id": "all", "amount": "10"});
    let given = billing.post(&format!("C/invoices/{all}/credits"), whole).await.expect(201);
    assert_eq!(
        (&given["invoice"]["status"], amount(&given["invoice"]["outstanding"])),
        (&json!("paid"), Decimal::ZERO)
    );
    world.drain().await;
    assert_eq!(world.paid_there(all), None);
}

#[tokio::test]
async fn what_is_paid_twice_is_kept_shown_and_told_until_it_is_given_back() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    let twice = pay(&world, invoice, "pay-2", "150.00").await.expect(201);
    assert_eq!((&twice["invoice"]["overpaid"], &twice["invoice"]["outstanding"]), (&json!("150.00"), &json!("0")));
    assert_eq!(twice["invoice"]["writeback"]["code"], "payment_conflict");
    assert_eq!(issues(&world).await, issue("payment_conflict", format!("invoice/{invoice}")));
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));

    let back = json!({"payment_id": "pay-2", "refunded": "150.00"});
    for _ in 0..2 {
        world.event("payment.refunded", event(&world, back.clone())).await;
    }
    world.drain().await;
    assert_eq!(issues(&world).await, BTreeSet::new());
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)), "nothing is outstanding");
    assert_eq!(invoice_writes(&world), ["PATCH"]);
    assert_eq!(told(&world), ["invoice.paid", "invoice.updated", "payment.written_back", "invoice.updated"]);
}

#[tokio::test]
async fn an_invoice_is_archived_by_hand_and_goes_on_being_paid() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let billing = world.api(Role::PartnerBilling);
    let listed = || async {
        world.api(Role::PartnerViewer).get("C/invoices").await.expect(200)["items"].as_array().unwrap().len()
    };
    let path = format!("C/invoices/{invoice}");
    for _ in 0..2 {
        let archived = billing.post(&format!("{path}/archive"), Value::Null).await.expect(200);
        assert_eq!(archived["archived_at"], "2026-11-20T11:00:00Z");
    }
    assert_eq!(listed().await, 0);
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    let back = billing.post(&format!("{path}/unarchive"), Value::Null).await.expect(200);
    assert_eq!(back["archived_at"], Value::Null);
    assert_eq!(listed().await, 1);
    billing.post("C/invoices/77/archive", Value::Null).await.assert_problem(404, "not_found");
    assert_eq!(told(&world), ["invoice.updated", "invoice.paid", "payment.written_back", "invoice.updated"]);
}

#[tokio::test]
async fn a_payment_of_a_voided_or_missing_invoice_is_kept_and_told_and_never_written() {
    let world = testkit::world().await;
    let (voided, missing) = (world.synced_invoice("150.00").await, world.synced_invoice("90.00").await);
    world.void_invoice(voided);
    world.delete_invoice(missing);
    world.sync_invoice(voided).await;
    world.sync_invoice(missing).await;
    let kept = pay(&world, voided, "pay-1", "150.00").await.expect(201);
    assert_eq!((&kept["invoice"]["status"], &kept["invoice"]["paid"]), (&json!("voided"), &json!("150.00")));
    pay(&world, missing, "pay-2", "90.00").await.assert_status(201);
    world.drain().await;
    assert!(world.sim.requests().is_empty(), "nothing is asked or written");
    let mut wanted = issue("invoice_voided", format!("invoice/{voided}/payments"));
    wanted.extend(issue("invoice_missing_upstream", format!("invoice/{missing}/payments")));
    assert_eq!(issues(&world).await, wanted);
    unpay(&world, "pay-1").await.assert_status(200);
    unpay(&world, "pay-2").await.assert_status(200);
    assert_eq!(issues(&world).await, BTreeSet::new());
    assert_eq!(ledger(&world, voided).await.sums().paid, Decimal::ZERO);
}
