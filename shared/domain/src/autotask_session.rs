//! The one way to a connected Autotask database: credentials from the secret store, the zone checked again, and
//! what a failed call means for the partner and for the connection.

mod explain;
mod unauthorised;

pub use explain::{explain, explain_zone};
pub use unauthorised::{Verdict, settle, unauthorised};

use crate::actor::Scope;
use crate::connections::{Connection, ConnectionStatus, credentials};
use crate::ports::{Clock, Ports, SecretName, SecretVersion, SecretsError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, load};
use crate::vendor::VendorProfile;
use async_trait::async_trait;
use autotask::retry::Pause;
use autotask::{Client, Credentials, Request, Response, Transport, TransportError, ZoneUrl};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A client for one connection, with what it has used.
#[derive(Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
    transport: Arc<Counting>,
}

impl Session {
    /// Requests sent so far.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.transport.calls.load(Ordering::Relaxed)
    }

    /// Gives back what the session holds.
    pub async fn close(self) {}
}

/// Opens a session with the credentials that the connection's record names.
///
/// # Errors
/// `needs_relink` or `connection_paused` where the connection may not be used, `secret_store_unavailable`,
/// `unavailable` while the vendor has no integration code.
pub async fn open(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Session> {
    refuse_unless_connected(connection)?;
    open_whatever_its_state(ports, scope, connection).await
}

/// Opens a session for a person who presses Test: also where the connection needs new credentials or is paused.
pub(crate) async fn open_whatever_its_state(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Session> {
    let login = login_of(ports, scope, connection).await?;
    let zone = checked_zone(ports, &connection.zone.url)?;
    Ok(login.session(ports, zone))
}

/// Why a connection may not be used, if so.
///
/// # Errors
/// `needs_relink`, `connection_paused`.
pub fn refuse_unless_connected(connection: &Connection) -> Result<()> {
    match connection.status {
        ConnectionStatus::Connected => Ok(()),
        ConnectionStatus::NeedsRelink => {
            Err(Error::problem(Code::NeedsRelink, "Autotask refused the stored credentials."))
        }
        ConnectionStatus::Paused => Err(Error::problem(Code::ConnectionPaused, "Somebody paused the connection.")),
        ConnectionStatus::Disconnected => {
            Err(Error::problem(Code::NeedsRelink, "The connection was disconnected; its credentials are deleted."))
        }
    }
}

/// What a login needs, secret and integration code included. Does not print.
pub(crate) struct Login {
    username: String,
    secret: SecretString,
    integration_code: SecretString,
}

impl Login {
    /// A login that a person has just entered.
    pub(crate) async fn entered(ports: &Ports, scope: &Scope, username: &str, secret: SecretString) -> Result<Self> {
        let integration_code = integration_code(ports, scope).await?;
        Ok(Self { username: username.to_owned(), secret, integration_code })
    }

    /// A session in this zone.
    pub(crate) fn session(&self, ports: &Ports, zone: ZoneUrl) -> Session {
        let transport = Arc::new(Counting { inner: ports.transport.clone(), calls: AtomicU32::new(0) });
        let credentials =
            Credentials::new(self.username.clone(), self.secret.clone(), Some(self.integration_code.clone()));
        let client = Client::builder(transport.clone(), zone, credentials)
            .timeout(ports.config.request_timeout)
            .pause(Arc::new(ClockPause(ports.clock.clone())))
            .build();
        Session { client, transport }
    }
}

/// The login that a connection's record names.
pub(crate) async fn login_of(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Login> {
    let name = SecretName::Connection(connection.partner.clone(), connection.id.clone());
    let text = read_secret(ports, &name, &connection.secret).await?;
    let (username, secret) = credentials::decode(&text)?;
    Login::entered(ports, scope, &username, secret).await
}

/// A stored zone URL, checked again: a record is no reason to trust a host.
pub(crate) fn checked_zone(ports: &Ports, url: &str) -> Result<ZoneUrl> {
    ports.config.hosts.check(url).map_err(|error| explain_zone(&error))
}

/// The zone of a user name. No credentials are sent.
pub(crate) async fn discover(ports: &Ports, username: &str) -> Result<autotask::Zone, autotask::ZoneError> {
    autotask::zone::discover(&*ports.transport, &ports.config.hosts, &ports.config.zone_entry, username).await
}

async fn integration_code(ports: &Ports, scope: &Scope) -> Result<SecretString> {
    let profile = load::<VendorProfile>(&*ports.storage, scope, &Key::VendorProfile).await?;
    let version = profile.and_then(|profile| profile.value.integration_code);
    let Some(version) = version else {
        let text = "The vendor's integration code for Autotask is not set up yet, so that nobody can connect.";
        return Err(Problem::new(Code::Unavailable, text).into());
    };
    read_secret(ports, &SecretName::Vendor, &version).await
}

async fn read_secret(ports: &Ports, name: &SecretName, version: &SecretVersion) -> Result<SecretString> {
    ports.secrets.get(name, version).await.map_err(secrets_problem)
}

/// A failure of the secret store as a caller is told.
pub(crate) fn secrets_problem(error: SecretsError) -> Error {
    match error {
        SecretsError::Missing => Error::problem(Code::SecretStoreUnavailable, "The stored credentials are not there."),
        SecretsError::Unavailable(cause) => {
            tracing::warn!(error = %cause, "the secret store is unavailable");
            Error::problem(Code::SecretStoreUnavailable, "The secret store does not answer.")
        }
    }
}

/// Waits by our own clock, so that tests do not wait for real.
#[derive(Debug)]
struct ClockPause(Arc<dyn Clock>);

#[async_trait]
impl Pause for ClockPause {
    async fn pause(&self, wait: Duration) {
        self.0.pause(wait).await;
    }
}

/// Counts what is sent.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Transport>,
    calls: AtomicU32,
}

#[async_trait]
impl Transport for Counting {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request).await
    }
}
