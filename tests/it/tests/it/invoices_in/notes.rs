//! What is told of an invoice that something is the matter with: in its notes, and as an issue that closes by itself.

use super::{day, hour, imported, viewer, world};
use domain::issues::{Issue, IssueState};
use domain::records::Collection;
use domain::{Code, Role};
use serde_json::{Value, json};
use testkit::World;

/// Codes of an invoice's notes; each with words.
async fn notes(world: &World, invoice: i64) -> Vec<String> {
    let shown = viewer(world, &format!("C/invoices/{invoice}")).await;
    let all = shown["notes"].as_array().unwrap().clone();
    assert!(all.iter().all(|note| ["title", "effect", "action"].iter().all(|part| note[*part].as_str() > Some(""))));
    all.iter().map(|note| note["code"].as_str().unwrap().to_owned()).collect()
}

/// The issue of this code, where there is one.
async fn issue(world: &World, code: Code) -> Option<Issue> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    world.load_all::<Issue>(&of).await.into_iter().find(|issue| issue.code == code)
}

fn set(world: &World, invoice: i64, fields: &Value) {
    world.sim.patch(world.ci, "Invoices", invoice, fields).unwrap();
}

#[tokio::test]
async fn a_total_that_its_lines_do_not_come_to_is_kept_and_told_with_both_numbers_until_it_is_right() {
    let world = world().await;
    let company = world.company("Northwind");
    let invoice = world.invoice(company, &[("Seats", 4, "2.50")]).id;
    set(&world, invoice, &json!({"invoiceTotal": 12.5}));
    imported(&world).await;
    assert_eq!(notes(&world, invoice).await, ["invoice_total_mismatch"]);
    let shown = viewer(&world, &format!("C/invoices/{invoice}")).await;
    assert_eq!((&shown["total"], &shown["lines_total"]), (&json!("12.50"), &json!("10.00")));
    let told = issue(&world, Code::InvoiceTotalMismatch).await.unwrap();
    assert!(told.detail.contains("10") && told.detail.contains("12.5"), "{}", told.detail);
    set(&world, invoice, &json!({"invoiceTotal": 10}));
    hour(&world).await;
    assert_eq!(issue(&world, Code::InvoiceTotalMismatch).await.unwrap().state, IssueState::Resolved);
    assert_eq!(notes(&world, invoice).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_number_that_two_carry_and_an_invoice_that_is_gone_are_issues_that_say_what_to_do() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let two = world.invoice(company, &[("Seats", 5, "2.50")]);
    world.renumber_invoice(two.id, &one.number);
    imported(&world).await;
    assert_eq!(notes(&world, one.id).await, ["invoice_number_clash"]);
    let told = issue(&world, Code::InvoiceNumberClash).await.unwrap();
    assert_eq!((told.state, told.subject), (IssueState::Open, format!("invoice-number/{}", one.number)));
    world.renumber_invoice(two.id, "INV-NEW");
    hour(&world).await;
    assert_eq!(issue(&world, Code::InvoiceNumberClash).await.unwrap().state, IssueState::Resolved);

    world.delete_invoice(one.id);
    day(&world).await;
    assert_eq!(notes(&world, one.id).await, ["invoice_missing_upstream"]);
    let told = issue(&world, Code::InvoiceMissingUpstream).await.unwrap();
    assert_eq!((told.state, told.subject), (IssueState::Open, format!("invoice/{}", one.id)));
}

#[tokio::test]
async fn a_part_that_was_paid_and_a_void_are_said_in_notes_and_an_edit_here_is_refused_with_words() {
    let world = world().await;
    let company = world.company("Northwind");
    let part = world.invoice(company, &[("Seats", 4, "2.50")]).id;
    let voided = world.invoice(company, &[("Seats", 5, "2.50")]).id;
    world.void_invoice(voided);
    imported(&world).await;
    let paid = json!({"connection": world.connection, "autotask_invoice_id": part, "amount": "4.00",
        "paid_at": "2026-11-20T10:00:00Z", "payment_id": "pay-1"});
    world.api(Role::Service).post("/v1/payments", paid).await.assert_status(201);
    assert_eq!(notes(&world, part).await, ["partial_not_visible"]);
    assert_eq!(notes(&world, voided).await, ["invoice_voided"]);

    let path = format!("C/invoices/{part}");
    let admin = world.api(Role::PartnerAdmin);
    let refused = admin.patch(&path, json!({"due_date": "2027-01-31"})).await;
    let problem = refused.assert_problem(409, "platform_edit_not_sent").clone();
    assert!(problem["action"].as_str().unwrap().contains("Autotask"), "{problem}");
    admin.patch("C/invoices/1", json!({"due_date": "2027-01-31"})).await.assert_problem(404, "not_found");
    world.drain().await;
    assert!(world.writes().is_empty(), "nothing of a part, and nothing of an edit, is sent: {:?}", world.writes());
}
