//! What callers see of runs and lines. Never the records themselves: a field that a later version adds must not slip
//! out.

use domain::packages::QuantitySource;
use domain::runs::{
    Decision, DecisionKind, LineState, Reckoning, Run, RunKind, RunLine, RunMode, RunState, Totals, Trigger,
};
use domain::{Actor, Code, LineKind};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunActorView {
    /// The token's `sub`, or what acted by itself.
    #[schema(example = "user_17")]
    who: String,
    /// The role it acted in.
    #[schema(example = "partner_billing")]
    role: &'static str,
}

/// The month that a run is for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunPeriodView {
    /// First day.
    #[schema(value_type = String, format = Date, example = "2026-12-01")]
    start: Date,
    /// Last day.
    #[schema(value_type = String, format = Date, example = "2026-12-31")]
    end: Date,
}

/// How many lines are in which state; `lines` is their sum. In a preview `changed` is what would be changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunTotalsView {
    /// All lines.
    #[schema(example = 60)]
    lines: u32,
    /// Units or cost were written and seen.
    #[schema(example = 12)]
    changed: u32,
    /// Nothing to do.
    #[schema(example = 44)]
    unchanged: u32,
    /// A guard or an unclear write keeps it for a person.
    #[schema(example = 1)]
    held: u32,
    /// It could not be done.
    #[schema(example = 1)]
    failed: u32,
    /// Deliberately not done.
    #[schema(example = 2)]
    skipped: u32,
    /// Another run has a newer word on the line: a later count or change, a decision, or an undo.
    #[schema(example = 0)]
    superseded: u32,
    /// Written and not yet seen.
    #[schema(example = 0)]
    unverified: u32,
}

/// Why a run failed or was stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunProblemView {
    /// The code.
    #[schema(example = "run_stopped")]
    code: &'static str,
    /// What happened, in one plain sentence.
    title: &'static str,
    /// This occurrence.
    detail: String,
    /// What it means for billing.
    effect: &'static str,
    /// What to do.
    action: &'static str,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    /// Its id.
    #[schema(example = "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012")]
    id: String,
    /// `seat_sync`, `initial`, `package_changes`, `undo`, `auto_map` or `csv_import`.
    #[schema(value_type = String, example = "seat_sync")]
    kind: RunKind,
    /// `schedule`, `catch_up`, `manual`, `retry`, `event` or `approval`.
    #[schema(value_type = String, example = "schedule")]
    trigger: Trigger,
    /// `preview` or `apply`.
    #[schema(value_type = String, example = "apply")]
    mode: RunMode,
    /// `queued`, `planning`, `planned`, `applying`, `settling`, `done`, `partial`, `failed`, `stopped` or `cancelled`.
    #[schema(value_type = String, example = "done")]
    status: RunState,
    /// Who started it.
    started_by: RunActorView,
    /// Who applied it, where it was a preview.
    applied_by: Option<RunActorView>,
    /// The run whose failed lines it retries.
    retry_of: Option<String>,
    /// The run that it takes back.
    undo_of: Option<String>,
    /// The run whose held lines were approved or adjusted into it.
    approval_of: Option<String>,
    /// Which accounts; null means all.
    accounts: Option<Vec<String>>,
    /// The slot it is for, where a schedule started it.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_slot: Option<Timestamp>,
    /// The month it is for.
    period: Option<RunPeriodView>,
    /// From when units count.
    #[schema(value_type = Option<String>, format = Date, example = "2026-12-01")]
    effective_date: Option<Date>,
    /// Names the plan, for `apply`.
    plan_hash: Option<String>,
    /// When the plan was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    planned_at: Option<Timestamp>,
    /// Whether somebody asked to stop it.
    cancel_requested: bool,
    /// How many lines are in which state.
    totals: RunTotalsView,
    /// Estimate of the change of all monthly invoices by the lines that change; null where no price is readable.
    #[schema(value_type = Option<String>, example = "18.00")]
    invoice_change: Option<Decimal>,
    /// Calls made to Autotask.
    #[schema(example = 16)]
    autotask_calls: u32,
    /// Why it failed or was stopped.
    problem: Option<RunProblemView>,
    /// Results of an auto-map or CSV import run.
    #[schema(value_type = Option<Object>)]
    outcome: Option<Value>,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last worked on.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// Where its state can be read.
    status_url: String,
}

