//! The main job once, end to end, by HTTP alone: the vendor pushes what it knows, a partner connects, maps, looks at
//! the plan, and on the 1st every mapped line carries the right number of units. Then once more, and nothing is
//! written. Then packages: mapped, their lines added where they are missing, swapped when the vendor says so, and taken
//! back. Then invoices: fetched with lines and PDFs, one paid, the payment deleted. Checked against the simulator's rows and its log, not against what the bundle says of itself.

mod check;
mod client;
mod invoices;
mod packages;
mod steps;
mod tables;

use crate::serve::{self, Options, StartError};
use client::Client;
use serde::Serialize;
use std::time::Duration;
use steps::Demo;

/// What happened, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Whether the partner is connected.
    pub connected: bool,
    /// Companies in its Autotask.
    pub companies: usize,
    /// Accounts that auto-map found a company for.
    pub suggested: usize,
    /// Accounts whose mapping a person confirmed or made.
    pub confirmed: usize,
    /// Lines of the run on the 1st: the sum of its states.
    pub lines: u64,
    /// Lines whose units were changed.
    pub changed: u64,
    /// Lines that were right already.
    pub unchanged: u64,
    /// Lines that a guard or an unclear write keeps for a person.
    pub held: u64,
    /// Lines that could not be done.
    pub failed: u64,
    /// Lines deliberately left alone.
    pub skipped: u64,
    /// Requests of the fresh second run that change something, counted by the simulator.
    pub second_run_writes: usize,
    /// All requests to Autotask of the first act, counted by the simulator.
    pub autotask_calls: usize,
    /// The second act.
    pub billing: Billing,
    /// The third act.
    pub invoices: Invoices,
}

/// What package billing did, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Billing {
    /// Lines that it added to contracts, counted by the simulator.
    pub lines_created: usize,
    /// Lines whose units package changes changed after the initial sync.
    pub changed: u64,
    /// Lines that the undo gave back the units that they had before.
    pub undone: u64,
}

/// What fetching invoices and telling a payment did, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Invoices {
    /// Invoices that came.
    pub fetched: usize,
    /// Their lines.
    pub lines: u64,
    /// Invoices whose PDF came, counted by the simulator.
    pub pdfs: usize,
    /// Payments that Autotask got, and got taken back.
    pub paid: usize,
    /// What an idle hour wrote: requests that change something, counted by the simulator, and events.
    pub second_fetch_writes: usize,
}

/// What the demo found.
#[derive(Debug, Clone)]
pub struct Report {
    /// In numbers.
    pub summary: Summary,
    /// What is not as it should be; empty when all is right.
    pub wrong: Vec<String>,
}

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Nothing runs.
    #[error("the machine does not start")]
    Start(#[from] StartError),
    /// No folder.
    #[error("there is no temporary folder")]
    Folder(#[from] std::io::Error),
    /// The simulator cannot be filled.
    #[error("the simulated Autotask cannot be filled")]
    Seed(#[from] simulator::SimulatorError),
    /// A request did not go through.
    #[error("{method} {path}")]
    Request {
        /// Its method.
        method: &'static str,
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A request was answered otherwise than expected.
    #[error("{method} {path} was answered with {status}: {body}")]
    Answer {
        /// Its method.
        method: &'static str,
        /// Its path.
        path: String,
        /// The status.
        status: u16,
        /// What was said.
        body: String,
    },
    /// An answer lacks what the next step needs.
    #[error("the answer of {0} is not as described")]
    Shape(&'static str),
}

/// How long one request to the simulated Autotask may take; it answers in milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Does it all, on free ports and in a temporary folder, and tells `say` about it.
///
/// # Errors
/// A step could not be done; what is done but wrong stands in the report.
pub async fn run(mut say: impl FnMut(&str) + Send) -> Result<Report, DemoError> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        port: 0,
        autotask_port: 0,
        data: folder.path().join("state"),
        fresh: false,
        autotask_url: None,
        manual: true,
        ticks: false,
        request_timeout: REQUEST_TIMEOUT,
    };
    let serving = serve::start(&options).await?;
    let seeded = serving.world.seed_once()?;
    let (login, msp) = seeded.ok_or(DemoError::Shape("the simulated Autotask"))?;
    let msp = msp.ok_or(DemoError::Shape("the demo's MSP"))?;
    let autotask = serving.world.autotask_url.as_str().trim_end_matches('/').to_owned();
    let client = Client::new(serving.api_url(), autotask);
    let report = Demo::new(client, login, msp, &mut say).play().await;
    serving.stop().await;
    report
}
