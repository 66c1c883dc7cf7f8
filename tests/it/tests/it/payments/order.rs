//! The same things told twice and in every order come to the same.

use super::*;
use domain::invoices::Invoice;
use jiff::civil::date;

/// Every so-manieth of the 720 orders is tried; a prime, so that they differ in every place.
const STEP: usize = 31;

/// All orders of `0..count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for next in 0..count {
        let with = |order: &Vec<usize>| {
            (0..=order.len())
                .map(|at| {
                    let mut order = order.clone();
                    order.insert(at, next);
                    order
                })
                .collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

/// Two payments, one deleted; a third of which a part was given back; a credit, and one that was deleted.
fn facts(world: &World, invoice: i64, n: usize) -> Vec<(&'static str, Value)> {
    let paid = |id: &str, amount: &str, at: &str| payment(world, invoice, &format!("{id}-{n}"), amount, at);
    let credit = |id: &str, amount: Value| json!({"autotask_invoice_id": invoice, "credit_id": id, "amount": amount, "credited_at": PAID_AT});
    vec![
        ("payment.succeeded", paid("a", "150.00", "2026-11-10T12:00:00Z")),
        ("payment.deleted", json!({"payment_id": format!("a-{n}")})),
        ("payment.partially_paid", paid("b", "140.00", "2026-11-12T12:00:00Z")),
        ("payment.refunded", json!({"payment_id": format!("b-{n}"), "refunded": "10.00"})),
        ("credit.recorded", credit("k", json!("20.00"))),
        ("credit.deleted", credit("gone", Value::Null)),
    ]
}

#[tokio::test]
async fn whatever_order_payments_are_told_in_they_come_to_the_same() {
    let world = testkit::world().await;
    let mut invoices = Vec::new();
    let orders: Vec<_> = orders(6).into_iter().step_by(STEP).collect();
    for (n, order) in orders.iter().enumerate() {
        let invoice = world.synced_invoice("150.00").await;
        let facts = facts(&world, invoice, n);
        for at in order {
            let (kind, data) = &facts[*at];
            world.event(kind, event(&world, data.clone())).await;
            // Now and then something comes again, and now and then Autotask is told in between.
            if (n + at) % 3 == 0 {
                world.event(kind, event(&world, data.clone())).await;
            }
            if (n + at) % 4 == 0 {
                world.drain().await;
            }
        }
        let again =
            json!({"autotask_invoice_id": invoice, "credit_id": "gone", "amount": "99", "credited_at": PAID_AT});
        world.event("credit.recorded", event(&world, again)).await;
        invoices.push(invoice);
    }
    world.drain().await;
    let same = |invoice: Invoice| {
        let left = invoice.outstanding();
        (invoice.status, invoice.ledger.paid, invoice.ledger.credited, left.amount, left.overpaid, invoice.paid_on)
    };
    let first = same(world.our_invoice(invoices[0]).await);
    assert_eq!(first.5, Some(date(2026, 11, 12)));
    for (invoice, order) in invoices.iter().zip(&orders) {
        assert_eq!(same(world.our_invoice(*invoice).await), first, "{order:?}");
        assert_eq!(world.paid_there(*invoice), Some(date(2026, 11, 12)), "{order:?}");
        assert_eq!(writeback(&world, *invoice).await, None);
    }
    assert_eq!(issues(&world).await, BTreeSet::new());
}

#[tokio::test]
async fn a_deletion_that_comes_before_its_payment_stands() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    world.event("payment.deleted", event(&world, json!({"payment_id": "pay-1"}))).await;
    let data = payment(&world, invoice, "pay-1", "150.00", PAID_AT);
    world.event("payment.succeeded", event(&world, data)).await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_problem(409, "payment_deleted");
    world.drain().await;
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "0");
    assert!(told(&world).is_empty() && world.sim.requests().is_empty());

    // A part that was given back before the payment was told lowers it.
    world.event("payment.refunded", event(&world, json!({"payment_id": "pay-2", "refunded": "50"}))).await;
    assert_eq!(pay(&world, invoice, "pay-2", "150.00").await.expect(201)["invoice"]["outstanding"], "50.00");
    world.event("payment.refunded", event(&world, json!({"payment_id": "pay-2", "refunded": "20"}))).await;
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "100.00", "the largest counts");
    world.event("payment.refunded", event(&world, json!({"payment_id": "pay-2"}))).await;
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "0");
}

