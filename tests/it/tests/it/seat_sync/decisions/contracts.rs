//! Contracts that ended, were renewed or are not what they were; lines that are gone; posted periods.

use super::super::{DECEMBER, adjustments, last_run, units};
use super::{erase_rows, eve_with, patch_row, said, sync, worked_off};
use crate::seat_sync::manual;
use domain::problem::Code;
use domain::runs::{LineState, RunMode, RunState};
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use testkit::{Line, World};

/// Changes a contract, and takes the rows away that it then no longer has.
fn patch_contract(world: &World, line: &Line, fields: &Value, without_rows_from: Date) {
    world.sim.patch(world.ci, "Contracts", line.contract_id, fields).unwrap();
    erase_rows(world, line, without_rows_from);
}

fn new_contract(world: &World, company: i64, fields: &Value) -> i64 {
    let mut row = json!({
        "companyID": company, "contractName": "Another", "contractType": 7, "status": 1,
        "startDate": "2026-12-01", "endDate": "2027-11-30",
    });
    for (name, value) in fields.as_object().unwrap() {
        row[name] = value.clone();
    }
    world.sim.insert(world.ci, "Contracts", &[row]).unwrap()[0]
}

#[tokio::test]
async fn a_line_that_cannot_be_written_says_what_became_of_its_contract_and_the_others_are_done() {
    let (world, lines) = eve_with(8, |_| ()).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let long_ago = date(2000, 1, 1);
    let ended = json!({"endDate": "2026-11-30"});
    patch_contract(&world, &lines[0], &ended, DECEMBER);
    let next = world.sim.renew(world.ci, lines[1].contract_id, Some(DECEMBER)).unwrap();
    patch_contract(&world, &lines[2], &ended, DECEMBER);
    let named = new_contract(&world, lines[2].company_id, &json!({"renewedContractID": lines[2].contract_id}));
    patch_contract(&world, &lines[3], &json!({"contractType": 1}), long_ago);
    patch_contract(&world, &lines[4], &json!({"startDate": "2026-12-15"}), long_ago);
    erase_rows(&world, &lines[5], long_ago);
    world.sim.delete(world.ci, "Contracts", lines[5].contract_id).unwrap();
    erase_rows(&world, &lines[6], long_ago);
    world.sim.delete(world.ci, "ContractServices", lines[6].line.id).unwrap();

    let report = sync(&world).await;
    let renewed = |by: i64| format!("`Managed Services` ended on 2026-11-30 and was renewed by contract {by}.");
    let gone = format!("Contract {} is not in Autotask.", lines[5].contract_id);
    let expected = [
        (Code::ContractEnded, "`Managed Services` ended on 2026-11-30.".to_owned()),
        (Code::ContractRenewed, renewed(next)),
        (Code::ContractRenewed, renewed(named)),
        (Code::ContractNotRecurring, "`Managed Services` is not a recurring service contract.".to_owned()),
        (Code::EffectiveDateOutsideContract, "`Managed Services` starts on 2026-12-15, after 2026-12-01.".to_owned()),
        (Code::ContractNotFound, gone),
        (Code::ContractServiceRemoved, "`Per-user service` is no longer on `Managed Services`.".to_owned()),
    ];
    for (line, (code, words)) in report.iter().zip(&expected) {
        assert_eq!(said(line), (LineState::Failed, Some(*code), words.as_str()));
    }
    assert_eq!((report[7].state, adjustments(&world).len()), (LineState::Changed, 1));
    let run = last_run(&world).await;
    assert_eq!((run.state, run.totals.failed, run.totals.changed), (RunState::Partial, 7, 1));
    assert!(world.sim.adjustments().iter().all(|adjustment| !adjustment.created_line), "no line came into being");
}

#[tokio::test]
async fn the_last_contract_of_a_chain_of_renewals_has_ended_and_was_not_renewed_by_its_forerunner() {
    for forerunner_points in [true, false] {
        let (world, lines) = eve_with(1, |_| ()).await;
        let (company, present) = (lines[0].company_id, lines[0].contract_id);
        let before = json!({"startDate": "2024-12-01", "endDate": "2025-11-30"});
        let forerunner = new_contract(&world, company, &before);
        patch_contract(&world, &lines[0], &json!({"endDate": "2026-11-30"}), DECEMBER);
        // The pointer is met in either direction.
        let (from, to) = if forerunner_points { (forerunner, present) } else { (present, forerunner) };
        world.sim.patch(world.ci, "Contracts", from, &json!({"renewedContractID": to})).unwrap();
        let report = sync(&world).await;
        assert_eq!(report[0].code, Some(Code::ContractEnded), "{}", report[0].words);

        let next = new_contract(&world, company, &json!({}));
        let (from, to) = if forerunner_points { (present, next) } else { (next, present) };
        world.sim.patch(world.ci, "Contracts", from, &json!({"renewedContractID": to})).unwrap();
        manual(&world, RunMode::Apply).await;
        let report = worked_off(&world).await;
        assert_eq!(report[0].code, Some(Code::ContractRenewed), "{}", report[0].words);
        assert!(report[0].words.ends_with(&format!("renewed by contract {next}.")), "{}", report[0].words);
    }
}

