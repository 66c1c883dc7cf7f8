//! What every function has in hand: the ports, and what the edge needs to know.

use domain::Ports;
use domain::mac::MacKey;
use std::sync::Arc;

/// Largest request body in bytes; a CSV import of 5,000 accounts is about 500 KB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The state of every router and worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// What the domain works with.
    pub ports: Ports,
    /// What the HTTP edge works with.
    pub edge: Arc<EdgeConfig>,
}

/// What a deployment sets for the HTTP edge.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Which claims of the token say who calls.
    pub claims: ClaimNames,
    /// Key of cursors and of idempotency fingerprints.
    pub mac_key: MacKey,
    /// Where a partner gets help; stands in every problem.
    pub support: String,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
}

/// Names of the claims, as the vendor's issuer has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// The partner that a partner role belongs to.
    pub partner_id: String,
    /// One of [`domain::Role`]'s texts.
    pub role: String,
    /// `true` for the partner's main account.
    pub main_account: String,
}

impl App {
    /// An app on the given ports: what local runs and tests use.
    #[must_use]
    pub fn new(ports: Ports, edge: EdgeConfig) -> Self {
        Self { ports, edge: Arc::new(edge) }
    }
}

impl EdgeConfig {
    /// The edge with the usual claim names and body limit.
    #[must_use]
    pub fn new(mac_key: MacKey, support: impl Into<String>) -> Self {
        Self { claims: ClaimNames::default(), mac_key, support: support.into(), body_bytes_max: BODY_BYTES_MAX }
    }
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { partner_id: "partner_id".into(), role: "role".into(), main_account: "main_account".into() }
    }
}
