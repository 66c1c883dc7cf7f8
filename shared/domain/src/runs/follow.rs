//! Lines that a run left to a person, approved: a new run writes these and no others.

use super::decide::{Desk, Pick};
use super::start::{lease_for, ready, sent};
use super::undo::not_yet;
use super::{Run, RunLine, RunMode, Totals, Trigger, lines, read};
use crate::billing::decisions;
use crate::ids::AccountId;
use crate::problem::Result;
use serde_json::json;
use std::collections::BTreeSet;

/// Queues a run over decided lines of a run that has ended, for the same period and date, and keeps the decisions in
/// the old run's lines. It is as good as a preview that was applied: a line that no longer is as it was decided about
/// is left alone.
///
/// # Errors
/// What is wrong with the connection, as for a start; `already_running`; a conflict where somebody else decided.
pub(super) async fn follow(mut desk: Desk<'_>, picks: &[Pick]) -> Result<Run> {
    let (ports, scope, old) = (desk.ports, desk.scope, desk.run.value.clone());
    ready(ports, scope, &old.partner, &old.connection, old.kind).await?;
    let mut run = Run::queued(ports, desk.actor, (&old.partner, &old.connection), old.kind, Trigger::Approval);
    lease_for(ports, scope, &run).await?;
    let planned: Vec<RunLine> = (1..).zip(picks).map(|(no, pick)| afresh(no, pick)).collect();
    run.mode = RunMode::Apply;
    run.approved = true;
    run.approval_of = Some(old.id.clone());
    let accounts: BTreeSet<AccountId> = planned.iter().map(|line| line.account.clone()).collect();
    run.accounts = Some(accounts.into_iter().collect());
    run.changes.clone_from(&old.changes);
    run.period = old.period;
    run.effective_date = old.effective_date;
    run.settings = Some(desk.settings.clone());
    run.planned_at = Some(run.created_at);
    run.plan_hash = Some(decisions::plan_hash(&planned));
    run.invoice_change = read::invoice_change(&planned);
    let planned: Vec<RunLine> = planned.into_iter().map(not_yet).collect();
    run.totals = Totals::of(planned.iter().map(|line| line.state));
    // Before the run: a worker that takes it up finds them. Should the run not come about, nobody ever reads them.
    run.chunks = lines::store_lines(ports, scope, &run, &planned).await?;
    let (first, rest) = Desk::first(picks);
    let change = desk.change().create(&run)?.write(lease_for(ports, scope, &run).await?);
    let after = json!({
        "kind": run.kind, "trigger": run.trigger, "mode": run.mode, "approval_of": run.approval_of,
        "accounts": run.accounts, "effective_date": run.effective_date, "plan_hash": run.plan_hash,
        "lines": picks.iter().map(|pick| pick.line.no).collect::<Vec<_>>(),
        "decision": desk.decision.kind, "note": desk.decision.note,
    });
    let change = desk.put(change, first).await?;
    let change = change.audit("run.started", format!("run/{}", run.id), json!(null), after)?;
    change.commit(scope).await?;
    desk.run.v += 1;
    // The run stands: what cannot be kept in the old one's lines by now is in the audit trail.
    if let Err(error) = desk.in_batches(rest).await {
        tracing::warn!(run.id = %old.id, error = %error, "decisions could not all be kept in the run's lines");
    }
    sent(ports, scope, desk.actor, run).await
}

/// A decided line as the plan of a new run has it.
fn afresh(no: u32, pick: &Pick) -> RunLine {
    RunLine {
        no,
        units_now: pick.line.verified_units.or(pick.line.units_now),
        sent: None,
        verified_units: None,
        adjustment_id: None,
        ..pick.line.clone()
    }
}
