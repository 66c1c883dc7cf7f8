//! Why somebody does something.

use domain::{Actor, Problem};
use runtime::edge::{ApiError, Caller};
use serde::Deserialize;
use utoipa::ToSchema;

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody {
    /// At most 500 characters; stands in the audit trail. Vendor roles must give one.
    #[schema(example = "The partner corrected contract 881; ticket 4711.")]
    pub(crate) reason: Option<String>,
}

/// The caller with the reason.
pub(crate) fn actor_for(caller: &Caller, given: Option<String>) -> Result<Actor, ApiError> {
    let reason = given.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(Problem::field("/reason", format!("must have at most {REASON_CHARS_MAX} characters")).into());
    }
    if reason.is_none() && !caller.role().is_partner() {
        return Err(
            Problem::field("/reason", "is required of your role: it stands in the partner's audit trail").into()
        );
    }
    Ok(caller.actor().because(reason))
}