/// A contract line in a run's plan and report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunLineView {
    /// Its number in the plan.
    no: u32,
    /// Whose count.
    account_id: String,
    /// The account's name when planned.
    account_name: String,
    /// `Companies.id`.
    company_id: Option<i64>,
    /// The company's name as last seen.
    company_name: Option<String>,
    /// `Contracts.id`.
    contract_id: Option<i64>,
    /// The contract's name as last seen.
    contract_name: Option<String>,
    /// Whose count.
    package_id: String,
    /// `service` or `bundle`.
    #[schema(value_type = String, example = "service")]
    line_kind: LineKind,
    /// `serviceID` or `serviceBundleID` of the line.
    #[schema(example = 41)]
    service_id: i64,
    /// `ContractServices.id` or `ContractServiceBundles.id`; null while the line is not on the contract yet.
    contract_service_id: Option<i64>,
    /// The service's name as last seen.
    service_name: String,
    /// Whether the package no longer belongs on this line: it goes to 0 units.
    leaving: bool,
    /// Whether this run added the line to the contract.
    created: bool,
    /// How the units wanted were reckoned.
    reckoning: Option<ReckoningView>,
    /// What a person decided about the line.
    decision: Option<DecisionView>,
    /// Units in Autotask when planned.
    units_now: Option<i64>,
    /// The vendor's count.
    count: Option<i64>,
    /// When the vendor counted.
    #[schema(value_type = Option<String>, format = DateTime)]
    count_as_of: Option<Timestamp>,
    /// Units wanted.
    units_wanted: Option<i64>,
    /// Units wanted less units now.
    delta: Option<i64>,
    /// Unit cost when planned, where it is readable.
    #[schema(value_type = Option<String>, example = "1.50")]
    unit_cost_now: Option<Decimal>,
    /// Unit cost wanted, where Overwrite Cost is on.
    #[schema(value_type = Option<String>, example = "1.75")]
    unit_cost_wanted: Option<Decimal>,
    /// Estimate of the change of the monthly invoice, where the price is readable.
    #[schema(value_type = Option<String>, example = "6.00")]
    invoice_change: Option<Decimal>,
    /// From when.
    #[schema(value_type = String, format = Date)]
    effective_date: Date,
    /// Whether the period is approved and posted.
    period_already_billed: bool,
    /// Units that we last wrote, where Autotask shows others.
    changed_by_hand_from: Option<i64>,
    /// `changed`, `unchanged`, `held`, `failed`, `skipped`, `superseded` or `unverified`.
    #[schema(value_type = String, example = "changed")]
    state: LineState,
    /// The code of its state, where there is one.
    code: Option<&'static str>,
    /// In words.
    explanation: String,
    /// What to do, where there is a code.
    action: Option<&'static str>,
    /// The unit change that was sent.
    units_sent: Option<i64>,
    /// Units as read after the write.
    units_verified: Option<i64>,
    /// Autotask's id of the adjustment, where it told.
    adjustment_id: Option<i64>,
}

/// One count that goes into a line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartView {
    /// Whose.
    #[schema(example = "acc_0007")]
    account_id: String,
    /// Of which package.
    #[schema(example = "training")]
    package_id: String,
    /// What it adds, after the counting rule.
    #[schema(example = 13)]
    count: i64,
    /// When the vendor counted or said so.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// How the count was made, in words.
    #[schema(example = "newest count")]
    how: String,
}

/// The rule that makes units of a sum: free, ratio, minimum, maximum, in this order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnitsRuleView {
    /// Units that are not billed.
    free: i64,
    /// Counts per unit, rounded up.
    #[schema(example = 1)]
    ratio: i64,
    /// Committed minimum.
    min: Option<i64>,
    /// Cap.
    max: Option<i64>,
}

/// How a line's units were reckoned: the sum of its parts, then the rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReckoningView {
    /// `usage`: counted by the vendor; `package`: told as the package's quantity.
    #[schema(value_type = String, example = "usage")]
    source: QuantitySource,
    /// What goes into the line.
    parts: Vec<PartView>,
    /// The rule.
    rule: UnitsRuleView,
    /// The sum of the parts.
    #[schema(example = 13)]
    sum: i64,
    /// What the rule makes of it.
    #[schema(example = 13)]
    units: i64,
}

/// What a person decided about a line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionView {
    /// `approve`, `adjust` or `dismiss`.
    #[schema(value_type = String, example = "approve")]
    decision: DecisionKind,
    /// Units, where adjusted.
    units: Option<i64>,
    /// From when, where adjusted.
    #[schema(value_type = Option<String>, format = Date)]
    effective_date: Option<Date>,
    /// Why.
    #[schema(example = "They hired a whole department.")]
    note: Option<String>,
    /// Who.
    by: RunActorView,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Units that the plan wanted before it.
    #[schema(example = 60)]
    units_planned: Option<i64>,
}

impl From<&Decision> for DecisionView {
    fn from(decision: &Decision) -> Self {
        Self {
            decision: decision.kind,
            units: decision.units,
            effective_date: decision.effective_date,
            note: decision.note.clone(),
            by: RunActorView { who: decision.who.clone(), role: decision.role.as_str() },
            at: decision.at,
            units_planned: decision.was.as_ref().and_then(|was| was.units_wanted),
        }
    }
}

