//! Autotask's own log of callouts that it gave up. Its payload is cut off and not signed: it names a row to read, and is
//! believed no further.

use crate::ports::Deadline;
use crate::problem::{Error, Result};
use crate::webhooks::callout::{Action, Callout, WebhookEntity};
use crate::webhooks::changed::Around;
use crate::webhooks::delivery::{Delivery, DeliverySource};
use crate::webhooks::installed::Webhooks;
use crate::webhooks::receive::keep;
use autotask::{Filter, Id, WebhookEventErrorLog};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows of one page.
const PAGE: usize = 200;
/// A row is not begun with less time than this: two writes and a call.
const ROW_TIME_MIN: Duration = Duration::from_secs(40);

/// What was taken from the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Log {
    /// Events that are kept now.
    pub(super) recovered: u32,
    /// Rows that do not say what they are about.
    pub(super) unreadable: u32,
    /// The lowest number that was taken, by GUID.
    pub(super) lowest: BTreeMap<String, u64>,
    /// Whether the whole log was read.
    pub(super) whole: bool,
}

/// Keeps what Autotask gave up, as if it had come, and takes it out of the log. One that had come all the same is
/// recognised by its number.
///
/// # Errors
/// A failed call; storage's and the queue's own.
pub(super) async fn take(around: &Around<'_>, deadline: &dyn Deadline, record: &Webhooks) -> Result<Log> {
    let mut log = Log::default();
    let failed = |source| Error::Autotask { doing: "reading the log of lost events", source };
    let query = around.session.client.query::<WebhookEventErrorLog>();
    let mut rows = Box::pin(query.filter(Filter::everything()).page_size(PAGE).stream());
    loop {
        if deadline.remaining() < ROW_TIME_MIN {
            return Ok(log);
        }
        match rows.next().await {
            Some(Ok(row)) => one(around, record, &row, &mut log).await?,
            // Without the right to it there is no log for us.
            None | Some(Err(autotask::Error::Forbidden { .. } | autotask::Error::NotFound { .. })) => break,
            Some(Err(error)) => return Err(failed(error)),
        }
    }
    log.whole = true;
    Ok(log)
}

async fn one(around: &Around<'_>, record: &Webhooks, row: &WebhookEventErrorLog, log: &mut Log) -> Result<()> {
    let said = scan(row.payload.as_deref().unwrap_or_default());
    // What is of another integration of the same user stays there.
    let Some((entity, guid)) = whose(record, row, &said) else { return Ok(()) };
    let sequence = row.sequence_number.and_then(|number| u64::try_from(number).ok());
    match said.get("Id").and_then(|id| id.parse::<i64>().ok()).zip(sequence) {
        Some((id, sequence)) => {
            let action = Action::of_callout(said.get("Action").map_or("update", String::as_str));
            let callout = Callout { guid: guid.clone(), sequence, entity, action, id, person: None, at: None };
            let of = (&around.connection.partner, &around.connection.id);
            let (event, now) = (around.ports.ids.uuid().to_string(), around.ports.clock.now());
            let delivery = Delivery { source: DeliverySource::ErrorLog, ..Delivery::new(of, callout, event, now) };
            keep(around.ports, around.scope, &delivery).await?;
            let lowest = log.lowest.entry(guid).or_insert(sequence);
            *lowest = sequence.min(*lowest);
            log.recovered += 1;
        }
        None => log.unreadable += 1,
    }
    match around.session.client.delete(row.id).await {
        Ok(()) | Err(autotask::Error::NotFound { .. }) => Ok(()),
        Err(source) => Err(Error::Autotask { doing: "taking an event out of the log", source }),
    }
}

/// Which webhook of ours a row is about.
fn whose(
    record: &Webhooks,
    row: &WebhookEventErrorLog,
    said: &BTreeMap<&'static str, String>,
) -> Option<(WebhookEntity, String)> {
    let of = |entity: WebhookEntity, id: Option<Id<autotask::Webhook>>| {
        let hook = record.hook(&entity).filter(|hook| id.is_some() && hook.id == id.map(Id::get))?;
        hook.guid.clone().map(|guid| (entity, guid))
    };
    let by_column = of(WebhookEntity::Companies, row.account_webhook_id)
        .or_else(|| of(WebhookEntity::Contacts, row.contact_webhook_id));
    by_column.or_else(|| {
        let named = said.get("Guid")?.to_ascii_lowercase();
        let present = record.hooks.iter().filter_map(|hook| Some((&hook.entity, hook.guid.as_ref()?)));
        let past = record.past.iter().map(|past| (&past.entity, &past.guid));
        present.chain(past).find(|(_, guid)| **guid == named).map(|(entity, guid)| (entity.clone(), guid.clone()))
    })
}

/// The members of a callout that are looked for.
const MEMBERS: [&str; 3] = ["Action", "Guid", "Id"];

/// Reads the members of a JSON object that may end anywhere, without what is below them.
fn scan(text: &str) -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim_start().strip_prefix('{').unwrap_or_default();
    let mut depth = 0_u32;
    let mut member: Option<&'static str> = None;
    let mut is_key = true;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' => {
                let Some((string, after)) = string(&rest[1..]) else { break };
                rest = after;
                if depth == 0 && is_key {
                    member = MEMBERS.into_iter().find(|name| *name == string);
                } else if depth == 0
                    && let Some(name) = member.take()
                {
                    found.entry(name).or_insert_with(|| string.to_owned());
                }
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => is_key = false,
            ',' if depth == 0 => (is_key, member) = (true, None),
            '0'..='9' | '-' if depth == 0 && !is_key => {
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
                // A number that the cut goes through is not the number.
                if let Some(name) = member.take().filter(|_| end < rest.len()) {
                    found.entry(name).or_insert_with(|| rest[..end].to_owned());
                }
                rest = &rest[end..];
                continue;
            }
            _ => {}
        }
        rest = &rest[first.len_utf8()..];
    }
    found
}

/// A string up to its closing quote, escapes left as they are, and what follows; none where it is cut off.
fn string(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
        members.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn a_payload_that_is_cut_off_says_what_it_says_until_there() {
        let whole = r#"{"Action":"Update","Guid":"g-1","EntityType":"Account","Id":17,"Fields":{"Id":99,"a":"\"Id\":5"},"x":1}"#;
        assert_eq!(scan(whole), of(&[("Action", "Update"), ("Guid", "g-1"), ("Id", "17")]));
        let after = r#"{"Fields":{"Id":99,"name":"a \" , \"Id\":5 } "},"Id":"17","Guid":"g-1"}"#;
        assert_eq!(scan(after), of(&[("Guid", "g-1"), ("Id", "17")]));
        for cut in 0..whole.len() {
            for (name, value) in scan(&whole[..cut]) {
                assert_eq!(scan(whole).get(name), Some(&value), "cut at {cut}");
            }
        }
        for nothing in ["", "[]", "Id: 5", "{", "{\"Id\"", "{\"Id\":5", "null", "ü{\"Id\":5,"] {
            assert_eq!(scan(nothing), BTreeMap::new(), "{nothing}");
        }
    }
}
