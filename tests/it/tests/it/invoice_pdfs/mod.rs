//! PDFs of invoices, through the queue's worker and the route, against the simulator.

mod faults;
mod limits;
mod served;

use domain::Role;
use domain::connections::Connection;
use domain::connections::settings::SettingsRecord;
use domain::invoices::pdf::{self, InvoicePdf, PdfWork};
use domain::invoices::{Check, Invoice, InvoiceStatus, LedgerSums, LinesRef, PdfDue};
use domain::issues::{Issue, IssueState};
use domain::problem::Code;
use domain::records::{Collection, Key};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, LoggedRequest, Match};
use testkit::World;

/// A world whose connection has the feature.
async fn world() -> World {
    with_feature(testkit::world().await).await
}

async fn with_feature(world: World) -> World {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let mut connection = world.load::<Connection>(&key).await.unwrap().value;
    connection.features.push("invoices".to_owned());
    world.put(&connection).await;
    world
}

/// Our copy of an invoice there, and that its PDF is due.
async fn copied(world: &World, id: i64) {
    let now = world.clock.now();
    let number = world.row("Invoices", id)["invoiceNumber"].as_str().unwrap_or_default().to_owned();
    let invoice = Invoice {
        partner: world.partner.clone(),
        connection: world.connection.clone(),
        id,
        number,
        company: 7,
        date: jiff::civil::date(2026, 11, 20),
        created_at: now,
        due: None,
        from: None,
        to: None,
        total: Decimal::from(150),
        tax: Decimal::ZERO,
        currency: None,
        order_number: String::new(),
        comments: String::new(),
        paid_on: None,
        voided_on: None,
        lines: LinesRef { set: "s".to_owned(), count: 0, chunks: 0, amount: Decimal::from(150), tax: Decimal::ZERO },
        check: Check::Matches,
        ledger: LedgerSums::default(),
        missing_since: None,
        archived_at: None,
        status: InvoiceStatus::Open,
        digest: format!("digest-{id}"),
        first_seen_at: now,
        changed_at: now,
    };
    world.put(&invoice).await;
    due(world, id).await;
}

async fn due(world: &World, id: i64) {
    let (partner, connection) = (world.partner.clone(), world.connection.clone());
    world.put(&PdfDue { partner, connection, id, at: world.clock.now(), attempts: 0 }).await;
}

/// So many invoices whose PDFs are due.
async fn invoices(world: &World, count: usize) -> Vec<i64> {
    let ids = world.many_invoices(2, count, 1);
    for id in &ids {
        copied(world, *id).await;
    }
    world.sim.clear_requests();
    ids
}

async fn ask(world: &World) -> bool {
    pdf::ask(world.ports(), &world.scope(), &world.partner, &world.connection).await.unwrap()
}

/// What the fetch of an hour does for PDFs, at its end.
async fn hour(world: &World) {
    ask(world).await;
    world.drain().await;
}

async fn next_hour(world: &World) {
    world.advance(SignedDuration::from_secs(3_601));
    hour(world).await;
}

async fn record(world: &World, id: i64) -> Option<InvoicePdf> {
    let key = Key::InvoicePdf(world.partner.clone(), world.connection.clone(), id);
    world.load::<InvoicePdf>(&key).await.map(|found| found.value)
}

async fn rows(world: &World) -> Vec<PdfDue> {
    world.load_all(&Collection::PdfsDue(world.partner.clone(), world.connection.clone())).await
}

async fn work(world: &World) -> PdfWork {
    let key = Key::PdfWork(world.partner.clone(), world.connection.clone());
    world.load::<PdfWork>(&key).await.unwrap().value
}

/// Subjects of the open issues about PDFs, with their words.
async fn told(world: &World) -> Vec<(String, String)> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let issues = world.load_all::<Issue>(&of).await.into_iter();
    let open = issues.filter(|issue| issue.code == Code::PdfUnavailable && issue.state == IssueState::Open);
    open.map(|issue| (issue.subject, issue.detail)).collect()
}

/// Requests for PDFs.
fn asked(world: &World) -> Vec<LoggedRequest> {
    world.sim.requests().into_iter().filter(|request| request.path.ends_with("/InvoicePdf")).collect()
}

fn path_of(id: i64) -> String {
    format!("*/invoices/{id}/invoicepdf")
}

fn fault(world: &World, id: i64, kind: FaultKind) -> u64 {
    world.sim.add_fault(Fault::new(Match::new("GET", &path_of(id)), kind))
}

/// The file there, as Autotask answers it.
fn file(bytes: &[u8]) -> FaultKind {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(bytes);
    let item =
        json!({"id": 1, "contentType": "application/pdf", "fileName": "a.pdf", "fileSize": bytes.len(), "data": data});
    FaultKind::Status { status: 200, body: json!({ "item": item }) }
}

/// A PDF of exactly so many bytes.
fn pdf_bytes(size: usize) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.resize(size, b'x');
    bytes
}

async fn shown(world: &World, id: i64) -> Value {
    world.api(Role::PartnerViewer).get(&format!("C/invoices/{id}")).await.expect(200)["pdf"].clone()
}

