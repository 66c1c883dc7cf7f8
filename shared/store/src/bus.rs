//! [`Events`] on EventBridge.

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use domain::ports::{Events, EventsError, OutEvent};
use std::fmt;
use std::time::Duration;

/// Who sends our events: the `source` that rules match on.
pub const SOURCE: &str = "integrations.autotask";
/// Most entries of one call, EventBridge's own bound.
pub const ENTRIES_MAX: usize = 10;
/// Most bytes of one call, EventBridge's own bound of 256 KB.
pub const BYTES_MAX: usize = 256 * 1_000;
/// How often entries that the bus did not take are sent again.
const RESENDS: u32 = 3;
/// The first pause before that; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// The bus in EventBridge.
pub struct Bus {
    client: Client,
    name: String,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Bus {
    /// The bus `name`.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Puts one batch, and what was not taken of it again.
    async fn put(&self, mut entries: Vec<PutEventsRequestEntry>) -> Result<(), EventsError> {
        let mut sends = 0;
        loop {
            let request = self.client.put_events().set_entries(Some(entries.clone()));
            let answer = request.send().await.map_err(|error| EventsError(Box::new(error)))?;
            let (left, reason) = not_taken(entries, answer.entries());
            let Some(reason) = reason else { return Ok(()) };
            if sends == RESENDS {
                return Err(EventsError(format!("{} events were not taken: {reason}", left.len()).into()));
            }
            tokio::time::sleep(PAUSE_FIRST * 2_u32.pow(sends)).await;
            (entries, sends) = (left, sends + 1);
        }
    }
}

#[async_trait]
impl Events for Bus {
    async fn publish(&self, events: &[OutEvent]) -> Result<(), EventsError> {
        let mut entries = Vec::with_capacity(events.len());
        for event in events {
            let detail = serde_json::to_string(&event.detail).map_err(|error| EventsError(Box::new(error)))?;
            let entry = PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(SOURCE)
                .detail_type(&event.detail_type)
                .detail(detail)
                .build();
            entries.push(entry);
        }
        for batch in batches(entries) {
            self.put(batch).await?;
        }
        Ok(())
    }
}

/// Splits by number and size. An entry that is too large by itself goes alone, so that it fails alone.
fn batches(entries: Vec<PutEventsRequestEntry>) -> Vec<Vec<PutEventsRequestEntry>> {
    let (mut batches, mut bytes) = (Vec::<Vec<_>>::new(), 0);
    for entry in entries {
        let size = size(&entry);
        match batches.last_mut() {
            Some(batch) if batch.len() < ENTRIES_MAX && bytes + size <= BYTES_MAX => {
                batch.push(entry);
                bytes += size;
            }
            _ => {
                batches.push(vec![entry]);
                bytes = size;
            }
        }
    }
    batches
}

/// How EventBridge counts an entry without time and resources.
fn size(entry: &PutEventsRequestEntry) -> usize {
    [entry.source(), entry.detail_type(), entry.detail()].into_iter().flatten().map(str::len).sum()
}

/// The entries without an event id in the answer, and the first one's reason. An answer that is shorter than
/// the request says nothing of the rest: not taken.
fn not_taken(
    entries: Vec<PutEventsRequestEntry>,
    results: &[PutEventsResultEntry],
) -> (Vec<PutEventsRequestEntry>, Option<String>) {
    let mut reason = None;
    let mut left = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let result = results.get(place);
        if result.is_some_and(|result| result.event_id().is_some() && result.error_code().is_none()) {
            continue;
        }
        reason.get_or_insert_with(|| {
            let text = result.map(|result| [result.error_code(), result.error_message()]);
            text.into_iter().flatten().flatten().collect::<Vec<_>>().join(": ")
        });
        left.push(entry);
    }
    (left, reason)
}
