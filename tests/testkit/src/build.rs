//! How a world is made.

use crate::logs::Logs;
use crate::transport::SimulatorTransport;
use crate::world::World;
use autotask::HostPolicy;
use domain::connections::settings::SettingsRecord;
use domain::connections::{self, NewConnection, SEAT_SYNC_JOB, Schedule, Settings};
use domain::ports::{Config, HookConfig, SecretName, Secrets};
use domain::records::Key;
use domain::vendor::{Partner, VendorProfile};
use domain::webhooks::HookMaster;
use domain::{Actor, ConnectionId, PartnerId, calendar};
use jiff::Timestamp;
use local::host::{Bundle, Engine, Host, LocalClock, LocalMail};
use runtime::{App, EdgeConfig, MacKey};
use secrecy::SecretString;
use simulator::{DatabaseSpec, Options, Simulator, Switches};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The API user's name in the world's Autotask.
pub const USERNAME: &str = "api.user@msp.example";
/// Its secret.
pub const SECRET: &str = "secret-of-the-api-user";
/// The vendor's integration code.
pub const INTEGRATION_CODE: &str = "TESTINTEGRATIONCODE0000000";
/// The vendor's address for help.
pub const SUPPORT: &str = "help@vendor.example";
/// The billing code of the vendor's services.
pub(crate) const SAAS: &str = "Software as a Service";
/// When worlds begin, unless told otherwise.
const BEGIN: &str = "2026-11-20T11:00:00Z";

type ChangeSettings = Box<dyn FnOnce(&mut Settings) + Send>;

/// What a world will be.
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct Builder {
    begin: Timestamp,
    seed: u64,
    connected: bool,
    vendor: bool,
    mail: bool,
    settings: Vec<ChangeSettings>,
    switches: Switches,
    database: DatabaseSpec,
    request_timeout: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            begin: BEGIN.parse().unwrap(),
            seed: 1,
            connected: true,
            vendor: true,
            mail: true,
            settings: Vec::new(),
            switches: Switches::default(),
            database: DatabaseSpec::new(USERNAME, SECRET, INTEGRATION_CODE),
            request_timeout: Duration::from_secs(60),
        }
    }
}

impl Builder {
    /// The clock's first time.
    #[must_use]
    pub fn at(mut self, begin: &str) -> Self {
        self.begin = begin.parse().unwrap();
        self
    }

    /// Decides ids, and the dice of the simulator's faults.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Without a connection: for tests that make one.
    #[must_use]
    pub fn unconnected(mut self) -> Self {
        self.connected = false;
        self
    }

    /// Without the vendor's profile and integration code either.
    #[must_use]
    pub fn without_vendor(mut self) -> Self {
        self.vendor = false;
        self.connected = false;
        self
    }

    /// In a deployment without an address to send mails from.
    #[must_use]
    pub fn without_mail(mut self) -> Self {
        self.mail = false;
        self
    }

