//! Issues of a run's lines: one per account, package and code, closed by the run that finds the cause gone.

use super::broken::is_broken;
use super::due::MISSED;
use crate::actor::Scope;
use crate::issues::batch::{Step, take};
use crate::issues::{Issue, Met, More};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Result};
use crate::records::{Collection, load_all};
use crate::runs::{LineState, Run, RunLine};
use serde_json::json;
use std::collections::BTreeMap;

/// What issues about the runs of a connection as such are about.
const RUNS: &str = "seat_sync";
/// Why a run as a whole was stopped, where that is an issue.
const STOPPED: [Code; 2] = [Code::RunStopped, Code::PermissionMissing];

/// Opens and closes the issues of a run and its lines. A run that was stopped is one issue, however many lines it held.
pub(super) async fn report(
    ports: &Ports,
    scope: &Scope,
    run: &Run,
    lines: &[RunLine],
    stopped: Option<&(Code, String)>,
) -> Result<()> {
    let of = Collection::Issues(run.partner.clone(), run.connection.clone());
    let present = load_all::<Issue>(&*ports.storage, scope, &of, Read::Strong).await?;
    let subjects: BTreeMap<String, &RunLine> = lines.iter().map(|line| (subject_of(line), line)).collect();
    let mut steps: Vec<Step<'_>> = Vec::new();
    for issue in present.iter().filter(|issue| issue.stands()) {
        if let Some(line) = subjects.get(&issue.subject)
            && trouble(line) != Some(issue.code)
            && !stopped.is_some_and(|stop| part_of(stop, line))
        {
            steps.push(Step { subject: issue.subject.clone(), code: issue.code, met: None });
        }
    }
    for (subject, line) in &subjects {
        if let Some(code) = trouble(line).filter(|_| !stopped.is_some_and(|stop| part_of(stop, line))) {
            let met = Met { detail: &line.words, more: Some(more(line)), by: Some(run.id.as_str()) };
            steps.push(Step { subject: subject.clone(), code, met: Some(met) });
        }
    }
    let whole = run.accounts.is_none();
    for code in STOPPED {
        match stopped.filter(|(why, _)| *why == code) {
            Some((_, words)) => {
                let met = Met { detail: words, more: None, by: Some(run.id.as_str()) };
                steps.push(Step { subject: RUNS.to_owned(), code, met: Some(met) });
            }
            None if whole => steps.push(Step { subject: RUNS.to_owned(), code, met: None }),
            None => {}
        }
    }
    if whole && stopped.is_none() {
        steps.push(Step { subject: MISSED.to_owned(), code: Code::RunMissed, met: None });
    }
    take(ports, scope, &run.actor, (&run.partner, &run.connection), &steps).await
}

/// What an issue of a line says besides its words: where to look, here and in Autotask.
fn more(line: &RunLine) -> More {
    let data = json!({
        "account_id": line.account, "account_name": line.account_name, "package_id": line.package, "line_no": line.no,
        "company_id": line.company_id, "contract_id": line.contract_id, "line": line.line.map(|line| line.to_string()),
        "units_now": line.units_now, "units_wanted": line.units_wanted, "effective_date": line.effective_date,
    });
    More { data, fix: None }
}

/// Whether a line is only one of those that made its run stop, or that were held with it.
fn part_of((why, _): &(Code, String), line: &RunLine) -> bool {
    line.state == LineState::Held || line.code == Some(*why)
}

fn subject_of(line: &RunLine) -> String {
    let own = format!("account/{}/{}", line.account, line.package);
    match line.line.filter(|_| line.leaving) {
        Some(left) => format!("{own}/{left}"),
        None => own,
    }
}

/// What somebody has to look at, if anything.
fn trouble(line: &RunLine) -> Option<Code> {
    match line.state {
        LineState::Failed | LineState::Held | LineState::Unverified => line.code.filter(|code| !is_broken(*code)),
        LineState::Skipped => {
            line.code.filter(|code| matches!(code, Code::UsageMissing | Code::UsageStale | Code::QuantityMissing))
        }
        LineState::Changed | LineState::Unchanged | LineState::Superseded => None,
    }
}
