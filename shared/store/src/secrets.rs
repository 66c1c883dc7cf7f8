//! [`Secrets`] on Secrets Manager: one secret for each connection, `{stack}/{partner}/{connection}`.

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry};
use domain::ids::{ConnectionId, PartnerId};
use domain::ports::{Clock, SecretName, SecretVersion, Secrets, SecretsError};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// How long a value is served from memory. A version's value never changes; the bound is for deletions.
pub const CACHE_TTL: SignedDuration = SignedDuration::from_mins(5);
/// Most values kept in memory; a function's instance sees few connections in five minutes.
pub const CACHE_ENTRIES_MAX: usize = 256;
/// How long a deleted secret can be brought back by hand, in days: Secrets Manager's shortest.
pub const RECOVERY_DAYS: i64 = 7;
/// The vendor's secret beside the partners' folders: a partner's secret has two parts after the stack.
const VENDOR: &str = "vendor";
/// What stands for `:` in a name: Secrets Manager takes no colon, and no identifier has a plus.
const COLON: &str = "+";

/// Credentials in Secrets Manager.
pub struct SecretsManager {
    client: Client,
    stack: String,
    clock: Arc<dyn Clock>,
    cache: Mutex<HashMap<(SecretName, SecretVersion), Cached>>,
}

struct Cached {
    value: SecretString,
    since: Timestamp,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").field("stack", &self.stack).finish_non_exhaustive()
    }
}

impl SecretsManager {
    /// The secrets of the deployment `stack`.
    #[must_use]
    pub fn new(client: Client, stack: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { client, stack: stack.into(), clock, cache: Mutex::default() }
    }

    /// The name in Secrets Manager.
    #[must_use]
    pub fn name(&self, name: &SecretName) -> String {
        match name {
            SecretName::Vendor => format!("{}/{VENDOR}", self.stack),
            SecretName::Connection(partner, connection) => {
                format!("{}/{}/{}", self.stack, part(partner.as_str()), part(connection.as_str()))
            }
        }
    }

    /// The connection that a secret of this deployment belongs to.
    fn parse(&self, name: &str) -> Option<SecretName> {
        let (partner, connection) = name.strip_prefix(&self.stack)?.strip_prefix('/')?.split_once('/')?;
        let id = |part: &str| part.replace(COLON, ":");
        Some(SecretName::Connection(PartnerId::new(id(partner)).ok()?, ConnectionId::new(id(connection)).ok()?))
    }

    /// A new version of a secret that exists. The token names the version, so that a repetition adds none.
    async fn add(&self, id: &str, value: &SecretString, token: &str) -> Result<SecretVersion, Fault> {
        let request = self.client.put_secret_value().secret_id(id).secret_string(value.expose_secret());
        let answer = request.client_request_token(token).send().await.map_err(Fault::of)?;
        version(answer.version_id)
    }

    async fn create(&self, id: &str, value: &SecretString, token: &str) -> Result<SecretVersion, Fault> {
        let request = self.client.create_secret().name(id).secret_string(value.expose_secret());
        let answer = request.client_request_token(token).send().await.map_err(Fault::of)?;
        version(answer.version_id)
    }

    async fn is_being_deleted(&self, id: &str) -> bool {
        let described = self.client.describe_secret().secret_id(id).send().await;
        described.is_ok_and(|secret| secret.deleted_date.is_some())
    }

    fn cached(&self, key: &(SecretName, SecretVersion)) -> Option<SecretString> {
        let now = self.clock.now();
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(key).filter(|cached| is_fresh(cached, now)).map(|cached| cached.value.clone())
    }

