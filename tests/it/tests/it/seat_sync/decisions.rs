//! What a run decides about each line: its state, its code, and words that a partner understands.

mod contracts;
mod costs;
mod drift;
mod guards;
mod outcome;
mod rights;
mod standing;

use super::{EVE, SLOT, last_run, report};
use domain::LineKind;
use domain::connections::Settings;
use domain::mappings::Mapping;
use domain::problem::Code;
use domain::records::{Expect, Key, Write};
use domain::runs::{LineState, RunLine, Totals};
use domain::vendor::Account;
use jiff::civil::Date;
use serde_json::{Value, json};
use testkit::{Line, World};

/// A world on the eve of the sync with lines of 10 units, in which held lines never stop a whole run.
async fn eve_with(lines: usize, change: impl FnOnce(&mut Settings) + Send + 'static) -> (World, Vec<Line>) {
    let lenient = |settings: &mut Settings| settings.guards.stop_run_percent = 100;
    let world = World::builder().at(EVE).settings(lenient).settings(change).build().await;
    let lines = world.lines(lines).await;
    (world, lines)
}

/// The scheduled run of December, worked off.
async fn sync(world: &World) -> Vec<RunLine> {
    world.tick("seat-sync", SLOT).await;
    worked_off(world).await
}

/// The report of the run that was started last.
async fn worked_off(world: &World) -> Vec<RunLine> {
    world.drain().await;
    let run = last_run(world).await;
    let lines = report(world, &run).await;
    assert_eq!(run.totals, Totals::of(lines.iter().map(|line| line.state)), "totals are the sums of the states");
    assert!(lines.iter().all(|line| !line.words.is_empty()), "every line says why: {lines:?}");
    lines
}

fn said(line: &RunLine) -> (LineState, Option<Code>, &str) {
    (line.state, line.code, &line.words)
}

async fn edit_mapping(world: &World, line: &Line, change: impl FnOnce(&mut Mapping)) {
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), line.account.clone());
    let mut mapping = world.load::<Mapping>(&key).await.unwrap().value;
    change(&mut mapping);
    world.put(&mapping).await;
}

async fn edit_account(world: &World, line: &Line, change: impl FnOnce(&mut Account)) {
    let key = Key::Account(world.partner.clone(), line.account.clone());
    let mut account = world.load::<Account>(&key).await.unwrap().value;
    change(&mut account);
    world.put(&account).await;
}

async fn edit_settings(world: &World, change: impl FnOnce(&mut Settings)) {
    use domain::connections::settings::SettingsRecord;
    let key = Key::Settings(world.partner.clone(), world.connection.clone());
    let mut record = world.load::<SettingsRecord>(&key).await.unwrap().value;
    change(&mut record.settings);
    world.put(&record).await;
}

async fn forget_usage(world: &World, line: &Line) {
    let key = Key::Usage(world.partner.clone(), line.account.clone(), line.package.clone());
    let write = Write::delete(key, Expect::Any);
    world.ports().storage.write(&world.system_scope(), vec![write]).await.unwrap();
}

/// The units rows of a line: id, first day, last day.
fn rows_of(world: &World, line: &Line) -> Vec<(i64, Date, Date)> {
    let (entity, field) = match line.line.kind {
        LineKind::Service => ("ContractServiceUnits", "contractServiceID"),
        LineKind::Bundle => ("ContractServiceBundleUnits", "contractServiceBundleID"),
    };
    let day = |row: &Value, field: &str| -> Date { row[field].as_str().unwrap()[..10].parse().unwrap() };
    let rows = world.rows(entity).into_iter().filter(|(_, row)| row[field] == json!(line.line.id));
    rows.map(|(id, row)| (id, day(&row, "startDate"), day(&row, "endDate"))).collect()
}

/// Changes the row that covers a day, as a person in Autotask would.
fn patch_row(world: &World, line: &Line, day: Date, fields: &Value) {
    let (id, ..) = rows_of(world, line).into_iter().find(|(_, start, end)| *start <= day && day <= *end).unwrap();
    world.sim.patch(world.ci, "ContractServiceUnits", id, fields).unwrap();
}

/// Removes a line's rows that begin on a day or later.
fn erase_rows(world: &World, line: &Line, from: Date) {
    for (id, ..) in rows_of(world, line).into_iter().filter(|(_, start, _)| *start >= from) {
        world.sim.delete(world.ci, "ContractServiceUnits", id).unwrap();
    }
}
