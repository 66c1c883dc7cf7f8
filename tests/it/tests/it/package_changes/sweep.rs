use super::*;
use domain::Code;
use domain::connections::Schedule;
use domain::packages::JOB;
use domain::runs::RunState;
use jiff::SignedDuration;

async fn due(world: &World) -> Option<Timestamp> {
    let key = Key::Schedule(world.partner.clone(), world.connection.clone(), JOB.to_owned());
    world.load::<Schedule>(&key).await.map(|schedule| schedule.value.due_at)
}

async fn sweep(world: &World) {
    later(world, 15);
    world.tick("package-changes", &now(world)).await;
}

/// Ends the newest run as a run of that change would: with this reason, or everything done.
async fn end(world: &World, why: Option<(Code, &str)>) {
    let mut run = runs(world).await.pop().unwrap();
    run.state = if why.is_some() { RunState::Partial } else { RunState::Done };
    run.finished_at = Some(world.clock.now());
    world.put(&run).await;
    for mut change in pending(world).await {
        if run.changes.as_ref().is_some_and(|changes| changes.contains(&change.id)) {
            change.run = Some(run.id.clone());
            change.tries += 1;
            change.why = why.map(|(code, words)| (code, words.to_owned()));
            world.put(&change).await;
            world.put(&PendingChange(change)).await;
        }
    }
}

#[tokio::test]
async fn a_change_that_comes_while_a_run_is_at_work_is_taken_up_by_the_sweep() {
    let world = world().await;
    auto_sync(&world, true).await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    later(&world, 1);
    let told = tell(&world, change(&world, "c2", (Some("basic"), Some("premium")), 5, &now(&world))).await.expect(202);
    assert_eq!((&told["state"], &told["run_id"]), (&json!("pending"), &Value::Null));
    assert_eq!(runs(&world).await.len(), 1);
    sweep(&world).await;
    assert_eq!(runs(&world).await.len(), 1, "it is still at work");
    assert_eq!(due(&world).await, Some(world.clock.now() + SignedDuration::from_mins(15)));
    end(&world, Some((Code::AutotaskUnavailable, "Autotask did not answer."))).await;
    sweep(&world).await;
    let runs = runs(&world).await;
    assert_eq!((runs.len(), runs[1].changes.as_ref().unwrap().len()), (2, 2), "what failed in passing goes along");
    world.leave_messages();
}

#[tokio::test]
async fn what_needs_a_person_is_not_tried_again_until_something_has_changed() {
    let world = world().await;
    auto_sync(&world, true).await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    end(&world, Some((Code::DuplicateLine, "The contract holds the service twice."))).await;
    for _ in 0..3 {
        sweep(&world).await;
    }
    assert_eq!(runs(&world).await.len(), 1);
    let row = &listed(&world).await[0];
    assert_eq!((&row["code"], &row["auto"], &row["tries"]), (&json!("duplicate_line"), &json!(false), &json!(1)));
    assert!(due(&world).await.is_some(), "it is looked at again");

    let key = Key::PackageMapping(world.partner.clone(), world.connection.clone(), PackageId::new("basic").unwrap());
    let mut mapping = world.load::<PackageMapping>(&key).await.unwrap().value;
    mapping.updated_at = world.clock.now();
    world.put(&mapping).await;
    sweep(&world).await;
    assert_eq!(runs(&world).await.len(), 2, "its package was mapped anew");
    end(&world, Some((Code::DuplicateLine, "The contract holds the service twice."))).await;
    sweep(&world).await;
    assert_eq!(runs(&world).await.len(), 2);
    tell(&world, change(&world, "c2", (Some("basic"), Some("basic")), 7, &now(&world))).await.assert_status(202);
    let newest = runs(&world).await.pop().unwrap();
    assert_eq!(newest.changes.unwrap().len(), 2, "a newer change of the account is a reason to try both");
    world.leave_messages();
}

#[tokio::test]
async fn what_passes_with_days_is_tried_once_a_day() {
    let world = world().await;
    auto_sync(&world, true).await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    end(&world, Some((Code::PeriodNotVisible, "Autotask shows no units yet."))).await;
    sweep(&world).await;
    assert_eq!(runs(&world).await.len(), 1);
    let row = &listed(&world).await[0];
    assert_eq!((&row["code"], &row["auto"]), (&json!("period_not_visible"), &json!(true)));
    later(&world, 24 * 60);
    sweep(&world).await;
    assert_eq!(runs(&world).await.len(), 2);
    world.leave_messages();
}

#[tokio::test]
async fn a_connection_with_nothing_left_is_no_longer_looked_at() {
    let world = world().await;
    auto_sync(&world, true).await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    assert!(due(&world).await.is_some());
    auto_sync(&world, false).await;
    sweep(&world).await;
    assert_eq!(due(&world).await, None);
    sweep(&world).await;
    assert_eq!(runs(&world).await.len(), 1);
    assert_eq!(pending(&world).await.len(), 1, "it stays listed");
    world.leave_messages();
}

#[tokio::test]
async fn a_paused_connection_goes_on_waiting_and_is_pushed_when_it_is_resumed() {
    let world = world().await;
    auto_sync(&world, true).await;
    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    let told = tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.expect(202);
    assert_eq!(told["code"], "connection_paused");
    sweep(&world).await;
    assert!(runs(&world).await.is_empty() && due(&world).await.is_some());
    world.api(Role::PartnerAdmin).post("C/resume", Value::Null).await.assert_status(200);
    sweep(&world).await;
    assert_eq!(runs(&world).await.len(), 1);
    world.leave_messages();
}
