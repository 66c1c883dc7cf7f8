//! [`Blobs`] on S3, in a folder, or in memory.

use crate::aws::{CONNECT_TIMEOUT, Settings};
use async_trait::async_trait;
use bytes::Bytes;
use domain::Scope;
use domain::blobs::{BlobError, BlobKey, BlobLabel, Blobs};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutOptions, RetryConfig,
};
use secrecy::ExposeSecret as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Time for one attempt, in which some megabytes move; S3 takes and gives them in well under a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a call is tried again.
const RETRIES: usize = 3;
/// Time for a call with all its attempts: a worker that has begun to keep a file has a minute left.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Files of ours, wherever they lie.
pub struct Files {
    store: Arc<dyn ObjectStore>,
    /// Makes links, where the store can.
    signer: Option<Arc<dyn Signer>>,
    /// Whether the store keeps what whoever downloads a file is told of it.
    labels: bool,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("store", &self.store.to_string()).finish_non_exhaustive()
    }
}

impl Files {
    /// A bucket, by the credentials and the region of `settings`; those of the environment, where Lambda puts its
    /// role's, if it has none. The process must have chosen its TLS provider before.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] where the settings make no client.
    pub fn s3(bucket: &str, settings: &Settings) -> Result<Self, BlobError> {
        let mut client = ClientOptions::new().with_timeout(ATTEMPT_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_disable_bulk_delete(true);
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret)) = &settings.credentials {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret());
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint);
            client = client.with_allow_http(endpoint.starts_with("http://"));
        } else {
            // AWS wants the bucket in the host's name; engines on this machine in the path.
            builder = builder.with_virtual_hosted_style_request(true);
        }
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: CALL_TIMEOUT, ..RetryConfig::default() };
        let store = Arc::new(builder.with_client_options(client).with_retry(retry).build().map_err(failed)?);
        Ok(Self { store: store.clone(), signer: Some(store), labels: true })
    }

    /// A folder, which exists. A file is written beside its place and then moved there.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] where it cannot be used.
    pub fn folder(folder: &std::path::Path) -> Result<Self, BlobError> {
        let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?.with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store.with_fsync(true)), signer: None, labels: false })
    }

    /// Forgotten with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self { store: Arc::new(InMemory::new()), signer: None, labels: true }
    }
}

/// Where a file lies, if the caller may reach it.
fn path(scope: &Scope, key: &BlobKey) -> Result<Path, BlobError> {
    if !scope.admits(Some(key.partner())) {
        return Err(BlobError::OutOfScope);
    }
    Ok(Path::from_iter(key.parts()))
}

fn failed(error: Error) -> BlobError {
    match error {
        Error::NotFound { .. } => BlobError::Missing,
        other => BlobError::Unavailable(Box::new(other)),
    }
}

#[async_trait]
impl Blobs for Files {
    async fn put(&self, scope: &Scope, key: &BlobKey, bytes: Bytes, label: &BlobLabel) -> Result<(), BlobError> {
        let path = path(scope, key)?;
        let mut options = PutOptions::default();
        if self.labels {
            options.attributes = Attributes::from_iter([
                (Attribute::ContentType, label.content_type.to_owned()),
                (Attribute::ContentDisposition, label.disposition()),
            ]);
        }
        self.store.put_opts(&path, bytes.into(), options).await.map_err(failed)?;
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &BlobKey) -> Result<Bytes, BlobError> {
        let found = self.store.get(&path(scope, key)?).await.map_err(failed)?;
        found.bytes().await.map_err(failed)
    }

    async fn delete(&self, scope: &Scope, key: &BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&path(scope, key)?).await.map_err(failed) {
            Ok(()) | Err(BlobError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn link(&self, scope: &Scope, key: &BlobKey, lasting: Duration) -> Result<Option<Url>, BlobError> {
        let path = path(scope, key)?;
        match &self.signer {
            Some(signer) => signer.signed_url(Method::GET, &path, lasting).await.map(Some).map_err(failed),
            None => Ok(None),
        }
    }
}
