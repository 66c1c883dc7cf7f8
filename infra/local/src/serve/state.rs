//! The parts of a running machine and how they are opened from its folder.

use crate::gateway::jwt::{Issuer, KEY_BYTES};
use crate::host::engine::EngineError;
use crate::host::journal::read_or_make;
use crate::host::{Bundle, Callouts, DrainError, Drained, Engine, Host, Limits};
use autotask::zone::ENTRY;
use autotask::{HostPolicy, HttpTransport};
use domain::ports::{Config, HookConfig};
use domain::webhooks::HookMaster;
use runtime::{App, EdgeConfig, MacKey};
use secrecy::SecretString;
use simulator::{HttpOutbound, Reach, Simulator};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What the command line says.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port of the API; 0 for any.
    pub port: u16,
    /// Port of the simulated Autotask; 0 for any.
    pub autotask_port: u16,
    /// Where state lies.
    pub data: PathBuf,
    /// Drop the state that lies there first.
    pub fresh: bool,
    /// Another Autotask instead of the simulated one.
    pub autotask_url: Option<Url>,
    /// Queues wait for a drain.
    pub manual: bool,
    /// Schedules fire by themselves.
    pub ticks: bool,
    /// How long one request to Autotask may take.
    pub request_timeout: Duration,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken.
    #[error("port {port} cannot be used")]
    Port {
        /// Which.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be used.
    #[error("the folder {} cannot be used", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder holds something else.
    #[error("{} holds something that is not ours; name another folder with --data", .0.display())]
    NotOurs(PathBuf),
    /// No socket.
    #[error("the network cannot be used")]
    Network(#[from] io::Error),
    /// No database.
    #[error("the database cannot be used")]
    Engine(#[from] EngineError),
    /// No HTTP client.
    #[error("Autotask cannot be reached: {0}")]
    Transport(String),
    /// The simulated Autotask did not take the demo's MSP.
    #[error("the simulated Autotask cannot be filled")]
    Seed(#[from] simulator::SimulatorError),
    /// The API did not take the vendor's profile.
    #[error("the vendor's profile was refused: {0}")]
    Vendor(String),
}

/// The parts of a running machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct World {
    /// The functions on their ports.
    pub bundle: Bundle,
    /// The database.
    pub engine: Arc<Engine>,
    /// The simulated Autotask, unless there is another.
    pub simulator: Option<Simulator>,
    /// How its callouts leave: to this machine only.
    pub outbound: HttpOutbound,
    /// Where Autotask is asked for zones.
    pub autotask_url: Url,
    /// Signs tokens.
    pub issuer: Issuer,
}

/// Marks a folder as ours.
const MARK: &str = "local.state";
/// Stands where problems name an address for help.
const SUPPORT: &str = "support@vendor.example";

impl World {
    /// Opens what lies in the folder, or makes it.
    pub(super) async fn open(
        options: &Options,
        api_at: SocketAddr,
        simulator_at: Option<SocketAddr>,
    ) -> Result<Self, StartError> {
        let folder = &options.data;
        let in_folder = |source| StartError::Folder { folder: folder.clone(), source };
        prepare(folder, options.fresh)?;
        let host = Host::open(folder).map_err(in_folder)?;
        let engine = Engine::start(Some(&folder.join("table.sqlite"))).await?;
        let key = read_or_make(&folder.join("token.key"), || random(KEY_BYTES)).map_err(in_folder)?;
        let mac = read_or_make(&folder.join("mac.key"), || random(KEY_BYTES)).map_err(in_folder)?;
        let hooks = read_or_make(&folder.join("hooks.key"), || random(KEY_BYTES)).map_err(in_folder)?;
        let simulator = match simulator_at {
            Some(at) => Some(open_simulator(folder, at, &host)?),
            None => None,
        };
        let autotask_url = match (&options.autotask_url, simulator_at) {
            (Some(url), _) => url.clone(),
            (None, Some(at)) => local_url(at),
            (None, None) => Url::parse(ENTRY).expect("the entry is a URL"),
        };
        let config = Config {
            zone_entry: autotask_url.clone(),
            hosts: HostPolicy::autotask().with_extra_origin(&autotask_url),
            request_timeout: options.request_timeout,
            hooks: Some(HookConfig { master: HookMaster::new(mac_key(&hooks)), base: Some(local_url(api_at)) }),
        };
        let transport = HttpTransport::new().map_err(|error| StartError::Transport(error.to_string()))?;
        let ports = host.ports(engine.storage(), Arc::new(transport), config);
        let edge = EdgeConfig::new(mac_key(&mac), SUPPORT);
        let bundle = Bundle::new(App::new(ports, edge), host);
        let outbound = HttpOutbound::new(Reach::Loopback).map_err(|error| StartError::Transport(error.to_string()))?;
        Ok(Self {
            bundle,
            engine: Arc::new(engine),
            simulator,
            outbound,
            autotask_url,
            issuer: Issuer::new(exact(&key)),
        })
    }
}

impl World {
    /// Works everything off, the simulated Autotask's callouts among it.
    ///
    /// # Errors
    /// As [`Bundle::drain`].
    pub async fn drain(&self, limits: Limits) -> Result<Drained, DrainError> {
        match &self.simulator {
            Some(simulator) => {
                self.bundle.drain_beside(limits, &Callouts { simulator, outbound: &self.outbound }).await
            }
            None => self.bundle.drain(limits).await,
        }
    }
}

fn open_simulator(folder: &Path, at: SocketAddr, host: &Host) -> Result<Simulator, StartError> {
    let data = folder.join("autotask");
    let options = simulator::Options { base_url: local_url(at), data: Some(data.clone()), ..Default::default() };
    let clock = Arc::clone(&host.clock);
    Simulator::open(clock, options).map_err(|source| StartError::Folder { folder: data, source })
}

fn local_url(at: SocketAddr) -> Url {
    Url::parse(&format!("http://{at}/")).expect("an address is a URL's host")
}

fn prepare(folder: &Path, fresh: bool) -> Result<(), StartError> {
    let in_folder = |source| StartError::Folder { folder: folder.to_path_buf(), source };
    if folder.exists() {
        // A folder of somebody else's must not even be marked: the mark lets a later `fresh` delete it.
        let is_empty = std::fs::read_dir(folder).map_err(in_folder)?.next().is_none();
        if !is_empty && !folder.join(MARK).exists() {
            return Err(StartError::NotOurs(folder.to_path_buf()));
        }
        if fresh {
            std::fs::remove_dir_all(folder).map_err(in_folder)?;
        }
    }
    std::fs::create_dir_all(folder).map_err(in_folder)?;
    std::fs::write(folder.join(MARK), "State of `cargo run -p local`; may be deleted.\n").map_err(in_folder)
}

fn random(bytes: usize) -> io::Result<Vec<u8>> {
    let mut random = vec![0; bytes];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random)
}

fn exact(key: &[u8]) -> [u8; KEY_BYTES] {
    let mut exact = [0; KEY_BYTES];
    for (to, from) in exact.iter_mut().zip(key) {
        *to = *from;
    }
    exact
}

/// The key as text: the runtime takes it as a secret's text.
fn mac_key(bytes: &[u8]) -> MacKey {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    MacKey::new(SecretString::from(text)).expect("twice as many characters as a key has bytes")
}
