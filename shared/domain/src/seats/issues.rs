//! Issues of a run's lines: one per account, package and code, closed by the run that finds the cause gone.

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

/// Opens and closes the issues of a run's lines.
pub(super) async fn report(ports: &Ports, scope: &Scope, run: &Run, lines: &[RunLine]) -> Result<()> {
    let of = Collection::Issues(run.partner.clone(), run.connection.clone());
    let present = load_all::<Issue>(&*ports.storage, scope, &of, Read::Strong).await?;
    let subjects: BTreeMap<String, &RunLine> = lines.iter().map(|line| (subject_of(line), line)).collect();
    let mut steps: Vec<(String, Code, Option<&str>)> = Vec::new();
    for issue in present.iter().filter(|issue| issue.state == IssueState::Open) {
        if let Some(line) = subjects.get(&issue.subject)
            && trouble(line) != Some(issue.code)
        {
            steps.push((issue.subject.clone(), issue.code, None));
        }
    }
    for (subject, line) in &subjects {
        if let Some(code) = trouble(line) {
            steps.push((subject.clone(), code, Some(&line.words)));
        }
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

fn subject_of(line: &RunLine) -> String {
    format!("account/{}/{}", line.account, line.package)
}

/// What somebody has to look at, if anything.
fn trouble(line: &RunLine) -> Option<Code> {
    match line.state {
        LineState::Failed | LineState::Held | LineState::Unverified => line.code,
        LineState::Skipped => line.code.filter(|code| matches!(code, Code::UsageMissing | Code::UsageStale)),
        LineState::Changed | LineState::Unchanged | LineState::Superseded => None,
    }
}
