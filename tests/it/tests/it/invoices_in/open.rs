//! What is edited is right within a day; what is gone is called missing, and never archived.

use super::{day, hour, imported, kept, told, viewer, world, world_without_pdfs};
use domain::invoices::{InvoiceStatus, pdf};
use domain::issues::{Issue, IssueState};
use domain::records::Collection;
use domain::{Code, Role};
use jiff::SignedDuration;
use serde_json::json;
use simulator::{Access, Fault, FaultKind, Match, Permissions};

#[tokio::test]
async fn amount_due_date_and_a_deletion_follow_within_a_day() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let two = world.invoice(company, &[("Seats", 5, "2.50")]);
    let gone = world.invoice(company, &[("Seats", 6, "2.50")]);
    imported(&world).await;
    // Out of the overlap of the hourly look.
    world.advance(SignedDuration::from_hours(24 * 20));
    day(&world).await;
    assert_eq!(told(&world), []);

    world.add_invoice_line(one.id, ("Backup", 1, "40.00"));
    world.invoice_due_on(two.id, "2027-01-31".parse().unwrap());
    world.delete_invoice(gone.id);
    day(&world).await;
    let mut events = told(&world);
    events.sort();
    assert_eq!(
        events,
        [
            ("invoice.missing".to_owned(), gone.id),
            ("invoice.updated".to_owned(), one.id),
            ("invoice.updated".to_owned(), two.id)
        ]
    );
    let shown = viewer(&world, &format!("C/invoices/{}", one.id)).await;
    assert_eq!(
        (&shown["total"], &shown["outstanding"], &shown["line_count"]),
        (&json!("50.00"), &json!("50.00"), &json!(2))
    );
    let shown = viewer(&world, &format!("C/invoices/{}", two.id)).await;
    assert_eq!(shown["due_date"], "2027-01-31");
    let shown = viewer(&world, &format!("C/invoices/{}", gone.id)).await;
    assert_eq!((&shown["status"], &shown["archived_at"]), (&json!("missing"), &json!(null)));
    world.events.clear();
    day(&world).await;
    assert_eq!(told(&world), []);
}

#[tokio::test]
async fn an_api_user_that_loses_the_right_to_see_invoices_makes_none_missing() {
    let world = world().await;
    world.many_invoices(2, 12, 1);
    imported(&world).await;
    world.sim.set_permissions(world.ci, Permissions::default().with("Invoices", Access::NONE)).unwrap();
    day(&world).await;
    assert!(kept(&world).await.iter().all(|invoice| invoice.status == InvoiceStatus::Open));
    let status = viewer(&world, "C/sync-status").await;
    assert_eq!(status["open"]["last_state"], "failed", "{status}");
    assert!(status["open"]["last_problem"].as_str().unwrap().starts_with("permission_missing"), "{status}");
}

#[tokio::test]
async fn what_is_deleted_while_a_filter_keeps_it_out_is_missing_once_it_is_let_in_again() {
    let world = world().await;
    let company = world.company("Northwind");
    let invoice = world.invoice(company, &[("Seats", 4, "2.50")]);
    world.invoice(company, &[("Seats", 1, "2.50")]);
    imported(&world).await;
    let admin = world.api(Role::PartnerAdmin);
    let filter = async |out: &[i64]| {
        admin.put("C/filters", json!({"company_ids": {"in": [], "not_in": out}})).await.assert_status(200);
        day(&world).await;
    };
    filter(&[company]).await;
    world.delete_invoice(invoice.id);
    day(&world).await;
    filter(&[]).await;
    day(&world).await;
    assert_eq!(world.our_invoice(invoice.id).await.status, InvoiceStatus::Missing);
}

#[tokio::test]
async fn a_dozen_deleted_of_many_are_missing_and_stop_nothing() {
    let world = world().await;
    let company = world.company("Northwind");
    let made: Vec<i64> = (0..60).map(|_| world.invoice(company, &[("Seats", 1, "2.50")]).id).collect();
    imported(&world).await;
    for gone in &made[..12] {
        world.delete_invoice(*gone);
    }
    day(&world).await;
    for (at, id) in made.iter().enumerate() {
        let status = world.our_invoice(*id).await.status;
        assert_eq!(status == InvoiceStatus::Missing, at < 12, "invoice {id}: {status:?}");
    }
}

