//! The port that a function did not ask for: it answers, and says so.

use async_trait::async_trait;
use autotask::{Request, Response, Transport, TransportError};
use bytes::Bytes;
use domain::Scope;
use domain::blobs::{BlobError, BlobKey, BlobLabel, Blobs};
use domain::ids::PartnerId;
use domain::ports::{
    Events, EventsError, Listing, OutEvent, PageRequest, Queue, QueueError, QueueName, Read, SecretName, SecretVersion,
    Secrets, SecretsError, Storage, StorageError,
};
use domain::records::{Collection, Key, Stored, Write};
use jiff::Timestamp;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Stands where [`crate::Needs`] names nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absent;

/// A function uses what its `Needs` do not name: a mistake in its `main`.
#[derive(Debug, thiserror::Error)]
#[error("this function did not ask for {0} when it started")]
struct NotAskedFor(&'static str);

fn no(what: &'static str) -> Box<NotAskedFor> {
    Box::new(NotAskedFor(what))
}

#[async_trait]
impl Storage for Absent {
    async fn get(&self, _: &Scope, _: &Key, _: Read) -> Result<Option<Stored>, StorageError> {
        Err(StorageError::Unavailable(no("the table")))
    }
    async fn list(&self, _: &Scope, _: &Collection, _: PageRequest) -> Result<Listing, StorageError> {
        Err(StorageError::Unavailable(no("the table")))
    }
    async fn write(&self, _: &Scope, _: Vec<Write>) -> Result<(), StorageError> {
        Err(StorageError::Unavailable(no("the table")))
    }
}

#[async_trait]
impl Secrets for Absent {
    async fn put(&self, _: &SecretName, _: SecretString) -> Result<SecretVersion, SecretsError> {
        Err(SecretsError::Unavailable(no("secrets")))
    }
    async fn get(&self, _: &SecretName, _: &SecretVersion) -> Result<SecretString, SecretsError> {
        Err(SecretsError::Unavailable(no("secrets")))
    }
    async fn delete(&self, _: &SecretName) -> Result<(), SecretsError> {
        Err(SecretsError::Unavailable(no("secrets")))
    }
    async fn list(&self) -> Result<Vec<(SecretName, Timestamp)>, SecretsError> {
        Err(SecretsError::Unavailable(no("secrets")))
    }
}

#[async_trait]
impl Queue for Absent {
    async fn send(&self, _: QueueName, _: String, _: Duration, _: &PartnerId) -> Result<(), QueueError> {
        Err(QueueError(no("the queues")))
    }
}

#[async_trait]
impl Events for Absent {
    async fn publish(&self, _: &[OutEvent]) -> Result<(), EventsError> {
        Err(EventsError(no("the bus")))
    }
}

#[async_trait]
impl Blobs for Absent {
    async fn put(&self, _: &Scope, _: &BlobKey, _: Bytes, _: &BlobLabel) -> Result<(), BlobError> {
        Err(BlobError::Unavailable(no("files")))
    }
    async fn get(&self, _: &Scope, _: &BlobKey) -> Result<Bytes, BlobError> {
        Err(BlobError::Unavailable(no("files")))
    }
    async fn delete(&self, _: &Scope, _: &BlobKey) -> Result<(), BlobError> {
        Err(BlobError::Unavailable(no("files")))
    }
    async fn link(&self, _: &Scope, _: &BlobKey, _: Duration) -> Result<Option<Url>, BlobError> {
        Err(BlobError::Unavailable(no("files")))
    }
}

#[async_trait]
impl Transport for Absent {
    async fn send(&self, _: Request) -> Result<Response, TransportError> {
        Err(TransportError::NotSent { source: no("Autotask") })
    }
}
