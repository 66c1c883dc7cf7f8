use super::profiles::JobProfile;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::SecretVersion;
use crate::records::{Index, Key, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// Works.
    Connected,
    /// Autotask refused the credentials: no call until a person acts.
    NeedsRelink,
    /// A person paused it, or the partner was deactivated.
    Paused,
    /// Deleted with its mappings kept.
    Disconnected,
}

/// The zone that serves a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRecord {
    /// Base of the REST API, as Autotask spells it; parsed only through `autotask::zone::HostPolicy`.
    pub url: String,
    /// Base of the web interface, for deep links.
    pub web_url: String,
    /// The tenant database's number.
    pub ci: i64,
    /// When it was found.
    pub discovered_at: Timestamp,
}

/// What a feature can do with the API user's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureState {
    /// All rights are there.
    Ready,
    /// It can read and not write.
    ReadOnly,
    /// It cannot work.
    Missing,
}

/// A feature's state, with the rights it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Which feature.
    pub feature: String,
    /// What it can do.
    pub state: FeatureState,
    /// Missing rights, as Autotask's administrator finds them: `Contracts › Contract Services › Add`.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// One partner's link to one Autotask database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// Whose.
    pub partner: PartnerId,
    /// Its id.
    pub id: ConnectionId,
    /// Always `autotask` here.
    pub psa: String,
    /// Where it stands.
    pub status: ConnectionStatus,
    /// The API user's name. Not a secret by itself, shown masked.
    pub username: String,
    /// Which version of the secret is in use.
    pub secret: SecretVersion,
    /// The zone.
    pub zone: ZoneRecord,
    /// `primary` or `secondary`.
    pub priority: Priority,
    /// Notification contact.
    pub email: Option<String>,
    /// Which jobs are on: `seat_sync`, `package_billing`, `invoices` …
    pub features: Vec<String>,
    /// Whose defaults it was set up with.
    #[serde(default)]
    pub profile: JobProfile,
    /// The last permission probe's result.
    #[serde(default)]
    pub permissions: Vec<Permission>,
    /// Whether the API user can read costs, by the last probe.
    #[serde(default)]
    pub costs_readable: Option<bool>,
    /// Whether the SaaS billing code was there at the last probe.
    #[serde(default)]
    pub saas_billing_code_present: Option<bool>,
    /// When the rights were last probed.
    #[serde(default)]
    pub probed_at: Option<Timestamp>,
    /// Whether auto-map has run once by itself.
    #[serde(default)]
    pub automap_ran: bool,
    /// When Autotask last answered.
    pub last_ok_at: Option<Timestamp>,
    /// Since when it needs new credentials.
    pub needs_relink_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Whether Autotask is the partner's first PSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// The main one.
    Primary,
    /// A second one: no manual fetches.
    Secondary,
}

impl Record for Connection {
    const ENTITY: &'static str = "connection";
    fn key(&self) -> Key {
        Key::Connection(self.partner.clone(), self.id.clone())
    }
    fn index(&self) -> Option<Index> {
        Some(Index::Board)
    }
}

impl ConnectionStatus {
    /// The status as in our API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ConnectionStatus::Connected => "connected",
            ConnectionStatus::NeedsRelink => "needs_relink",
            ConnectionStatus::Paused => "paused",
            ConnectionStatus::Disconnected => "disconnected",
        }
    }
}

impl Connection {
    /// The API user's name with most of it hidden: enough to tell two users apart.
    #[must_use]
    pub fn masked_username(&self) -> String {
        mask(&self.username)
    }

    /// Whether a feature is switched on.
    #[must_use]
    pub fn has_feature(&self, name: &str) -> bool {
        self.features.iter().any(|f| f == name)
    }
}

/// How many characters of a user name are shown.
const SHOWN_CHARS: usize = 2;

fn mask(username: &str) -> String {
    let (local, domain) = username.split_once('@').map_or((username, None), |(l, d)| (l, Some(d)));
    let shown: String = match local.chars().count() > SHOWN_CHARS {
        true => local.chars().take(SHOWN_CHARS).collect(),
        false => String::new(),
    };
    domain.map_or_else(|| format!("{shown}***"), |domain| format!("{shown}***@{domain}"))
}

/// The one connection of a partner to a PSA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PsaGuard {
    /// Whose.
    pub partner: PartnerId,
    /// Which PSA.
    pub psa: String,
    /// The connection.
    pub connection: ConnectionId,
}

impl Record for PsaGuard {
    const ENTITY: &'static str = "psa_guard";
    fn key(&self) -> Key {
        Key::ConnectionOfPsa(self.partner.clone(), self.psa.clone())
    }
}

/// When a job of a connection is next due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whose.
    pub partner: PartnerId,
    /// Which connection.
    pub connection: ConnectionId,
    /// Which job: `seat_sync`.
    pub job: String,
    /// The slot: the run's name and period come from it, not from the tick that finds it.
    pub due_at: Timestamp,
}

/// The job of the monthly seat sync, in [`Schedule::job`].
pub const SEAT_SYNC_JOB: &str = "seat_sync";
/// The job of the hourly look at new invoices and changed customers.
pub const INVOICE_FETCH_JOB: &str = "invoice_fetch";
/// The job of the daily look at open invoices and all customers.
pub const INVOICE_REFRESH_JOB: &str = "invoice_refresh";

impl Record for Schedule {
    const ENTITY: &'static str = "schedule";
    fn key(&self) -> Key {
        Key::Schedule(self.partner.clone(), self.connection.clone(), self.job.clone())
    }
    fn index(&self) -> Option<Index> {
        Some(Index::Due { job: self.job.clone(), at: self.due_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_user_name_hides_most_of_it() {
        for (name, shown) in [("k3y7abc@MSP.EXAMPLE", "k3***@MSP.EXAMPLE"), ("ab", "***"), ("abcdef", "ab***")] {
            assert_eq!(mask(name), shown);
        }
    }
}