#[tokio::test]
async fn events_that_can_never_be_right_are_dropped_and_one_of_an_unknown_connection_comes_again() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    for (kind, data) in [
        ("payment.succeeded", json!({"autotask_invoice_id": invoice, "paid_at": PAID_AT, "payment_id": "pay-1"})),
        ("payment.succeeded", payment(&world, invoice, "pay-1", "-1", PAID_AT)),
        ("payment.deleted", json!({"payment": "pay-1"})),
        ("credit.recorded", json!({"autotask_invoice_id": invoice, "credit_id": "k"})),
        ("payment.refunded", json!({"payment_id": "pay-1", "refunded": "-2"})),
    ] {
        world.event(kind, event(&world, data)).await;
    }
    let mut data = payment(&world, invoice, "pay-1", "150.00", PAID_AT);
    data["connection"] = json!("con_unknown");
    let envelope = json!({"detail-type": "payment.succeeded", "detail": event(&world, data)});
    assert!(matches!(world.bundle.event(&envelope).await, local::host::Outcome::Failed(_)));
    assert!(told(&world).is_empty());
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "0");
}

#[tokio::test]
async fn a_payment_that_events_tell_twice_with_other_content_is_an_issue_until_the_first_is_taken_out() {
    let world = testkit::world().await;
    let (invoice, other) = (world.synced_invoice("150.00").await, world.synced_invoice("90.00").await);
    let tell = async |id: &str, invoice: i64, amount: &str| {
        let mut detail = event(&world, payment(&world, invoice, "pay-1", amount, PAID_AT));
        detail["id"] = json!(id);
        world.event("payment.succeeded", detail).await;
    };
    tell("e1", invoice, "100.00").await;
    tell("e1", invoice, "100.00").await;
    assert_eq!(issues(&world).await, BTreeSet::new());
    tell("e2", invoice, "140.00").await;
    tell("e2", invoice, "140.00").await;
    tell("e3", other, "90.00").await;
    // The bus may deliver the first one late: it closes nothing.
    tell("e1", invoice, "100.00").await;

    let subject = format!("invoice/{invoice}/payments/pay-1");
    assert_eq!(issues(&world).await, issue("payment_name_reused", subject.clone()));
    let read = world.api(Role::PartnerViewer).get(&format!("C/issues?subject=invoice/{invoice}")).await.expect(200);
    let found = &read["items"][0];
    assert_eq!((found["count"].as_u64(), &found["fix"]["path"]), (Some(2), &json!("/v1/payments/pay-1")), "{found}");
    assert_eq!(
        (&found["data"]["first"]["amount"], &found["data"]["second"]["invoice"]),
        (&json!("100.00"), &json!(other))
    );
    assert_eq!(world.published("issue.opened").len(), 1);
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "100.00", "the first counts");
    assert_eq!(shown(&world, other).await["invoice"]["paid"], "0");

    world.event("payment.refunded", event(&world, json!({"payment_id": "pay-1", "refunded": "10"}))).await;
    assert_eq!(issues(&world).await, issue("payment_name_reused", subject), "some of it still counts");
    world.event("payment.deleted", event(&world, json!({"payment_id": "pay-1"}))).await;
    assert_eq!(issues(&world).await, BTreeSet::new());
}

#[tokio::test]
async fn a_credit_that_events_tell_twice_is_an_issue_only_with_another_amount_and_a_caller_is_told_by_the_answer() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let tell = async |id: &str, at: &str, amount: &str| {
        let data = json!({"autotask_invoice_id": invoice, "credit_id": "k-1", "amount": amount});
        let mut detail = event(&world, data);
        (detail["id"], detail["occurred_at"]) = (json!(id), json!(at));
        world.event("credit.recorded", detail).await;
    };
    tell("e1", "2026-11-20T10:00:00Z", "20.00").await;
    tell("e2", "2026-11-20T10:05:00Z", "20.00").await;
    assert_eq!(issues(&world).await, BTreeSet::new(), "the same credit, told by another event");
    tell("e3", "2026-11-20T10:10:00Z", "25.00").await;
    assert_eq!(issues(&world).await, issue("payment_name_reused", format!("invoice/{invoice}/credits/k-1")));
    assert_eq!(amount(&shown(&world, invoice).await["invoice"]["outstanding"]), Decimal::from(130));
    let data = json!({"autotask_invoice_id": invoice, "credit_id": "k-1"});
    world.event("credit.deleted", event(&world, data)).await;
    assert_eq!(issues(&world).await, BTreeSet::new());

    pay(&world, invoice, "pay-1", "30.00").await.assert_status(201);
    pay(&world, invoice, "pay-1", "31.00").await.assert_problem(422, "idempotency_mismatch");
    assert_eq!(issues(&world).await, BTreeSet::new());
}
