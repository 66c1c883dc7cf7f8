//! Who is given a file, and what callers are told of one that is not there.

use super::{fault, hour, invoices, shown, world};
use domain::Role;
use domain::records::Key;
use simulator::FaultKind;

#[tokio::test]
async fn a_file_is_given_to_its_partner_alone() {
    let world = world().await;
    let id = invoices(&world, 1).await[0];
    hour(&world).await;
    let path = format!("C/invoices/{id}/pdf");
    for role in [Role::PartnerViewer, Role::PartnerBilling, Role::PartnerAdmin, Role::VendorSupport, Role::Service] {
        world.api(role).get(&path).await.assert_status(200);
    }
    world.api(Role::PartnerAdmin).of_partner("other").get(&path).await.assert_problem(404, "not_found");
    world.api(Role::Service).of_partner("other").get(&path).await.assert_problem(404, "not_found");
    world.api(Role::PartnerViewer).get("C/invoices/1/pdf").await.assert_problem(404, "not_found");
    world.api(Role::PartnerViewer).get("C/invoices/x/pdf").await.assert_status(404);
    let foreign = world.path(&path).replace(world.connection.as_str(), "con_other");
    world.api(Role::PartnerViewer).get(&foreign).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn nobody_on_the_way_keeps_it_and_no_browser_takes_it_for_something_else() {
    let world = world().await;
    let ids = invoices(&world, 1).await;
    world.renumber_invoice(ids[0], "../\"x\"\r\nSet-Cookie: a=b");
    hour(&world).await;
    let served = world.api(Role::PartnerViewer).get(&format!("C/invoices/{}/pdf", ids[0])).await;
    served.assert_status(200);
    assert_eq!(served.header("cache-control"), Some("private, no-store"));
    assert_eq!(served.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(served.header("content-disposition"), Some("inline; filename=\"x---Set-Cookie--a-b.pdf\""));
    assert_eq!(served.header("set-cookie"), None);
}

#[tokio::test]
async fn a_caller_is_told_why_there_is_none_and_when_it_is_tried_next() {
    let world = world().await;
    let id = invoices(&world, 1).await[0];
    let path = format!("C/invoices/{id}/pdf");
    let viewer = world.api(Role::PartnerViewer);
    let pending = viewer.get(&path).await.assert_problem(404, "pdf_unavailable").clone();
    assert_eq!(
        (pending["detail"].as_str(), pending["next_attempt_at"].is_string()),
        (Some("It is not fetched yet."), true)
    );

    fault(&world, id, FaultKind::Status { status: 500, body: serde_json::json!({"errors": ["No template."]}) });
    hour(&world).await;
    let gone = viewer.get(&path).await.assert_problem(404, "pdf_unavailable").clone();
    assert!(gone["detail"].as_str().unwrap().contains("No template."), "{gone}");
    assert_eq!(gone["next_attempt_at"], "2026-11-20T12:00:00Z");
    let shown = shown(&world, id).await;
    assert_eq!(
        (shown["state"].as_str(), shown["next_attempt_at"].clone()),
        (Some("unavailable"), gone["next_attempt_at"].clone())
    );
    viewer.get(&format!("C/invoices/{id}")).await.assert_status(200);
}

#[tokio::test]
async fn a_store_of_files_that_is_away_is_a_moments_matter_and_a_lost_file_is_said_to_be_lost() {
    let world = world().await;
    let id = invoices(&world, 1).await[0];
    hour(&world).await;
    let path = format!("C/invoices/{id}/pdf");
    world.blobs.set_away(true);
    world.api(Role::PartnerViewer).get(&path).await.assert_problem(503, "unavailable");
    world.blobs.set_away(false);
    let kept = super::record(&world, id).await.unwrap();
    world.ports().blobs.delete(&world.scope(), &kept.blob().unwrap()).await.unwrap();
    world.api(Role::PartnerViewer).get(&path).await.assert_problem(404, "pdf_unavailable");
    world.remove(Key::InvoicePdf(world.partner.clone(), world.connection.clone(), id)).await;
    world.api(Role::PartnerViewer).get(&path).await.assert_problem(404, "pdf_unavailable");
}