    fn keep(&self, key: (SecretName, SecretVersion), value: SecretString) {
        let now = self.clock.now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|_, cached| is_fresh(cached, now));
        if cache.len() >= CACHE_ENTRIES_MAX {
            let oldest = cache.iter().min_by_key(|(_, cached)| cached.since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                cache.remove(&oldest);
            }
        }
        cache.insert(key, Cached { value, since: now });
    }

    fn forget(&self, name: &SecretName) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _), _| other != name);
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn put(&self, name: &SecretName, value: SecretString) -> Result<SecretVersion, SecretsError> {
        let (id, token) = (self.name(name), token());
        let fault = match self.add(&id, &value, &token).await {
            Ok(version) => return Ok(version),
            Err(fault) => fault,
        };
        let again = match fault.kind {
            Kind::Missing => match self.create(&id, &value, &token).await {
                // Somebody else created it between the two calls.
                Err(Fault { kind: Kind::Exists, .. }) => self.add(&id, &value, &token).await,
                other => other,
            },
            // Deleted less than seven days ago: it comes back, with the new version as the current one.
            Kind::Refused if self.is_being_deleted(&id).await => {
                self.client
                    .restore_secret()
                    .secret_id(&id)
                    .send()
                    .await
                    .map_err(|error| Fault::of(error).unavailable())?;
                self.add(&id, &value, &token).await
            }
            _ => Err(fault),
        };
        again.map_err(Fault::unavailable)
    }

    async fn get(&self, name: &SecretName, version: &SecretVersion) -> Result<SecretString, SecretsError> {
        let key = (name.clone(), version.clone());
        if let Some(value) = self.cached(&key) {
            return Ok(value);
        }
        let id = self.name(name);
        let answer = match self.client.get_secret_value().secret_id(&id).version_id(&version.0).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let fault = Fault::of(error);
                let gone = match fault.kind {
                    Kind::Missing => true,
                    Kind::Refused => self.is_being_deleted(&id).await,
                    Kind::Exists | Kind::Other => false,
                };
                return Err(if gone { SecretsError::Missing } else { fault.unavailable() });
            }
        };
        let value = SecretString::from(answer.secret_string.ok_or(SecretsError::Missing)?);
        self.keep(key, value.clone());
        Ok(value)
    }

    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError> {
        self.forget(name);
        let id = self.name(name);
        let request = self.client.delete_secret().secret_id(&id).recovery_window_in_days(RECOVERY_DAYS);
        let Err(error) = request.send().await else { return Ok(()) };
        let fault = Fault::of(error);
        match fault.kind {
            Kind::Missing => Ok(()),
            Kind::Refused if self.is_being_deleted(&id).await => Ok(()),
            _ => Err(fault.unavailable()),
        }
    }

    async fn list(&self) -> Result<Vec<(SecretName, Timestamp)>, SecretsError> {
        let filter = Filter::builder().key(FilterNameStringType::Name).values(format!("{}/", self.stack)).build();
        let mut pages = self.client.list_secrets().filters(filter).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Fault::of(error).unavailable())?;
            found.extend(page.secret_list().iter().filter_map(|secret| self.entry(secret)));
        }
        Ok(found)
    }
}

impl SecretsManager {
    fn entry(&self, secret: &SecretListEntry) -> Option<(SecretName, Timestamp)> {
        if secret.deleted_date.is_some() {
            return None;
        }
        let created = secret.created_date.as_ref()?;
        let nanos = i32::try_from(created.subsec_nanos()).ok()?;
        Some((self.parse(secret.name()?)?, Timestamp::new(created.secs(), nanos).ok()?))
    }
}

/// What a failed call says about the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missing,
    Exists,
    /// Not in the secret's present state; being deleted is one such.
    Refused,
    Other,
}

#[derive(Debug)]
struct Fault {
    kind: Kind,
    source: Box<dyn Error + Send + Sync>,
}

impl Fault {
    fn of<E, R>(error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        let kind = match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some("ResourceNotFoundException") => Kind::Missing,
            Some("ResourceExistsException") => Kind::Exists,
            Some("InvalidRequestException") => Kind::Refused,
            Some(_) | None => Kind::Other,
        };
        Self { kind, source: Box::new(error) }
    }

    fn unavailable(self) -> SecretsError {
        SecretsError::Unavailable(self.source)
    }
}

fn version(id: Option<String>) -> Result<SecretVersion, Fault> {
    id.map(SecretVersion).ok_or_else(|| Fault { kind: Kind::Other, source: "the answer names no version".into() })
}

fn is_fresh(cached: &Cached, now: Timestamp) -> bool {
    let age = now.duration_since(cached.since);
    !age.is_negative() && age < CACHE_TTL
}

fn part(id: &str) -> String {
    id.replace(':', COLON)
}

/// Names a version. Not from the `Ids` port: a replayed seed would name a version that exists.
#[expect(clippy::disallowed_methods, reason = "a version's name must never repeat, not even in a replay from a seed")]
fn token() -> String {
    Uuid::new_v4().to_string()
}
