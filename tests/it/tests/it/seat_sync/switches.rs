//! The seat sync where Autotask behaves otherwise than by default, in each way that nobody has confirmed
//! (`simulator::Switches`): lines end right, or are honestly told; nothing is sent twice.

use super::{DECEMBER, EVE, SLOT, eve, last_run, manual, report, units};
use domain::connections::ConnectionStatus;
use domain::connections::settings::Settings;
use domain::problem::Code;
use domain::runs::{LineState, RunLine, RunMode, RunState};
use jiff::civil::date;
use serde_json::{Value, json};
use simulator::{
    Allow, DateValues, Fault, FaultKind, FutureRows, HourlyCap, LoggedRequest, Match, MaxRecordsCapital, MissingItem,
    PeriodStart, PeriodTypeForm, Switches, UserAccessForm, WireRequest,
};
use testkit::{Line, World};

async fn world_with(
    settings: impl FnOnce(&mut Settings) + Send + 'static,
    switches: impl FnOnce(&mut Switches),
) -> World {
    World::builder()
        .at("2026-11-29T20:00:00Z")
        .settings(|settings| settings.guards.stop_run_percent = 100)
        .settings(settings)
        .switches(switches)
        .database(|database| database.page_size = 3)
        .build()
        .await
}

/// Requests for adjustments, applied or not. (Further pages are POSTs, too.)
fn adjustments(world: &World) -> Vec<LoggedRequest> {
    let all = world.sim.requests().into_iter();
    all.filter(|request| request.path.to_lowercase().ends_with("adjustments")).collect()
}

/// Five lines of 10 units, of which one has no row at all; three of them get another count.
async fn lines_of(world: &World) -> Vec<Line> {
    let lines = world.lines(5).await;
    for (line, active) in lines.iter().zip([12, 7, 10, 10, 4]) {
        world.usage(line, active).await;
    }
    let rows = world.rows("ContractServiceUnits");
    let last = rows.iter().filter(|(_, row)| row["contractServiceID"] == json!(lines[4].line.id));
    for (id, _) in last {
        world.sim.delete(world.ci, "ContractServiceUnits", *id).unwrap();
    }
    lines
}

const WANTED: [i64; 5] = [12, 7, 10, 10, 4];

async fn run_at(world: &World, slot: &str) -> Vec<RunLine> {
    world.tick("seat-sync", slot).await;
    world.drain().await;
    report(world, &last_run(world).await).await
}

/// A scheduled run brings every line to its target, with one adjustment each; another run finds nothing to do.
async fn ends_right(name: &str, slot: &str, world: &World) {
    let lines = lines_of(world).await;
    let report = run_at(world, slot).await;
    let run = last_run(world).await;
    assert_eq!(run.state, RunState::Done, "{name}: {report:#?}");
    assert_eq!(units(world, &lines), WANTED, "{name}");
    assert_eq!((run.totals.changed, run.totals.unchanged), (3, 2), "{name}");
    assert_eq!(adjustments(world).len(), 3, "{name}");
    for adjustment in world.sim.adjustments() {
        assert_eq!(adjustment.effective_date, DECEMBER, "{name}");
        assert!(!adjustment.created_line, "{name}");
    }
    manual(world, RunMode::Apply).await;
    world.drain().await;
    let again = last_run(world).await;
    assert_eq!((again.state, again.totals.unchanged), (RunState::Done, 5), "{name}");
    assert_eq!(adjustments(world).len(), 3, "{name}: nothing is sent twice");
}

#[tokio::test]
async fn lines_end_right_whatever_form_things_have() {
    type Switch = fn(&mut Switches);
    let switches: [(&str, Switch); 9] = [
        ("defaults", |_| ()),
        ("zero units", |s| s.zero_units = Allow::Refused),
        ("posted period", |s| s.posted_period = Allow::Refused),
        ("MaxRecords", |s| s.max_records_capital = MaxRecordsCapital::Honoured),
        ("missing item", |s| s.missing_item = MissingItem::NullItem),
        ("period type", |s| s.contract_period_type = PeriodTypeForm::Letter),
        ("period start", |s| s.period_start = PeriodStart::FirstOfMonth),
        ("user access", |s| s.user_access = UserAccessForm::Text),
        ("future rows", |s| s.future_rows = FutureRows::BegunOnly),
    ];
    for (name, switch) in switches {
        ends_right(name, SLOT, &world_with(|_| (), switch).await).await;
    }
}

