//! What a ticket says.

use super::record::FailureTicket;
use crate::actor::Scope;
use crate::connections::Connection;
use crate::mail::one_line;
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use crate::runs::{self, LineFilter, LineState, Run, RunLine};

/// Longest title, in characters: Autotask takes 255.
const TITLE_CHARS_MAX: usize = 200;
/// Longest description, in characters: Autotask takes 8,000.
const DESCRIPTION_CHARS_MAX: usize = 7_500;
/// Longest cell of a line, in characters.
const CELL_CHARS_MAX: usize = 120;

/// A title, and a description with the lines that failed as CSV.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) description: String,
}

/// The words for the newest run in which it failed.
pub(super) async fn of(ports: &Ports, scope: &Scope, connection: &Connection, record: &FailureTicket) -> Result<Words> {
    let (partner, id, run) = (&connection.partner, &connection.id, &record.failed_run);
    match runs::run_lines(ports, scope, partner, id, run, &LineFilter::default()).await {
        Ok((run, lines)) => Ok(of_run(&run, &lines, record)),
        // The run is gone; that it failed is all there is to say.
        Err(Error::Problem(_)) => Ok(Words {
            title: format!("Billing by integration failed: {}", record.subject),
            description: format!("Run {run} failed."),
        }),
        Err(error) => Err(error),
    }
}

fn of_run(run: &Run, lines: &[RunLine], record: &FailureTicket) -> Words {
    let client = record.subject.split_once('/').map(|(_, account)| account);
    let bad = |line: &&RunLine| {
        matches!(line.state, LineState::Failed | LineState::Unverified)
            && client.is_none_or(|client| line.account.as_str() == client)
    };
    let failed: Vec<&RunLine> = lines.iter().filter(bad).collect();
    let name = client.map(|client| {
        let named = failed.first().map_or(client, |line| line.account_name.as_str());
        format!(" for {}", one_line(named, CELL_CHARS_MAX))
    });
    let kind = run.kind.as_str().replace('_', " ");
    let what = if failed.is_empty() { "failed".to_owned() } else { format!("{} lines failed", failed.len()) };
    let title = format!("Billing by integration: {kind}{}: {what}", name.unwrap_or_default());
    let mut description = format!("Run {} ({kind}) ended: {what}.", run.id);
    if let Some((code, detail)) = &run.problem {
        description.push_str(&format!("\n{} {} {}", code.title(), one_line(detail, 300), code.action()));
    }
    if !failed.is_empty() {
        description.push_str("\n\naccount,company,contract,service,units now,units wanted,code,explanation");
    }
    for (told, line) in failed.iter().enumerate() {
        let row = row(line);
        if description.chars().count() + row.chars().count() > DESCRIPTION_CHARS_MAX {
            description.push_str(&format!("\n… and {} more, which the run's report has.", failed.len() - told));
            break;
        }
        description.push('\n');
        description.push_str(&row);
    }
    description.push_str("\n\nThis ticket is closed by the integration when a later run goes through.");
    Words { title: one_line(&title, TITLE_CHARS_MAX), description }
}

/// A line as CSV.
fn row(line: &RunLine) -> String {
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let text = |text: &str| {
        let one = one_line(text, CELL_CHARS_MAX);
        let safe = runs::safe_cell(&one);
        if safe.contains([',', '"']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe.into_owned() }
    };
    [
        text(&line.account_name),
        text(line.company_name.as_deref().unwrap_or_default()),
        text(line.contract_name.as_deref().unwrap_or_default()),
        text(&line.service_name),
        number(line.units_now),
        number(line.units_wanted),
        line.code.map(Code::as_str).unwrap_or_default().to_owned(),
        text(&line.words),
    ]
    .join(",")
}
