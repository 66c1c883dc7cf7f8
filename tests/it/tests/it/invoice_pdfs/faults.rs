//! What goes wrong with one file, with Autotask, and with us.

use super::{asked, copied, due, fault, hour, invoices, next_hour, pdf_bytes, record, rows, shown, told, work, world};
use async_trait::async_trait;
use bytes::Bytes;
use domain::blobs::{BlobError, BlobKey, BlobLabel, Blobs};
use domain::connections::ConnectionStatus;
use domain::invoices::pdf::{self, PdfMessage, PdfWork};
use domain::invoices::{Invoice, PdfDue};
use domain::ports::{NoDeadline, Ports, Queue as _, QueueName};
use domain::records::{Expect, Key, Record as _, Write, load};
use domain::{Role, Scope};
use jiff::SignedDuration;
use local::host::{KillScope, Outcome};
use serde_json::json;
use simulator::{BadPage, Fault, FaultKind, Match, PdfForm};
use std::sync::Arc;
use std::time::Duration;
use testkit::World;
use url::Url;

fn message(world: &World) -> PdfMessage {
    PdfMessage { partner: world.partner.clone(), connection: world.connection.clone() }
}

fn body(world: &World) -> String {
    serde_json::to_string(&message(world)).unwrap()
}

#[tokio::test]
async fn one_that_is_not_there_keeps_no_other_and_is_tried_hourly_until_it_is() {
    let world = world().await;
    let ids = invoices(&world, 3).await;
    let (gone, number) =
        (ids[1], fault(&world, ids[1], FaultKind::Status { status: 404, body: json!("<html>404</html>") }));
    hour(&world).await;
    assert_eq!((asked(&world).len(), world.blobs.puts()), (3, 2));
    let told_first = told(&world).await;
    assert_eq!(told_first.len(), 1);
    assert_eq!(told_first[0].0, format!("invoice/{gone}"));
    for attempts in 1..=3 {
        let row = rows(&world).await.remove(0);
        assert_eq!((row.id, row.attempts), (gone, attempts));
        assert_eq!(row.at.duration_since(world.clock.now()), SignedDuration::from_hours(1));
        assert!(!super::ask(&world).await, "not before its hour");
        world.clock.at_least(row.at).unwrap();
        hour(&world).await;
    }
    assert_eq!(asked(&world).len(), 6);
    assert_eq!(world.published("issue.opened").len(), 1, "told once, however often it is tried");
    world.sim.remove_fault(number);
    next_hour(&world).await;
    assert!(told(&world).await.is_empty() && rows(&world).await.is_empty());
    let kept = record(&world, gone).await.unwrap();
    assert!(kept.stored.is_some() && kept.failure.is_none());
    assert_eq!(world.published("issue.resolved").len(), 1);
}

#[tokio::test]
async fn whatever_is_no_whole_pdf_is_not_kept_and_the_next_one_is() {
    for (form, words) in [
        (PdfForm::NotPdf, "What Autotask sent is no PDF."),
        (PdfForm::WrongSize, "bytes, and"),
        (PdfForm::TooBig, "larger than 7340032 bytes"),
        (PdfForm::NoBase64, "cannot be used"),
    ] {
        let world = world().await;
        let ids = invoices(&world, 2).await;
        world.sim.switches_mut(|switches| switches.invoice_pdf = form);
        hour(&world).await;
        assert_eq!(world.blobs.puts(), 0, "{form:?}");
        let told = told(&world).await;
        assert!(told.len() == 2 && told[0].1.contains(words), "{form:?}: {told:?}");
        assert_eq!(shown(&world, ids[0]).await["state"], "unavailable");
        world.api(Role::PartnerViewer).get(&format!("C/invoices/{}/lines", ids[0])).await.assert_status(200);
        world.sim.switches_mut(|switches| switches.invoice_pdf = PdfForm::Escaped);
        next_hour(&world).await;
        assert_eq!((world.blobs.puts(), rows(&world).await.len()), (2, 0), "{form:?}");
        assert!(super::told(&world).await.is_empty(), "{form:?}");
    }
}

