//! Issues as partners see them.

use domain::issues::{Action, Decided, Fix, Issue, Place, Retried, Tried, remedy};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Something that is wrong, however often it was met.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssueView {
    /// Its name: what it is about and what is wrong, encoded.
    #[schema(example = "iss_aGVsZF96ZXJvL2FjY291bnQvYWNjXzAwMDcvdHJhaW5pbmc")]
    id: String,
    /// What is wrong, for programs.
    #[schema(example = "held_zero")]
    code: &'static str,
    /// On what.
    #[schema(example = "account/acc_0007/training")]
    subject: String,
    /// `open`, `acknowledged` (seen, and still there), `ignored` (counted, never told again), `dismissed` (closed by a
    /// person until it is met again) or `resolved` (its cause is gone).
    #[schema(example = "open")]
    state: &'static str,
    /// What happened, in one sentence.
    title: &'static str,
    /// The latest occurrence, in words.
    detail: String,
    /// What it means for billing.
    effect: &'static str,
    /// What to do.
    action: &'static str,
    /// The call that puts it right, or the first of those to choose from; null where none of this API does.
    fix: Option<IssueCallView>,
    /// Whether `retry` does it, because there is nothing to choose.
    retryable: bool,
    /// The nearest thing that can be opened in Autotask.
    autotask: Option<InAutotaskView>,
    /// What to read of it here.
    #[schema(example = "/v1/connections/con_1/runs/0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012/lines?account=acc_0007")]
    url: String,
    /// How often it was met since it was opened.
    #[schema(example = 3)]
    count: u32,
    /// How often it was opened again after it was closed.
    reopened: u32,
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// When it was last met.
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    /// Since when its cause is gone.
    #[schema(value_type = Option<String>, format = DateTime)]
    resolved_at: Option<Timestamp>,
    /// The run that met it last, where one did.
    run_id: Option<String>,
    /// What somebody last decided about it since it was opened.
    decision: Option<IssueDecisionView>,
    /// Further facts, depending on the code.
    #[schema(value_type = Option<Object>)]
    data: Value,
}

/// A call of this API.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssueCallView {
    #[schema(example = "POST")]
    method: String,
    /// A part in braces is yours to say.
    #[schema(example = "/v1/connections/con_1/runs/0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012/lines/7/approve")]
    path: String,
    /// Its body; null where it has none, or where only a person can say what goes into it.
    #[schema(value_type = Option<Object>)]
    body: Value,
    /// Before this day it would be too early.
    #[schema(value_type = Option<String>, format = Date)]
    not_before: Option<Date>,
}

/// Something in Autotask's web interface.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InAutotaskView {
    /// `company`, `contact`, `contract` or `ticket`.
    #[schema(example = "contract")]
    kind: &'static str,
    /// Its id there.
    #[schema(example = 881)]
    id: i64,
    /// Opens it, for somebody who is logged in there.
    #[schema(
        example = "https://ww5.autotask.net/Autotask/AutotaskExtend/ExecuteCommand.aspx?Code=OpenContract&ContractID=881"
    )]
    url: String,
}

/// What somebody decided about an issue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssueDecisionView {
    /// `acknowledge`, `dismiss` or `ignore`.
    #[schema(value_type = String, example = "acknowledge")]
    action: Action,
    #[schema(example = "ann")]
    who: String,
    #[schema(example = "partner_billing")]
    role: &'static str,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    reason: Option<String>,
}

/// An issue after a press of *Retry*.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetriedIssueView {
    /// `done`: what puts it right was done, and the issue says whether it is over; `queued`: a worker does it now;
    /// `started`: a run was started.
    #[schema(example = "started")]
    outcome: &'static str,
    /// The run that was started.
    run_id: Option<String>,
    /// Where its state can be read.
    status_url: Option<String>,
    issue: IssueView,
}

impl From<Fix> for IssueCallView {
    fn from(fix: Fix) -> Self {
        let Fix { method, path, body, not_before } = fix;
        Self { method, path, body, not_before }
    }
}

impl From<Decided> for IssueDecisionView {
    fn from(decided: Decided) -> Self {
        let Decided { action, who, role, at, reason } = decided;
        Self { action, who, role: role.as_str(), at, reason }
    }
}

impl IssueView {
    pub(crate) fn of(issue: Issue, place: Place) -> Self {
        let remedy = remedy(&issue);
        let there = place.autotask.map(|(what, url)| InAutotaskView { kind: what.kind(), id: what.id(), url });
        Self {
            id: issue.name(),
            code: issue.code.as_str(),
            state: issue.state.as_str(),
            title: issue.code.title(),
            effect: issue.code.effect(),
            action: issue.code.action(),
            fix: remedy.call(&issue).map(Into::into),
            retryable: issue.stands() && remedy.is_retried(),
            autotask: there,
            url: place.ours,
            count: issue.count,
            reopened: issue.reopened,
            opened_at: issue.opened_at,
            last_at: issue.last_at,
            resolved_at: issue.resolved_at,
            run_id: issue.run().map(|run| run.to_string()),
            subject: issue.subject,
            detail: issue.detail,
            decision: issue.decision.map(Into::into),
            data: issue.data,
        }
    }
}

/// What was done, and the run that was started.
pub(crate) fn outcome(tried: &Tried) -> (&'static str, Option<String>, Option<String>) {
    match tried {
        Tried::Done => ("done", None, None),
        Tried::Queued => ("queued", None, None),
        Tried::Started(run) => ("started", Some(run.id.to_string()), Some(run.status_url())),
    }
}

impl RetriedIssueView {
    pub(crate) fn of(retried: Retried, place: Place) -> Self {
        let (outcome, run_id, status_url) = outcome(&retried.tried);
        Self { outcome, run_id, status_url, issue: IssueView::of(retried.issue, place) }
    }
}
