//! A partner's link to one Autotask database: its state, its settings, its credentials.

mod billing_codes;
mod connect;
pub(crate) mod credentials;
mod daily;
mod disconnect;
mod findings;
mod guide;
mod input;
mod invoice_schedule;
mod lifecycle;
mod matrix;
mod overview;
mod patch;
mod probe;
mod profiles;
mod progress;
mod record;
mod relink;
mod schedule;
pub mod settings;

pub use billing_codes::{BillingCodeFound, ensure_billing_code};
pub use connect::{Connected, connect};
pub use daily::{SECRET_ORPHAN_AFTER, probe_one, sweep_secrets};
pub use disconnect::{Keep, disconnect};
pub use findings::{Findings, Warning};
pub use guide::{FormField, GUIDE_PROFILES, Guide, GuideField, GuideStep, Never, guide};
pub use input::NewConnection;
pub use invoice_schedule::next_invoice_slot;
pub(crate) use lifecycle::look;
pub use lifecycle::{Tested, pause, probe_permissions, resume, test};
pub use matrix::{INVOICE_MATRIX, MATRIX, MatrixRow, Right};
pub use overview::{Counters, Overview, list, overview};
pub use patch::{PATCH_BILLING_KEYS, PatchedSettings, SettingsHead, WebhookSettings, patch_settings, read_settings};
pub(crate) use probe::billing_code_name;
pub use profiles::{FEATURES, Feature, JobProfile};
pub use progress::{Progress, ProgressStep, StepState, setup_progress};
pub use record::{
    Connection, ConnectionStatus, FeatureState, INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB, Permission, Priority, PsaGuard,
    SEAT_SYNC_JOB, Schedule, ZoneRecord,
};
pub use relink::{NewCredentials, Relink, relink};
pub use schedule::due_schedules;
pub use settings::Settings;

use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, Versioned, load};

/// The only PSA of this bundle.
pub const PSA: &str = "autotask";

/// Reads a connection; one of another partner does not exist.
///
/// # Errors
/// `not_found`.
pub async fn load_connection(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Versioned<Connection>> {
    let key = Key::Connection(partner.clone(), id.clone());
    load::<Connection>(&*ports.storage, scope, &key).await?.ok_or_else(|| Error::not_found("connection"))
}

/// Checks an `If-Match` value, where there is one.
///
/// # Errors
/// `precondition_failed`.
pub(crate) fn check_version(if_match: Option<u64>, v: u64) -> Result<()> {
    match if_match {
        Some(wanted) if wanted != v => Err(Problem::new(
            Code::PreconditionFailed,
            format!("If-Match names version {wanted}, the present version is {v}."),
        )
        .into()),
        _ => Ok(()),
    }
}

/// What a lost race is told.
pub(crate) fn conflict() -> Error {
    Error::problem(Code::Conflict, "The connection was changed by another request.")
}
