//! The world that tests live in, and the machine that people run: clock, queues, kill, tokens, state on disk.

#![allow(clippy::disallowed_methods, reason = "servers and what they heard, beside the test")]

use autotask::{Credentials, HostPolicy};
use domain::Role;
use domain::ports::{Queue, QueueName};
use domain::records::Collection;
use domain::vendor::Account;
use jiff::{SignedDuration, Timestamp};
use local::gateway::jwt::{Grant, Issuer};
use local::host::kill::Scope;
use local::host::queue::{RECEIVES_MAX, VISIBILITY};
use local::host::{DrainError, Host, Limits, LocalClock, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use testkit::World;

#[tokio::test]
async fn a_world_has_lines_there_and_their_mappings_here() {
    let world = testkit::world().await;
    let lines = world.lines(3).await;
    assert_eq!(world.load_all::<Account>(&Collection::Accounts(world.partner.clone())).await.len(), 3);
    assert_eq!(world.units_on(&lines, world.sim.today()), vec![Some(10); 3]);
}

#[tokio::test]
async fn the_worlds_transport_reaches_its_simulator_and_tells_a_reset_from_an_answer() {
    let world = testkit::world().await;
    let entry = autotask::zone::ENTRY.parse().unwrap();
    let zone = autotask::zone::discover(&*world.transport, &HostPolicy::autotask(), &entry, testkit::USERNAME).await;
    let zone = zone.unwrap();
    assert_eq!(u64::try_from(zone.ci).unwrap(), world.ci);
    let credentials =
        Credentials::new(testkit::USERNAME, testkit::SECRET.into(), Some(testkit::INTEGRATION_CODE.into()));
    let client = autotask::Client::builder(world.transport.clone(), zone.url, credentials).build();
    assert!(client.threshold().await.is_ok());
    assert_eq!(world.transport.hosts().len(), 2, "{:?}", world.transport.hosts());
}

#[tokio::test]
async fn a_world_complains_about_messages_that_nobody_worked_off() {
    let world = testkit::world().await;
    let partner = world.partner.clone();
    world.queue.send(QueueName::Map, "{}".to_owned(), Duration::ZERO, &partner).await.unwrap();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(world)));
    let said = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("nobody worked these messages off"), "{said}");
}

fn frozen() -> Arc<LocalClock> {
    Arc::new(LocalClock::frozen("2026-11-20T11:00:00Z".parse().unwrap()))
}

#[tokio::test]
async fn a_message_is_hidden_while_worked_on_comes_back_and_dies_after_three_receives() {
    let clock = frozen();
    let host = Host::memory(Arc::clone(&clock), 1);
    let partner = domain::PartnerId::new("acme").unwrap();
    host.queue.send(QueueName::SeatSync, "work".to_owned(), Duration::from_secs(60), &partner).await.unwrap();
    assert!(host.queue.receive(None).unwrap().is_none(), "it is delayed");
    clock.advance(SignedDuration::from_secs(60)).unwrap();
    for receives in 1..=RECEIVES_MAX {
        let message = host.queue.receive(Some(QueueName::SeatSync)).unwrap().unwrap();
        assert_eq!((message.receives, message.body.as_str()), (receives, "work"));
        host.queue.let_go(&message.id);
        assert!(host.queue.receive(None).unwrap().is_none(), "it is hidden");
        clock.advance(SignedDuration::try_from(VISIBILITY).unwrap()).unwrap();
    }
    assert!(host.queue.receive(None).unwrap().is_none());
    assert_eq!((host.queue.dead().len(), host.queue.waiting().len()), (1, 0));
}

