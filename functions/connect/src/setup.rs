//! The setup guide, the checklist, and the billing code.

use crate::{ADMINS, READERS, examples, reading_scope};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::connections::{self, GUIDE_PROFILES, Guide, Right, StepState};
use domain::{ConnectionId, Problem, vendor};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Caller, Params, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which guide.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuideParams {
    /// `seat_count` (default), `package_billing` or `invoices`.
    profile: Option<String>,
}

/// A step of the guide.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuideStepView {
    /// Its number, from 1.
    no: usize,
    /// Stable name.
    #[schema(example = "tracking_identifier")]
    id: &'static str,
    /// Where.
    #[schema(example = "New API User > API Tracking Identifier")]
    place: &'static str,
    /// What to do.
    text: String,
    /// A value to copy.
    value: Option<String>,
    /// What to beware of.
    warning: Option<String>,
}

/// A field of Autotask's form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuideFieldView {
    /// Its name in Autotask.
    #[schema(example = "Username (Key)")]
    field: &'static str,
    /// What to enter; empty where Autotask generates it or you choose it.
    value: String,
    /// How.
    how: &'static str,
    /// Whether the value is for copying.
    copy: bool,
}

/// A field of our own connect form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FormFieldView {
    /// Its name in `POST /v1/connections`.
    #[schema(example = "username")]
    name: &'static str,
    /// Its label.
    #[schema(example = "Username (Key)")]
    label: &'static str,
    /// Whether it must be filled.
    required: bool,
    /// What to enter.
    how: &'static str,
}

/// A row of the permission matrix.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatrixView {
    /// Autotask's module.
    #[schema(example = "Contracts")]
    module: &'static str,
    /// The object within it.
    #[schema(example = "Contract Services")]
    object: &'static str,
    view: bool,
    add: bool,
    edit: bool,
    delete: bool,
    /// Why.
    why: &'static str,
}

/// Something that the integration does not do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NeverView {
    /// Stable name.
    #[schema(example = "tickets")]
    id: &'static str,
    /// In words.
    text: &'static str,
    /// Always false.
    supported: bool,
    /// Whether it is planned.
    planned: bool,
}

/// The guide.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuideView {
    /// Which profile.
    #[schema(example = "seat_count")]
    profile: &'static str,
    /// Whether this version does the profile's job.
    available: bool,
    /// The vendor's name in Autotask's list.
    integration_vendor: String,
    /// Where to get help.
    support: String,
    /// The recommended security level.
    #[schema(example = "API User (system)")]
    security_level: &'static str,
    /// Why, and that it is not forced.
    security_note: &'static str,
    /// What to do, in order.
    steps: Vec<GuideStepView>,
    /// The API user's form.
    fields: Vec<GuideFieldView>,
    /// Our own connect form, in order.
    form: Vec<FormFieldView>,
    /// What the security level must allow, and nothing more.
    matrix: Vec<MatrixView>,
    /// What this never does.
    never: Vec<NeverView>,
    /// The vendor's own words.
    notes: Vec<String>,
}

impl From<Guide> for GuideView {
    fn from(of: Guide) -> Self {
        let step = |(i, s): (usize, connections::GuideStep)| GuideStepView {
            no: i + 1,
            id: s.id,
            place: s.place,
            text: s.text,
            value: s.value,
            warning: s.warning,
        };
        let row = |r: connections::MatrixRow| MatrixView {
            module: r.module,
            object: r.object,
            view: r.rights.contains(&Right::View),
            add: r.rights.contains(&Right::Add),
            edit: r.rights.contains(&Right::Edit),
            delete: r.rights.contains(&Right::Delete),
            why: r.why,
        };
        let field =
            |f: connections::GuideField| GuideFieldView { field: f.field, value: f.value, how: f.how, copy: f.copy };
        let form = |f: connections::FormField| FormFieldView {
            name: f.name,
            label: f.label,
            required: f.required,
            how: f.how,
        };
        let never = |n: connections::Never| NeverView { id: n.id, text: n.text, supported: false, planned: n.planned };
        Self {
            profile: of.profile,
            available: of.available,
            integration_vendor: of.integration_vendor,
            support: of.support,
            security_level: of.security_level,
            security_note: of.security_note,
            steps: of.steps.into_iter().enumerate().map(step).collect(),
            form: of.form.into_iter().map(form).collect(),
            fields: of.fields.into_iter().map(field).collect(),
            matrix: of.matrix.into_iter().map(row).collect(),
            never: of.never.into_iter().map(never).collect(),
            notes: of.notes,
        }
    }
}

