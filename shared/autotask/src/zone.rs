//! Zones: which of Autotask's hosts serves a tenant, and which hosts may get credentials.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Origin, Url};

use crate::answer::{self, MethodKind};
use crate::error::Error;
use crate::transport::{Method, REQUEST_TIMEOUT, Request, Transport, TransportError};

/// Where zone discovery starts for everybody.
pub const ENTRY: &str = "https://webservices.autotask.net/";

/// Longest URL that is looked at, in bytes.
const URL_MAX: usize = 2_048;

/// What Autotask says to a user name that it does not know.
const UNKNOWN_USER_TEXT: &str = "zone information could not be determined";

/// The host under which all of Autotask's zones are.
const DOMAIN: &str = ".autotask.net";

/// A tenant's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Name as Autotask shows it.
    pub zone_name: String,
    /// Base of all calls, already checked.
    pub url: ZoneUrl,
    /// Base of deep links into the user interface; not checked, for display only.
    pub web_url: String,
    /// Unique id of the tenant's database: the key of a tenant.
    pub ci: i64,
}

/// The base URL of a zone, e.g. `https://webservices15.autotask.net/ATServicesRest/`: verbatim (its
/// path is mixed-case) with a slash at the end.
///
/// It can only be made by a [`HostPolicy`]: store it as text, and have the policy check it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ZoneUrl(Url);

impl ZoneUrl {
    /// The URL.
    pub const fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL as text, for storing.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL of `path` below the zone, e.g. `V1.0/Companies/query`.
    pub(crate) fn at(&self, path: &str) -> Result<Url, Error> {
        self.0.join(path).map_err(|_| Error::out_of_bounds("a path makes no URL"))
    }

    /// Whether `url` has the zone's own origin and carries no login.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl fmt::Display for ZoneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ZoneUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Which hosts may be a zone: `https://{one label}.autotask.net`, and origins added by name.
#[derive(Debug, Clone, Default)]
pub struct HostPolicy {
    extra: Arc<[Origin]>,
}

impl HostPolicy {
    /// Autotask's hosts only.
    pub fn autotask() -> Self {
        Self::default()
    }

    /// One more origin (scheme, host and port exactly; `http` too), for a simulator.
    #[must_use]
    pub fn with_extra_origin(&self, url: &Url) -> Self {
        Self { extra: self.extra.iter().cloned().chain([url.origin()]).collect() }
    }

    /// Checks a URL that came from outside or from storage.
    ///
    /// # Errors
    /// [`ZoneError::Refused`] with the reason.
    pub fn check(&self, text: &str) -> Result<ZoneUrl, ZoneError> {
        let refused = |reason| ZoneError::Refused { reason };
        if text.len() > URL_MAX {
            return Err(refused("it is too long"));
        }
        // The parser drops tabs and line ends, maps look-alikes and turns `\` into `/`. What it
        // would have to repair is not a URL that Autotask wrote.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(refused("it has characters that no zone URL has"));
        }
        let mut url = Url::parse(text).map_err(|_| refused("it is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(refused("it has a login in it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("it has a query or a fragment"));
        }
        if !self.is_extra(&url) {
            check_autotask_host(text, &url).map_err(refused)?;
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(ZoneUrl(url))
    }

    fn is_extra(&self, url: &Url) -> bool {
        let origin = url.origin();
        origin.is_tuple() && self.extra.contains(&origin)
    }
}

fn check_autotask_host(text: &str, url: &Url) -> Result<(), &'static str> {
    if url.scheme() != "https" {
        return Err("it is not https");
    }
    if url.port().is_some() {
        return Err("it has a port");
    }
    let host = url.host_str().unwrap_or_default();
    let label = host.strip_suffix(DOMAIN).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if label.is_empty() || !label.bytes().all(plain) {
        return Err("its host is not one of Autotask's");
    }
    // The host as written must be the host as understood: no escapes, no mapping, no trailing dot.
    let written = text.get("https://".len()..).unwrap_or_default().split('/').next().unwrap_or_default();
    let written = written.strip_suffix(":443").unwrap_or(written);
    if !written.eq_ignore_ascii_case(host) {
        return Err("its host is written in a strange way");
    }
    Ok(())
}

