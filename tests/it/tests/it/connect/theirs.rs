//! What is kept of an Autotask database goes with it: at the end of a connection, and when it goes to another database.

use super::relink::other_database;
use super::*;
use crate::invoices_in;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::blobs::{BlobError, BlobKey, Blobs};
use domain::invoices::fetch::{Fetch, Progress};
use domain::invoices::pdf::InvoicePdf;
use domain::invoices::{Invoice, Ledger, PdfDue};
use jiff::SignedDuration;
use local::host::engine::TABLE;
use std::collections::BTreeSet;
use store::Settings as StoreSettings;

/// Entities of the table that stand under the connection, by their name in it.
async fn left(world: &World) -> BTreeSet<String> {
    let aws = store::Aws::new(&StoreSettings::local(world.engine.endpoint())).await;
    let under = format!("#{}", world.connection);
    let text = |value: Option<&AttributeValue>| value.and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    let (mut found, mut from) = (BTreeSet::new(), None);
    loop {
        let page = aws.dynamodb().scan().table_name(TABLE).set_exclusive_start_key(from).send().await.unwrap();
        let ours = page.items().iter().filter(|item| text(item.get("pk")).contains(&under));
        found.extend(ours.map(|item| text(item.get("entity"))));
        from = page.last_evaluated_key().cloned();
        if from.is_none() {
            return found;
        }
    }
}

/// What people may look up afterwards, until it expires; and who called at the same time, which expires within a day.
const HISTORY: [&str; 5] = ["audit", "run", "run_chunk", "run_line", "slots"];

/// The files that are kept.
async fn files(world: &World) -> Vec<BlobKey> {
    let invoices = Collection::Invoices(world.partner.clone(), world.connection.clone());
    let mut files = Vec::new();
    for invoice in world.load_all::<Invoice>(&invoices).await {
        let key = Key::InvoicePdf(world.partner.clone(), world.connection.clone(), invoice.id);
        files.extend(world.load::<InvoicePdf>(&key).await.and_then(|pdf| pdf.blob()));
    }
    files
}

/// A world with something of everything that is kept: lines billed, invoices with PDFs, one paid in part, one paid for
/// which there is no invoice, one that is renumbered, a filter, an issue.
async fn lived_in() -> (World, [i64; 2]) {
    let world = invoices_in::world().await;
    world.lines(2).await;
    let admin = admin(&world);
    let ticket = json!({"enabled": true, "queue": 5, "priority": 2});
    admin.patch("C/settings", json!({"failure_ticket": ticket})).await.assert_status(200);
    let company = world.company("Northwind");
    let filters = json!({"company_ids": {"not_in": [world.company("Tailspin")]}});
    admin.put("C/filters", filters).await.assert_status(200);
    let invoices = [4, 5].map(|quantity| world.invoice(company, &[("Seats", quantity, "2.50")]).id);
    invoices_in::imported(&world).await;
    world.renumber_invoice(invoices[0], "R-1");
    invoices_in::day(&world).await;
    for (id, invoice) in [("p1", invoices[0]), ("p2", 987_654)] {
        let data = json!({"payment_id": id, "autotask_invoice_id": invoice, "amount": "1.00",
            "paid_at": "2026-11-19T15:00:00Z"});
        let event = json!({"version": 1, "id": format!("evt-{id}"), "occurred_at": "2026-11-20T11:00:00Z",
            "partner_id": world.partner, "connection_id": world.connection, "data": data});
        world.event("payment.succeeded", event).await;
    }
    world.drain().await;
    assert_eq!(files(&world).await.len(), 2);
    assert!(left(&world).await.len() >= 15, "much is kept: {:?}", left(&world).await);
    let ledgers = Collection::InvoiceLedgers(world.partner.clone(), world.connection.clone());
    assert_eq!(world.load_all::<Ledger>(&ledgers).await.len(), 2);
    (world, invoices)
}

#[tokio::test]
async fn a_connection_that_has_ended_leaves_nothing_but_history() {
    let (world, _) = lived_in().await;
    let files = files(&world).await;
    admin(&world).delete("C").await.assert_status(204);
    let left: Vec<String> = left(&world).await.into_iter().filter(|name| !HISTORY.contains(&name.as_str())).collect();
    assert_eq!(left, Vec::<String>::new());
    for file in files {
        assert!(matches!(world.blobs.get(&world.scope(), &file).await, Err(BlobError::Missing)), "{file:?}");
    }
}

