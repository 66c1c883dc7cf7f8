//! The one way to a connected Autotask database: credentials from the secret store, the zone checked again, and
//! what a failed call means for the partner and for the connection.

mod explain;
mod unauthorised;
mod unread;

pub use explain::{explain, explain_zone};
pub use unauthorised::{Verdict, settle, unauthorised};

use crate::actor::Scope;
use crate::budget::{Governed, Mode};
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, ConnectionStatus, Settings, credentials};
use crate::ports::{Clock, Ports, SecretName, SecretVersion, SecretsError, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, load};
use crate::vendor::VendorProfile;
use async_trait::async_trait;
use autotask::metadata::Threshold;
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
    way: Way,
}

/// How requests get out.
#[derive(Debug)]
enum Way {
    /// Within our share of a known connection's limits.
    Governed(Arc<Governed>),
    /// Before there is a connection whose share it could be: a person's single attempt.
    Counted(Arc<Counting>),
}

impl Session {
    /// Requests sent so far.
    #[must_use]
    pub fn calls(&self) -> u32 {
        match &self.way {
            Way::Governed(governed) => governed.calls(),
            Way::Counted(counted) => counted.calls.load(Ordering::Relaxed),
        }
    }

    /// Takes note of what the database says of its limit and use.
    ///
    /// # Errors
    /// Those of the storage; the budget then stays as it was.
    pub async fn observe(&self, threshold: &Threshold) -> Result<(), StorageError> {
        match &self.way {
            Way::Governed(governed) => governed.observe(threshold).await,
            Way::Counted(_) => Ok(()),
        }
    }

    /// Gives back the slots that the session holds; without it they expire by themselves.
    pub async fn close(self) {
        if let Way::Governed(governed) = self.way {
            governed.close().await;
        }
    }
}

/// Opens a worker's session with the credentials that the connection's record names.
///
/// # Errors
/// `needs_relink` or `connection_paused` where the connection may not be used, `secret_store_unavailable`,
/// `unavailable` while the vendor has no integration code.
pub async fn open(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Session> {
    open_as(ports, scope, connection, Mode::Background).await
}

/// The same where the caller says who waits: a person waits for less time, and is told sooner to come back.
///
/// # Errors
/// As [`open`].
pub async fn open_as(ports: &Ports, scope: &Scope, connection: &Connection, mode: Mode) -> Result<Session> {
    refuse_unless_connected(connection)?;
    open_whatever_its_state(ports, scope, connection, mode).await
}

/// Opens a session also where the connection needs new credentials or is paused: for a person who presses Test.
pub(crate) async fn open_whatever_its_state(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
    mode: Mode,
) -> Result<Session> {
    let zone = checked_zone(ports, &connection.zone.url)?;
    open_at(ports, scope, connection, zone, mode).await
}

/// Opens a session in a zone that the record does not name yet.
async fn open_at(ports: &Ports, scope: &Scope, connection: &Connection, zone: ZoneUrl, mode: Mode) -> Result<Session> {
    let (partner, id) = (&connection.partner, &connection.id);
    let login = login_of(ports, scope, connection).await;
    unread::follow(ports, scope, connection, login.as_ref().err()).await;
    let login = login?;
    let key = Key::Settings(partner.clone(), id.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    let share =
        settings.map_or_else(|| Settings::default().api_share_percent, |found| found.settings.api_share_percent);
    let governed = Arc::new(Governed::new(ports, scope, partner, id, share, mode));
    let client = login.client(ports, zone, governed.clone());
    Ok(Session { client, way: Way::Governed(governed) })
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

    /// A session in this zone for a login that no connection has yet.
    pub(crate) fn session(&self, ports: &Ports, zone: ZoneUrl) -> Session {
        let counting = Arc::new(Counting { inner: ports.transport.clone(), calls: AtomicU32::new(0) });
        Session { client: self.client(ports, zone, counting.clone()), way: Way::Counted(counting) }
    }

    fn client(&self, ports: &Ports, zone: ZoneUrl, transport: Arc<dyn Transport>) -> Client {
        let code = Some(self.integration_code.clone());
        let credentials = Credentials::new(self.username.clone(), self.secret.clone(), code);
        Client::builder(transport, zone, credentials)
            .timeout(ports.config.request_timeout)
            .pause(Arc::new(ClockPause(ports.clock.clone())))
            .build()
    }
}

/// The login that a connection's record names.
async fn login_of(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Login> {
    let name = SecretName::Connection(connection.partner.clone(), connection.id.clone());
    let text = read_secret(ports, &name, &connection.secret).await?;
    let (username, secret) = credentials::decode(&text)?;
    Login::entered(ports, scope, &username, secret).await
}

/// A stored zone URL, checked again: a record is no reason to trust a host.
fn checked_zone(ports: &Ports, url: &str) -> Result<ZoneUrl> {
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
