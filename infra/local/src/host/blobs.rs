//! Files in a folder, or in memory.

use async_trait::async_trait;
use bytes::Bytes;
use domain::Scope;
use domain::blobs::{BlobError, BlobKey, BlobLabel, Blobs};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use store::Files;
use url::Url;

/// One machine's S3. It makes no links.
#[derive(Debug)]
pub struct LocalBlobs {
    files: Files,
    away: AtomicBool,
    puts: AtomicU32,
}

impl LocalBlobs {
    /// Forgotten with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Files::memory())
    }

    /// Kept in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made or used.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self::new(Files::folder(folder).map_err(io::Error::other)?))
    }

    fn new(files: Files) -> Self {
        Self { files, away: AtomicBool::new(false), puts: AtomicU32::new(0) }
    }

    /// From now on (or no longer) no file can be read or kept, as when S3 is away.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// How many files were kept so far, replaced ones included.
    #[must_use]
    pub fn puts(&self) -> u32 {
        self.puts.load(Ordering::SeqCst)
    }

    fn reachable(&self) -> Result<&Files, BlobError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(BlobError::Unavailable("the file store is away".into()));
        }
        Ok(&self.files)
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn put(&self, scope: &Scope, key: &BlobKey, bytes: Bytes, label: &BlobLabel) -> Result<(), BlobError> {
        self.reachable()?.put(scope, key, bytes, label).await?;
        self.puts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &BlobKey) -> Result<Bytes, BlobError> {
        self.reachable()?.get(scope, key).await
    }

    async fn delete(&self, scope: &Scope, key: &BlobKey) -> Result<(), BlobError> {
        self.reachable()?.delete(scope, key).await
    }

    async fn link(&self, scope: &Scope, key: &BlobKey, lasting: Duration) -> Result<Option<Url>, BlobError> {
        self.reachable()?.link(scope, key, lasting).await
    }
}