#[tokio::test]
async fn lines_end_right_in_every_zone_in_which_dates_may_be_told() {
    for (tenant, connection, slot) in [
        ("America/Chicago", "America/Chicago", "2026-12-01T06:15:00Z"),
        ("America/Chicago", "UTC", SLOT),
        ("Etc/GMT+5", "America/New_York", "2026-12-01T05:15:00Z"),
        ("Etc/GMT+11", "UTC", SLOT),
        ("Etc/GMT-10", "Etc/GMT-10", "2026-11-30T14:15:00Z"),
        ("Etc/GMT-10", "UTC", SLOT),
        ("Pacific/Auckland", "Pacific/Auckland", "2026-11-30T11:15:00Z"),
        ("Asia/Kolkata", "Asia/Kolkata", "2026-11-30T19:15:00Z"),
    ] {
        let zone = |settings: &mut Settings| connection.clone_into(&mut settings.time_zone);
        let dates = |switches: &mut Switches| switches.date_values = DateValues::TenantMidnight(tenant.to_owned());
        ends_right(&format!("{tenant} seen from {connection}"), slot, &world_with(zone, dates).await).await;
    }
}

#[tokio::test]
async fn where_the_zone_is_not_the_tenants_rows_are_found_and_their_absence_is_not_taken_for_none() {
    let dates = |switches: &mut Switches| {
        switches.date_values = DateValues::TenantMidnight("Pacific/Auckland".to_owned());
    };
    let world = world_with(|_| (), dates).await;
    let lines = lines_of(&world).await;
    let report = run_at(&world, SLOT).await;
    let states: Vec<LineState> = report.iter().map(|line| line.state).collect();
    use LineState::{Changed, Failed, Unchanged};
    assert_eq!(states, [Changed, Changed, Unchanged, Unchanged, Failed], "{report:#?}");
    assert_eq!(report[4].code, Some(Code::PeriodNotVisible));
    assert_eq!(units(&world, &lines[..4]), WANTED[..4]);
    assert_eq!(adjustments(&world).len(), 2);
}

#[tokio::test]
async fn reads_that_lag_cost_time_and_nothing_else() {
    for seconds in [30, 300] {
        ends_right(&format!("{seconds} s"), SLOT, &world_with(|_| (), |s| s.units_lag_seconds = seconds).await).await;
    }
}

#[tokio::test]
async fn a_change_that_reads_do_not_show_in_time_is_unverified_and_never_sent_again() {
    let world = world_with(|_| (), |switches| switches.units_lag_seconds = 3_600).await;
    let lines = lines_of(&world).await;
    let report = run_at(&world, SLOT).await;
    for line in [&report[0], &report[1], &report[4]] {
        assert_eq!((line.state, line.code), (LineState::Unverified, Some(Code::WriteUnverified)), "{}", line.words);
    }
    assert_eq!(last_run(&world).await.state, RunState::Partial);
    assert_eq!(units(&world, &lines), WANTED, "it had arrived all the same");
    world.advance(jiff::SignedDuration::from_hours(1));
    manual(&world, RunMode::Apply).await;
    world.drain().await;
    assert_eq!((last_run(&world).await.state, adjustments(&world).len()), (RunState::Done, 3));
}

#[tokio::test]
async fn nought_that_autotask_does_not_take_ends_in_its_own_words() {
    let lenient = |settings: &mut Settings| (settings.guards.hold_zero, settings.guards.max_percent) = (false, 100);
    let world = world_with(lenient, |switches| switches.zero_units = Allow::Refused).await;
    let lines = world.lines(3).await;
    world.usage(&lines[0], 0).await;
    world.usage(&lines[1], 12).await;
    let report = run_at(&world, SLOT).await;
    assert_eq!(
        (report[0].state, report[0].code),
        (LineState::Failed, Some(Code::ZeroUnitsRefused)),
        "{}",
        report[0].words
    );
    assert!(report[0].words.contains("The resulting number of units cannot be 0."), "{}", report[0].words);
    assert_eq!(units(&world, &lines), [10, 12, 10]);
    assert_eq!(last_run(&world).await.state, RunState::Partial);
}