    /// With other settings of the connection.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings) + Send + 'static) -> Self {
        self.settings.push(Box::new(change));
        self
    }

    /// With an Autotask that behaves otherwise where nobody knows.
    #[must_use]
    pub fn switches(mut self, change: impl FnOnce(&mut Switches)) -> Self {
        change(&mut self.switches);
        self
    }

    /// With another Autotask database; its user is the connection's.
    #[must_use]
    pub fn database(mut self, change: impl FnOnce(&mut DatabaseSpec)) -> Self {
        change(&mut self.database);
        self
    }

    /// How long a request to Autotask may take.
    #[must_use]
    pub fn request_timeout(mut self, time: Duration) -> Self {
        self.request_timeout = time;
        self
    }

    /// Makes it.
    pub async fn build(self) -> World {
        let logs = Logs::start();
        let clock = Arc::new(LocalClock::frozen(self.begin));
        let mut host = Host::memory(Arc::clone(&clock), self.seed);
        if !self.mail {
            host.mail = Arc::new(LocalMail::off(Arc::clone(&clock)));
        }
        let engine = Engine::start(None).await.unwrap();
        let options = Options { seed: self.seed, switches: self.switches.clone(), ..Options::default() };
        let sim = Simulator::new(clock, options);
        let (username, secret, code) =
            (self.database.username.clone(), self.database.secret.clone(), self.database.integration_code.clone());
        let database = sim.add_database(self.database).unwrap();
        let transport = Arc::new(SimulatorTransport::new(&sim));
        let config = Config {
            zone_entry: Url::parse(autotask::zone::ENTRY).unwrap(),
            hosts: HostPolicy::autotask(),
            request_timeout: self.request_timeout,
            hooks: Some(HookConfig { master: hook_master(), base: Some(Url::parse(HOOKS_BASE).unwrap()) }),
        };
        let ports = host.ports(engine.storage(), Arc::clone(&transport) as _, config);
        let key = MacKey::new(SecretString::from("a key for message authentication in tests")).unwrap();
        let bundle = Bundle::new(App::new(ports, EdgeConfig::new(key, SUPPORT)), host);
        let partner = PartnerId::new("acme").unwrap();
        let connection = ConnectionId::new("con_test").unwrap();
        let mut world = World::new(bundle, engine, sim, transport, (partner, connection, database.ci), logs);
        if self.vendor {
            vendor(&world, &code).await;
        }
        if self.connected {
            connect(&mut world, (&username, &secret), self.settings).await;
        }
        world
    }
}

/// Where the receiver of webhooks is, as Autotask is told.
pub const HOOKS_BASE: &str = "https://hooks.example.net/";

/// The secret that tests' webhooks are made of.
fn hook_master() -> HookMaster {
    HookMaster::new(MacKey::new(SecretString::from("a key for the tokens and keys of webhooks")).unwrap())
}

async fn vendor(world: &World, integration_code: &str) {
    let version = world.secrets.put(&SecretName::Vendor, SecretString::from(integration_code)).await.unwrap();
    let profile = VendorProfile {
        integration_vendor: "Sentinel Awareness".to_owned(),
        integration_code: Some(version),
        support_address: SUPPORT.to_owned(),
        saas_billing_code: SAAS.to_owned(),
        guide_notes: Vec::new(),
        manual_limits: domain::vendor::ManualLimits::default(),
    };
    world.put(&profile).await;
}

/// Connects as the route does, then forgets how: the simulator's log and the bus begin empty.
async fn connect(world: &mut World, login: (&str, &str), settings: Vec<ChangeSettings>) {
    world
        .put(&Partner {
            id: world.partner.clone(),
            name: "Acme IT".to_owned(),
            time_zone: "UTC".to_owned(),
            active: true,
        })
        .await;
    let input = NewConnection {
        psa: None,
        username: Some(login.0.to_owned()),
        secret: Some(SecretString::from(login.1)),
        email: None,
        priority: None,
        invoice_reference: None,
        filters: None,
        features: None,
        profile: None,
    };
    let (scope, actor) = (world.scope(), Actor::system("testkit", "req_testkit"));
    let made = connections::connect(world.ports(), &scope, &actor, &world.partner, input).await.unwrap();
    world.connection = made.connection.id.clone();
    if !settings.is_empty() {
        resettle(world, made.settings, settings).await;
    }
    world.sim.clear_requests();
    world.events.clear();
}

async fn resettle(world: &World, mut settings: Settings, changes: Vec<ChangeSettings>) {
    changes.into_iter().for_each(|change| change(&mut settings));
    let (partner, connection) = (world.partner.clone(), world.connection.clone());
    let due_at = calendar::next_slot(&settings.schedule, &settings.zone(), world.clock.now());
    let (of, job) = (connection.clone(), SEAT_SYNC_JOB.to_owned());
    match due_at {
        Some(due_at) => world.put(&Schedule { partner: partner.clone(), connection: of, job, due_at }).await,
        None => world.remove(Key::Schedule(partner.clone(), of, job)).await,
    }
    world.put(&SettingsRecord { partner, connection, settings, auto_sync_since: None }).await;
}
