//! The DynamoDB engine in this process, and the store on it.

use super::real;
use domain::ports::Storage;
use dynoxide::Database;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use store::table::{TableError, create_table};
use store::{Dynamo, Settings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The table's name on one machine.
pub const TABLE: &str = "autotask-integration";

/// A DynamoDB engine that lives as long as this value.
pub struct Engine {
    db: Database,
    storage: Arc<Dynamo>,
    endpoint: String,
    // Dropped with the engine: the server then stops.
    _stop: oneshot::Sender<()>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database does not open.
    #[error("the database cannot be opened")]
    Open(#[source] dynoxide::DynoxideError),
    /// There is no port for it.
    #[error("the database cannot be served")]
    Serve(#[from] io::Error),
    /// There is no table.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl Engine {
    /// An engine whose data lies in the file `path`, or in memory.
    ///
    /// # Errors
    /// It cannot be opened or served.
    pub async fn start(path: Option<&Path>) -> Result<Self, EngineError> {
        let db = match path {
            Some(path) => Database::new(&path.to_string_lossy()),
            None => Database::memory(),
        };
        let db = db.map_err(EngineError::Open)?;
        // The SDK speaks HTTP only; a port of the loopback interface is as near as it gets.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = dynoxide::server::serve_with_shutdown(listener, db.clone(), async {
            let _ = stopped.await;
        });
        real::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(error, "the database's server ended");
            }
        });
        let dynamodb = store::Aws::new(&Settings::local(&endpoint)).await.dynamodb();
        create_table(&dynamodb, TABLE).await?;
        let storage = Arc::new(Dynamo::new(dynamodb, TABLE));
        Ok(Self { db, storage, endpoint, _stop: stop })
    }

    /// The store on it.
    #[must_use]
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.storage) as Arc<dyn Storage>
    }

    /// Where it speaks the DynamoDB API.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Deletes what has expired by real time, as DynamoDB does by itself. Returns how many records.
    #[must_use]
    pub fn sweep_expired(&self) -> usize {
        self.db.sweep_ttl().unwrap_or_else(|error| {
            tracing::warn!(error = %error, "expired records stay");
            0
        })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
