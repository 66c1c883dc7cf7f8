//! Reads again what has changed while events were lost: companies and contacts, page by page.

use crate::ports::Deadline;
use crate::problem::{Error, Result};
use crate::webhooks::changed::{Around, companies_changed};
use crate::webhooks::installed::{Poll, PollStep};
use autotask::{Company, Contact, Filter, Id};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::time::Duration;

/// Rows of one page; the companies of a page are read again together.
const PAGE: usize = 200;
/// A page is not begun with less time than this.
const PAGE_TIME_MIN: Duration = Duration::from_secs(60);

/// Goes on with the poll that is asked for, if one is. Answers whether it is through. What a page came to is kept before
/// the next one is read.
///
/// # Errors
/// A failed call; storage's own.
pub(super) async fn run(around: &Around<'_>, deadline: &dyn Deadline) -> Result<bool> {
    let desk = around.desk();
    loop {
        let Some(poll) = desk.webhooks().await?.poll else { return Ok(true) };
        if deadline.remaining() < PAGE_TIME_MIN {
            return Ok(false);
        }
        let next = match poll.step {
            PollStep::Companies(after) => companies(around, &poll, after).await?,
            PollStep::Contacts(after) => contacts(around, &poll, after).await?,
        };
        desk.amend(|record| {
            // Asked for again meanwhile: from the beginning.
            if record.poll.as_ref() == Some(&poll) {
                record.poll = next.map(|step| Poll { step, ..poll.clone() });
                if record.poll.is_none() {
                    record.complete_until = record.complete_until.max(Some(poll.asked_at));
                }
            }
            Ok(Vec::new())
        })
        .await?;
    }
}

async fn companies(around: &Around<'_>, poll: &Poll, after: i64) -> Result<Option<PollStep>> {
    let query = around.session.client.query::<Company>().include(&["id"]).filter(Filter::gt("id", after));
    let query = query.filter(Filter::gte("lastTrackedModifiedDateTime", poll.since)).page_size(PAGE);
    let rows: Vec<_> = query.stream().take(PAGE).collect().await;
    let ids = rows.into_iter().map(|row| row.map(|row| row.id.get()));
    let ids = ids.collect::<autotask::Result<BTreeSet<i64>>>().map_err(failed)?;
    companies_changed(around, &ids, false).await?;
    Ok(Some(match ids.last() {
        Some(last) if ids.len() == PAGE => PollStep::Companies(*last),
        _ => PollStep::Contacts(0),
    }))
}

async fn contacts(around: &Around<'_>, poll: &Poll, after: i64) -> Result<Option<PollStep>> {
    let query = around.session.client.query::<Contact>().include(&["id", "companyID"]);
    let query = query.filter(Filter::gt("id", after)).filter(Filter::gte("lastModifiedDate", poll.since));
    let rows: Vec<_> = query.page_size(PAGE).stream().take(PAGE).collect().await;
    let rows = rows.into_iter().collect::<autotask::Result<Vec<Contact>>>().map_err(failed)?;
    let ids = rows.iter().filter_map(|row| row.company_id).map(Id::get).collect();
    companies_changed(around, &ids, true).await?;
    Ok(rows.last().filter(|_| rows.len() == PAGE).map(|row| PollStep::Contacts(row.id.get())))
}

fn failed(source: autotask::Error) -> Error {
    Error::Autotask { doing: "reading what has changed", source }
}