/// How to set the API user up, as data for a portal
#[utoipa::path(
    get,
    path = "/v1/setup-guide",
    tag = "setup",
    params(GuideParams),
    responses(
        (status = 200, description = "Ordered steps, the form's fields, the permission matrix, what is never done", body = GuideView, example = examples::guide),
        (status = 400, description = "`invalid_input`: no such profile", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_setup_guide(
    State(app): State<App>,
    caller: Caller,
    params: Params<GuideParams>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reading_scope(&caller)?;
    let params = params.read()?;
    let profile = params.profile.as_deref().unwrap_or("seat_count");
    let vendor = vendor::get_profile(&app.ports, &scope).await?;
    let guide = connections::guide(profile, vendor.as_ref().map(|found| &found.value))
        .ok_or_else(|| Problem::field("profile", format!("must be one of {}", GUIDE_PROFILES.join(", "))))?;
    let mut view = GuideView::from(guide);
    if view.support.is_empty() {
        view.support.clone_from(&app.edge.support);
    }
    Ok(Json(view))
}

/// A step of the checklist.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProgressStepView {
    /// Stable name.
    #[schema(example = "clients_paired")]
    id: &'static str,
    /// What is visible when it is done.
    title: &'static str,
    /// `done`, `todo` or `attention`.
    #[schema(example = "todo")]
    state: &'static str,
    /// In words.
    detail: String,
    /// Whether it is one of the three facts by which you know that it worked.
    fact: bool,
}

/// The checklist.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProgressView {
    /// Whether every step is done.
    complete: bool,
    /// The steps, in order.
    steps: Vec<ProgressStepView>,
}

/// How far the set-up is
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/setup-progress",
    tag = "setup",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "Step by step", body = ProgressView, example = json!({"complete": false, "steps": [{"id": "connected", "title": "The integration shows Connected", "state": "done", "detail": "Autotask takes the credentials.", "fact": true}]})),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_setup_progress(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let progress = connections::setup_progress(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    let step = |s: connections::ProgressStep| ProgressStepView {
        id: s.id,
        title: s.title,
        state: match s.state {
            StepState::Done => "done",
            StepState::Todo => "todo",
            StepState::Attention => "attention",
        },
        detail: s.detail,
        fact: s.fact,
    };
    Ok(Json(ProgressView { complete: progress.complete, steps: progress.steps.into_iter().map(step).collect() }))
}

/// The billing code as Autotask has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingCodeView {
    /// `BillingCodes.id`.
    #[schema(example = 29_683_014)]
    id: i64,
    /// Its name.
    #[schema(example = "Software as a Service")]
    name: String,
    /// Always true: what is missing is a 409.
    present: bool,
    /// When it was seen.
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
}

/// Checks that the vendor's recurring-service billing code exists; the API cannot create one
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/billing-codes/ensure",
    tag = "setup",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "It is there and active", body = BillingCodeView),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`billing_code_missing`, with `steps`; `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn ensure_billing_code(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    let scope = caller.scope()?;
    let found = connections::ensure_billing_code(&app.ports, &scope, caller.actor(), caller.partner()?, &cid).await?;
    Ok(Json(BillingCodeView { id: found.id, name: found.name, present: true, checked_at: found.checked_at }))
}
