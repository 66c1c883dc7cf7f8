//! What the rows of a CSV file want: those of one account belong together, and are taken together or not at all.

use super::csv::{COLUMNS, FORMULA_STARTS};
use super::wanted::{LINES_MAX, Wanted, WantedLine, check_shape};
use crate::ids::{AccountId, LineKind, LineRef, PackageId};
use crate::problem::{Code, Error, Problem, Result};
use std::collections::BTreeMap;

/// Most rows of an import.
pub const IMPORT_ROWS_MAX: usize = 5_000;
/// How much of an unknown column's name is repeated, in characters.
const NAME_CHARS_SHOWN: usize = 64;
/// Largest import in bytes.
pub const IMPORT_BYTES_MAX: usize = 1024 * 1024;
/// Longest text of a row's error, in characters.
pub(super) const DETAIL_CHARS_MAX: usize = 200;
/// The columns that an import must have.
const REQUIRED: [&str; 2] = ["account_id", "company_id"];

/// What a file wants of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Save(Wanted),
    /// Unmapped, suggested or broken there: nothing is done.
    LeaveAlone,
}

/// What was wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowError {
    pub(super) code: Code,
    pub(super) detail: String,
}

impl RowError {
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self { code: Code::InvalidInput, detail: detail.into() }
    }

    pub(super) fn of(problem: &Problem) -> Self {
        Self { code: problem.code, detail: problem.detail.chars().take(DETAIL_CHARS_MAX).collect() }
    }
}

/// An account's rows: they are taken together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// As it stands in the file.
    pub(super) account: String,
    /// Line numbers of its rows; the header is line 1.
    pub(super) at: Vec<u64>,
    pub(super) wish: Result<(AccountId, Wish), RowError>,
}

/// Reads a file.
///
/// # Errors
/// `invalid_input` for a file that is too long, no CSV, or has other columns; what is wrong with rows stands in them.
pub(super) fn parse(text: &str) -> Result<Vec<Group>> {
    if text.len() > IMPORT_BYTES_MAX {
        return Err(Problem::new(Code::PayloadTooLarge, "The file has more than 1 MiB.").into());
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Problem::field("line 1", error.to_string()))?.clone();
    let columns = Columns::of(&header)?;
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (no, record) in reader.records().enumerate() {
        if no == IMPORT_ROWS_MAX {
            return Err(Problem::field("", format!("the file has more than {IMPORT_ROWS_MAX} rows")).into());
        }
        let record = record.map_err(|error| Problem::field(format!("row {}", no + 1), error.to_string()))?;
        let line = record.position().map_or(0, |position| lines.at(position.byte()));
        let row = columns.row(&record, header.len());
        match places.get(row.account) {
            Some(place) => add(&mut groups[*place], line, &row),
            None => {
                places.insert(row.account.to_owned(), groups.len());
                groups.push(begin(line, &row));
            }
        }
    }
    for group in &mut groups {
        check(group);
    }
    Ok(groups)
}

/// Counts lines as an editor does. The reader's own count is one short after `\r\n`, and stands still after `\r`.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that begins at a byte, or after the line ends there; asked for from the top downwards.
    fn at(&mut self, byte: u64) -> u64 {
        let begin = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(found) = self.text.get(self.at) {
            let ends_line = match found {
                b'\n' => true,
                b'\r' => self.text.get(self.at + 1) != Some(&b'\n'),
                _ if self.at >= begin => break,
                _ => false,
            };
            self.at += 1;
            self.line += u64::from(ends_line);
        }
        self.line
    }
}

