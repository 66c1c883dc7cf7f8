//! Reading the audit trail: who changed what, in which role, by which request, from what to what. Rows are written with
//! the changes themselves ([`crate::change`]); nothing here changes one.

use crate::actor::{Role, Scope};
use crate::change::{AUDIT_KEPT, AuditRow};
use crate::connections::{Connection, read_settings};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Collection, Key, load, load_page};
use crate::runs::safe_cell;
use crate::vendor::{Partner, partner_zone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Reads of one page of the list, each of at most a page's rows or of one month: with a filter that hardly anything
/// passes, the page ends after these, and the next one goes on.
const READS_MAX: u32 = 24;
/// Rows read at once for a file.
const FILE_PAGE: u32 = 500;
/// Most rows of a file.
pub const FILE_ROWS_MAX: usize = 10_000;
/// Most bytes of a file: Lambda answers with at most 6 MB, and escapes what goes into its own JSON.
pub const FILE_BYTES_MAX: usize = 4_000_000;
/// Days of a file where nobody says: a month.
const FILE_DAYS: i32 = 31;

/// Whose trail: a connection's, or the partner's own, of what belongs to no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of<'a> {
    /// The partner.
    pub partner: &'a PartnerId,
    /// The connection; none for the partner's own.
    pub connection: Option<&'a ConnectionId>,
}

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditFilter {
    /// From this day on, in the zone of the connection or partner.
    pub from: Option<Date>,
    /// Up to this day.
    pub to: Option<Date>,
    /// By this caller, schedule or queue.
    pub who: Option<String>,
    /// In this role.
    pub role: Option<Role>,
    /// What was done: `mapping.saved`, or all of `mapping`.
    pub action: Option<String>,
    /// On this subject, or something below it.
    pub subject: Option<String>,
}

impl AuditFilter {
    fn admits(&self, row: &AuditRow) -> bool {
        let within = |of: &String, text: &str, separator: char| {
            text.strip_prefix(&**of).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
        };
        self.who.as_ref().is_none_or(|who| row.actor.who == *who)
            && self.role.is_none_or(|role| row.actor.role == role)
            && self.action.as_ref().is_none_or(|action| within(action, &row.action, '.'))
            && self.subject.as_ref().is_none_or(|subject| within(subject, &row.subject, '/'))
    }
}

/// A place in the list: a month, and where in it a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    month: Date,
    token: Option<String>,
}

/// The instants between which rows are wanted: from the first, up to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Timestamp,
    until: Timestamp,
}

impl Span {
    /// Days in their zone; without them everything that is kept.
    fn of(filter: &AuditFilter, zone: &TimeZone, now: Timestamp) -> Result<Self> {
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && from > to
        {
            return Err(Problem::field("to", "must not lie before `from`").into());
        }
        let kept = now.checked_sub(AUDIT_KEPT).unwrap_or(Timestamp::MIN);
        let begins = |day: Date| day.to_zoned(zone.clone()).map_or(kept, |at| at.timestamp());
        let from = filter.from.map_or(kept, begins).max(kept);
        let until = filter.to.and_then(|day| day.checked_add(1.day()).ok()).map_or(Timestamp::MAX, begins);
        Ok(Self { from, until })
    }

    /// The months that hold it, in UTC as rows are kept, the newest first.
    fn months(self, now: Timestamp) -> impl Iterator<Item = Date> {
        let month = |at: Timestamp| at.to_zoned(TimeZone::UTC).date().first_of_month();
        // Clocks of two machines may differ: nothing is later than tomorrow.
        let newest = month(self.until.min(now.checked_add(24.hours()).unwrap_or(now)));
        let oldest = month(self.from);
        std::iter::successors(Some(newest), |month| month.checked_sub(1.month()).ok())
            .take_while(move |month| *month >= oldest)
    }
}