#[tokio::test]
async fn a_web_page_an_answer_that_breaks_off_and_the_servers_errors_are_the_files_own_matter() {
    for kind in [
        FaultKind::BadPage { how: BadPage::Html },
        FaultKind::BadPage { how: BadPage::Truncated },
        FaultKind::Status { status: 500, body: json!({"errors": ["No invoice template."]}) },
        FaultKind::Status { status: 400, body: json!({"errors": ["No."]}) },
        FaultKind::Status {
            status: 403,
            body: json!({"errors": ["The logged in Resource does not have permission."]}),
        },
    ] {
        let world = world().await;
        let ids = invoices(&world, 2).await;
        fault(&world, ids[0], kind.clone());
        hour(&world).await;
        assert!(record(&world, ids[1]).await.unwrap().stored.is_some(), "{kind:?}");
        assert_eq!(told(&world).await.len(), 1, "{kind:?}");
        assert_eq!(rows(&world).await.len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn after_three_days_it_is_tried_once_a_day() {
    let world = world().await;
    let id = invoices(&world, 1).await[0];
    fault(&world, id, FaultKind::Status { status: 404, body: json!(null) });
    for (attempts, wait) in [(70, pdf::RETRY_HOURLY), (71, pdf::RETRY_DAILY), (500, pdf::RETRY_DAILY)] {
        let row = rows(&world).await.remove(0);
        world.put(&PdfDue { attempts, at: world.clock.now(), ..row }).await;
        hour(&world).await;
        let row = rows(&world).await.remove(0);
        assert_eq!((row.attempts, row.at.duration_since(world.clock.now())), (attempts + 1, wait));
    }
}

#[tokio::test]
async fn while_autotask_is_away_it_is_asked_three_times_and_the_rest_waits() {
    let world = world().await;
    let ids = invoices(&world, 8).await;
    let away = world
        .sim
        .add_fault(Fault::new(Match::new("GET", "*/invoicepdf"), FaultKind::Status { status: 503, body: json!(null) }));
    super::ask(&world).await;
    assert_eq!(world.work_one().await, Some(Outcome::Done));
    assert_eq!(asked(&world).len(), 3);
    assert!(told(&world).await.is_empty(), "it may be Autotask's own pause");
    world.sim.remove_fault(away);
    world.drain().await;
    assert_eq!(world.blobs.puts(), 5, "after a quarter of an hour the others");
    next_hour(&world).await;
    assert_eq!(world.blobs.puts(), 8);
    for id in ids {
        assert!(record(&world, id).await.unwrap().stored.is_some());
    }
}

#[tokio::test]
async fn a_file_that_never_answers_is_told_from_the_second_time() {
    let world = world().await;
    let ids = invoices(&world, 2).await;
    fault(&world, ids[0], FaultKind::Reset);
    hour(&world).await;
    assert!(told(&world).await.is_empty() && rows(&world).await.len() == 1);
    assert!(record(&world, ids[1]).await.unwrap().stored.is_some());
    next_hour(&world).await;
    assert_eq!(told(&world).await.len(), 1);
}

#[tokio::test]
async fn not_now_is_a_later_message_and_no_failure_of_the_file() {
    for kind in [
        FaultKind::ThreadLimit { status: 429 },
        FaultKind::ThreadLimit { status: 200 },
        FaultKind::Status { status: 429, body: json!(null) },
    ] {
        let world = world().await;
        let ids = invoices(&world, 3).await;
        world.sim.add_fault(Fault::new(Match::new("GET", "*/invoicepdf"), kind.clone()).times(1));
        super::ask(&world).await;
        assert_eq!(world.work_one().await, Some(Outcome::Done), "{kind:?}");
        assert_eq!(asked(&world).len(), 1, "{kind:?}");
        assert!(rows(&world).await.iter().all(|row| row.attempts == 0), "{kind:?}");
        assert!(!super::ask(&world).await, "{kind:?}: a message goes on already");
        world.drain().await;
        assert_eq!((world.blobs.puts(), rows(&world).await.len()), (3, 0), "{kind:?}");
        assert_eq!(asked(&world).len(), ids.len() + 1, "{kind:?}");
    }
}

#[tokio::test]
async fn refused_credentials_end_it_and_the_rows_wait_for_new_ones() {
    let world = world().await;
    invoices(&world, 3).await;
    world.sim.set_secret(world.ci, "another").unwrap();
    hour(&world).await;
    assert_eq!(asked(&world).len(), 1, "nobody calls again");
    let connection = Key::Connection(world.partner.clone(), world.connection.clone());
    let connection = world.load::<domain::connections::Connection>(&connection).await.unwrap().value;
    assert_eq!(connection.status, ConnectionStatus::NeedsRelink);
    assert!(rows(&world).await.len() == 3 && told(&world).await.is_empty());
    next_hour(&world).await;
    assert_eq!(asked(&world).len(), 1);
}

#[tokio::test]
async fn a_store_of_files_that_is_away_costs_no_attempt_and_is_tried_again() {
    let world = world().await;
    invoices(&world, 2).await;
    world.blobs.set_away(true);
    super::ask(&world).await;
    assert_eq!(world.work_one().await, Some(Outcome::Done));
    assert_eq!(asked(&world).len(), 1);
    assert!(rows(&world).await.iter().all(|row| row.attempts == 0));
    world.blobs.set_away(false);
    world.drain().await;
    assert_eq!((world.blobs.puts(), rows(&world).await.len()), (2, 0));
}

#[tokio::test]
async fn killed_at_any_request_it_ends_in_the_same_state() {
    for request in 1..=4 {
        let world = world().await;
        let ids = invoices(&world, 3).await;
        world.kill.arm(request, KillScope::Background);
        hour(&world).await;
        let fired = world.kill.status().1;
        assert_eq!(fired, request <= 3, "three files are three requests");
        world.kill.arm(u32::MAX, KillScope::Background);
        assert_eq!((world.blobs.puts(), asked(&world).len()), (3, 3 + usize::from(fired)), "killed at {request}");
        assert!(rows(&world).await.is_empty() && told(&world).await.is_empty());
        for id in ids {
            assert_eq!(shown(&world, id).await["state"], "stored");
        }
        assert_eq!(work(&world).await.worker, None);
    }
}

#[tokio::test]
async fn a_message_that_comes_often_and_two_workers_at_once_fetch_each_file_once() {
    let world = world().await;
    let ids = invoices(&world, 6).await;
    for _ in 0..4 {
        let group = &world.partner;
        world.queue.send(QueueName::InvoicePdf, body(&world), Duration::ZERO, group).await.unwrap();
    }
    let (one, two) = tokio::join!(world.work_one(), world.work_one());
    assert_eq!((one, two), (Some(Outcome::Done), Some(Outcome::Done)));
    hour(&world).await;
    assert_eq!((asked(&world).len(), world.blobs.puts()), (6, 6));
    for id in ids {
        assert!(record(&world, id).await.unwrap().stored.is_some());
    }
}

/// A store of files in which something happens just after a file was kept.
struct Meddler {
    ports: Ports,
    then: Then,
}

/// What happens.
enum Then {
    /// The fetch of invoices finds the invoice changed.
    Changed(PdfMessage, i64),
    /// Another worker takes the fetching over.
    TakenOver(Key),
    /// The invocation ends: nothing is recorded.
    Dies,
}

impl std::fmt::Debug for Meddler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddler")
    }
}

#[async_trait]
impl Blobs for Meddler {
    async fn put(&self, scope: &Scope, key: &BlobKey, bytes: Bytes, label: &BlobLabel) -> Result<(), BlobError> {
        self.ports.blobs.put(scope, key, bytes, label).await?;
        let storage = &*self.ports.storage;
        match &self.then {
            Then::Changed(of, id) => {
                let (partner, connection, at) = (of.partner.clone(), of.connection.clone(), self.ports.clock.now());
                let key = Key::Invoice(partner.clone(), connection.clone(), *id);
                let invoice = load::<Invoice>(storage, scope, &key).await.unwrap().unwrap();
                // The row is the very same: only the invoice tells.
                let due = PdfDue { partner, connection, id: *id, at, attempts: 0 };
                let writes =
                    vec![Write::replace(&invoice.value, invoice.v).unwrap(), Write::put(&due, Expect::Any).unwrap()];
                storage.write(scope, writes).await.unwrap();
            }
            Then::TakenOver(key) => {
                let found = load::<PdfWork>(storage, scope, key).await.unwrap().unwrap();
                storage.write(scope, vec![Write::replace(&found.value, found.v).unwrap()]).await.unwrap();
            }
            Then::Dies => std::future::pending().await,
        }
        Ok(())
    }
    async fn get(&self, scope: &Scope, key: &BlobKey) -> Result<Bytes, BlobError> {
        self.ports.blobs.get(scope, key).await
    }
    async fn delete(&self, scope: &Scope, key: &BlobKey) -> Result<(), BlobError> {
        self.ports.blobs.delete(scope, key).await
    }
    async fn link(&self, _: &Scope, _: &BlobKey, _: Duration) -> Result<Option<Url>, BlobError> {
        Ok(None)
    }
}

fn meddled(world: &World, then: Then) -> Ports {
    let ports = world.ports().clone();
    Ports { blobs: Arc::new(Meddler { ports: ports.clone(), then }), ..ports }
}

#[tokio::test]
async fn a_file_of_before_the_invoice_changed_is_not_recorded() {
    let world = world().await;
    let id = invoices(&world, 1).await[0];
    let ports = meddled(&world, Then::Changed(message(&world), id));
    pdf::work(&ports, &world.system_scope(), &NoDeadline, &message(&world)).await.unwrap();
    assert_eq!((record(&world, id).await, rows(&world).await.len()), (None, 1));
    assert_ne!(work(&world).await.window, pdf::Window::default(), "what came counts all the same");
    world.renumber_invoice(id, "NEWER");
    world.drain().await;
    assert_eq!(record(&world, id).await.unwrap().stored.unwrap().file_name, "NEWER.pdf", "its own message went on");
}

#[tokio::test]
async fn who_has_lost_the_fetching_records_nothing_and_stops() {
    let world = world().await;
    let ids = invoices(&world, 3).await;
    let key = work_key(&world);
    let ports = meddled(&world, Then::TakenOver(key));
    pdf::work(&ports, &world.system_scope(), &NoDeadline, &message(&world)).await.unwrap();
    assert_eq!(asked(&world).len(), 1);
    assert!(record(&world, ids[0]).await.is_none() && rows(&world).await.len() == 3);
    world.advance(SignedDuration::from_secs(3_600));
    hour(&world).await;
    assert!(rows(&world).await.is_empty());
}

fn work_key(world: &World) -> Key {
    let (partner, connection) = (world.partner.clone(), world.connection.clone());
    let at = world.clock.now();
    PdfWork { partner, connection, worker: None, next_at: None, window: pdf::Window::default(), at }.key()
}

#[tokio::test]
async fn a_file_that_was_kept_and_not_recorded_is_overwritten_by_itself() {
    let world = world().await;
    let id = invoices(&world, 1).await[0];
    let ports = meddled(&world, Then::Dies);
    let (scope, message) = (world.system_scope(), message(&world));
    let dies = pdf::work(&ports, &scope, &NoDeadline, &message);
    // It is dropped once it has kept the file and hangs.
    tokio::select! {
        biased;
        _ = dies => panic!("it should have died"),
        () = kept(&world) => {}
    }
    assert!(record(&world, id).await.is_none() && work(&world).await.worker.is_some());
    assert!(!super::ask(&world).await, "somebody has it, for all anybody knows");
    next_hour(&world).await;
    assert_eq!(world.blobs.puts(), 2);
    assert_eq!(shown(&world, id).await["state"], "stored");
}

async fn kept(world: &World) {
    while world.blobs.puts() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_pdf_that_vanishes_is_not_shown_though_an_older_one_is_kept() {
    let world = world().await;
    let id = world.many_invoices(1, 1, 1)[0];
    copied(&world, id).await;
    hour(&world).await;
    due(&world, id).await;
    let number = fault(&world, id, FaultKind::Status { status: 404, body: json!(null) });
    hour(&world).await;
    assert_eq!(shown(&world, id).await["state"], "unavailable");
    world.sim.remove_fault(number);
    fault(&world, id, super::file(&pdf_bytes(1_000)));
    next_hour(&world).await;
    assert_eq!(shown(&world, id).await["size"], 1_000);
}
