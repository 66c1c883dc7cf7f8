//! The heap of an import.

use crate::made_up::MadeUp;
use crate::nothing_kept::{Silent, Store, connected};
use autotask::Transport;
use domain::invoices::fetch::{self, FetchKind, FetchMessage, FetchRef};
use domain::ports::{Config, NoDeadline};
use domain::{Actor, Ports};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How much more the larger import may take, in bytes: the ids that a query remembers, and what an allocator rounds.
const GROWTH_MAX: usize = 2 * 1024 * 1024;
const SMALL: u32 = 1_000;
const LARGE: u32 = 50_000;

/// What was measured, and whether it is within its bounds.
#[derive(Debug)]
pub struct Report {
    /// The figures.
    pub json: Value,
    /// Whether the growth is within its bound.
    pub within: bool,
}

/// Measures both imports, each on a heap that holds nothing of the other.
///
/// # Errors
/// The fetch itself.
pub fn measure(heap: &PeakAlloc) -> Result<Report, Box<dyn std::error::Error>> {
    let (small, large) = (import(heap, SMALL)?, import(heap, LARGE)?);
    let growth = large.0.saturating_sub(small.0);
    let row = |(peak, calls): (usize, u32), invoices| json!({"invoices": invoices, "peak_bytes": peak, "calls": calls});
    let json = json!({
        "bench": "invoices",
        "runs": [row(small, SMALL), row(large, LARGE)],
        "growth_bytes": growth,
        "growth_bytes_max": GROWTH_MAX,
    });
    Ok(Report { json, within: growth <= GROWTH_MAX })
}

/// The peak of the heap above what was there before, in bytes, and the calls made.
fn import(heap: &PeakAlloc, invoices: u32) -> Result<(usize, u32), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let autotask = Arc::new(MadeUp::new(invoices));
    let ports = ports(autotask.clone())?;
    let before = heap.current_usage();
    heap.reset_peak_usage();
    runtime.block_on(async {
        let (partner, connection) = connected();
        let scope = domain::Scope::Partner(partner.clone());
        let actor = Actor::system("bench", "bench");
        let fetch = fetch::press(&ports, &scope, &actor, &partner, &connection, FetchKind::New).await?;
        let message = FetchMessage::of(FetchRef { partner, connection, fetch: fetch.id });
        fetch::work(&ports, &runtime::queue::scope(), &NoDeadline, &message).await
    })?;
    Ok((heap.peak_usage().saturating_sub(before), autotask.calls()))
}

fn ports(autotask: Arc<MadeUp>) -> Result<Ports, Box<dyn std::error::Error>> {
    let transport: Arc<dyn Transport> = autotask;
    let silent = Arc::new(Silent);
    Ok(Ports {
        storage: Arc::new(Store::connected()),
        secrets: silent.clone(),
        blobs: silent.clone(),
        queue: silent.clone(),
        events: silent.clone(),
        mail: Arc::new(domain::mail::NoMail),
        clock: silent.clone(),
        ids: silent,
        transport,
        config: Arc::new(Config {
            zone_entry: url::Url::parse("https://webservices.autotask.net/")?,
            hosts: autotask::zone::HostPolicy::autotask(),
            request_timeout: Duration::from_secs(60),
            hooks: None,
        }),
    })
}
