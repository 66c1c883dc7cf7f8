//! An Autotask database to be: its API user, what that user may do, its limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::tables::{KINDS, RIGHT};

/// Rows on a full page, and the most a page may hold.
pub const PAGE_SIZE_MAX: usize = 500;
/// Requests per rolling hour that a database grants all its integrations together.
pub const HOURLY_THRESHOLD: u32 = 10_000;
/// Wrong secrets in a row after which the API user is locked.
pub const LOCKED_AFTER: u32 = 10;

/// What a new database is made from.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSpec {
    /// The API user's login, looked up in any case.
    pub username: String,
    /// Its secret; only a digest is kept.
    pub secret: String,
    /// The tracking identifier that goes with the user; only a digest is kept.
    pub integration_code: String,
    /// What the user's security level grants; all by default.
    #[serde(default)]
    pub permissions: Permissions,
    /// Rows per page, 1 to 500.
    #[serde(default = "page_size")]
    pub page_size: usize,
    /// Whether costs are shown and can be written.
    #[serde(default = "yes")]
    pub costs_readable: bool,
    /// `externalRequestThreshold`.
    #[serde(default = "threshold")]
    pub hourly_threshold: u32,
    /// Wrong secrets in a row until the user is locked.
    #[serde(default = "locked_after")]
    pub locked_after: u32,
    /// Most webhooks that the user may have, of all kinds together; no bound by default.
    #[serde(default)]
    pub webhooks_max: Option<u32>,
    /// The database's unique id; the next free one by default.
    #[serde(default)]
    pub ci: Option<u64>,
}

impl DatabaseSpec {
    /// A database whose user may do everything.
    pub fn new(username: &str, secret: &str, integration_code: &str) -> Self {
        Self {
            username: username.to_owned(),
            secret: secret.to_owned(),
            integration_code: integration_code.to_owned(),
            permissions: Permissions::default(),
            page_size: PAGE_SIZE_MAX,
            costs_readable: true,
            hourly_threshold: HOURLY_THRESHOLD,
            locked_after: LOCKED_AFTER,
            webhooks_max: None,
            ci: None,
        }
    }
}

impl std::fmt::Debug for DatabaseSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseSpec").field("username", &self.username).finish_non_exhaustive()
    }
}

fn page_size() -> usize {
    PAGE_SIZE_MAX
}

fn yes() -> bool {
    true
}

fn threshold() -> u32 {
    HOURLY_THRESHOLD
}

fn locked_after() -> u32 {
    LOCKED_AFTER
}

/// A database that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// The unique id of the database (`ci` of the zone answer).
    pub ci: u64,
    /// The zone URL that the look-up gives, with a trailing slash.
    pub url: Url,
    /// The API user's own resource id.
    pub resource_id: i64,
}

/// Access per entity collection (`Contracts`), `*` for all that are not named. `Webhooks` is the right to create any
/// webhook, which a security level has besides that to a kind of them (`CompanyWebhooks`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(pub BTreeMap<String, Access>);

impl Permissions {
    /// The same permissions, but with `access` to `entity`.
    pub fn with(mut self, entity: &str, access: Access) -> Self {
        self.0.insert(entity.to_owned(), access);
        self
    }

    pub(crate) fn access(&self, entity: &str) -> Access {
        let access = self.named(entity);
        match KINDS.iter().any(|kind| kind.webhooks.eq_ignore_ascii_case(entity)) && !self.named(RIGHT).add.granted() {
            true => Access { add: Level::None, ..access },
            false => access,
        }
    }

    fn named(&self, entity: &str) -> Access {
        self.0
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(entity))
            .or_else(|| self.0.get_key_value("*"))
            .map_or(Access::ALL, |(_, access)| *access)
    }
}

/// What may be done with one entity. In JSON also the short forms `"none"` and `"all"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AccessForm")]
pub struct Access {
    /// See rows; without it every list is empty.
    pub view: Level,
    /// Create rows.
    pub add: Level,
    /// Change rows.
    pub edit: Level,
    /// Remove rows.
    pub delete: Level,
}

impl Access {
    /// Everything.
    pub const ALL: Access = Access { view: Level::All, add: Level::All, edit: Level::All, delete: Level::All };
    /// Nothing.
    pub const NONE: Access = Access { view: Level::None, add: Level::None, edit: Level::None, delete: Level::None };
    /// Look, but do not touch.
    pub const VIEW: Access = Access { view: Level::All, add: Level::None, edit: Level::None, delete: Level::None };
}

/// One permission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Refused.
    None,
    /// Granted.
    #[default]
    All,
}

impl Level {
    pub(crate) fn granted(self) -> bool {
        self == Level::All
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AccessForm {
    Short(Level),
    Long {
        #[serde(default)]
        view: Level,
        #[serde(default)]
        add: Level,
        #[serde(default)]
        edit: Level,
        #[serde(default)]
        delete: Level,
    },
}

impl From<AccessForm> for Access {
    fn from(form: AccessForm) -> Self {
        match form {
            AccessForm::Short(Level::All) => Access::ALL,
            AccessForm::Short(Level::None) => Access::NONE,
            AccessForm::Long { view, add, edit, delete } => Access { view, add, edit, delete },
        }
    }
}

/// The digest under which a secret is kept, so that no state on disk holds the secret itself.
pub(crate) fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