#[tokio::test]
async fn nought_is_written_where_autotask_takes_it() {
    let lenient = |settings: &mut Settings| (settings.guards.hold_zero, settings.guards.max_percent) = (false, 100);
    let world = world_with(lenient, |_| ()).await;
    let lines = world.lines(1).await;
    world.usage(&lines[0], 0).await;
    assert_eq!(run_at(&world, SLOT).await[0].state, LineState::Changed);
    assert_eq!(units(&world, &lines), [0]);
}

#[tokio::test]
async fn a_posted_period_is_left_alone_whether_or_not_autotask_would_take_a_change() {
    for posted_period in [Allow::Refused, Allow::Accepted] {
        let world = world_with(|_| (), |switches| switches.posted_period = posted_period).await;
        let lines = world.lines(2).await;
        world.usage(&lines[0], 12).await;
        world.usage(&lines[1], 12).await;
        let rows = world.rows("ContractServiceUnits");
        let is_december = |row: &Value| row["startDate"].as_str().unwrap().starts_with("2026-12-01");
        let of_first =
            rows.iter().find(|(_, row)| row["contractServiceID"] == json!(lines[0].line.id) && is_december(row));
        let posted = json!({"approveAndPostDate": "2026-11-30"});
        world.sim.patch(world.ci, "ContractServiceUnits", *of_first.unwrap().0, &posted).unwrap();
        let report = run_at(&world, SLOT).await;
        assert_eq!((report[0].state, report[0].code), (LineState::Skipped, Some(Code::PeriodAlreadyBilled)));
        assert_eq!((units(&world, &lines), adjustments(&world).len()), (vec![10, 12], 1));
    }
}

#[tokio::test]
async fn rows_that_are_not_shown_yet_are_not_taken_for_none() {
    let zone = |settings: &mut Settings| "Pacific/Auckland".clone_into(&mut settings.time_zone);
    let world = world_with(zone, |switches| switches.future_rows = FutureRows::BegunOnly).await;
    let lines = world.lines(2).await;
    world.usage(&lines[0], 12).await;
    // In Auckland it is the 1st; for this Autotask the period has not begun.
    let report = run_at(&world, "2026-11-30T11:15:00Z").await;
    for line in &report {
        assert_eq!((line.state, line.code), (LineState::Failed, Some(Code::PeriodNotVisible)), "{}", line.words);
    }
    assert!(adjustments(&world).is_empty());
    world.clock.at_least("2026-12-01T12:00:00Z".parse().unwrap()).unwrap();
    manual(&world, RunMode::Apply).await;
    world.drain().await;
    assert_eq!((last_run(&world).await.state, units(&world, &lines)), (RunState::Done, vec![12, 10]));
}

