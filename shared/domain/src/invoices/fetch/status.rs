//! How far the fetching has come, for people.

use super::record::{Fetch, Progress};
use super::start::{manual_limits, progress_of, seen};
use crate::actor::Scope;
use crate::connections::{ConnectionStatus, INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB, Schedule, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::FEATURE;
use crate::ports::{PageRequest, Ports};
use crate::problem::Result;
use crate::records::{Collection, Key, load};
use crate::vendor::ManualLimits;
use jiff::Timestamp;

/// Waiting PDFs are counted up to so many.
const PDFS_COUNTED_MAX: u32 = 1_000;

/// What is known of a connection's fetches.
#[derive(Debug, Clone)]
pub struct SyncStatus {
    /// Where the connection stands.
    pub connection: ConnectionStatus,
    /// Whether the feature is on.
    pub feature: bool,
    /// How far it has come.
    pub progress: Progress,
    /// The fetch that is under way.
    pub running: Option<Fetch>,
    /// How often the vendor lets partners fetch by hand.
    pub limits: ManualLimits,
    /// When each job is next due.
    pub due: Vec<(String, Timestamp)>,
    /// Invoices whose PDF is still to be fetched, counted up to a thousand.
    pub pdfs_waiting: usize,
}

/// Reads it.
///
/// # Errors
/// `not_found`.
pub async fn sync_status(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<SyncStatus> {
    let found = load_connection(ports, scope, partner, connection).await?;
    let (_, progress) = seen(progress_of(ports, scope, partner, connection).await?, partner, connection);
    let running = match &progress.active {
        Some(active) => {
            let key = Key::Fetch(partner.clone(), connection.clone(), active.id.clone());
            load::<Fetch>(&*ports.storage, scope, &key).await?.map(|fetch| fetch.value)
        }
        None => None,
    };
    let mut due = Vec::new();
    for job in [INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB] {
        let key = Key::Schedule(partner.clone(), connection.clone(), job.to_owned());
        let schedule = load::<Schedule>(&*ports.storage, scope, &key).await?;
        due.extend(schedule.map(|schedule| (job.to_owned(), schedule.due_at)));
    }
    let pdfs = Collection::PdfsDue(partner.clone(), connection.clone());
    let waiting = ports.storage.list(scope, &pdfs, PageRequest::first(PDFS_COUNTED_MAX)).await?;
    Ok(SyncStatus {
        connection: found.status,
        feature: found.has_feature(FEATURE),
        progress,
        running,
        limits: manual_limits(ports, scope).await?,
        due,
        pdfs_waiting: waiting.items.len(),
    })
}
