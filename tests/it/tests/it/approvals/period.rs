//! Lines that are dismissed for a period.

use super::*;
use domain::records::Collection;
use domain::runs::Dismissal;

async fn dismissals(world: &World) -> Vec<Dismissal> {
    world.load_all(&Collection::Dismissals(world.partner.clone(), world.connection.clone())).await
}

#[tokio::test]
async fn a_dismissed_line_is_not_written_this_period_and_comes_up_again_in_the_next() {
    let (world, lines) = lenient(2).await;
    world.usage(&lines[0], 12).await;
    world.usage(&lines[1], 13).await;
    let id = run(&world, "preview").await;
    for _ in 0..2 {
        decide(&world, &id, 1, "dismiss", json!({"note": "Test users."})).await.assert_status(200);
        assert_eq!(dismissals(&world).await.len(), 1);
    }
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 13]);
    // Another run of the period, of another day and another count.
    world.advance(jiff::SignedDuration::from_hours(24));
    for line in &lines {
        world.usage(line, 14).await;
    }
    let again = run(&world, "apply").await;
    let line = line_of(&world, &again, &lines[0]).await;
    assert_eq!((&line["state"], &line["code"]), (&json!("skipped"), &json!("dismissed")));
    let words = "user-partner_billing dismissed this line for 2026-11-01 to 2026-11-30. `Test users.`";
    assert_eq!(line["explanation"], words);
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 14]);

    world.clock.at_least("2026-11-30T12:00:00Z".parse().unwrap()).unwrap();
    for line in &lines {
        world.usage(line, 14).await;
    }
    world.tick("seat-sync", "2026-12-01T00:15:00Z").await;
    world.drain().await;
    assert_eq!(units(&world, &lines, DECEMBER), [14, 14]);
}

#[tokio::test]
async fn a_line_of_a_run_that_has_ended_can_be_dismissed_and_a_later_word_takes_that_back() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 60).await;
    let first = run(&world, "apply").await;
    let said = decide(&world, &first, 1, "dismiss", Value::Null).await.expect(200);
    assert_eq!(said["id"], json!(first));
    let line = line_of(&world, &first, &lines[0]).await;
    assert_eq!((&line["state"], &line["decision"]["decision"]), (&json!("held"), &json!("dismiss")));
    let second = run(&world, "apply").await;
    assert_eq!(line_of(&world, &second, &lines[0]).await["code"], "dismissed");
    assert_eq!(shown(&world, &second).await["status"], "done");

    decide(&world, &first, 1, "approve", Value::Null).await.assert_status(202);
    assert!(dismissals(&world).await.is_empty());
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60]);
}

#[tokio::test]
async fn a_line_that_is_dismissed_and_then_approved_in_a_preview_is_written() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 60).await;
    let id = run(&world, "preview").await;
    decide(&world, &id, 1, "dismiss", Value::Null).await.assert_status(200);
    let other = run(&world, "preview").await;
    assert_eq!(line_of(&world, &other, &lines[0]).await["code"], "dismissed");
    decide(&world, &id, 1, "approve", Value::Null).await.assert_status(200);
    assert!(dismissals(&world).await.is_empty());
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60]);
}
