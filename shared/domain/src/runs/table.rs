//! Reports as CSV (RFC 4180), safe to open in a spreadsheet.

use super::reconcile::Finding;
use super::{Reckoning, Run, RunLine};
use crate::problem::Code;
use std::borrow::Cow;
use std::fmt::Display;

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n'];

const LINE_COLUMNS: &[&str] = &[
    "no",
    "account_id",
    "account_name",
    "company_id",
    "company_name",
    "contract_id",
    "contract_name",
    "package_id",
    "line_kind",
    "contract_service_id",
    "service_name",
    "service_id",
    "leaving",
    "created",
    "units_now",
    "count",
    "count_as_of",
    "reckoned_from",
    "units_wanted",
    "delta",
    "unit_cost_now",
    "unit_cost_wanted",
    "invoice_change",
    "effective_date",
    "period_already_billed",
    "changed_by_hand_from",
    "state",
    "code",
    "explanation",
    "decision",
    "decided_by",
    "decided_at",
    "decision_note",
    "units_sent",
    "units_verified",
    "adjustment_id",
    "run_id",
    "run_mode",
];

const FINDING_COLUMNS: &[&str] = &[
    "bucket",
    "account_id",
    "account_name",
    "company_id",
    "company_name",
    "contract_id",
    "contract_name",
    "package_id",
    "line_kind",
    "contract_service_id",
    "service_name",
    "count",
    "count_as_of",
    "units",
    "difference",
    "invoice_difference",
    "cost_difference",
    "code",
    "explanation",
];

/// A run's lines: the columns of the plan and the result.
#[must_use]
pub fn lines_csv(run: &Run, lines: &[RunLine]) -> String {
    write(LINE_COLUMNS, lines.iter().map(|line| line_cells(run, line)))
}

/// A reconciliation's findings.
#[must_use]
pub fn findings_csv(findings: &[Finding]) -> String {
    write(FINDING_COLUMNS, findings.iter().map(finding_cells))
}

/// Text from outside as a cell: what a spreadsheet would run as a formula gets an apostrophe in front. Numbers of
/// ours go in as they are, a minus sign included.
#[must_use]
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.trim_start_matches(' ').starts_with(FORMULA) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

fn line_cells(run: &Run, line: &RunLine) -> Vec<String> {
    let delta = line.units_wanted.zip(line.units_now).map(|(wanted, now)| wanted - now);
    let decision = line.decision.as_ref();
    vec![
        line.no.to_string(),
        text(line.account.as_str()),
        text(&line.account_name),
        number(line.company_id),
        optional(line.company_name.as_deref()),
        number(line.contract_id),
        optional(line.contract_name.as_deref()),
        text(line.package.as_str()),
        kind(line.kind),
        number(line.line.map(|line| line.id)),
        text(&line.service_name),
        line.service_id.to_string(),
        line.leaving.to_string(),
        line.created.to_string(),
        number(line.units_now),
        number(line.count),
        number(line.count_as_of),
        line.reckoning.as_ref().map(reckoned).unwrap_or_default(),
        number(line.units_wanted),
        number(delta),
        number(line.cost_now),
        number(line.cost_wanted),
        number(line.invoice_change),
        line.effective_date.to_string(),
        line.period_billed.to_string(),
        number(line.drift_from),
        line.state.as_str().to_owned(),
        number(line.code.map(Code::as_str)),
        text(&line.words),
        optional(decision.map(|decision| decision.kind.as_str())),
        optional(decision.map(|decision| decision.who.as_str())),
        number(decision.map(|decision| decision.at)),
        optional(decision.and_then(|decision| decision.note.as_deref())),
        number(line.sent),
        number(line.verified_units),
        number(line.adjustment_id),
        run.id.to_string(),
        mode(run).to_owned(),
    ]
}

/// The counts that a line's units were reckoned from: `acc_0007/training 12 + acc_0008/training 3`.
fn reckoned(reckoning: &Reckoning) -> String {
    let part = |part: &super::Part| format!("{}/{} {}", part.account, part.package, part.count);
    reckoning.parts.iter().map(part).collect::<Vec<_>>().join(" + ")
}

fn mode(run: &Run) -> &'static str {
    match run.mode {
        super::RunMode::Preview => "preview",
        super::RunMode::Apply => "apply",
    }
}

fn finding_cells(found: &Finding) -> Vec<String> {
    vec![
        found.bucket.as_str().to_owned(),
        optional(found.account.as_ref().map(|id| id.as_str())),
        optional(found.account_name.as_deref()),
        number(found.company_id),
        optional(found.company_name.as_deref()),
        number(found.contract_id),
        optional(found.contract_name.as_deref()),
        optional(found.package.as_ref().map(|id| id.as_str())),
        found.line.map(|line| kind(line.kind)).unwrap_or_default(),
        number(found.line.map(|line| line.id)),
        optional(found.service_name.as_deref()),
        number(found.count),
        number(found.count_as_of),
        number(found.units),
        number(found.difference()),
        number(found.invoice_difference),
        number(found.cost_difference),
        number(found.code.map(Code::as_str)),
        text(&found.words),
    ]
}

fn kind(kind: crate::LineKind) -> String {
    match kind {
        crate::LineKind::Service => "service".to_owned(),
        crate::LineKind::Bundle => "bundle".to_owned(),
    }
}

fn text(text: &str) -> String {
    safe(text).into_owned()
}

fn optional(given: Option<&str>) -> String {
    given.map(text).unwrap_or_default()
}

fn number(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn write(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(columns).expect("a Vec takes every write");
    for row in rows {
        writer.write_record(&row).expect("each row has the header's columns");
    }
    let bytes = writer.into_inner().expect("a Vec takes every write");
    String::from_utf8(bytes).expect("CSV of text is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_a_spreadsheet_would_run_is_quoted_and_other_text_is_not() {
        for (given, cell) in [
            ("=HYPERLINK(\"http://evil\")", "'=HYPERLINK(\"http://evil\")"),
            ("+1+1", "'+1+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("  =1", "'  =1"),
            ("Umbrella = Corp", "Umbrella = Corp"),
            ("", ""),
        ] {
            assert_eq!(safe(given), cell);
        }
    }

    #[test]
    fn a_cell_with_a_comma_a_quote_or_a_line_break_is_quoted_and_lines_end_in_crlf() {
        let csv = write(&["a", "b"], [vec!["x, \"y\"".to_owned(), "1\r\n2".to_owned()]].into_iter());
        assert_eq!(csv, "a,b\r\n\"x, \"\"y\"\"\",\"1\r\n2\"\r\n");
    }
}