#[tokio::test]
async fn what_the_host_was_told_is_there_after_a_restart() {
    use domain::ports::{Events, OutEvent, SecretName, Secrets};
    use secrecy::ExposeSecret;
    let folder = tempfile::tempdir().unwrap();
    let partner = domain::PartnerId::new("acme").unwrap();
    let name = SecretName::Connection(partner.clone(), domain::ConnectionId::new("con_1").unwrap());
    let (moved, version) = {
        let host = Host::open(folder.path()).unwrap();
        host.clock.advance(SignedDuration::from_hours(1_000)).unwrap();
        for body in ["first", "second"] {
            host.queue.send(QueueName::Map, body.to_owned(), Duration::ZERO, &partner).await.unwrap();
        }
        // The first one is being worked on when the process dies.
        assert_eq!(host.queue.receive(None).unwrap().unwrap().body, "first");
        host.events
            .publish(&[OutEvent { detail_type: "x.happened".to_owned(), detail: json!({"id": 1}) }])
            .await
            .unwrap();
        host.secrets.put(&name, "old".into()).await.unwrap();
        let version = host.secrets.put(&name, "new".into()).await.unwrap();
        (host.clock.now(), version)
    };
    // A kill in the middle of a write leaves half a line.
    let torn = std::fs::OpenOptions::new().append(true).open(folder.path().join("queues.jsonl")).unwrap();
    std::io::Write::write_all(&mut &torn, b"{\"sent\":{\"id\":\"to").unwrap();
    let host = Host::open(folder.path()).unwrap();
    assert!(host.clock.now() >= moved);
    assert_eq!(host.queue.receive(None).unwrap().unwrap().body, "second");
    assert!(host.queue.receive(None).unwrap().is_none(), "the first is hidden until its visibility time is over");
    host.clock.advance(SignedDuration::try_from(VISIBILITY).unwrap()).unwrap();
    assert_eq!(host.queue.receive(None).unwrap().unwrap().receives, 2);
    assert_eq!(host.events.all()[0].detail_type, "x.happened");
    assert_eq!(host.secrets.get(&name, &version).await.unwrap().expose_secret(), "new");
    let third = host.secrets.put(&name, "third".into()).await.unwrap();
    assert!(third.0 > version.0);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_file_with_the_secrets() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _host = Host::open(folder.path()).unwrap();
    let mode = std::fs::metadata(folder.path().join("secrets.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_clock_goes_forward_only_and_ids_rise_with_it() {
    use domain::ports::Ids;
    let clock = frozen();
    let host = Host::memory(Arc::clone(&clock), 7);
    let before = clock.now();
    assert!(clock.set(before - SignedDuration::from_secs(1)).is_err());
    assert_eq!(clock.now(), before);
    let ids: Vec<_> = (0..10_000).map(|_| host.ids.uuid()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(ids[0].get_version_num(), 7);
    let again = Host::memory(frozen(), 7);
    assert_eq!(ids[0], again.ids.uuid());
}

#[test]
fn a_token_is_good_until_it_expires_and_only_if_it_is_ours() {
    let (ours, theirs) = (Issuer::new([1; 32]), Issuer::new([2; 32]));
    let now: Timestamp = "2026-11-20T11:00:00Z".parse().unwrap();
    let grant = |seconds| Grant {
        partner_id: Some("acme".to_owned()),
        role: Some("partner_admin".to_owned()),
        main_account: Some(true),
        sub: None,
        expires_in_seconds: seconds,
    };
    let token = ours.issue(&grant(None), now);
    let header = format!("Bearer {token}");
    let claims = ours.authorize(Some(&header), now).unwrap();
    assert_eq!((&claims["partner_id"], &claims["main_account"]), (&json!("acme"), &json!(true)));
    assert!(ours.authorize(Some(&header), now + SignedDuration::from_hours(24 * 31)).is_err(), "expired");
    assert!(ours.authorize(Some(&format!("Bearer {}", ours.issue(&grant(Some(-1)), now))), now).is_err());
    assert!(theirs.authorize(Some(&header), now).is_err(), "forged");
    let (signed, _) = token.rsplit_once('.').unwrap();
    for bad in
        [None, Some(""), Some("Bearer "), Some("Bearer a.b.c"), Some(signed), Some(&*format!("Bearer {signed}."))]
    {
        assert!(ours.authorize(bad, now).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_and_not_a_crash() {
    let world = World::builder().unconnected().build().await;
    let reply = world.api(Role::PartnerAdmin).get("/v1/no-such-thing").await;
    reply.assert_problem(404, "not_found");
}

/// Three lines of 10 units whose accounts were counted 12 shortly before the 1st.
async fn counted() -> (World, Vec<testkit::Line>) {
    let world = World::builder().at("2026-11-30T20:00:00Z").build().await;
    let lines = world.lines_with(3, 10, 12).await;
    (world, lines)
}

const FIRST: &str = "2026-12-01T00:15:00Z";

#[tokio::test]
async fn on_the_first_counts_become_units() {
    let (world, lines) = counted().await;
    world.tick("seat-sync", FIRST).await;
    let drained = world.drain().await;
    assert_eq!((drained.failed, drained.dead, drained.remaining), (0, 0, 0), "{drained:?}");
    assert_eq!(world.units_on(&lines, "2026-12-01".parse().unwrap()), vec![Some(12); 3]);
    assert_eq!(world.units_on(&lines, "2026-11-15".parse().unwrap()), vec![Some(10); 3]);
    assert_eq!(world.writes().len(), 3);
}

#[tokio::test]
async fn a_kill_lets_its_request_arrive_and_brings_the_message_back_after_the_visibility_time() {
    let (world, lines) = counted().await;
    world.tick("seat-sync", FIRST).await;
    let before = world.clock.now();
    world.kill.arm(1, Scope::Function("seat-sync".to_owned()));
    assert_eq!(world.kill.status(), (true, false));
    assert_eq!(world.work_one().await, Some(Outcome::Killed));
    assert_eq!(world.kill.status(), (false, true));
    assert_eq!(world.sim.requests().len(), 1, "the request arrived");
    assert_eq!(world.queue.counts().hidden, 1);
    assert_eq!(world.queue.next_visible().unwrap(), before + SignedDuration::try_from(VISIBILITY).unwrap());
    assert!(world.work_one().await.is_none(), "it is hidden");
    let drained = world.drain().await;
    assert!(drained.now >= before + SignedDuration::try_from(VISIBILITY).unwrap(), "{drained:?}");
    assert_eq!((drained.failed, drained.remaining), (0, 0), "{drained:?}");
    assert_eq!(world.units_on(&lines, "2026-12-01".parse().unwrap()), vec![Some(12); 3]);
    assert_eq!(world.sim.adjustments().len(), 3, "each line was changed once");
}

#[tokio::test]
async fn an_api_request_is_killed_only_when_asked_for_and_its_caller_gets_a_502() {
    let world = testkit::world().await;
    world.kill.arm(1, Scope::Background);
    world.api(Role::PartnerAdmin).post("C/test", json!(null)).await.assert_status(200);
    assert_eq!(world.kill.status(), (true, false), "an API request does not count");
    world.kill.arm(1, Scope::Everything);
    let reply = world.api(Role::PartnerAdmin).post("C/test", json!(null)).await;
    assert_eq!((reply.status, &reply.json), (502, &json!({"message": "Internal Server Error"})));
    assert_eq!(world.kill.status(), (false, true));
}

#[tokio::test]
async fn a_drain_stops_where_it_is_told_and_there_is_only_one() {
    let (world, _) = counted().await;
    world.tick("seat-sync", FIRST).await;
    let none = world.bundle.drain(Limits { max_messages: 0, max_hours: 48 }).await.unwrap();
    assert_eq!((none.processed, none.remaining), (0, 1));
    // The message is hidden for half an hour of clock, and this drain may not wait that long.
    world.kill.arm(1, Scope::Background);
    world.work_one().await.unwrap();
    let impatient = world.bundle.drain(Limits { max_messages: 100, max_hours: 0 }).await.unwrap();
    assert_eq!((impatient.processed, impatient.remaining), (0, 1));
    let (first, second) = tokio::join!(world.bundle.drain(Limits::default()), world.bundle.drain(Limits::default()));
    assert!(first.is_ok() && matches!(second, Err(DrainError::Busy)), "{first:?} {second:?}");
}

#[tokio::test]
async fn callouts_of_a_world_go_to_a_router_or_to_the_bundles_own_routes() {
    let world = testkit::world().await;
    let insert = |entity: &str, row: Value| world.sim.insert(world.ci, entity, &[row]).unwrap()[0];
    let webhook = insert(
        "CompanyWebhooks",
        json!({
            "name": "ours", "isActive": true, "webhookUrl": "https://api.vendor.example/hooks/nobody?x=1",
            "deactivationUrl": "https://api.vendor.example/off", "secretKey": "key-of-a-test",
            "isSubscribedToCreateEvents": true, "sendThresholdExceededNotification": false,
        }),
    );
    let field = json!({"webhookID": webhook, "fieldID": 101, "isSubscribedField": true, "isDisplayAlwaysField": false});
    insert("CompanyWebhookFields", field);
    let company = || insert("Companies", json!({"companyName": "Alpha", "companyType": 1, "phone": "1"}));

    let alpha = company();
    let (sender, mut came) = tokio::sync::mpsc::unbounded_channel();
    let take = move |headers: http::HeaderMap, body: String| {
        sender.send((headers.contains_key("x-hook-signature"), body)).unwrap();
        std::future::ready(http::StatusCode::ACCEPTED)
    };
    let router = axum::Router::new().route("/hooks/nobody", axum::routing::post(take));
    assert_eq!(world.deliver_callouts_to(router).await, 1);
    let (signed, body) = came.try_recv().unwrap();
    assert!(signed && body.contains(&format!(r#""Id":{alpha},"#)), "{body}");
    assert!(world.sim.pending_callouts().is_empty());

    company();
    assert_eq!(world.deliver_callouts().await, 1);
    let waiting = world.sim.pending_callouts();
    assert!(format!("{:?}", waiting[0].outcome).contains("status 40"), "no route takes it: {waiting:?}");
    let before = world.clock.now();
    let drained = world.drain_with_callouts().await;
    assert_eq!((drained.remaining, drained.now.duration_since(before).as_secs()), (0, 120));
    assert_eq!(world.sim.rows(world.ci, "WebhookEventErrorLogs").unwrap().len(), 1);
}

#[tokio::test]
async fn a_drain_empties_the_outbox() {
    let (world, _) = counted().await;
    world.events.set_away(true);
    world.tick("seat-sync", FIRST).await;
    let stuck = world.drain().await;
    assert!(stuck.remaining > 0, "{stuck:?}");
    world.events.set_away(false);
    assert_eq!(world.drain().await.remaining, 0);
    assert!(!world.events.all().is_empty());
}