#[tokio::test]
async fn a_posted_period_keeps_its_units_and_the_next_one_gets_the_count() {
    let (world, lines) = eve_with(2, |_| ()).await;
    world.usage(&lines[0], 12).await;
    for line in &lines {
        patch_row(&world, line, DECEMBER, &json!({"approveAndPostDate": "2026-11-30"}));
    }
    let report = sync(&world).await;
    let words =
        "The period 2026-12-01 to 2026-12-31 is already posted: 10 units stay. The next period starts on 2027-01-01.";
    assert_eq!(said(&report[0]), (LineState::Skipped, Some(Code::PeriodAlreadyBilled), words));
    assert_eq!((report[1].state, report[1].code), (LineState::Unchanged, None), "a posted line that is right is right");
    assert!(report.iter().all(|line| line.period_billed));
    assert!(adjustments(&world).is_empty());
    assert_eq!(last_run(&world).await.state, RunState::Done);

    world.usage(&lines[0], 13).await;
    world.clock.at_least("2026-12-31T12:00:00Z".parse().unwrap()).unwrap();
    for line in &lines {
        world.usage(line, 13).await;
    }
    world.tick("seat-sync", "2027-01-01T00:15:00Z").await;
    worked_off(&world).await;
    assert_eq!(units(&world, &lines), [10, 10]);
    assert_eq!(world.units_on(&lines, date(2027, 1, 1)), [Some(13), Some(13)]);
}

#[tokio::test]
async fn renaming_and_repricing_neither_break_the_sync_nor_are_undone() {
    let (world, lines) = eve_with(1, |_| ()).await;
    let line = &lines[0];
    world.usage(line, 12).await;
    let patch = |entity: &str, id: i64, fields: Value| world.sim.patch(world.ci, entity, id, &fields).unwrap();
    patch(
        "Services",
        line.service_id,
        json!({"name": "Renamed", "description": "Other words", "unitPrice": 9, "unitCost": 8}),
    );
    patch(
        "ContractServices",
        line.line.id,
        json!({"invoiceDescription": "On the invoice", "unitPrice": 7.5, "unitCost": 6}),
    );
    patch("Contracts", line.contract_id, json!({"contractName": "Renamed, too"}));
    patch("Companies", line.company_id, json!({"companyName": "Renamed as well"}));
    let before = (world.row("Services", line.service_id), world.row("ContractServices", line.line.id));
    let report = sync(&world).await;
    assert_eq!((report[0].state, units(&world, &lines)), (LineState::Changed, vec![12]));
    let (service, contract_service) =
        (world.row("Services", line.service_id), world.row("ContractServices", line.line.id));
    assert_eq!(before.0, service);
    for field in ["invoiceDescription", "unitPrice", "unitCost"] {
        assert_eq!(before.1[field], contract_service[field], "{field}");
    }
    let body = &adjustments(&world)[0].body;
    assert!(body["adjustedUnitCost"].is_null() && body["adjustedUnitPrice"].is_null(), "{body}");
}

#[tokio::test]
async fn a_line_that_is_not_on_its_contract_is_never_written_to() {
    let (world, lines) = eve_with(2, |_| ()).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    erase_rows(&world, &lines[0], date(2000, 1, 1));
    world.sim.delete(world.ci, "ContractServices", lines[0].line.id).unwrap();
    sync(&world).await;
    let bodies: Vec<Value> = adjustments(&world).into_iter().map(|request| request.body).collect();
    assert_eq!(
        bodies.iter().map(|body| body["contractServiceID"].clone()).collect::<Vec<_>>(),
        [json!(lines[1].line.id)]
    );
    assert!(bodies.iter().all(|body| body["serviceID"].is_null()), "a service id could create a line: {bodies:?}");
}

#[tokio::test]
async fn a_period_without_a_row_counts_as_none_only_where_it_has_begun() {
    let (world, lines) = eve_with(2, |_| ()).await;
    // The first line has rows before and none for December; the second one never had any.
    erase_rows(&world, &lines[0], DECEMBER);
    erase_rows(&world, &lines[1], date(2000, 1, 1));
    for line in &lines {
        world.usage(line, 9).await;
    }
    let mut ahead = domain::runs::StartRun::seat_sync(RunMode::Apply, domain::runs::Trigger::Manual);
    ahead.effective_date = Some(DECEMBER);
    crate::seat_sync::started(&world, ahead).await;
    let report = worked_off(&world).await;
    assert!(adjustments(&world).is_empty(), "rows of December may only not be shown yet");
    assert!(report.iter().all(|line| line.code == Some(Code::PeriodNotVisible)), "{report:?}");
}
