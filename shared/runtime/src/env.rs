//! The environment, read once at start: each variable is named and checked, and all problems are told together.

use crate::absent::Absent;
use crate::app::{App, ClaimNames, EdgeConfig};
use crate::needs::Needs;
use crate::system::{SystemClock, SystemIds};
use crate::telemetry;
use autotask::zone::ENTRY;
use autotask::{HostPolicy, TransportError};
use domain::Ports;
use domain::blobs::BlobError;
use domain::mac::MacKey;
use domain::mail::{Address, NoMail};
use domain::ports::{Clock, Config, HookConfig, QueueName};
use domain::webhooks::HookMaster;
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::Aws;
use url::{Host, Url};

/// How long a worker waits for one answer of Autotask.
const WORKER_REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The most an API function waits: API Gateway gives up after 30 s.
const API_REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Variables that are missing or wrong: all of them.
    #[error("the environment is not complete: {}", .0.join("; "))]
    Environment(Vec<String>),
    /// The stack's secret cannot be read.
    #[error("reading the secret that CURSOR_KEY_SECRET names")]
    CursorKey(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The secret that webhooks are made of cannot be read.
    #[error("reading the secret that HOOK_MASTER_SECRET names")]
    HookMaster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The way to the bucket cannot be built.
    #[error("building the way to the bucket of PDF_BUCKET")]
    Bucket(#[source] BlobError),
    /// The HTTP client towards Autotask cannot be built.
    #[error("building the way to Autotask")]
    Transport(#[source] TransportError),
    /// The Lambda runtime ended.
    #[error("talking to Lambda's runtime API")]
    Lambda(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The environment, parsed.
#[derive(Debug)]
struct Settings {
    table: Option<String>,
    secret_prefix: Option<String>,
    queues: HashMap<QueueName, String>,
    bus: Option<String>,
    bucket: Option<String>,
    mail_from: Option<Address>,
    cursor_key_secret: Option<String>,
    hook_master_secret: Option<String>,
    hooks_base: Option<Url>,
    claims: ClaimNames,
    support: String,
    config: Config,
    aws: store::Settings,
}

impl App {
    /// Starts logging, reads the environment and connects what `needs` names.
    ///
    /// # Errors
    /// [`StartError::Environment`] with every missing or wrong variable; otherwise what could not be reached.
    pub async fn from_env(needs: Needs) -> Result<Self, StartError> {
        telemetry::start(variable("AWS_LAMBDA_LOG_FORMAT").as_deref(), variable("AWS_LAMBDA_LOG_LEVEL").as_deref());
        // Both HTTP clients take whichever provider is installed first; a second start in one process is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings::read(needs, &variable)?;
        let aws = Aws::new(&settings.aws).await;
        let mac_key = match needs.stack_key.zip(settings.cursor_key_secret.as_deref()) {
            Some((stack_key, id)) => stack_key(&aws, id).await.map_err(StartError::CursorKey)?,
            None => key_of_this_process(),
        };
        let mut settings = settings;
        if let Some((stack_key, id)) = needs.stack_key.zip(settings.hook_master_secret.as_deref()) {
            let key = stack_key(&aws, id).await.map_err(StartError::HookMaster)?;
            settings.config.hooks =
                Some(HookConfig { master: HookMaster::new(key), base: settings.hooks_base.clone() });
        }
        let edge = EdgeConfig { claims: settings.claims.clone(), ..EdgeConfig::new(mac_key, &settings.support) };
        Ok(Self::new(ports(&aws, needs, settings)?, edge))
    }
}

impl Settings {
    /// Reads what `needs` asks for with `get`.
    fn read(needs: Needs, get: &dyn Fn(&str) -> Option<String>) -> Result<Self, StartError> {
        let mut env = Reader { get, problems: Vec::new() };
        env.on_lambda();
        let queue = |env: &mut Reader, name, queue| env.needed(needs.queues.is_some(), name).map(|url| (queue, url));
        let queues = [
            queue(&mut env, "SEAT_SYNC_QUEUE_URL", QueueName::SeatSync),
            queue(&mut env, "MAP_QUEUE_URL", QueueName::Map),
            queue(&mut env, "INVOICE_FETCH_QUEUE_URL", QueueName::InvoiceFetch),
            queue(&mut env, "INVOICE_PDF_QUEUE_URL", QueueName::InvoicePdf),
            queue(&mut env, "PAYMENTS_QUEUE_URL", QueueName::Payments),
            queue(&mut env, "WEBHOOKS_QUEUE_URL", QueueName::Webhooks),
            queue(&mut env, "WEBHOOK_ADMIN_QUEUE_URL", QueueName::WebhookAdmin),
        ];
        let config = env.config(needs);
        let table = env.needed(needs.table.is_some(), "TABLE_NAME");
        let secret_prefix = env.needed(needs.secrets.is_some(), "SECRET_PREFIX");
        let bus = env.needed(needs.events.is_some(), "EVENT_BUS_NAME");
        let bucket = env.needed(needs.blobs.is_some(), "PDF_BUCKET");
        let mail_from = env.mail_from(needs);
        let cursor_key_secret = env.needed(needs.serves_http, "CURSOR_KEY_SECRET");
        let hook_master_secret = env.needed(needs.hooks, "HOOK_MASTER_SECRET");
        let hooks_base = env.hooks_base(needs);
        let support = env.needed(needs.serves_http, "SUPPORT_ADDRESS").unwrap_or_default();
        let claims = env.claims();
        let aws = store::Settings { endpoint: env.optional("AWS_ENDPOINT_URL"), ..store::Settings::default() };
        match config.filter(|_| env.problems.is_empty()) {
            Some(config) => {
                let queues = queues.into_iter().flatten().collect();
                Ok(Self {
                    table,
                    secret_prefix,
                    queues,
                    bus,
                    bucket,
                    mail_from,
                    cursor_key_secret,
                    hook_master_secret,
                    hooks_base,
                    claims,
                    support,
                    config,
                    aws,
                })
            }
            None => Err(StartError::Environment(env.problems)),
        }
    }
}

struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn needed(&mut self, needed: bool, name: &str) -> Option<String> {
        if !needed {
            return None;
        }
        let value = self.optional(name);
        if value.is_none() {
            self.problems.push(format!("{name} is not set"));
        }
        value
    }

    /// Empty or absent: no mails.
    fn mail_from(&mut self, needs: Needs) -> Option<Address> {
        let text = self.optional("MAIL_FROM").filter(|_| needs.mail.is_some())?;
        let address = Address::parse(&text);
        if address.is_err() {
            self.problems.push("MAIL_FROM is not an e-mail address".to_owned());
        }
        address.ok()
    }

    fn on_lambda(&mut self) {
        if self.optional("AWS_LAMBDA_RUNTIME_API").is_none() {
            self.problems.push("this program runs on AWS Lambda; on one machine use `cargo run -p local`".to_owned());
        }
    }

    fn claims(&self) -> ClaimNames {
        let usual = ClaimNames::default();
        ClaimNames {
            partner_id: self.optional("CLAIM_PARTNER_ID").unwrap_or(usual.partner_id),
            role: self.optional("CLAIM_ROLE").unwrap_or(usual.role),
            main_account: self.optional("CLAIM_MAIN_ACCOUNT").unwrap_or(usual.main_account),
        }
    }

    /// `None` only together with a problem.
    fn config(&mut self, needs: Needs) -> Option<Config> {
        let request_timeout = self.request_timeout(needs);
        let hosts = self.hosts();
        let entry = self.optional("AUTOTASK_ZONE_ENTRY").unwrap_or_else(|| ENTRY.to_owned());
        match hosts.check(&entry) {
            Ok(checked) => Some(Config { zone_entry: checked.as_url().clone(), hosts, request_timeout, hooks: None }),
            Err(error) => {
                self.problems.push(format!("AUTOTASK_ZONE_ENTRY: {error}"));
                None
            }
        }
    }

    /// Autotask calls over TLS only; a test engine on this machine may do without.
    fn hooks_base(&mut self, needs: Needs) -> Option<Url> {
        let text = self.needed(needs.hook_urls, "HOOKS_BASE_URL")?;
        match Url::parse(&text) {
            Ok(url) if url.has_host() && (url.scheme() == "https" || is_loopback(&url)) => Some(url),
            _ => {
                self.problems.push("HOOKS_BASE_URL is not an https URL".to_owned());
                None
            }
        }
    }

    /// Autotask's hosts, and for test engines one on this machine: no deployment can widen it further.
    fn hosts(&mut self) -> HostPolicy {
        let Some(text) = self.optional("AUTOTASK_EXTRA_ORIGIN") else { return HostPolicy::autotask() };
        match Url::parse(&text) {
            Ok(url) if is_loopback(&url) => HostPolicy::autotask().with_extra_origin(&url),
            _ => {
                self.problems.push("AUTOTASK_EXTRA_ORIGIN is not a URL on this machine".to_owned());
                HostPolicy::autotask()
            }
        }
    }

    /// An API function waits no longer than API Gateway does, whatever is set for all functions together.
    fn request_timeout(&mut self, needs: Needs) -> Duration {
        let most = if needs.serves_http { API_REQUEST_TIMEOUT } else { WORKER_REQUEST_TIMEOUT };
        let Some(text) = self.optional("REQUEST_TIMEOUT_MS") else { return most };
        match text.parse::<u64>() {
            Ok(millis) if millis > 0 => Duration::from_millis(millis).min(most),
            _ => {
                self.problems.push("REQUEST_TIMEOUT_MS is not a number of milliseconds".to_owned());
                most
            }
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A key that nobody else has, for a process that hands out no codes.
#[allow(clippy::disallowed_methods, reason = "a key must not be replayable")]
fn key_of_this_process() -> MacKey {
    let random = || uuid::Uuid::new_v4().simple().to_string();
    MacKey::new(SecretString::from(format!("{}{}", random(), random()))).expect("64 characters are long enough")
}

fn ports(aws: &Aws, needs: Needs, settings: Settings) -> Result<Ports, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let absent = Arc::new(Absent);
    Ok(Ports {
        storage: match needs.table.zip(settings.table) {
            Some((table, name)) => table(aws, name),
            None => absent.clone(),
        },
        secrets: match needs.secrets.zip(settings.secret_prefix) {
            Some((secrets, prefix)) => secrets(aws, prefix, clock.clone()),
            None => absent.clone(),
        },
        blobs: match needs.blobs.zip(settings.bucket) {
            Some((blobs, bucket)) => blobs(&settings.aws, &bucket).map_err(StartError::Bucket)?,
            None => absent.clone(),
        },
        queue: match needs.queues {
            Some(queues) => queues(aws, settings.queues),
            None => absent.clone(),
        },
        events: match needs.events.zip(settings.bus) {
            Some((events, bus)) => events(aws, bus),
            None => absent.clone(),
        },
        mail: match needs.mail.zip(settings.mail_from) {
            Some((mail, sender)) => mail(aws, sender, clock.clone()),
            None => Arc::new(NoMail),
        },
        transport: match needs.autotask {
            Some(autotask) => autotask().map_err(StartError::Transport)?,
            None => absent,
        },
        clock,
        ids: Arc::new(SystemIds),
        config: Arc::new(settings.config),
    })
}
