//! What callers see of a connection. Never the record itself: a secret's version, or a field that a later version
//! adds, must not slip out.

use domain::connections::{self, Connection, Overview};
use domain::runs::RunState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The zone that serves the database.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionZoneView {
    /// Base of the API.
    #[schema(example = "https://webservices15.autotask.net/ATServicesRest/")]
    url: String,
    /// Base of the web interface, for deep links.
    #[schema(example = "https://ww15.autotask.net/")]
    web_url: String,
    /// The database's number.
    #[schema(example = 700_123)]
    ci: i64,
    /// When it was found.
    #[schema(value_type = String, format = DateTime)]
    discovered_at: Timestamp,
}

/// What a feature can do with the API user's rights.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionView {
    /// Which.
    #[schema(example = "seat_sync")]
    feature: String,
    /// `ready`, `read_only` or `missing`.
    #[schema(value_type = String, example = "read_only")]
    state: connections::FeatureState,
    /// Rights to grant, as Autotask's administrator finds them.
    #[schema(example = json!(["Contracts › Contract Services › Add"]))]
    missing: Vec<String>,
}

/// Something that works only in part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningView {
    /// `permission_missing`, `cost_not_readable`, `billing_code_missing`, `view_restricted` or
    /// `feature_not_available`.
    #[schema(example = "billing_code_missing")]
    code: &'static str,
    /// What happened.
    detail: String,
    /// What to do.
    action: String,
}

/// What waits for a person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountersView {
    /// Active clients that count for this PSA.
    accounts: u32,
    /// Of these, without a mapping.
    unmapped: u32,
    /// Suggestions that wait for a yes.
    unconfirmed: u32,
    /// Mappings that no longer work.
    broken: u32,
    /// Confirmed, with a line to bill.
    confirmed: u32,
    /// Confirmed, without a contract or a line: never billed.
    not_billed: u32,
    /// Open issues.
    issues: u32,
    /// Held lines of the newest seat sync.
    held: u32,
}

/// The newest seat sync that was to write.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastRunView {
    /// Its id.
    run_id: String,
    /// Where it stands.
    #[schema(value_type = String, example = "done")]
    state: RunState,
    /// When it was claimed.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

/// A connection's own facts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    /// Its id.
    #[schema(example = "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e")]
    pub(crate) id: String,
    /// Always `autotask` here.
    #[schema(example = "autotask")]
    psa: String,
    /// `connected`, `needs_relink`, `paused` or `disconnected`.
    #[schema(example = "connected")]
    status: &'static str,
    /// The API user's name, mostly hidden. The secret is never shown again.
    #[schema(example = "k3***@MSP.EXAMPLE")]
    username: String,
    /// The zone.
    zone: ConnectionZoneView,
    /// `primary` or `secondary`.
    #[schema(value_type = String, example = "primary")]
    priority: connections::Priority,
    /// Notification contact.
    email: Option<String>,
    /// Which jobs are on.
    #[schema(example = json!(["seat_sync"]))]
    features: Vec<String>,
    /// Whose defaults it was set up with.
    #[schema(example = "seat_count")]
    profile: &'static str,
    /// Each feature's state, as of the last probe.
    permissions: Vec<PermissionView>,
    /// Whether costs can be read, as of the last probe; null where nothing told.
    costs_readable: Option<bool>,
    /// Whether the SaaS billing code is there, as of the last probe; null where it cannot be read.
    billing_code_present: Option<bool>,
    /// When the rights were last probed.
    #[schema(value_type = Option<String>, format = DateTime)]
    probed_at: Option<Timestamp>,
    /// When Autotask last took the credentials.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_ok_at: Option<Timestamp>,
    /// Since when it needs new credentials.
    #[schema(value_type = Option<String>, format = DateTime)]
    needs_relink_since: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A connection at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverviewView {
    #[serde(flatten)]
    pub(crate) connection: ConnectionView,
    /// What waits for a person.
    counters: CountersView,
    /// When the seat sync is next due; null where it does not run by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_run_at: Option<Timestamp>,
    /// The newest seat sync.
    last_run: Option<LastRunView>,
}

impl From<&Connection> for ConnectionView {
    fn from(of: &Connection) -> Self {
        Self {
            id: of.id.to_string(),
            psa: of.psa.clone(),
            status: of.status.as_str(),
            username: of.masked_username(),
            zone: ConnectionZoneView {
                url: of.zone.url.clone(),
                web_url: of.zone.web_url.clone(),
                ci: of.zone.ci,
                discovered_at: of.zone.discovered_at,
            },
            priority: of.priority,
            email: of.email.clone(),
            features: of.features.clone(),
            profile: of.profile.as_str(),
            permissions: permissions(&of.permissions),
            costs_readable: of.costs_readable,
            billing_code_present: of.saas_billing_code_present,
            probed_at: of.probed_at,
            last_ok_at: of.last_ok_at,
            needs_relink_since: of.needs_relink_since,
            created_at: of.created_at,
            updated_at: of.updated_at,
        }
    }
}

impl From<&Overview> for OverviewView {
    fn from(of: &Overview) -> Self {
        let c = of.counters;
        Self {
            connection: (&of.connection.value).into(),
            counters: CountersView {
                accounts: c.accounts,
                unmapped: c.unmapped,
                unconfirmed: c.unconfirmed,
                broken: c.broken,
                confirmed: c.confirmed,
                not_billed: c.not_billed,
                issues: c.issues,
                held: c.held,
            },
            next_run_at: of.next_run_at,
            last_run: of.last_run.as_ref().map(|run| LastRunView {
                run_id: run.id.to_string(),
                state: run.state,
                created_at: run.created_at,
                finished_at: run.finished_at,
            }),
        }
    }
}

pub(crate) fn permissions(of: &[connections::Permission]) -> Vec<PermissionView> {
    let view = |p: &connections::Permission| PermissionView {
        feature: p.feature.clone(),
        state: p.state,
        missing: p.missing.clone(),
    };
    of.iter().map(view).collect()
}

pub(crate) fn warnings(of: Vec<connections::Warning>) -> Vec<WarningView> {
    let view = |w: connections::Warning| WarningView { code: w.code, detail: w.detail, action: w.action };
    of.into_iter().map(view).collect()
}
