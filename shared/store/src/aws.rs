//! AWS clients, all on one HTTP client with one TLS stack and explicit time-outs.

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Time to open a connection; AWS's endpoints are a few milliseconds away.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for one attempt: a healthy answer takes milliseconds.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for one operation with the SDK's own retries. [`crate::dynamo`] sends up to four times, which
/// stays below an API function's 29 s.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// Attempts of the SDK for one operation.
pub const ATTEMPTS: u32 = 3;
/// The SDK's first pause; its default of 1 s is longer than most of our requests may take.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The SDK's longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How AWS is reached. Read from the environment by `runtime`, made up by tests.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The region; the SDK's own default chain where absent.
    pub region: Option<String>,
    /// Another endpoint for every service: an engine on this machine.
    pub endpoint: Option<String>,
    /// Key id and secret; the SDK's own default chain where absent.
    pub credentials: Option<(String, SecretString)>,
}

impl Settings {
    /// An engine on this machine, which takes any credentials.
    #[must_use]
    pub fn local(endpoint: impl Into<String>) -> Self {
        Self {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(endpoint.into()),
            credentials: Some(("test".to_owned(), SecretString::from("test"))),
        }
    }
}

/// The way to AWS. Clients are made of it one by one, so that a program is linked with the services only that it uses.
#[derive(Debug, Clone)]
pub struct Aws(SdkConfig);

impl Aws {
    /// Finds the way.
    pub async fn new(settings: &Settings) -> Self {
        Self(sdk_config(settings, http_client(settings)).await)
    }

    /// Records.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.0)
    }

    /// Credentials.
    #[must_use]
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.0)
    }

    /// Work for later.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.0)
    }

    /// The bus.
    #[must_use]
    pub fn events(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.0)
    }

    /// Mails.
    #[must_use]
    pub fn ses(&self) -> aws_sdk_sesv2::Client {
        aws_sdk_sesv2::Client::new(&self.0)
    }
}

/// The configuration that all clients share, over a given HTTP client: tests pass one that loses answers.
pub async fn sdk_config(settings: &Settings, http: SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(BACKOFF_FIRST)
        .with_max_backoff(BACKOFF_MAX);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries);
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some((id, secret)) = &settings.credentials {
        let credentials = Credentials::new(id, secret.expose_secret(), None, None, "settings");
        loader = loader.credentials_provider(credentials);
    }
    loader.load().await
}

/// The HTTP client: rustls over ring, or none of it for an engine on this machine that speaks plain HTTP.
#[must_use]
pub fn http_client(settings: &Settings) -> SharedHttpClient {
    if settings.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        return Builder::new().build_http();
    }
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
