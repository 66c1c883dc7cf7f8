//! What the bus is told about lines: those that were written, and those that wait for a person. One event for many
//! lines, since a first of the month changes thousands of them.

use super::{LineState, Run, RunKind, RunLine, RunMode, RunState, lines};
use crate::actor::Scope;
use crate::change::Change;
use crate::ports::Ports;
use crate::problem::Result;
use serde_json::{Value, json};

/// Lines of one event: some 30 KB, where an entry of the bus may have 256 KB.
const LINES_PER_EVENT: usize = 100;
/// Most events of one name: two names of them, the run and what else ends with it fit a transaction's 100 writes. A
/// run with more lines than that puts more into each event.
const EVENTS_MAX: usize = 40;

/// Adds `billing.line_written` (of an undo `billing.line_undone`) and `billing.line_held` of a run that was to write
/// and has ended.
pub(super) async fn tell<'a>(mut change: Change<'a>, ports: &Ports, scope: &Scope, run: &Run) -> Result<Change<'a>> {
    if !run.kind.is_billing() || run.mode != RunMode::Apply || !run.state.is_final() || run.chunks == 0 {
        return Ok(change);
    }
    let lines = lines::load_lines(ports, scope, &run.partner, &run.connection, &run.id).await?;
    let done = if run.kind == RunKind::Undo { "billing.line_undone" } else { "billing.line_written" };
    for (name, fits) in [(done, written as Fits), ("billing.line_held", held as Fits)] {
        let told: Vec<Value> = lines.iter().filter(|line| fits(run.state, line)).map(shown).collect();
        let size = told.len().div_ceil(EVENTS_MAX).max(LINES_PER_EVENT);
        for some in told.chunks(size) {
            let data = json!({"run_id": run.id, "status_url": run.status_url(), "lines": some});
            change = change.event(name, data)?;
        }
    }
    Ok(change)
}

type Fits = fn(RunState, &RunLine) -> bool;

/// Of a run that broke off, stored lines may be the plan: there only what was sent was written.
fn written(end: RunState, line: &RunLine) -> bool {
    let all_told = matches!(end, RunState::Done | RunState::Partial);
    line.state == LineState::Changed && (all_told || line.sent.is_some())
}

fn held(end: RunState, line: &RunLine) -> bool {
    let all_told = matches!(end, RunState::Done | RunState::Partial | RunState::Stopped);
    line.state == LineState::Held && all_told
}

fn shown(line: &RunLine) -> Value {
    json!({
        "account_id": line.account,
        "package_id": line.package,
        "company_id": line.company_id,
        "contract_id": line.contract_id,
        "line_kind": line.kind,
        "service_id": line.service_id,
        "contract_service_id": line.line.map(|line| line.id),
        "effective_date": line.effective_date,
        "units_before": line.units_now,
        "units_wanted": line.units_wanted,
        "units_verified": line.verified_units,
        "unit_cost_wanted": line.cost_wanted,
        "adjustment_id": line.adjustment_id,
        "code": line.code,
    })
}