/// Where the columns stand.
struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self> {
        let mut places = [None; COLUMNS.len()];
        for (at, name) in header.iter().enumerate() {
            let name = name.trim().to_ascii_lowercase();
            let known = COLUMNS.iter().position(|c| *c == name);
            let known = known.ok_or_else(|| {
                let name: String = name.chars().take(NAME_CHARS_SHOWN).collect();
                Problem::field("line 1", format!("unknown column `{name}`"))
            })?;
            if places[known].replace(at).is_some() {
                return Err(Problem::field("line 1", format!("the column `{name}` stands twice")).into());
            }
        }
        let has = |name: &str| COLUMNS.iter().position(|c| *c == name).is_some_and(|at| places[at].is_some());
        match REQUIRED.iter().find(|name| !has(name)) {
            Some(name) => Err(Problem::field("line 1", format!("the column `{name}` is required")).into()),
            None => Ok(Self(places)),
        }
    }

    fn row<'a>(&self, record: &'a csv::StringRecord, width: usize) -> Row<'a> {
        let cell = |name: &str| {
            let at = COLUMNS.iter().position(|c| *c == name).and_then(|at| self.0[at]);
            at.and_then(|at| record.get(at)).map_or("", plain)
        };
        Row {
            account: cell("account_id"),
            status: cell("status"),
            company: cell("company_id"),
            contract: cell("contract_id"),
            package: cell("package_id"),
            line_contract: cell("line_contract_id"),
            kind: cell("line_kind"),
            line: cell("contract_service_id"),
            overwrite_cost: cell("overwrite_cost"),
            ragged: record.len() != width,
        }
    }
}

/// One row's cells.
struct Row<'a> {
    account: &'a str,
    status: &'a str,
    company: &'a str,
    contract: &'a str,
    package: &'a str,
    line_contract: &'a str,
    kind: &'a str,
    line: &'a str,
    overwrite_cost: &'a str,
    ragged: bool,
}

fn begin(line: u64, row: &Row<'_>) -> Group {
    let wish = AccountId::new(row.account)
        .map_err(|error| RowError::invalid(format!("account_id: {error}")))
        .and_then(|id| Ok((id, wish(row)?)));
    Group { account: row.account.chars().take(64).collect(), at: vec![line], wish }
}

/// Another row of the same account: one more line of the same company and contract.
fn add(group: &mut Group, line: u64, row: &Row<'_>) {
    group.at.push(line);
    let Ok((_, first)) = &mut group.wish else { return };
    match (first, wish(row)) {
        (Wish::LeaveAlone, Ok(Wish::LeaveAlone)) => {}
        (Wish::Save(first), Ok(Wish::Save(more)))
            if !first.excluded
                && !more.excluded
                && (first.company_id, first.contract_id) == (more.company_id, more.contract_id) =>
        {
            first.lines.extend(more.lines);
        }
        (_, Err(error)) => group.wish = Err(error),
        _ => group.wish = Err(RowError::invalid(format!("line {line} and the account's first row do not agree"))),
    }
}

fn wish(row: &Row<'_>) -> Result<Wish, RowError> {
    if row.ragged {
        return Err(RowError::invalid("the row has another number of cells than the header"));
    }
    match row.status.to_ascii_lowercase().as_str() {
        "unmapped" | "suggested" | "broken" => return Ok(Wish::LeaveAlone),
        "excluded" => return Ok(Wish::Save(Wanted { excluded: true, ..Wanted::default() })),
        "" if row.company.is_empty() => return Ok(Wish::LeaveAlone),
        "" | "confirmed" => {}
        other => {
            return Err(RowError::invalid(format!("status: `{}` is none", other.chars().take(20).collect::<String>())));
        }
    }
    let (company_id, contract_id) = (id("company_id", row.company)?, id("contract_id", row.contract)?);
    let line = id("contract_service_id", row.line)?;
    let kind = match row.kind.to_ascii_lowercase().as_str() {
        "" | "service" => LineKind::Service,
        "bundle" => LineKind::Bundle,
        _ => return Err(RowError::invalid("line_kind: must be `service` or `bundle`")),
    };
    let overwrite_cost = match row.overwrite_cost.to_ascii_lowercase().as_str() {
        "" => None,
        "true" => Some(true),
        "false" => Some(false),
        _ => return Err(RowError::invalid("overwrite_cost: must be `true` or `false`")),
    };
    let own = id("line_contract_id", row.line_contract)?;
    let lines = match (row.package, line, own) {
        ("", None, None) => Vec::new(),
        ("", Some(_), _) => return Err(RowError::invalid("package_id: is required with a line")),
        ("", None, Some(_)) => return Err(RowError::invalid("package_id: is required with a line_contract_id")),
        (package, line, contract_id) => {
            let package_id = PackageId::new(package).map_err(|e| RowError::invalid(format!("package_id: {e}")))?;
            vec![WantedLine { package_id, contract_id, line: line.map(|id| LineRef { kind, id }), overwrite_cost }]
        }
    };
    Ok(Wish::Save(Wanted { company_id, contract_id, lines, excluded: false }))
}