/// Why there is no zone.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// Autotask knows no API user of this name. The secret plays no part in it.
    #[error("Autotask knows no API user of that name")]
    UnknownUser,
    /// The zone's URL is not one that may get credentials.
    #[error("the zone's URL is refused: {reason}")]
    Refused {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The look-up failed otherwise. It can fail for a known user too: try again later.
    #[error("Autotask's zone look-up is not available")]
    Unavailable {
        /// Cause.
        #[source]
        source: Box<Error>,
    },
}

impl ZoneError {
    /// Whether asking again later may help.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::UnknownUser | Self::Refused { .. } => false,
        }
    }
}

/// Asks which zone serves the API user `username`. No credentials are sent.
///
/// `entry` is the scheme and host to ask, usually [`ENTRY`]. One request; the answer is worth
/// keeping for hours, but a tenant can be moved.
///
/// # Errors
/// See [`ZoneError`].
pub async fn discover(
    transport: &dyn Transport,
    policy: &HostPolicy,
    entry: &Url,
    username: &str,
) -> Result<Zone, ZoneError> {
    discover_within(transport, policy, entry, username, REQUEST_TIMEOUT).await
}

/// [`discover`] with another time-out than [`REQUEST_TIMEOUT`].
///
/// # Errors
/// See [`ZoneError`].
pub async fn discover_within(
    transport: &dyn Transport,
    policy: &HostPolicy,
    entry: &Url,
    username: &str,
    timeout: Duration,
) -> Result<Zone, ZoneError> {
    if username.trim().is_empty() {
        return Err(ZoneError::UnknownUser);
    }
    let mut url = entry
        .join("/ATServicesRest/V1.0/zoneInformation")
        .map_err(|_| ZoneError::Refused { reason: "the entry point is not a URL" })?;
    url.query_pairs_mut().append_pair("user", username);
    let request = Request { method: Method::Get, url, headers: Vec::new(), body: None, timeout };
    let response = transport.send(request).await.map_err(|error| unavailable(not_answered(error)))?;
    if response.status == 200 {
        return read(&response.body, policy);
    }
    let error = answer::failure(MethodKind::Read, &response, None);
    let unknown = error.texts().iter().any(|text| text.to_ascii_lowercase().contains(UNKNOWN_USER_TEXT));
    Err(if unknown { ZoneError::UnknownUser } else { unavailable(error) })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZoneInformation {
    #[serde(default, with = "crate::wire::optional")]
    zone_name: Option<String>,
    url: String,
    #[serde(default, with = "crate::wire::optional")]
    web_url: Option<String>,
    #[serde(with = "crate::wire::required")]
    ci: i64,
}

fn read(body: &[u8], policy: &HostPolicy) -> Result<Zone, ZoneError> {
    let found: ZoneInformation =
        serde_json::from_slice(body).map_err(|error| unavailable(Error::bad_json("no zone information", &error)))?;
    Ok(Zone {
        zone_name: found.zone_name.unwrap_or_default(),
        url: policy.check(&found.url)?,
        web_url: found.web_url.unwrap_or_default(),
        ci: found.ci,
    })
}

fn not_answered(error: TransportError) -> Error {
    match error {
        TransportError::NotSent { .. } => Error::NotSent { source: error },
        TransportError::Unknown { .. } => Error::Unavailable { status: None, texts: Vec::new(), source: Some(error) },
    }
}

fn unavailable(error: Error) -> ZoneError {
    ZoneError::Unavailable { source: Box::new(error) }
}

#[cfg(test)]
#[path = "zone_tests.rs"]
mod tests;
