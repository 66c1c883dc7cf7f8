//! Ports that keep nothing but what a fetch reads again: a store that forgets invoices measures the fetch, not itself.

use async_trait::async_trait;
use bytes::Bytes;
use domain::blobs::{BlobError, BlobKey, BlobLabel, Blobs};
use domain::ports::{
    Clock, Events, EventsError, Ids, Listing, OutEvent, PageRequest, Queue, QueueError, QueueName, Read, SecretName,
    SecretVersion, Secrets, SecretsError, Storage, StorageError,
};
use domain::records::{Act, Collection, Key, Stored, Write};
use domain::{ConnectionId, PartnerId, Scope};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::Url;
use uuid::Uuid;

const NOW: i64 = 1_795_000_000;

/// The partner and the connection that everything is about.
pub(crate) fn connected() -> (PartnerId, ConnectionId) {
    let partner = PartnerId::new("acme").expect("a good id");
    (partner, ConnectionId::new("con_1").expect("a good id"))
}

#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<HashMap<Key, Stored>>);

impl Store {
    /// With a connection that fetches invoices.
    pub(crate) fn connected() -> Self {
        let (partner, connection) = connected();
        let at = "2026-11-20T00:00:00Z";
        let doc = json!({
            "partner": partner, "id": connection, "psa": "autotask", "status": "connected", "username": "k",
            "secret": "v1", "priority": "primary", "email": null, "features": ["invoices"],
            "zone": {"url": "https://webservices5.autotask.net/ATServicesRest/", "web_url": "https://ww5.autotask.net/",
                "ci": 1, "discovered_at": at},
            "last_ok_at": null, "needs_relink_since": null, "created_at": at, "updated_at": at,
        });
        let profile = json!({
            "integration_vendor": "Vendor", "integration_code": "v1", "support_address": "support@vendor.example",
            "saas_billing_code": "Software as a Service",
        });
        let stored = |doc: Value| Stored { v: 1, doc };
        let records = [(Key::Connection(partner, connection), stored(doc)), (Key::VendorProfile, stored(profile))];
        Self(Mutex::new(records.into()))
    }
}

/// Whether a fetch reads it again.
fn is_kept(key: &Key) -> bool {
    !matches!(
        key,
        Key::Invoice(..)
            | Key::InvoiceLines(..)
            | Key::OpenInvoice(..)
            | Key::InvoiceNumber(..)
            | Key::PdfDue(..)
            | Key::Outbox(..)
    )
}

#[async_trait]
impl Storage for Store {
    async fn get(&self, _: &Scope, key: &Key, _: Read) -> Result<Option<Stored>, StorageError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn list(&self, _: &Scope, _: &Collection, _: PageRequest) -> Result<Listing, StorageError> {
        Ok(Listing { items: Vec::new(), next: None })
    }

    async fn write(&self, _: &Scope, writes: Vec<Write>) -> Result<(), StorageError> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for write in writes.into_iter().filter(|write| is_kept(&write.key)) {
            match write.act {
                Act::Put { doc, .. } => {
                    let v = records.get(&write.key).map_or(0, |found| found.v) + 1;
                    records.insert(write.key, Stored { v, doc });
                }
                Act::Delete => {
                    records.remove(&write.key);
                }
                Act::Check => {}
            }
        }
        Ok(())
    }
}

/// Everything else, doing nothing.
#[derive(Debug, Default)]
pub(crate) struct Silent;

#[async_trait]
impl Secrets for Silent {
    async fn put(&self, _: &SecretName, _: SecretString) -> Result<SecretVersion, SecretsError> {
        Ok(SecretVersion("v1".to_owned()))
    }
    async fn get(&self, name: &SecretName, _: &SecretVersion) -> Result<SecretString, SecretsError> {
        let text = match name {
            SecretName::Vendor => "code".to_owned(),
            SecretName::Connection(..) => json!({"schemaVersion": 1, "username": "k", "secret": "s"}).to_string(),
        };
        Ok(SecretString::from(text))
    }
    async fn delete(&self, _: &SecretName) -> Result<(), SecretsError> {
        Ok(())
    }
    async fn list(&self) -> Result<Vec<(SecretName, Timestamp)>, SecretsError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Blobs for Silent {
    async fn put(&self, _: &Scope, _: &BlobKey, _: Bytes, _: &BlobLabel) -> Result<(), BlobError> {
        Ok(())
    }
    async fn get(&self, _: &Scope, _: &BlobKey) -> Result<Bytes, BlobError> {
        Err(BlobError::Missing)
    }
    async fn delete(&self, _: &Scope, _: &BlobKey) -> Result<(), BlobError> {
        Ok(())
    }
    async fn link(&self, _: &Scope, _: &BlobKey, _: Duration) -> Result<Option<Url>, BlobError> {
        Ok(None)
    }
}

#[async_trait]
impl Queue for Silent {
    async fn send(&self, _: QueueName, _: String, _: Duration, _: &PartnerId) -> Result<(), QueueError> {
        Ok(())
    }
}

#[async_trait]
impl Events for Silent {
    async fn publish(&self, _: &[OutEvent]) -> Result<(), EventsError> {
        Ok(())
    }
}

#[async_trait]
impl Clock for Silent {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).expect("in range")
    }
    async fn pause(&self, _: Duration) {}
}

impl Ids for Silent {
    fn uuid(&self) -> Uuid {
        #[allow(clippy::disallowed_methods, reason = "a measurement needs ids and no replay")]
        Uuid::new_v4()
    }
}
