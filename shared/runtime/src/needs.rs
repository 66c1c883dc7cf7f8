//! What a function uses, and how it is reached.
//!
//! `Needs` names the ways as functions: what a program's `main` does not name is not linked into it.

use autotask::{HttpTransport, Transport, TransportError};
use domain::blobs::{BlobError, Blobs};
use domain::mac::MacKey;
use domain::mail::{Address, Mailer};
use domain::ports::{Clock, Events, Queue, QueueName, Secrets, Storage};
use futures::future::BoxFuture;
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::Arc;
use store::Aws;

/// Why one of the stack's own secrets cannot be used.
pub(crate) type KeyError = Box<dyn std::error::Error + Send + Sync>;
type StackKey = for<'a> fn(&'a Aws, &'a str) -> BoxFuture<'a, Result<MacKey, KeyError>>;
type ToTable = fn(&Aws, String) -> Arc<dyn Storage>;
type ToSecrets = fn(&Aws, String, Arc<dyn Clock>) -> Arc<dyn Secrets>;
type ToAutotask = fn() -> Result<Arc<dyn Transport>, TransportError>;
type ToQueues = fn(&Aws, HashMap<QueueName, String>) -> Arc<dyn Queue>;
type ToBus = fn(&Aws, String) -> Arc<dyn Events>;
type ToFiles = fn(&store::Settings, &str) -> Result<Arc<dyn Blobs>, BlobError>;
type ToMails = fn(&Aws, Address, Arc<dyn Clock>) -> Arc<dyn Mailer>;

/// What a function uses. Only that is asked of the environment, only that is connected to, and only that is linked: any
/// other port answers that it is not there.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    pub(crate) serves_http: bool,
    pub(crate) table: Option<ToTable>,
    pub(crate) stack_key: Option<StackKey>,
    pub(crate) secrets: Option<ToSecrets>,
    pub(crate) autotask: Option<ToAutotask>,
    pub(crate) queues: Option<ToQueues>,
    pub(crate) events: Option<ToBus>,
    pub(crate) blobs: Option<ToFiles>,
    pub(crate) mail: Option<ToMails>,
    pub(crate) hooks: bool,
    pub(crate) hook_urls: bool,
}

impl Needs {
    const NOTHING: Self = Self {
        serves_http: false,
        table: None,
        stack_key: None,
        secrets: None,
        autotask: None,
        queues: None,
        events: None,
        blobs: None,
        mail: None,
        hooks: false,
        hook_urls: false,
    };

    /// An HTTP function: the edge's own settings and key, and the table for idempotency keys.
    #[must_use]
    pub const fn http() -> Self {
        Self { serves_http: true, stack_key: Some(stack_key), ..Self::worker() }
    }

    /// A worker, a dispatcher or a receiver of events: the table.
    #[must_use]
    pub const fn worker() -> Self {
        Self { table: Some(dynamodb), ..Self::NOTHING }
    }

    /// And Autotask, by logins that are entered.
    #[must_use]
    pub const fn autotask(self) -> Self {
        Self { autotask: Some(https), ..self }
    }

    /// And connections' credentials, with Autotask, which they are for.
    #[must_use]
    pub const fn secrets(self) -> Self {
        Self { secrets: Some(secrets_manager), ..self.autotask() }
    }

    /// And the queues, to send.
    #[must_use]
    pub const fn queues(self) -> Self {
        Self { queues: Some(sqs), ..self }
    }

    /// And the bus, to publish.
    #[must_use]
    pub const fn events(self) -> Self {
        Self { events: Some(bus), ..self }
    }

    /// And the secret that webhooks' URLs and keys are made of.
    #[must_use]
    pub const fn hooks(self) -> Self {
        Self { hooks: true, stack_key: Some(stack_key), ..self }
    }

    /// And the address that Autotask calls: for who makes the URLs.
    #[must_use]
    pub const fn hook_urls(self) -> Self {
        Self { hook_urls: true, ..self.hooks() }
    }

    /// And files.
    #[must_use]
    pub const fn blobs(self) -> Self {
        Self { blobs: Some(s3), ..self }
    }

    /// And mails to people, where the deployment has an address to send from.
    #[must_use]
    pub const fn mail(self) -> Self {
        Self { mail: Some(ses), ..self }
    }
}

fn dynamodb(aws: &Aws, table: String) -> Arc<dyn Storage> {
    Arc::new(store::Dynamo::new(aws.dynamodb(), table))
}

fn stack_key<'a>(aws: &'a Aws, id: &'a str) -> BoxFuture<'a, Result<MacKey, KeyError>> {
    Box::pin(async move {
        let answer = aws.secrets().get_secret_value().secret_id(id).send().await?;
        Ok(MacKey::new(SecretString::from(answer.secret_string.unwrap_or_default()))?)
    })
}

fn secrets_manager(aws: &Aws, prefix: String, clock: Arc<dyn Clock>) -> Arc<dyn Secrets> {
    Arc::new(store::SecretsManager::new(aws.secrets(), prefix, clock))
}

fn https() -> Result<Arc<dyn Transport>, TransportError> {
    Ok(Arc::new(HttpTransport::new()?))
}

fn sqs(aws: &Aws, urls: HashMap<QueueName, String>) -> Arc<dyn Queue> {
    Arc::new(store::Sqs::new(aws.sqs(), urls))
}

fn bus(aws: &Aws, name: String) -> Arc<dyn Events> {
    Arc::new(store::Bus::new(aws.events(), name))
}

fn s3(settings: &store::Settings, bucket: &str) -> Result<Arc<dyn Blobs>, BlobError> {
    Ok(Arc::new(store::Files::s3(bucket, settings)?))
}

fn ses(aws: &Aws, sender: Address, clock: Arc<dyn Clock>) -> Arc<dyn Mailer> {
    Arc::new(store::Ses::new(aws.ses(), sender, clock))
}