/// A page of the trail, the newest row first.
///
/// # Errors
/// `not_found` for connection or partner; `invalid_input` naming a field.
pub async fn list(
    ports: &Ports,
    scope: &Scope,
    of: Of<'_>,
    filter: &AuditFilter,
    limit: u32,
    after: Option<After>,
) -> Result<(Vec<AuditRow>, Option<After>)> {
    let (now, zone) = (ports.clock.now(), zone_of(ports, scope, of).await?);
    let span = Span::of(filter, &zone, now)?;
    let begun = after.as_ref().map(|after| after.month);
    let mut months = span.months(now).filter(|month| begun.is_none_or(|begun| *month <= begun));
    let mut at = match after {
        Some(after) => {
            let _ = months.next();
            Some(after)
        }
        None => months.next().map(|month| After { month, token: None }),
    };
    let mut rows = Vec::new();
    for _ in 0..READS_MAX {
        let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(limit));
        let Some(After { month, token }) = at.take_if(|_| left > 0) else { break };
        let (found, next) = read(ports, scope, of, month, left, token).await?;
        let over = found.last().is_some_and(|row| row.at < span.from);
        rows.extend(found.into_iter().filter(|row| (span.from..span.until).contains(&row.at) && filter.admits(row)));
        at = match next {
            _ if over => None,
            Some(token) => Some(After { month, token: Some(token) }),
            None => months.next().map(|month| After { month, token: None }),
        };
    }
    Ok((rows, at))
}

/// The trail as CSV, the newest row first: of the days given, or of the last month.
///
/// # Errors
/// As [`list`]; `invalid_input` where it is more than a file holds.
pub async fn csv(ports: &Ports, scope: &Scope, of: Of<'_>, filter: &AuditFilter) -> Result<String> {
    let (now, zone) = (ports.clock.now(), zone_of(ports, scope, of).await?);
    let mut filter = filter.clone();
    if filter.from.is_none() {
        let to = filter.to.unwrap_or_else(|| now.to_zoned(zone.clone()).date());
        filter.from = to.checked_sub(FILE_DAYS.days()).ok();
    }
    let span = Span::of(&filter, &zone, now)?;
    let mut file = File::new().map_err(broken)?;
    for month in span.months(now) {
        let mut token = None;
        loop {
            let (found, next) = read(ports, scope, of, month, FILE_PAGE, token).await?;
            let over = next.is_none() || found.last().is_some_and(|row| row.at < span.from);
            let fit = found.iter().filter(|row| (span.from..span.until).contains(&row.at) && filter.admits(row));
            for row in fit {
                file.add(row).map_err(broken)?;
                file.check()?;
            }
            if over {
                break;
            }
            token = next;
        }
    }
    file.end().map_err(broken)
}

async fn read(
    ports: &Ports,
    scope: &Scope,
    of: Of<'_>,
    month: Date,
    limit: u32,
    after: Option<String>,
) -> Result<(Vec<AuditRow>, Option<String>)> {
    let month = format!("{:04}-{:02}", month.year(), month.month());
    let of = Collection::Audit(of.partner.clone(), of.connection.cloned(), month);
    let page = PageRequest { limit, after, order: Order::Descending, read: Read::Strong };
    let (found, next) = load_page::<AuditRow>(&*ports.storage, scope, &of, page).await?;
    Ok((found.into_iter().map(|row| row.value).collect(), next))
}

/// The zone of a connection, or of a partner; both must be there. A partner that only its own people have named so far
/// has a trail without a record.
async fn zone_of(ports: &Ports, scope: &Scope, of: Of<'_>) -> Result<TimeZone> {
    let Some(connection) = of.connection else {
        let known = load::<Partner>(&*ports.storage, scope, &Key::Partner(of.partner.clone())).await?.is_some();
        return match (known, scope) {
            (false, Scope::System(_)) => Err(Error::not_found("partner")),
            _ => partner_zone(ports, scope, of.partner).await,
        };
    };
    let key = Key::Connection(of.partner.clone(), connection.clone());
    if load::<Connection>(&*ports.storage, scope, &key).await?.is_some() {
        return Ok(read_settings(ports, scope, of.partner, connection).await?.settings.zone());
    }
    // The trail of a connection outlives it.
    let kept = Span::of(&AuditFilter::default(), &TimeZone::UTC, ports.clock.now())?;
    for month in kept.months(ports.clock.now()) {
        if !read(ports, scope, of, month, 1, None).await?.0.is_empty() {
            return partner_zone(ports, scope, of.partner).await;
        }
    }
    Err(Error::not_found("connection"))
}

/// The columns of a file.
pub const COLUMNS: [&str; 10] =
    ["at", "who", "role", "reason", "request_id", "action", "subject", "before", "after", "id"];

/// A file that grows row by row, and no further than it may.
struct File {
    writer: csv::Writer<Vec<u8>>,
    rows: usize,
}

