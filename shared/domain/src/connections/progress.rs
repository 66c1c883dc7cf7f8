//! "You'll know it worked when": the checklist of a connection, each step from records, nothing assumed.

use super::findings::bills;
use super::overview::{Overview, overview};
use super::record::{ConnectionStatus, FeatureState};
use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::FEATURE;
use crate::invoices::fetch::{self, FetchKind};
use crate::packages::{self, Gate};
use crate::ports::Ports;
use crate::problem::Result;
use crate::runs::RunState;

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Done.
    Done,
    /// Not yet.
    Todo,
    /// Something is wrong.
    Attention,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressStep {
    /// Stable name.
    pub id: &'static str,
    /// What is visible when it is done.
    pub title: &'static str,
    /// Where it stands.
    pub state: StepState,
    /// In words.
    pub detail: String,
    /// Whether it is one of the three facts that prove it.
    pub fact: bool,
}

/// The checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The steps, in order.
    pub steps: Vec<ProgressStep>,
    /// Whether every step is done.
    pub complete: bool,
}

/// The checklist of a connection.
///
/// # Errors
/// `not_found`.
pub async fn setup_progress(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Progress> {
    let of = overview(ports, scope, partner, id).await?;
    let gate = match of.connection.has_feature("package_billing") {
        true => Some(packages::gate(ports, scope, partner, id).await?),
        false => None,
    };
    let fetched = match of.connection.has_feature(FEATURE) {
        true => Some(fetch::progress_of(ports, scope, partner, id).await?.map(|found| found.value)),
        false => None,
    };
    Ok(judge(&of, gate.as_ref(), fetched.as_ref()))
}

fn judge(of: &Overview, gate: Option<&Gate>, fetched: Option<&Option<fetch::Progress>>) -> Progress {
    let mut steps = vec![connected(of), permissions(of)];
    if bills(&of.connection.features) {
        steps.extend([billing_code(of), paired(of)]);
        steps.extend(gate.map(packages_mapped));
        steps.push(quantities(of));
    }
    steps.extend(fetched.map(|progress| invoices_here(progress.as_ref())));
    let complete = steps.iter().all(|step| step.state == StepState::Done);
    Progress { steps, complete }
}

fn step(
    id: &'static str,
    title: &'static str,
    fact: bool,
    state: StepState,
    detail: impl Into<String>,
) -> ProgressStep {
    ProgressStep { id, title, state, detail: detail.into(), fact }
}

fn connected(of: &Overview) -> ProgressStep {
    let (state, detail) = match of.connection.status {
        ConnectionStatus::Connected => (StepState::Done, "Autotask takes the credentials."),
        ConnectionStatus::NeedsRelink => (StepState::Attention, "Autotask refuses the credentials: enter new ones."),
        ConnectionStatus::Paused => (StepState::Attention, "The connection is paused."),
        ConnectionStatus::Disconnected => (StepState::Todo, "The connection has ended."),
    };
    step("connected", "The integration shows Connected", true, state, detail)
}

fn permissions(of: &Overview) -> ProgressStep {
    let mapping = bills(&of.connection.features);
    let wanted = |feature: &str| (mapping && feature == "mapping") || of.connection.has_feature(feature);
    let lacking: Vec<String> = of
        .connection
        .permissions
        .iter()
        .filter(|p| wanted(&p.feature) && p.state != FeatureState::Ready)
        .map(|p| format!("{}: {}", p.feature, p.missing.join(", ")))
        .collect();
    let (state, detail) = match (of.connection.probed_at, lacking.is_empty()) {
        (None, _) => (StepState::Todo, "Not probed yet.".to_owned()),
        (Some(_), true) => (StepState::Done, "The API user has every right that is needed.".to_owned()),
        (Some(_), false) => (StepState::Attention, lacking.join("; ")),
    };
    step("permissions", "The API user may do what the features need", false, state, detail)
}

fn billing_code(of: &Overview) -> ProgressStep {
    let (state, detail) = match of.connection.saas_billing_code_present {
        Some(true) => (StepState::Done, "The recurring-service billing code is there."),
        Some(false) => {
            (StepState::Attention, "The recurring-service billing code is missing: create it and check again.")
        }
        None => (StepState::Todo, "Not checked: the API user cannot read billing codes."),
    };
    step("billing_code", "The recurring-service billing code exists", false, state, detail)
}

fn paired(of: &Overview) -> ProgressStep {
    let c = of.counters;
    let open = c.unmapped + c.unconfirmed + c.broken;
    let (state, detail) = match (c.accounts, open, c.broken) {
        (0, _, _) => (StepState::Todo, "No clients are known yet.".to_owned()),
        (_, 0, _) => {
            (StepState::Done, format!("{} clients are paired, {} without a line to bill.", c.accounts, c.not_billed))
        }
        (_, _, 0) => (StepState::Todo, format!("{} unmapped, {} to confirm.", c.unmapped, c.unconfirmed)),
        (_, _, broken) => {
            (StepState::Attention, format!("{} unmapped, {} to confirm, {broken} broken.", c.unmapped, c.unconfirmed))
        }
    };
    step("clients_paired", "Every client is paired with its contract line", true, state, detail)
}

fn packages_mapped(gate: &Gate) -> ProgressStep {
    let (state, detail) = match (gate.asked, gate.missing.len()) {
        (0, _) => (StepState::Todo, "No package is in use by a confirmed account with a contract yet.".to_owned()),
        (asked, 0) => (StepState::Done, format!("{asked} packages are mapped, summed or excluded.")),
        (_, missing) => (StepState::Todo, format!("{missing} to map or exclude: {}.", gate.names())),
    };
    step("packages_mapped", "Every package in use is mapped to a service", false, state, detail)
}

fn invoices_here(progress: Option<&fetch::Progress>) -> ProgressStep {
    let last = progress.and_then(|progress| progress.last.get(&FetchKind::Import));
    let (state, detail) = match (progress.and_then(|progress| progress.checkpoint), last) {
        (Some(at), _) => (StepState::Done, format!("Everything that was so in Autotask at {at} is here.")),
        (None, Some(last)) => {
            let why = last.problem.as_ref().map_or_else(String::new, |(_, words)| format!(" {words}"));
            (StepState::Attention, format!("The first import did not end well.{why}"))
        }
        (None, None) => (StepState::Todo, "The first import has not ended yet.".to_owned()),
    };
    step("invoices_here", "Invoices and customers are here", true, state, detail)
}

fn quantities(of: &Overview) -> ProgressStep {
    let title = "Quantities in Autotask are right on the 1st";
    let (state, detail) = match &of.last_run {
        None => (StepState::Todo, "No seat sync has run yet.".to_owned()),
        Some(run) => match run.state {
            RunState::Done => (StepState::Done, format!("{} lines are right.", run.totals.lines)),
            RunState::Partial | RunState::Failed | RunState::Stopped => {
                let t = run.totals;
                let open = t.held + t.failed + t.unverified;
                (StepState::Attention, format!("{open} of {} lines are not done in the run {}.", t.lines, run.id))
            }
            RunState::Cancelled => (StepState::Todo, "The newest seat sync was cancelled.".to_owned()),
            RunState::Queued | RunState::Planning | RunState::Planned | RunState::Applying | RunState::Settling => {
                (StepState::Todo, format!("The run {} is under way.", run.id))
            }
        },
    };
    step("quantities", title, true, state, detail)
}
