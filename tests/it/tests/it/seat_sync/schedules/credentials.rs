//! Credentials that stop working, before a run and in the middle of one.

use super::*;
use crate::seat_sync::{EVE, SLOT, eve, manual};
use domain::connections::{ConnectionStatus, NewConnection, connect};
use domain::problem::Code;
use domain::runs::{LineState, RunLine, RunMode, RunState};
use domain::{Actor, PartnerId, Role, Scope};
use secrecy::SecretString;
use serde_json::json;
use simulator::{DatabaseSpec, Fault, FaultKind, LoggedRequest, Match};
use testkit::{INTEGRATION_CODE, Line, SECRET, USERNAME};

async fn status(world: &World) -> ConnectionStatus {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    world.load::<Connection>(&key).await.unwrap().value.status
}

async fn relink(world: &World, secret: &str) {
    let login = json!({"username": USERNAME, "secret": secret});
    world.api(Role::PartnerAdmin).post("C/relink", login).await.assert_status(200);
}

fn fault(world: &World, method: &str, path: &str, fault: FaultKind, times: u64) {
    world.sim.add_fault(Fault::new(Match::new(method, path), fault).times(times));
}

/// Requests after the first that was answered with 401.
fn after_the_first_401(world: &World) -> Vec<LoggedRequest> {
    let requests = world.sim.requests();
    let first = requests.iter().position(|request| request.status == Some(401)).expect("there was a 401");
    requests[first + 1..].to_vec()
}

#[tokio::test]
async fn a_broken_login_is_looked_at_once_and_then_nobody_calls() {
    let (world, lines) = eve(2).await;
    world.usage(&lines[0], 12).await;
    world.sim.set_secret(world.ci, "another").unwrap();
    tick(&world, SLOT).await;
    let run = last_run(&world).await;
    assert_eq!((run.state, status(&world).await), (RunState::Failed, ConnectionStatus::NeedsRelink));
    assert_eq!(run.problem.map(|(code, _)| code), Some(Code::NeedsRelink));
    assert!(after_the_first_401(&world).len() <= 2, "the zone and one probe: {:?}", after_the_first_401(&world));
    let calls = world.sim.requests().len();
    for time in ["2026-12-01T01:15:00Z", "2026-12-01T02:15:00Z"] {
        tick(&world, time).await;
    }
    assert_eq!(world.sim.requests().len(), calls);

    relink(&world, "another").await;
    manual(&world, RunMode::Apply).await;
    world.drain().await;
    assert_eq!((last_run(&world).await.state, units(&world, &lines)), (RunState::Done, vec![12, 10]));
}

/// Four lines that grow by two; from the third adjustment on Autotask refuses the login everywhere.
async fn broken_in_the_middle(world: &World, lines: &[Line]) -> Vec<RunLine> {
    for line in lines {
        world.usage(line, 12).await;
    }
    let (pass, refuse) = (FaultKind::Delay { ms: 0 }, FaultKind::Unauthorized);
    for (method, path, passed) in [("POST", "*Adjustments", 2), ("POST", "*ContractServiceUnits/query", 1)] {
        fault(world, method, path, pass.clone(), passed);
        fault(world, method, path, refuse.clone(), u64::MAX);
    }
    fault(world, "GET", "*/entityInformation", refuse, u64::MAX);
    world.tick("seat-sync", SLOT).await;
    world.drain().await;
    let run = last_run(world).await;
    report(world, &run).await
}

#[tokio::test]
async fn a_login_refused_in_the_middle_of_a_run_stops_it_and_the_next_run_completes_it() {
    let (world, lines) = eve(4).await;
    let found = broken_in_the_middle(&world, &lines).await;
    let run = last_run(&world).await;
    assert_eq!(status(&world).await, ConnectionStatus::NeedsRelink);
    assert!(matches!(run.state, RunState::Failed | RunState::Partial), "{:?}", run.state);
    assert_eq!(run.problem.as_ref().map(|(code, _)| *code), Some(Code::NeedsRelink));
    assert!(after_the_first_401(&world).len() <= 2, "{:?}", after_the_first_401(&world));
    let said: Vec<_> = found.iter().map(|line| (line.state, line.code)).collect();
    let (unseen, unsent) =
        ((LineState::Unverified, Some(Code::WriteUnverified)), (LineState::Failed, Some(Code::NeedsRelink)));
    assert_eq!(said, [unseen, unseen, unsent, unsent], "{found:#?}");
    assert_eq!((run.totals.unverified, run.totals.failed), (2, 2));
    assert_eq!(units(&world, &lines), [12, 12, 10, 10]);

    world.sim.clear_faults();
    relink(&world, SECRET).await;
    manual(&world, RunMode::Apply).await;
    world.drain().await;
    assert_eq!((last_run(&world).await.state, units(&world, &lines)), (RunState::Done, vec![12; 4]));
    assert_eq!(world.sim.adjustments().len(), 4, "each line changed exactly once");
}

