//! `/v1/vendor/profile`.

use crate::credentials::SecretText;
use crate::examples;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::records::Versioned;
use domain::vendor::{self, ManualLimits, ProfileInput, VendorProfile};
use domain::{Error, Role};
use http::StatusCode;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The vendor's profile, whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VendorProfileBody {
    /// The name in Autotask's list of integration vendors.
    #[schema(example = "Example - Security Training")]
    integration_vendor: String,
    /// The tracking identifier; left out, the stored one stays. Never shown again.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    integration_code: Option<SecretText>,
    /// Shown wherever an error is shown.
    #[schema(example = "support@vendor.example")]
    support_address: String,
    /// Name of the recurring-service billing code.
    #[serde(default = "saas")]
    #[schema(default = "Software as a Service")]
    saas_billing_code: String,
    /// Further words for the setup guide, one paragraph each.
    #[serde(default)]
    guide_notes: Vec<String>,
    /// How often partners may fetch invoices by hand; left out: once an hour and once in 12 hours.
    #[serde(default)]
    manual_limits: ManualLimitsBody,
}

/// Minutes between two presses of a button, 5 to 10080 (a week).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ManualLimitsBody {
    /// *Fetch New Data*.
    #[schema(default = 60, example = 60)]
    fetch_new_minutes: i64,
    /// *Fetch Unpaid Invoices*.
    #[schema(default = 720, example = 720)]
    fetch_unpaid_minutes: i64,
}

impl Default for ManualLimitsBody {
    fn default() -> Self {
        ManualLimits::default().into()
    }
}

impl From<ManualLimits> for ManualLimitsBody {
    fn from(of: ManualLimits) -> Self {
        Self { fetch_new_minutes: of.fetch_new_minutes, fetch_unpaid_minutes: of.fetch_unpaid_minutes }
    }
}

fn saas() -> String {
    "Software as a Service".to_owned()
}

/// The vendor's profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VendorProfileView {
    integration_vendor: String,
    /// Whether the integration code is set; the code itself is never shown.
    integration_code_set: bool,
    support_address: String,
    saas_billing_code: String,
    guide_notes: Vec<String>,
    manual_limits: ManualLimitsBody,
}

fn view(of: VendorProfile) -> VendorProfileView {
    VendorProfileView {
        integration_vendor: of.integration_vendor,
        integration_code_set: of.integration_code.is_some(),
        support_address: of.support_address,
        saas_billing_code: of.saas_billing_code,
        guide_notes: of.guide_notes,
        manual_limits: of.manual_limits.into(),
    }
}

/// Reads the vendor's profile
#[utoipa::path(
    get,
    path = "/v1/vendor/profile",
    tag = "vendor",
    responses(
        (status = 200, description = "With `ETag`; never the code", body = VendorProfileView, example = json!({"integration_vendor": "Example - Security Training", "integration_code_set": true, "support_address": "support@vendor.example", "saas_billing_code": "Software as a Service", "guide_notes": [], "manual_limits": {"fetch_new_minutes": 60, "fetch_unpaid_minutes": 720}})),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: not set yet", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_vendor_profile(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, ApiError> {
    caller.require(&[Role::VendorAdmin, Role::VendorSupport])?;
    let found = vendor::get_profile(&app.ports, &caller.system_scope()?).await?;
    let Versioned { v, value } = found.ok_or_else(|| Error::not_found("vendor profile"))?;
    Ok((etag(v), Json(view(value))))
}

/// Sets the vendor's profile
#[utoipa::path(
    put,
    path = "/v1/vendor/profile",
    tag = "vendor",
    params(("If-Match" = Option<String>, Header)),
    request_body(content = VendorProfileBody, example = json!({"integration_vendor": "Example - Security Training", "integration_code": "…", "support_address": "support@vendor.example", "saas_billing_code": "Software as a Service", "guide_notes": []})),
    responses(
        (status = 200, description = "Set; with `ETag`", body = VendorProfileView, example = examples::vendor_profile),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`secret_store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_vendor_profile(
    State(app): State<App>,
    caller: Caller,
    IfMatch(version): IfMatch,
    body: Body<VendorProfileBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(&[Role::VendorAdmin])?;
    let body = body.read()?;
    let input = ProfileInput {
        integration_vendor: body.integration_vendor,
        integration_code: body.integration_code.map(|code| code.0),
        support_address: body.support_address,
        saas_billing_code: body.saas_billing_code,
        guide_notes: body.guide_notes,
        manual_limits: ManualLimits {
            fetch_new_minutes: body.manual_limits.fetch_new_minutes,
            fetch_unpaid_minutes: body.manual_limits.fetch_unpaid_minutes,
        },
    };
    let scope = caller.system_scope()?;
    let done = vendor::put_profile(&app.ports, &scope, caller.actor(), version, input).await?;
    Ok((StatusCode::OK, etag(done.v), Json(view(done.value))))
}