impl File {
    fn new() -> Result<Self, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS)?;
        Ok(Self { writer, rows: 0 })
    }

    /// Adds a row; no cell is one that a spreadsheet runs.
    fn add(&mut self, row: &AuditRow) -> Result<(), csv::Error> {
        let json = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
        let cells = [
            row.at.to_string(),
            row.actor.who.clone(),
            row.actor.role.as_str().to_owned(),
            row.actor.reason.clone().unwrap_or_default(),
            row.actor.request_id.clone(),
            row.action.clone(),
            row.subject.clone(),
            json(&row.before),
            json(&row.after),
            row.id.clone(),
        ];
        self.rows += 1;
        self.writer.write_record(cells.iter().map(|cell| safe_cell(cell).into_owned()))?;
        self.writer.flush()?;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.rows <= FILE_ROWS_MAX && self.writer.get_ref().len() <= FILE_BYTES_MAX {
            return Ok(());
        }
        let rule = format!(
            "is too early: a file has at most {FILE_ROWS_MAX} rows and {FILE_BYTES_MAX} bytes; choose a shorter time"
        );
        Err(Problem::field("from", rule).into())
    }

    fn end(self) -> Result<String, csv::Error> {
        let bytes = self.writer.into_inner().map_err(|error| error.into_error())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn broken(error: csv::Error) -> Error {
    Error::problem(Code::Internal, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use serde_json::json;

    fn row(action: &str, subject: &str) -> AuditRow {
        AuditRow {
            id: "0199".to_owned(),
            at: "2026-11-20T11:00:00Z".parse().unwrap(),
            partner: PartnerId::new("acme").unwrap(),
            connection: None,
            actor: Actor::system("queue:runs", "r1"),
            action: action.to_owned(),
            subject: subject.to_owned(),
            before: Value::Null,
            after: json!({"a": 1}),
        }
    }

    #[test]
    fn a_filter_takes_whole_words_and_what_is_below_them() {
        let of = |action: Option<&str>, subject: Option<&str>| AuditFilter {
            action: action.map(str::to_owned),
            subject: subject.map(str::to_owned),
            ..AuditFilter::default()
        };
        let row = row("mapping.saved", "mapping/a1");
        for (action, subject, fits) in [
            (None, None, true),
            (Some("mapping"), None, true),
            (Some("mapping.saved"), Some("mapping"), true),
            (Some("map"), None, false),
            (Some("mapping.save"), None, false),
            (None, Some("mapping/a1"), true),
            (None, Some("mapping/a"), false),
        ] {
            assert_eq!(of(action, subject).admits(&row), fits, "{action:?} {subject:?}");
        }
        let by = |who: &str, role| AuditFilter { who: Some(who.to_owned()), role, ..AuditFilter::default() };
        assert!(by("queue:runs", Some(Role::System)).admits(&row));
        assert!(!by("queue:runs", Some(Role::Service)).admits(&row) && !by("queue", None).admits(&row));
    }

    #[test]
    fn days_are_those_of_the_zone_and_months_those_that_rows_are_kept_by() {
        let now: Timestamp = "2026-11-20T11:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Australia/Sydney").unwrap();
        let day = |text: &str| Some(text.parse().unwrap());
        let filter = AuditFilter { from: day("2026-10-01"), to: day("2026-11-01"), ..AuditFilter::default() };
        let span = Span::of(&filter, &zone, now).unwrap();
        assert_eq!(
            (span.from.to_string(), span.until.to_string()),
            ("2026-09-30T14:00:00Z".into(), "2026-11-01T13:00:00Z".into())
        );
        let months: Vec<String> = span.months(now).map(|month| month.to_string()).collect();
        assert_eq!(months, ["2026-11-01", "2026-10-01", "2026-09-01"]);
        let all = Span::of(&AuditFilter::default(), &zone, now).unwrap();
        assert_eq!(all.months(now).count(), 14);
        let wrong = AuditFilter { from: day("2026-11-02"), to: day("2026-11-01"), ..AuditFilter::default() };
        assert_eq!(Span::of(&wrong, &zone, now).unwrap_err().code(), Some(Code::InvalidInput));
    }

    #[test]
    fn no_cell_of_a_file_is_run_by_a_spreadsheet() {
        let mut file = File::new().unwrap();
        let mut evil = row("=1+1", "@subject");
        evil.actor = Actor { reason: Some(" =cmd|' /C calc'!A0".to_owned()), ..Actor::system("+who", "\t-req") };
        evil.before = json!("=x");
        evil.after = json!(-5);
        file.add(&evil).unwrap();
        let text = file.end().unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
        let cells: Vec<String> = reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect();
        let expected = ["'+who", "system", "' =cmd|' /C calc'!A0", "'\t-req", "'=1+1", "'@subject", "\"=x\"", "'-5"];
        assert_eq!(cells[1..9], expected);
    }
}