#[tokio::test]
async fn a_deleted_batch_of_the_newest_is_held_against_all_that_are_open_not_against_a_short_last_page() {
    let world = world_without_pdfs().await;
    let made = world.many_invoices(5, 1_015, 1);
    imported(&world).await;
    let gone = &made[1_000..1_012];
    for id in gone {
        world.delete_invoice(*id);
    }
    day(&world).await;
    let status = viewer(&world, "C/sync-status").await;
    assert_eq!(status["open"]["last_state"], "done", "{status}");
    let missing = kept(&world).await.into_iter().filter(|invoice| invoice.status == InvoiceStatus::Missing);
    assert_eq!(missing.map(|invoice| invoice.id).collect::<Vec<_>>(), gone);
}

#[tokio::test]
async fn many_that_vanish_page_by_page_are_held_together() {
    let world = world_without_pdfs().await;
    let made = world.many_invoices(5, 2_100, 1);
    imported(&world).await;
    // A quarter of the first pages, and then all that is left.
    for id in made[..250].iter().chain(&made[1_250..1_500]).chain(&made[1_700..]) {
        world.delete_invoice(*id);
    }
    day(&world).await;
    let status = viewer(&world, "C/sync-status").await;
    assert!(status["open"]["last_problem"].as_str().unwrap().starts_with("permission_missing"), "{status}");
}

#[tokio::test]
async fn lines_that_autotask_shows_only_later_are_here_within_the_hour() {
    let world = world_without_pdfs().await;
    let company = world.company("Northwind");
    world.invoice(company, &[("Seats", 1, "2.50")]);
    imported(&world).await;
    let late = world.invoice(company, &[("Seats", 4, "2.50"), ("Backup", 1, "40.00")]);
    let none = json!({"items": [], "pageDetails": {"count": 0, "requestCount": 500, "prevPageUrl": null, "nextPageUrl": null}});
    let fault = Fault::new(Match::new("POST", "*BillingItems/query"), FaultKind::Status { status: 200, body: none });
    world.sim.add_fault(fault.times(1));
    hour(&world).await;
    let shown = viewer(&world, &format!("C/invoices/{}", late.id)).await;
    assert_eq!((&shown["line_count"], &shown["lines_match"]), (&json!(0), &json!(false)));
    hour(&world).await;
    let shown = viewer(&world, &format!("C/invoices/{}", late.id)).await;
    assert_eq!((&shown["line_count"], &shown["lines_match"]), (&json!(2), &json!(true)));
    let events: Vec<_> = told(&world);
    assert_eq!(events, [("invoice.created".to_owned(), late.id), ("invoice.updated".to_owned(), late.id)]);
    let issues: Vec<Issue> = world.load_all(&Collection::Issues(world.partner.clone(), world.connection.clone())).await;
    let [mismatch] = issues
        .into_iter()
        .filter(|issue| issue.code == Code::InvoiceTotalMismatch)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(mismatch.state, IssueState::Resolved);
}

#[tokio::test]
async fn an_invoice_that_was_missing_for_a_while_gets_the_pdf_that_it_lacked() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let away = Fault::new(Match::new("GET", "*/InvoicePdf"), FaultKind::Status { status: 404, body: json!(null) });
    let away = world.sim.add_fault(away);
    imported(&world).await;
    let path = format!("C/invoices/{}/resync", one.id);
    let none = json!({"items": [], "pageDetails": {"count": 0, "requestCount": 500, "prevPageUrl": null, "nextPageUrl": null}});
    let hidden = Fault::new(Match::new("POST", "*Invoices/query"), FaultKind::Status { status: 200, body: none });
    world.sim.add_fault(hidden.times(1));
    let billing = world.api(Role::PartnerBilling);
    assert_eq!(billing.post(&path, json!({})).await.expect(200)["status"], "missing");
    world.advance(SignedDuration::from_hours(2));
    assert!(pdf::ask(world.ports(), &world.scope(), &world.partner, &world.connection).await.unwrap());
    world.drain().await;
    world.sim.remove_fault(away);
    assert_eq!(billing.post(&path, json!({})).await.expect(200)["status"], "open");
    hour(&world).await;
    assert_eq!(viewer(&world, &format!("C/invoices/{}", one.id)).await["pdf"]["state"], "stored");
}