impl From<&Reckoning> for ReckoningView {
    fn from(reckoning: &Reckoning) -> Self {
        let part = |part: &domain::runs::Part| PartView {
            account_id: part.account.to_string(),
            package_id: part.package.to_string(),
            count: part.count,
            as_of: part.as_of,
            how: part.how.clone(),
        };
        let rule = &reckoning.rule;
        Self {
            source: reckoning.source,
            parts: reckoning.parts.iter().map(part).collect(),
            rule: UnitsRuleView { free: rule.free, ratio: rule.ratio, min: rule.min, max: rule.max },
            sum: reckoning.sum,
            units: reckoning.units,
        }
    }
}

impl RunView {
    /// With an estimate by its lines, where the run itself has none.
    pub(crate) fn estimated(self, by_lines: Option<Decimal>) -> Self {
        Self { invoice_change: self.invoice_change.or(by_lines), ..self }
    }
}

impl RunLineView {
    /// Its number.
    pub(crate) fn no(&self) -> u32 {
        self.no
    }
}

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id.to_string(),
            kind: run.kind,
            trigger: run.trigger.clone(),
            mode: run.mode,
            status: run.state,
            started_by: (&run.actor).into(),
            applied_by: run.applied_by.as_ref().map(Into::into),
            retry_of: run.retry_of.as_ref().map(ToString::to_string),
            undo_of: run.undo_of.as_ref().map(ToString::to_string),
            approval_of: run.approval_of.as_ref().map(ToString::to_string),
            accounts: run.accounts.as_ref().map(|accounts| accounts.iter().map(ToString::to_string).collect()),
            due_slot: run.due_slot,
            period: run.period.map(|period| RunPeriodView { start: period.start, end: period.end }),
            effective_date: run.effective_date,
            plan_hash: run.plan_hash.clone(),
            planned_at: run.planned_at,
            cancel_requested: run.cancel_requested,
            totals: run.totals.into(),
            invoice_change: run.invoice_change,
            autotask_calls: run.autotask_calls,
            problem: run.problem.clone().or_else(|| partial(run)).map(|(code, detail)| RunProblemView {
                code: code.as_str(),
                title: code.title(),
                detail,
                effect: code.effect(),
                action: code.action(),
            }),
            outcome: Some(run.outcome.clone()).filter(|outcome| !outcome.is_null()),
            created_at: run.created_at,
            updated_at: run.touched_at,
            finished_at: run.finished_at,
            status_url: run.status_url(),
        }
    }
}

/// What a run says of which some lines were not done, for reasons of their own.
fn partial(run: &Run) -> Option<(Code, String)> {
    if run.state != RunState::Partial {
        return None;
    }
    let of = &run.totals;
    let right = of.changed + of.unchanged + of.superseded;
    let detail = format!(
        "{right} of {} lines are right; {} failed, {} are held, {} are not seen yet, {} were left out.",
        of.lines, of.failed, of.held, of.unverified, of.skipped
    );
    Some((Code::RunPartial, detail))
}

impl From<&Actor> for RunActorView {
    fn from(actor: &Actor) -> Self {
        Self { who: actor.who.clone(), role: actor.role.as_str() }
    }
}

impl From<Totals> for RunTotalsView {
    fn from(totals: Totals) -> Self {
        let Totals { lines, changed, unchanged, held, failed, skipped, superseded, unverified } = totals;
        Self { lines, changed, unchanged, held, failed, skipped, superseded, unverified }
    }
}

impl From<&RunLine> for RunLineView {
    fn from(line: &RunLine) -> Self {
        Self {
            no: line.no,
            account_id: line.account.to_string(),
            account_name: line.account_name.clone(),
            company_id: line.company_id,
            company_name: line.company_name.clone(),
            contract_id: line.contract_id,
            contract_name: line.contract_name.clone(),
            package_id: line.package.to_string(),
            line_kind: line.kind,
            service_id: line.service_id,
            contract_service_id: line.line.map(|line| line.id),
            service_name: line.service_name.clone(),
            leaving: line.leaving,
            created: line.created,
            reckoning: line.reckoning.as_ref().map(Into::into),
            decision: line.decision.as_ref().map(Into::into),
            units_now: line.units_now,
            count: line.count,
            count_as_of: line.count_as_of,
            units_wanted: line.units_wanted,
            delta: line.units_wanted.zip(line.units_now).map(|(wanted, now)| wanted - now),
            unit_cost_now: line.cost_now,
            unit_cost_wanted: line.cost_wanted,
            invoice_change: line.invoice_change,
            effective_date: line.effective_date,
            period_already_billed: line.period_billed,
            changed_by_hand_from: line.drift_from,
            state: line.state,
            code: line.code.map(domain::Code::as_str),
            explanation: line.words.clone(),
            action: line.code.map(domain::Code::action),
            units_sent: line.sent,
            units_verified: line.verified_units,
            adjustment_id: line.adjustment_id,
        }
    }
}