async fn setting(world: &World, on: bool) {
    let key = Key::Settings(world.partner.clone(), world.connection.clone());
    let mut settings = world.load::<SettingsRecord>(&key).await.unwrap().value;
    settings.settings.pdf = on;
    world.put(&settings).await;
}

#[tokio::test]
async fn every_pdf_is_fetched_checked_kept_and_served_and_a_second_look_fetches_nothing() {
    let world = world().await;
    let ids = invoices(&world, 20).await;
    assert_eq!(shown(&world, ids[0]).await["state"], "pending");
    hour(&world).await;
    assert_eq!((asked(&world).len(), world.blobs.puts()), (20, 20));
    assert!(rows(&world).await.is_empty() && told(&world).await.is_empty());
    let viewer = world.api(Role::PartnerViewer);
    for id in &ids {
        let stored = record(&world, *id).await.unwrap().stored.unwrap();
        assert_eq!(stored.of, format!("digest-{id}"));
        let served = viewer.get(&format!("C/invoices/{id}/pdf")).await;
        served.assert_status(200);
        assert!(served.text.starts_with("%PDF-") && served.text.contains("Total 37.50"), "{}", served.text);
        assert_eq!(served.header("content-type"), Some("application/pdf"));
        assert_eq!(served.header("etag"), Some(format!("\"{}\"", stored.sha256).as_str()));
        let shown = shown(&world, *id).await;
        assert_eq!((&shown["state"], &shown["size"]), (&json!("stored"), &json!(served.text.len())));
        assert_eq!((&shown["sha256"], &shown["next_attempt_at"]), (&json!(stored.sha256), &Value::Null));
    }
    assert!(!ask(&world).await, "nothing is due");
    next_hour(&world).await;
    assert_eq!((asked(&world).len(), world.blobs.puts()), (20, 20));
}

#[tokio::test]
async fn an_invoice_that_changed_gets_a_new_pdf_and_one_that_looks_the_same_writes_nothing() {
    let world = world().await;
    let id = invoices(&world, 1).await[0];
    hour(&world).await;
    let first = record(&world, id).await.unwrap();

    due(&world, id).await;
    hour(&world).await;
    assert_eq!((asked(&world).len(), world.blobs.puts()), (2, 1), "the same file is not kept twice");
    assert_eq!(record(&world, id).await.unwrap(), first);
    assert!(rows(&world).await.is_empty());

    world.renumber_invoice(id, "CHANGED-1");
    due(&world, id).await;
    let waiting = world.api(Role::PartnerViewer).get(&format!("C/invoices/{id}/pdf")).await;
    assert!(
        waiting.assert_problem(404, "pdf_unavailable")["next_attempt_at"].is_string(),
        "the old one says otherwise"
    );
    hour(&world).await;
    let second = record(&world, id).await.unwrap();
    assert_ne!(second.stored.as_ref().unwrap().sha256, first.stored.as_ref().unwrap().sha256);
    assert_eq!(second.stored.as_ref().unwrap().file_name, "CHANGED-1.pdf");
    let blobs = &world.ports().blobs;
    assert!(blobs.get(&world.scope(), &second.blob().unwrap()).await.is_ok());
    let old = blobs.get(&world.scope(), &first.blob().unwrap()).await;
    assert!(matches!(old, Err(domain::blobs::BlobError::Missing)), "what no record names is gone");
}

#[tokio::test]
async fn what_is_void_or_gone_or_switched_off_is_not_asked_for() {
    let world = world().await;
    let ids = invoices(&world, 3).await;
    for (id, status) in [(ids[0], InvoiceStatus::Voided), (ids[1], InvoiceStatus::Missing)] {
        let key = Key::Invoice(world.partner.clone(), world.connection.clone(), id);
        let invoice = world.load::<Invoice>(&key).await.unwrap().value;
        world.put(&Invoice { status, ..invoice }).await;
    }
    world.remove(Key::Invoice(world.partner.clone(), world.connection.clone(), ids[2])).await;
    setting(&world, false).await;
    hour(&world).await;
    assert_eq!(rows(&world).await.len(), 3, "rows wait while the setting is off");
    assert_eq!(shown(&world, ids[0]).await["state"], "none");
    setting(&world, true).await;
    hour(&world).await;
    assert!(rows(&world).await.is_empty() && asked(&world).is_empty());
}

#[tokio::test]
async fn a_connection_without_the_feature_or_paused_is_left_alone() {
    let world = testkit::world().await;
    let id = world.many_invoices(1, 1, 1)[0];
    copied(&world, id).await;
    hour(&world).await;
    let world = with_feature(world).await;
    world.api(Role::PartnerAdmin).post("C/pause", json!({})).await.assert_status(200);
    world.sim.clear_requests();
    hour(&world).await;
    assert!(asked(&world).is_empty() && rows(&world).await.len() == 1);
    world.api(Role::PartnerAdmin).post("C/resume", json!({})).await.assert_status(200);
    hour(&world).await;
    assert!(rows(&world).await.is_empty());
}
