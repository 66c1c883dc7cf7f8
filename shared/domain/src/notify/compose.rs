//! A mail's words. Whatever comes from outside stands on one line, so that it cannot pass for words of ours.

use super::preferences::EventKind;
use super::state::{Notice, NotifyState, Sending};
use crate::actor::Scope;
use crate::connections::Connection;
use crate::connections::settings::SettingsRecord;
use crate::mail::{ATTACHED_BYTES_MAX, Address, Attachment, Mail, one_line};
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use crate::records::{Key, load};
use crate::runs::{self, LineFilter, LineState, Run, RunKind, RunLine, RunState};
use crate::vendor::Partner;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// What every subject begins with, for people's filters.
const PREFIX: &str = "[Autotask]";
/// Longest name of a partner in a mail, in characters.
const NAME_CHARS_MAX: usize = 80;
/// Reasons of a run's lines that are named; the file has all.
const REASONS_MAX: usize = 10;

/// The mail that tells what was claimed.
pub(super) async fn mail(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
    state: &NotifyState,
    sending: &Sending,
    to: Vec<Address>,
) -> Result<Mail> {
    let name = partner_name(ports, scope, connection).await?;
    let zone = zone_of(ports, scope, connection).await?;
    let notices = &state.pending[..sending.notices.min(state.pending.len())];
    let (mut sections, mut attachments, mut room) = (Vec::new(), Vec::new(), ATTACHED_BYTES_MAX);
    let mut headline = String::new();
    for notice in notices {
        let told = section(ports, scope, connection, notice, &zone, room).await?;
        headline = told.headline;
        sections.push(told.text);
        if let Some(file) = told.attachment {
            room -= file.content().len();
            attachments.push(file);
        }
    }
    if sending.beyond > 0 {
        sections.push(format!("And {} more, which the list of issues has.", sending.beyond));
    }
    if notices.len() > 1 {
        headline = format!("{} things happened", notices.len() + sending.beyond as usize);
    }
    let subject = format!("{PREFIX} {name}: {headline}");
    let text = format!("{}\n\n{}", sections.join("\n\n"), footer(&name, connection));
    let mut mail = Mail::new(sending.mail.as_str(), to, &subject, &text);
    mail.attachments = attachments;
    Ok(mail)
}

/// A mail that only shows that mails arrive.
pub(super) async fn test_mail(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
    to: Vec<Address>,
    id: String,
) -> Result<Mail> {
    let name = partner_name(ports, scope, connection).await?;
    let subject = format!("{PREFIX} {name}: test");
    let text = format!("This is a test. Mails about this connection arrive here.\n\n{}", footer(&name, connection));
    Ok(Mail::new(id, to, &subject, &text))
}

fn footer(name: &str, connection: &Connection) -> String {
    format!(
        "--\nThe Autotask integration of {name}, connection {}. Who gets these mails, and which, is set under \
         Notifications.\n",
        connection.id
    )
}

async fn partner_name(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<String> {
    let found = load::<Partner>(&*ports.storage, scope, &Key::Partner(connection.partner.clone())).await?;
    let name = found.map(|found| one_line(&found.name, NAME_CHARS_MAX)).filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| connection.partner.to_string()))
}

