//! Issues of a run's lines: one per account, package and code, closed by the run that finds the cause gone.

use super::broken::is_broken;
use super::due::MISSED;
use crate::actor::Scope;
use crate::change::Change;
use crate::issues::{self, Issue, IssueState, Subject};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Result};
use crate::records::{Collection, load_all};
use crate::runs::{LineState, Run, RunLine};
use std::collections::BTreeMap;

/// Issues of one change: each is up to three writes, a transaction takes a hundred.
const BATCH: usize = 30;

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
    let mut steps: Vec<(String, Code, Option<&str>)> = Vec::new();
    for issue in present.iter().filter(|issue| issue.state == IssueState::Open) {
        if let Some(line) = subjects.get(&issue.subject)
            && trouble(line) != Some(issue.code)
            && !stopped.is_some_and(|stop| part_of(stop, line))
        {
            steps.push((issue.subject.clone(), issue.code, None));
        }
    }
    for (subject, line) in &subjects {
        if let Some(code) = trouble(line).filter(|_| !stopped.is_some_and(|stop| part_of(stop, line))) {
            steps.push((subject.clone(), code, Some(&line.words)));
        }
    }
    let whole = run.accounts.is_none();
    for code in STOPPED {
        match stopped.filter(|(why, _)| *why == code) {
            Some((_, words)) => steps.push((RUNS.to_owned(), code, Some(words))),
            None if whole => steps.push((RUNS.to_owned(), code, None)),
            None => {}
        }
    }
    if whole && stopped.is_none() {
        steps.push((MISSED.to_owned(), Code::RunMissed, None));
    }
    for batch in steps.chunks(BATCH) {
        let mut change = Change::of_connection(ports, &run.actor, &run.partner, &run.connection);
        for (subject, code, words) in batch {
            let on = Subject { partner: &run.partner, connection: &run.connection, subject };
            change = match words {
                Some(words) => issues::open(change, ports, scope, on, *code, words).await?,
                None => issues::resolve(change, ports, scope, on, *code).await?,
            };
        }
        change.commit(scope).await?;
    }
    Ok(())
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
