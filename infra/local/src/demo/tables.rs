//! Tables that a person can read.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Width of a table, in characters: what fits on most people's screens.
const WIDTH: u16 = 160;
/// Most rows that are printed; the rest is counted.
const ROWS_MAX: usize = 60;

/// A table with a heading.
pub(super) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(head);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    let more = rows.len().saturating_sub(ROWS_MAX);
    for row in rows.into_iter().take(ROWS_MAX) {
        table.add_row(row);
    }
    if more > 0 { format!("{table}\n… and {more} more") } else { table.to_string() }
}

/// A value as a cell: nothing for null, text without quotes.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Lines of a plan or report: old → new, what became of them and why.
pub(super) fn lines(lines: &[Value]) -> String {
    let row = |line: &Value| {
        let new = match line["state"].as_str() {
            Some("held" | "failed" | "skipped") => "·".to_owned(),
            _ => cell(&line["units_wanted"]),
        };
        [
            cell(&line["account_name"]),
            cell(&line["contract_name"]),
            cell(&line["service_name"]),
            format!("{} → {new}", cell(&line["units_now"])),
            cell(&line["state"]),
            cell(&line["explanation"]),
        ]
    };
    let rows = lines.iter().map(row).collect();
    table(["Account", "Contract", "Line", "Units", "State", "In words"], rows)
}

/// Lines of a plan with what they would do to the monthly invoice.
pub(super) fn estimates(lines: &[Value]) -> String {
    let row = |line: &Value| {
        [
            cell(&line["account_name"]),
            cell(&line["service_name"]),
            format!("{} → {}", cell(&line["units_now"]), cell(&line["units_wanted"])),
            cell(&line["effective_date"]),
            cell(&line["invoice_change"]),
            cell(&line["explanation"]),
        ]
    };
    let rows = lines.iter().map(row).collect();
    table(["Account", "Service", "Units", "From", "Estimate a month", "In words"], rows)
}