fn id(column: &str, cell: &str) -> Result<Option<i64>, RowError> {
    if cell.is_empty() {
        return Ok(None);
    }
    let number = cell.parse().ok().filter(|id: &i64| *id >= 0);
    number.map(Some).ok_or_else(|| RowError::invalid(format!("{column}: must be a number")))
}

/// What can be said of an account's rows together without asking anybody.
fn check(group: &mut Group) {
    let Ok((_, Wish::Save(wanted))) = &group.wish else { return };
    if wanted.excluded {
        return;
    }
    if wanted.lines.len() > LINES_MAX {
        group.wish = Err(RowError::invalid(format!("an account has at most {LINES_MAX} lines")));
        return;
    }
    if let Err(Error::Problem(problem)) = check_shape(wanted) {
        group.wish = Err(RowError::of(&problem));
    }
}

/// A cell as it was before the export made it harmless.
fn plain(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA_STARTS)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::super::csv::write;
    use super::super::{CompanyRef, ContractRef, MappedLine, Mapping, MappingSource, MappingStatus, PackageContract};
    use super::*;
    use crate::ids::{ConnectionId, PartnerId};
    use crate::vendor::Account;

    fn account(id: &str, name: &str) -> Account {
        Account {
            partner: PartnerId::new("acme").unwrap(),
            id: AccountId::new(id).unwrap(),
            name: name.to_owned(),
            contact_email: None,
            packages: Vec::new(),
            removed: Vec::new(),
            told: std::collections::BTreeSet::new(),
            packages_at: None,
            active: true,
            updated_at: "2026-11-20T11:00:00Z".parse().unwrap(),
        }
    }

    fn mapping(account: &Account, company: &str, status: MappingStatus) -> Mapping {
        let line = |package: &str, id: i64| MappedLine {
            package_id: PackageId::new(package).unwrap(),
            line: LineRef::service(id),
            service_id: 41,
            service_name: "@SUM(1)".to_owned(),
            overwrite_cost: (id == 7).then_some(true),
        };
        let own = |package: &str, id: i64| PackageContract {
            package_id: PackageId::new(package).unwrap(),
            contract: ContractRef { id, name: "=Other".to_owned(), start: None, end: None },
        };
        Mapping {
            partner: account.partner.clone(),
            connection: ConnectionId::new("con_1").unwrap(),
            account: account.id.clone(),
            status,
            company: Some(CompanyRef { id: 4101, name: company.to_owned() }),
            contract: Some(ContractRef { id: 3300, name: "-1+1".to_owned(), start: None, end: None }),
            contracts: vec![own("p2", 3400), own("p3", 3500)],
            leaving: Vec::new(),
            lines: vec![line("p1", 7), line("p2", 8)],
            source: MappingSource::Manual,
            broken: None,
            paused: false,
            confirmed_at: None,
            updated_at: account.updated_at,
        }
    }

    fn one(text: &str) -> Result<(AccountId, Wish), RowError> {
        parse(&format!("account_id,company_id,contract_id,package_id,contract_service_id,status\n{text}"))
            .unwrap()
            .remove(0)
            .wish
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let file = ["account_id,company_id", "a1,1", "", "\"a", "2\",2", "a3,3"];
        for end in ["\n", "\r\n", "\r"] {
            let groups = parse(&(file.join(end) + end)).unwrap();
            let at: Vec<u64> = groups.iter().flat_map(|group| group.at.clone()).collect();
            assert_eq!(at, [2, 4, 6], "{end:?}");
        }
    }

    #[test]
    fn what_goes_out_comes_in_again_and_no_cell_is_a_formula() {
        let account = account("a1", "=cmd|' /C calc'!A0");
        let mapping = mapping(&account, "+Kite, \"Blue\"\nLtd", MappingStatus::Confirmed);
        let text = write([(&account, Some(&mapping))].into_iter()).unwrap();
        for start in FORMULA_STARTS {
            assert!(!text.contains(&format!(",{start}")) && !text.contains(&format!(",\"{start}")), "{text}");
        }
        let groups = parse(&text).unwrap();
        assert_eq!(groups.len(), 1);
        let line = |package: &str, contract_id, id: Option<i64>, overwrite_cost| WantedLine {
            package_id: PackageId::new(package).unwrap(),
            contract_id,
            line: id.map(LineRef::service),
            overwrite_cost,
        };
        let wanted = Wanted {
            company_id: Some(4101),
            contract_id: Some(3300),
            lines: vec![
                line("p1", None, Some(7), Some(true)),
                line("p2", Some(3400), Some(8), None),
                line("p3", Some(3500), None, None),
            ],
            excluded: false,
        };
        assert_eq!(groups[0].wish, Ok((account.id.clone(), Wish::Save(wanted))));
    }

    #[test]
    fn what_no_person_confirmed_is_left_alone() {
        for status in ["suggested", "broken", "unmapped"] {
            assert_eq!(one(&format!("a1,1,2,p1,3,{status}")).unwrap().1, Wish::LeaveAlone);
        }
        assert_eq!(one("a1,,,,,").unwrap().1, Wish::LeaveAlone);
        let Wish::Save(excluded) = one("a1,,,,,excluded").unwrap().1 else { panic!("left alone") };
        assert!(excluded.excluded);
    }

    #[test]
    fn a_row_says_what_is_wrong_with_it() {
        for (row, word) in [
            ("a 1,1,,,,", "account_id"),
            ("a1,x,,,,", "company_id"),
            ("a1,1,-2,,,", "contract_id"),
            ("a1,1,2,,3,", "package_id"),
            ("a1,1,,p1,3,", "contract_id"),
            ("a1,0,,,,", "company_id"),
            ("a1,1,2,p1,3,maybe", "status"),
            ("a1,1,2,p1", "cells"),
            ("a1,1,2,p1,3,\na1,1,9,p2,4,", "agree"),
            ("a1,1,2,p1,3,\na1,1,2,p1,4,", "package_id"),
        ] {
            let error = one(row).unwrap_err();
            assert!(error.detail.contains(word), "{row}: {error:?}");
        }
    }

    #[test]
    fn columns_are_checked_before_rows() {
        for (header, word) in [
            ("account_id", "company_id"),
            ("account_id,company_id,x", "`x`"),
            ("account_id,company_id,account_id", "twice"),
        ] {
            let Err(Error::Problem(problem)) = parse(&format!("{header}\na1\n")) else { panic!("taken") };
            assert!(problem.detail.contains(word), "{header}: {}", problem.detail);
        }
        assert!(parse("").is_err());
        assert!(parse("company_id,account_id\n").unwrap().is_empty());
    }

    #[test]
    fn rows_are_bounded_and_numbered_as_an_editor_shows_them() {
        let many = format!("account_id,company_id\n{}", "a1,1\n".repeat(IMPORT_ROWS_MAX + 1));
        assert!(parse(&many).is_err());
        let groups = parse("account_id,company_id\na1,1\na2,2\n").unwrap();
        assert_eq!(groups.iter().map(|g| g.at.clone()).collect::<Vec<_>>(), [[2], [3]]);
    }
}
