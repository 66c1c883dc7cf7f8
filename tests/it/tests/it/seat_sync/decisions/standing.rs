//! Accounts that are not written now, whatever their count.

use super::super::{adjustments, last_run, units};
use super::{edit_account, edit_mapping, eve_with, said, sync};
use domain::AccountId;
use domain::mappings::MappingStatus;
use domain::problem::Code;
use domain::runs::{LineState, RunState};
use domain::vendor::AccountClaim;

#[tokio::test]
async fn accounts_that_are_paused_gone_or_another_psas_are_left_alone() {
    let (world, lines) = eve_with(4, |_| ()).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    edit_mapping(&world, &lines[0], |mapping| mapping.paused = true).await;
    edit_account(&world, &lines[1], |account| account.active = false).await;
    let (partner, account, at) = (world.partner.clone(), lines[2].account.clone(), world.clock.now());
    world.put(&AccountClaim { partner, account, psa: "connectwise".to_owned(), at }).await;
    let report = sync(&world).await;
    assert_eq!(said(&report[0]), (LineState::Skipped, None, "The account is paused."));
    assert_eq!(said(&report[1]), (LineState::Skipped, None, "The account is no longer active at the vendor."));
    let words = "connectwise synchronises this account.";
    assert_eq!(said(&report[2]), (LineState::Skipped, Some(Code::AccountClaimedByOtherPsa), words));
    assert_eq!(report[3].state, LineState::Changed);
    assert_eq!(units(&world, &lines), [10, 10, 10, 12]);
    assert_eq!(last_run(&world).await.state, RunState::Done, "what is left alone on purpose is no failure");
}

#[tokio::test]
async fn with_pilot_accounts_only_these_are_in_the_run() {
    let pilot = AccountId::new("acc_0002").unwrap();
    let (world, lines) = eve_with(3, move |settings| settings.pilot_accounts = vec![pilot]).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let report = sync(&world).await;
    assert_eq!(report.iter().map(|line| (line.no, line.account.as_str())).collect::<Vec<_>>(), [(1, "acc_0002")]);
    assert_eq!(units(&world, &lines), [10, 12, 10]);
}

#[tokio::test]
async fn only_confirmed_mappings_with_a_contract_are_in_the_run() {
    let (world, lines) = eve_with(4, |_| ()).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    edit_mapping(&world, &lines[0], |mapping| mapping.status = MappingStatus::Suggested).await;
    edit_mapping(&world, &lines[1], |mapping| mapping.status = MappingStatus::Excluded).await;
    edit_mapping(&world, &lines[2], |mapping| mapping.contract = None).await;
    let report = sync(&world).await;
    assert_eq!(report.iter().map(|line| line.account.as_str()).collect::<Vec<_>>(), ["acc_0004"]);
    assert_eq!(units(&world, &lines), [10, 10, 10, 12]);
}

#[tokio::test]
async fn a_connection_without_lines_is_done_and_writes_nothing() {
    let (world, _) = eve_with(0, |_| ()).await;
    assert!(sync(&world).await.is_empty());
    assert_eq!(last_run(&world).await.state, RunState::Done);
    assert!(adjustments(&world).is_empty());
}