async fn zone_of(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<TimeZone> {
    let key = Key::Settings(connection.partner.clone(), connection.id.clone());
    let found = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok(found.map_or(TimeZone::UTC, |found| found.settings.zone()))
}

/// What is said of one notice.
struct Told {
    headline: String,
    text: String,
    attachment: Option<Attachment>,
}

async fn section(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
    notice: &Notice,
    zone: &TimeZone,
    room: usize,
) -> Result<Told> {
    let at = local_time(notice.at, zone);
    if let Some(id) = &notice.run {
        match runs::run_lines(ports, scope, &connection.partner, &connection.id, id, &LineFilter::default()).await {
            Ok((run, lines)) => return Ok(of_run(&run, &lines, &at, room)),
            // The connection's runs are gone: what the notice says is all there is.
            Err(Error::Problem(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let more: String = notice.more.iter().map(|line| format!("\n  - {}", one_line(line, NAME_CHARS_MAX * 3))).collect();
    let text = format!("{at}: {}{more}", notice.words);
    Ok(Told { headline: headline(notice.kind).to_owned(), text, attachment: None })
}

fn headline(kind: EventKind) -> &'static str {
    match kind {
        EventKind::RunFinished => "a run ended",
        EventKind::RunFailed => "a run failed or did not happen",
        EventKind::FetchFailed => "invoices could not be fetched",
        EventKind::Held => "lines wait for you",
        EventKind::Disconnected => "the connection to Autotask does not work",
        EventKind::PermissionsLost => "the API user lacks a right",
        EventKind::WebhookDisabled => "a webhook was switched off",
        EventKind::Renewal => "a contract ends or was renewed",
        EventKind::AccountUnmapped => "accounts without a company",
        EventKind::PaymentFailed => "payments and paid dates in Autotask differ",
        EventKind::Digest => "new issues",
    }
}

fn local_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

fn kind_name(kind: RunKind) -> &'static str {
    match kind {
        RunKind::SeatSync => "seat sync",
        RunKind::Initial => "initial sync",
        RunKind::PackageChanges => "run of package changes",
        RunKind::Undo => "undoing of a run",
        RunKind::AutoMap => "auto-map",
        RunKind::CsvImport => "import of mappings",
    }
}

fn ending(run: &Run) -> String {
    let totals = run.totals;
    match run.state {
        RunState::Done => format!("done, {} lines changed", totals.changed),
        RunState::Partial => format!("{} lines failed, {} are held", totals.failed + totals.unverified, totals.held),
        RunState::Failed => "failed".to_owned(),
        RunState::Stopped => "stopped before it wrote anything".to_owned(),
        RunState::Planned => "waits for approval".to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// A run's summary, and its lines as a file where there is room for it.
fn of_run(run: &Run, lines: &[RunLine], at: &str, room: usize) -> Told {
    let period = run.period.map(|period| format!(" for {}", period.start.strftime("%Y-%m"))).unwrap_or_default();
    let headline = format!("{}{period}: {}", kind_name(run.kind), ending(run));
    let t = run.totals;
    let mut text = format!(
        "{at}: {headline}.\nRun {}, {} lines: {} changed, {} unchanged, {} held, {} failed, {} skipped, {} superseded, \
         {} not verified.",
        run.id, t.lines, t.changed, t.unchanged, t.held, t.failed, t.skipped, t.superseded, t.unverified,
    );
    if let Some((code, detail)) = &run.problem {
        text.push_str(&format!("\n{} {} {}", code.title(), one_line(detail, 300), code.action()));
    }
    for (code, count) in reasons(lines).into_iter().take(REASONS_MAX) {
        text.push_str(&format!("\n  - {count} × {}: {} {}", code.as_str(), code.title(), code.action()));
    }
    let attachment = (!lines.is_empty()).then(|| file(run, lines, room)).flatten();
    text.push_str(match (&attachment, lines.is_empty()) {
        (Some(_), _) => "\nIts lines are attached.",
        (None, true) => "",
        (None, false) => "\nIts lines are too many to attach; the run's report has them.",
    });
    Told { headline, text, attachment }
}

/// Why lines were not done, the most frequent reason first.
fn reasons(lines: &[RunLine]) -> Vec<(Code, usize)> {
    let mut counts: BTreeMap<Code, usize> = BTreeMap::new();
    let bad = |line: &&RunLine| matches!(line.state, LineState::Failed | LineState::Held | LineState::Unverified);
    for code in lines.iter().filter(bad).filter_map(|line| line.code) {
        *counts.entry(code).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(code, count)| (usize::MAX - count, *code));
    counts
}

fn file(run: &Run, lines: &[RunLine], room: usize) -> Option<Attachment> {
    let csv = runs::lines_csv(run, lines);
    (csv.len() <= room).then(|| Attachment::csv(&format!("run-{}", run.id), csv))
}