/// Other integrations of the same database use up its hour.
fn use_up_the_hour(world: &World, calls: usize) {
    for _ in 0..calls {
        let path = "/ATServicesRest/V1.0/Companies/entityInformation";
        let mut request = WireRequest::new(http::Method::GET, path);
        for (name, value) in [
            ("UserName", testkit::USERNAME),
            ("Secret", testkit::SECRET),
            ("ApiIntegrationCode", testkit::INTEGRATION_CODE),
        ] {
            request.headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        world.sim.handle(request);
    }
}

#[tokio::test]
async fn an_hour_that_others_used_up_is_waited_out() {
    for cap in [HourlyCap::TooManyRequests, HourlyCap::ServerError, HourlyCap::Unavailable] {
        let world = World::builder()
            .at(EVE)
            .switches(|switches| switches.hourly_cap = cap)
            .database(|database| database.hourly_threshold = 1_000)
            .build()
            .await;
        let lines = world.lines(3).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        world.tick("seat-sync", SLOT).await;
        use_up_the_hour(&world, 1_000);
        world.drain().await;
        let run = last_run(&world).await;
        assert_eq!((run.state, units(&world, &lines)), (RunState::Done, vec![12; 3]), "{cap:?}: {:?}", run.problem);
        assert_eq!(world.sim.adjustments().len(), 3, "{cap:?}");
    }
}

#[tokio::test]
async fn a_used_up_hour_that_looks_like_a_wrong_login_stops_all_calls() {
    let world = World::builder()
        .at(EVE)
        .switches(|switches| switches.hourly_cap = HourlyCap::Unauthorized)
        .database(|database| database.hourly_threshold = 1_000)
        .build()
        .await;
    let lines = world.lines(2).await;
    world.usage(&lines[0], 12).await;
    world.tick("seat-sync", SLOT).await;
    use_up_the_hour(&world, 1_000);
    world.sim.clear_requests();
    world.drain().await;
    assert_eq!(last_run(&world).await.state, RunState::Failed);
    let key = domain::records::Key::Connection(world.partner.clone(), world.connection.clone());
    let connection = world.load::<domain::connections::Connection>(&key).await.unwrap();
    assert_eq!(connection.status, ConnectionStatus::NeedsRelink);
    assert!(world.sim.requests().len() <= 3, "{:?}", world.sim.requests());
    assert_eq!(units(&world, &lines), [10, 10]);

    world.advance(jiff::SignedDuration::from_mins(61));
    world.api(domain::Role::PartnerAdmin).post("C/test", Value::Null).await.assert_status(200);
    manual(&world, RunMode::Apply).await;
    world.drain().await;
    assert_eq!((last_run(&world).await.state, units(&world, &lines)), (RunState::Done, vec![12, 10]));
}

#[tokio::test]
async fn the_answers_at_the_cap_to_an_adjustment_never_send_it_twice() {
    let text = json!({"errors": ["The request threshold of 10000 requests per hour has been exceeded."]});
    let page = json!("<html><body><h1>Service Unavailable</h1></body></html>");
    for (status, body) in [(429, text.clone()), (500, text), (503, page), (401, Value::Null)] {
        let (world, lines) = eve(3).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        let answer = FaultKind::Status { status, body };
        world.sim.add_fault(Fault::new(Match::new("POST", "*Adjustments"), answer).times(2));
        let report = run_at(&world, SLOT).await;
        assert_eq!(
            (units(&world, &lines), last_run(&world).await.state),
            (vec![12; 3], RunState::Done),
            "{status}: {report:#?}"
        );
        assert_eq!(world.sim.adjustments().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn a_contract_that_begins_in_the_middle_of_a_month_has_its_period_and_not_the_months() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 12).await;
    let rows = world.rows("ContractServiceUnits");
    for (id, _) in rows.iter().filter(|(_, row)| row["contractServiceID"] == json!(lines[0].line.id)) {
        world.sim.delete(world.ci, "ContractServiceUnits", *id).unwrap();
    }
    let dates = json!({"startDate": "2026-06-15", "endDate": "2027-06-14"});
    world.sim.patch(world.ci, "Contracts", lines[0].contract_id, &dates).unwrap();
    let line = &lines[0];
    for (start, end) in [("2026-11-15", "2026-12-14"), ("2026-12-15", "2027-01-14")] {
        let row = json!({
            "contractServiceID": line.line.id, "contractID": line.contract_id, "serviceID": line.service_id,
            "startDate": start, "endDate": end, "units": 10,
        });
        world.sim.insert(world.ci, "ContractServiceUnits", &[row]).unwrap();
    }
    run_at(&world, SLOT).await;
    let on = |month: i8, day: i8| world.units_on(&lines, date(2026, month, day))[0];
    assert_eq!((on(11, 30), on(12, 1), on(12, 14), on(12, 15)), (Some(10), Some(12), Some(12), Some(12)));
    assert_eq!(last_run(&world).await.state, RunState::Done);
}
