//! Payments back: told by the vendor's back end, kept in ledgers, written into Autotask as paid dates.

mod by_hand;
mod faults;
mod model;
mod order;
mod told;
mod written;

use domain::invoices::payments::Writeback;
use domain::invoices::{Ledger, OpenInvoice};
use domain::issues::{Issue, IssueState};
use domain::records::{Collection, Key};
use domain::{Code, Role};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Reply, World};

/// When payments are made, where it does not matter: the day before worlds begin.
const PAID_AT: &str = "2026-11-19T15:00:00Z";

fn payment(world: &World, invoice: i64, id: &str, amount: &str, paid_at: &str) -> Value {
    json!({
        "connection": world.connection, "autotask_invoice_id": invoice, "amount": amount, "paid_at": paid_at,
        "payment_id": id,
    })
}

/// The vendor's back end tells a payment.
async fn pay(world: &World, invoice: i64, id: &str, amount: &str) -> Reply {
    let body = payment(world, invoice, id, amount, PAID_AT);
    world.api(Role::Service).post("/v1/payments", body).await
}

async fn unpay(world: &World, id: &str) -> Reply {
    world.api(Role::Service).delete(&format!("/v1/payments/{id}")).await
}

fn event(world: &World, data: Value) -> Value {
    json!({
        "version": 1, "id": "evt-1", "occurred_at": "2026-11-20T11:00:00Z", "partner_id": world.partner,
        "connection_id": world.connection, "data": data,
    })
}

async fn shown(world: &World, invoice: i64) -> Value {
    world.api(Role::PartnerViewer).get(&format!("C/invoices/{invoice}/payments")).await.expect(200)
}

async fn writeback(world: &World, invoice: i64) -> Option<Writeback> {
    let key = Key::Writeback(world.partner.clone(), world.connection.clone(), invoice);
    world.load::<Writeback>(&key).await.map(|found| found.value)
}

async fn ledger(world: &World, invoice: i64) -> Ledger {
    let key = Key::InvoiceLedger(world.partner.clone(), world.connection.clone(), invoice);
    world.load::<Ledger>(&key).await.unwrap().value
}

/// Codes of the open issues with their subjects, but for what worlds begin with.
async fn issues(world: &World) -> BTreeSet<(String, String)> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let all = world.load_all::<Issue>(&of).await;
    let open =
        all.into_iter().filter(|issue| issue.state == IssueState::Open && issue.code != Code::BillingCodeMissing);
    open.map(|issue| (issue.code.as_str().to_owned(), issue.subject)).collect()
}

/// Decimal texts as numbers: `150.0` is `150.00`.
fn amount(text: &Value) -> Decimal {
    text.as_str().unwrap().parse().unwrap()
}

fn issue(code: &str, subject: String) -> BTreeSet<(String, String)> {
    BTreeSet::from([(code.to_owned(), subject)])
}

/// What the bus got about payments and invoices, in order.
fn told(world: &World) -> Vec<String> {
    let all = world.events.all().into_iter().map(|event| event.detail_type);
    all.filter(|kind| kind.starts_with("invoice.") || kind.starts_with("payment.")).collect()
}

async fn marked_open(world: &World) -> Vec<i64> {
    let of = Collection::OpenInvoices(world.partner.clone(), world.connection.clone());
    world.load_all::<OpenInvoice>(&of).await.into_iter().map(|marker| marker.id).collect()
}

/// Writes to `Invoices`, by verb.
fn invoice_writes(world: &World) -> Vec<String> {
    world.writes().into_iter().map(|request| request.method).collect()
}
