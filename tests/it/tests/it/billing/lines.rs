use super::{Desk, told};
use domain::Role;
use local::host::KillScope;
use serde_json::json;
use simulator::{CreatedLineUnits, Fault, FaultKind, Match};
use testkit::World;

const ADDED: &str = "*Contracts/*/Services";

#[tokio::test]
async fn a_line_whose_answer_was_lost_is_looked_for_and_not_added_again() {
    for kind in [FaultKind::ApplyThenReset, FaultKind::Late { after_seconds: 200 }, FaultKind::Reset] {
        let desk = Desk::new(2).await;
        desk.has(0, &[("basic", 5)]).await;
        desk.has(1, &[("basic", 6)]).await;
        desk.world.sim.add_fault(Fault::new(Match::new("POST", ADDED), kind.clone()).times(1));
        let run = desk.run("initial").await;
        assert_eq!(run["status"], "done", "{kind:?}: {run}");
        assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)], "{kind:?}");
        assert_eq!(desk.units(1, desk.basic, "2026-11-20"), [Some(6)], "{kind:?}");
    }
}

#[tokio::test]
async fn killed_at_any_request_an_initial_sync_still_adds_each_line_once() {
    for requests in 1..=14 {
        let desk = Desk::new(2).await;
        desk.has(0, &[("basic", 5), ("plus", 1)]).await;
        desk.has(1, &[("basic", 6)]).await;
        desk.world.kill.arm(requests, KillScope::Background);
        let run = desk.run("initial").await;
        assert_eq!(run["status"], "done", "killed at {requests}: {run}");
        assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)], "killed at {requests}");
        assert_eq!(desk.units(0, desk.plus, "2026-11-20"), [Some(1)], "killed at {requests}");
        assert_eq!(desk.units(1, desk.basic, "2026-11-20"), [Some(6)], "killed at {requests}");
        assert_eq!(desk.adjustments(), 3, "killed at {requests}");
    }
}

#[tokio::test]
async fn whatever_units_a_new_line_has_it_ends_with_those_of_the_package() {
    for units in [CreatedLineUnits::None, CreatedLineUnits::ZeroRows, CreatedLineUnits::One] {
        let world = World::builder()
            .at("2026-11-20T10:00:00Z")
            .switches(|switches| switches.created_line_units = units)
            .build()
            .await;
        let desk = Desk::of(world, 1).await;
        desk.has(0, &[("basic", 5)]).await;
        let run = desk.run("initial").await;
        assert_eq!(run["status"], "done", "{units:?}: {run} {:?}", desk.lines(&run).await);
        assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)], "{units:?}");
    }
}

#[tokio::test]
async fn a_line_that_autotask_does_not_take_says_so_in_its_words() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    let body = json!({"errors": ["The logged in Resource does not have the adequate permissions to create this entity type."]});
    let refuse = FaultKind::Status { status: 500, body };
    desk.world.sim.add_fault(Fault::new(Match::new("POST", ADDED), refuse));
    let run = desk.run("initial").await;
    let lines = desk.lines(&run).await;
    assert_eq!(told(&lines), [("basic", "failed", Some("rejected_by_autotask"))]);
    assert!(lines[0]["explanation"].as_str().unwrap().contains("permission"), "{}", lines[0]);
    assert!(desk.lines_of(0, desk.basic).is_empty());
}

#[tokio::test]
async fn a_line_that_somebody_removed_is_added_again() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    let old = desk.lines_of(0, desk.basic)[0];
    for (id, row) in desk.world.rows("ContractServiceUnits") {
        if row["contractServiceID"] == json!(old.id) {
            desk.world.sim.delete(desk.world.ci, "ContractServiceUnits", id).unwrap();
        }
    }
    desk.world.sim.delete(desk.world.ci, "ContractServices", old.id).unwrap();
    let run = desk.run("initial").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)]);
    assert_ne!(desk.lines_of(0, desk.basic), [old]);
}

#[tokio::test]
async fn a_line_that_somebody_takes_while_the_run_looks_is_left_to_them() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    let client = &desk.clients[0];
    let line = desk.world.line_on(client.contract_id, desk.basic, 3);
    let body = json!({"kind": "initial", "mode": "apply"});
    let started = desk.world.api(Role::PartnerBilling).post("C/runs", body).await.expect(202);
    // The run has found the line free, and waits for its units, when a person maps another package to it.
    let wait = FaultKind::Delay { ms: 1_500 };
    desk.world.sim.add_fault(Fault::new(Match::new("POST", "*ContractServiceUnits/query"), wait).times(1));
    let taken = async {
        while desk.world.sim.faults()[0].hits == 0 {
            tokio::task::yield_now().await;
        }
        let path = format!("C/company-mappings/{}", client.account);
        let body = json!({
            "company_id": client.company_id, "contract_id": client.contract_id,
            "lines": [{"package_id": "plus", "contract_service_id": line.id}],
        });
        desk.world.api(Role::PartnerBilling).put(&path, body).await.assert_status(200);
    };
    tokio::join!(desk.world.work_one(), taken);
    desk.world.drain().await;
    let run = desk.get(&format!("C/runs/{}", started["run_id"].as_str().unwrap())).await;
    let lines = desk.lines(&run).await;
    assert_eq!(told(&lines)[0], ("basic", "failed", Some("contract_service_shared")), "{lines:?}");
    assert_eq!(desk.world.units_at(line, "2026-11-20".parse().unwrap()), Some(3));
    assert_eq!(desk.adjustments(), 0);
}
