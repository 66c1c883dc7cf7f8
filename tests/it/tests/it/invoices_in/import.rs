//! The first import: everything, in as few calls as possible, once.

use super::{calls, day, given, hour, imported, kept, tick, told, viewer, world, world_without_pdfs};
use domain::invoices::{Check, Customer, Invoice, InvoiceStatus};
use domain::records::Collection;
use jiff::SignedDuration;
use serde_json::json;
use testkit::World;

#[tokio::test]
async fn everything_that_autotask_shows_is_here_after_the_first_tick() {
    let world = world().await;
    let company = world.company("Northwind");
    let first = world.invoice(company, &[("Seats", 47, "2.50"), ("Backup", 1, "32.50")]);
    let paid = world.invoice(company, &[("Seats", 4, "2.50")]);
    world.pay_in_autotask(paid.id, "2026-11-05".parse().unwrap());
    let voided = world.invoice(company, &[("Seats", 1, "2.50")]);
    world.void_invoice(voided.id);
    tick(&world).await;

    let page = viewer(&world, "C/invoices").await;
    let short = |id: i64| {
        let found = page["items"].as_array().unwrap().iter().find(|item| item["autotask_id"] == id).unwrap();
        json!([found["status"], found["total"], found["outstanding"], found["outstanding_basis"], found["line_count"]])
    };
    assert_eq!(short(first.id), json!(["open", "150.00", "150.00", "total", 2]));
    assert_eq!(short(paid.id), json!(["paid", "10.00", "0.00", "autotask_paid_date", 1]));
    assert_eq!(short(voided.id), json!(["voided", "2.50", "0.00", "voided", 1]));
    let lines = viewer(&world, &format!("C/invoices/{}/lines", first.id)).await;
    let amounts: Vec<_> = lines["items"].as_array().unwrap().iter().map(|line| line["amount"].clone()).collect();
    assert_eq!(amounts, [json!("117.50"), json!("32.50")]);
    let status = viewer(&world, "C/sync-status").await;
    assert_eq!(status["import"]["last_counts"]["invoices_created"], 3);
    assert!(status["checkpoint"].is_string(), "{status}");
    let open = viewer(&world, "C/invoices?status=open").await;
    assert_eq!(open["items"].as_array().unwrap().len(), 1);
    let of = viewer(&world, &format!("C/invoices?company={}", company)).await;
    assert_eq!(of["items"].as_array().unwrap().len(), 3);
}

/// How many invoices the import is counted with: few in the suite, 5,000 with `INVOICES=5000`.
fn many() -> usize {
    given("INVOICES", 1_050)
}

#[tokio::test]
async fn an_import_takes_as_many_calls_as_pages_and_an_idle_hour_takes_three_and_writes_nothing() {
    let (invoices, lines) = (many(), many() * 8);
    let world = world_without_pdfs().await;
    world.many_invoices(300, invoices, 8);
    tick(&world).await;
    let status = viewer(&world, "C/sync-status").await;
    let counts = &status["import"]["last_counts"];
    assert_eq!((&counts["invoices_created"], &counts["lines"]), (&json!(invoices), &json!(lines)), "{status}");
    let made = calls(&world).len();
    let bound = invoices.div_ceil(500) + lines.div_ceil(500) + 300_usize.div_ceil(490) + 1 + 5;
    assert!(made <= bound, "{made} calls, {bound} allowed");
    assert_eq!(counts["autotask_calls"], made);
    assert_eq!(told(&world).len(), invoices + kept_customers(&world).await);
    let whole = |invoice: &Invoice| invoice.check == Check::Matches && invoice.status == InvoiceStatus::Open;
    assert!(kept(&world).await.iter().all(whole));

    let before = kept(&world).await;
    world.advance(SignedDuration::from_hours(24 * 10));
    day(&world).await;
    world.sim.clear_requests();
    world.events.clear();
    hour(&world).await;
    assert!(calls(&world).len() <= 3, "{:?}", calls(&world));
    assert_eq!(told(&world), []);
    assert_eq!(kept(&world).await, before);
}

async fn kept_customers(world: &World) -> usize {
    let all: Vec<Customer> =
        world.load_all(&Collection::Customers(world.partner.clone(), world.connection.clone())).await;
    all.len()
}

#[tokio::test]
async fn an_import_that_is_done_again_changes_nothing() {
    let world = world().await;
    world.many_invoices(3, 30, 2);
    imported(&world).await;
    let before = kept(&world).await;
    day(&world).await;
    assert_eq!(told(&world), []);
    assert_eq!(kept(&world).await, before);
}
