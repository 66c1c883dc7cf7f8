//! Rights that are restricted: Autotask answers with empty lists, which are neither "0 units" nor "gone".

use super::super::{DECEMBER, adjustments, last_run, units};
use super::{erase_rows, eve_with, said, sync};
use domain::problem::Code;
use domain::runs::{LineState, RunState};
use jiff::civil::date;
use simulator::{Access, Level, Permissions};
use testkit::World;

fn forbid(world: &World, entity: &str) {
    world.sim.set_permissions(world.ci, Permissions::default().with(entity, Access::NONE)).unwrap();
}

#[tokio::test]
async fn units_that_may_not_be_seen_are_not_none_and_the_run_stops() {
    for count in [1, 4] {
        let (world, lines) = eve_with(count, |_| ()).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        forbid(&world, "ContractServiceUnits");
        let report = sync(&world).await;
        let words = "The units of `Per-user service` cannot be seen.";
        assert_eq!(said(&report[0]), (LineState::Failed, Some(Code::PermissionMissing), words));
        let run = last_run(&world).await;
        let why = format!("The units of {count} of {count} lines cannot be seen.");
        assert_eq!((run.state, run.problem), (RunState::Stopped, Some((Code::PermissionMissing, why))));
        assert!(adjustments(&world).is_empty());
        world.sim.set_permissions(world.ci, Permissions::default()).unwrap();
        assert_eq!(units(&world, &lines), vec![10; count]);
    }
}

#[tokio::test]
async fn a_line_or_contract_that_may_not_be_seen_is_not_called_gone() {
    for entity in ["ContractServices", "Contracts", "*"] {
        let (world, lines) = eve_with(5, |_| ()).await;
        world.usage(&lines[1], 12).await;
        erase_rows(&world, &lines[0], date(2000, 1, 1));
        forbid(&world, entity);
        let report = sync(&world).await;
        assert_eq!((report[0].state, report[0].code), (LineState::Failed, Some(Code::PermissionMissing)), "{entity}");
        let others_seen = entity != "*";
        assert_eq!(adjustments(&world).len(), usize::from(others_seen), "{entity}");
    }
}

#[tokio::test]
async fn a_line_without_any_row_has_no_units_only_where_everything_could_be_read() {
    let (world, lines) = eve_with(4, |_| ()).await;
    erase_rows(&world, &lines[0], date(2000, 1, 1));
    let report = sync(&world).await;
    assert_eq!((report[0].state, report[0].units_now, report[0].sent), (LineState::Changed, Some(0), Some(10)));
    assert_eq!(units(&world, &lines), [10, 10, 10, 10]);
}

#[tokio::test]
async fn a_right_to_write_that_is_missing_fails_each_line_in_autotasks_words() {
    let (world, lines) = eve_with(3, |_| ()).await;
    world.usage(&lines[0], 12).await;
    world.usage(&lines[1], 9).await;
    let read_only = Access { add: Level::None, ..Access::ALL };
    let permissions = Permissions::default().with("ContractServiceAdjustments", read_only);
    world.sim.set_permissions(world.ci, permissions).unwrap();
    let report = sync(&world).await;
    for line in &report[..2] {
        assert_eq!((line.state, line.code), (LineState::Failed, Some(Code::RejectedByAutotask)));
        assert!(line.words.starts_with("Autotask said no: ") && line.words.contains("permission"), "{}", line.words);
    }
    assert_eq!(report[2].state, LineState::Unchanged);
    assert_eq!((adjustments(&world).len(), last_run(&world).await.state), (2, RunState::Partial));
    assert_eq!(world.units_on(&lines, DECEMBER), [Some(10), Some(10), Some(10)]);
}