#[tokio::test]
async fn another_database_meets_nothing_of_the_one_before_though_its_ids_are_the_same() {
    let (world, [paid, _]) = lived_in().await;
    let (ci, mut new) = other_database(&world);
    new["start_fresh"] = json!(true);
    admin(&world).post("C/relink", new).await.assert_status(200);
    let kept: BTreeSet<String> =
        left(&world).await.into_iter().filter(|name| !HISTORY.contains(&name.as_str())).collect();
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), ["schedule", "settings"]);
    let settings = world.api(Role::PartnerViewer).get("C/settings").await.expect(200);
    assert_eq!(settings["failure_ticket"]["enabled"], false, "queues are others there");

    // A stranger's invoice of the same id.
    let company =
        world.sim.insert(ci, "Companies", &[json!({"companyName": "Stranger", "companyType": 1})]).unwrap()[0];
    let row = json!({"companyID": company, "invoiceTotal": "10.00", "totalTaxValue": "0"});
    assert_eq!(world.sim.make_invoices(ci, &[row]).unwrap()[0].id, paid);
    invoices_in::hour(&world).await;
    let shown = world.api(Role::PartnerViewer).get(&format!("C/invoices/{paid}")).await.expect(200);
    assert_eq!((&shown["outstanding"], &shown["paid"]), (&json!("10.00"), &json!("0.00")), "{shown}");
    // What was paid there is not paid here.
    let service = world.api(Role::Service);
    let again = json!({"connection": world.connection, "autotask_invoice_id": paid, "amount": "1.00",
        "paid_at": "2026-11-19T15:00:00Z", "payment_id": "p1"});
    service.post("/v1/payments", again).await.assert_problem(409, "payment_deleted");
    service.delete("/v1/payments/p1").await;
    assert_eq!(world.api(Role::PartnerViewer).get(&format!("C/invoices/{paid}")).await.json["outstanding"], "10.00");
}

#[tokio::test]
async fn while_a_fetch_writes_nothing_is_removed_from_under_it() {
    let world = invoices_in::world().await;
    world.tick("invoice-fetch", &invoices_in::now(&world)).await;
    let progress = Key::FetchState(world.partner.clone(), world.connection.clone());
    let active = world.load::<Progress>(&progress).await.unwrap().value.active.unwrap();
    let key = Key::Fetch(world.partner.clone(), world.connection.clone(), active.id);
    let fetch = world.load::<Fetch>(&key).await.unwrap().value;
    let until = world.ports().clock.now() + SignedDuration::from_mins(15);
    world.put(&Fetch { worker: Some(("w1".to_owned(), until)), ..fetch }).await;
    let refused = admin(&world).delete("C").await;
    assert_eq!(refused.assert_problem(409, "already_running")["retry"]["after"], 15);
    assert_eq!(connection(&world).await.status.as_str(), "disconnected", "nobody starts another");
    world.advance(SignedDuration::from_mins(15));
    admin(&world).delete("C").await.assert_status(204);
    world.leave_messages();
}

#[tokio::test]
async fn a_fetch_ends_after_the_page_at_which_its_connection_stopped() {
    let world = invoices_in::world().await;
    invoices_in::imported(&world).await;
    world.advance(SignedDuration::from_hours(1));
    world.tick("invoice-fetch", &invoices_in::now(&world)).await;
    fault(&world, "POST", "*Companies/query", FaultKind::Delay { ms: 200 });
    let pause = async {
        while invoices_in::calls(&world).is_empty() {
            tokio::task::yield_now().await;
        }
        admin(&world).post("C/pause", Value::Null).await.assert_status(200);
    };
    futures::join!(world.work_one(), pause);
    assert_eq!(invoices_in::calls(&world).len(), 1, "{:?}", invoices_in::calls(&world));
    let status = world.api(Role::PartnerViewer).get("C/sync-status").await.expect(200);
    assert_eq!(status["new"]["last_state"], "failed");
    assert!(status["new"]["last_problem"].as_str().unwrap().starts_with("connection_paused: "), "{status}");
}

#[tokio::test]
async fn more_than_one_call_can_remove_is_removed_by_repeating() {
    let world = invoices_in::world().await;
    let now = world.ports().clock.now();
    for id in 1..=5_001 {
        let (partner, connection) = (world.partner.clone(), world.connection.clone());
        world.put(&PdfDue { partner, connection, id, at: now, attempts: 0 }).await;
    }
    let refused = admin(&world).delete("C").await;
    assert_eq!(refused.assert_problem(503, "unavailable")["retry"]["after"], 1);
    assert_eq!(connection(&world).await.status.as_str(), "disconnected");
    admin(&world).delete("C").await.assert_status(204);
    admin(&world).get("C").await.assert_problem(404, "not_found");
}