#[tokio::test]
async fn a_passing_refusal_is_waited_out_wherever_it_comes() {
    for (method, path) in
        [("GET", "*ThresholdInformation"), ("POST", "*ContractServiceUnits/query"), ("POST", "*Adjustments")]
    {
        let (world, lines) = eve(3).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        fault(&world, method, path, FaultKind::Unauthorized, 1);
        tick(&world, SLOT).await;
        let run = last_run(&world).await;
        assert_eq!((run.state, units(&world, &lines)), (RunState::Done, vec![12; 3]), "{path}: {:?}", run.problem);
        assert_eq!((status(&world).await, world.sim.adjustments().len()), (ConnectionStatus::Connected, 3));
    }
}

#[tokio::test]
async fn a_refusal_while_reading_back_leaves_no_line_reported_wrongly() {
    let (world, lines) = eve(2).await;
    world.usage(&lines[0], 12).await;
    fault(&world, "POST", "*ContractServiceUnits/query", FaultKind::Delay { ms: 0 }, 1);
    fault(&world, "POST", "*ContractServiceUnits/query", FaultKind::Unauthorized, u64::MAX);
    fault(&world, "GET", "*/entityInformation", FaultKind::Unauthorized, u64::MAX);
    tick(&world, SLOT).await;
    let run = last_run(&world).await;
    let report = report(&world, &run).await;
    assert_eq!((report[0].state, report[0].code), (LineState::Unverified, Some(Code::WriteUnverified)));
    assert_eq!(report[1].state, LineState::Unchanged);
    assert_eq!(
        (run.totals.unverified, run.totals.unchanged, status(&world).await),
        (1, 1, ConnectionStatus::NeedsRelink)
    );
    assert!(after_the_first_401(&world).len() <= 2);
}

#[tokio::test]
async fn one_partners_broken_login_is_not_anothers() {
    let mut world = World::builder().at(EVE).build().await;
    let broken = world.lines(1).await;
    world.usage(&broken[0], 12).await;
    let first = (world.partner.clone(), world.connection.clone(), world.ci);

    let database =
        world.sim.add_database(DatabaseSpec::new("other@msp.example", "its-secret", INTEGRATION_CODE)).unwrap();
    let partner = PartnerId::new("borealis").unwrap();
    let input = NewConnection {
        psa: None,
        username: Some("other@msp.example".to_owned()),
        secret: Some(SecretString::from("its-secret")),
        email: None,
        priority: None,
        invoice_reference: None,
        filters: None,
        features: None,
        profile: None,
    };
    let (scope, actor) = (Scope::Partner(partner.clone()), Actor::system("test", "r1"));
    let made = connect(world.ports(), &scope, &actor, &partner, input).await.unwrap();
    (world.partner, world.connection, world.ci) = (partner, made.connection.id.clone(), database.ci);
    let healthy = world.lines(2).await;
    world.usage(&healthy[0], 12).await;

    world.sim.set_secret(first.2, "changed").unwrap();
    tick(&world, SLOT).await;
    assert_eq!((last_run(&world).await.state, units(&world, &healthy)), (RunState::Done, vec![12, 10]));
    assert_eq!(status(&world).await, ConnectionStatus::Connected);
    (world.partner, world.connection, world.ci) = first;
    assert_eq!((last_run(&world).await.state, status(&world).await), (RunState::Failed, ConnectionStatus::NeedsRelink));
    assert_eq!(units(&world, &broken), [10]);
}
