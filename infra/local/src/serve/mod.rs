//! Everything in one process: the API, the simulated Autotask, the workers, state in a folder.

mod control;
mod front;
mod seed;
mod state;
mod ticks;
mod workers;

pub use seed::Login;
pub use state::{Options, StartError, World};

use crate::host::real;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Everything, listening. Ends when dropped.
#[derive(Debug)]
pub struct Serving {
    /// The parts.
    pub world: World,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where the simulated Autotask listens, if it does.
    pub autotask: Option<SocketAddr>,
    tasks: JoinSet<()>,
}

/// Opens the state and starts listening.
///
/// # Errors
/// A folder, a file or a port cannot be used.
pub async fn start(options: &Options) -> Result<Serving, StartError> {
    Ok(Opened::open(options).await?.serve())
}

/// The same over the demo's MSP: nothing is answered before it and the vendor's profile are there, so that whoever
/// waits for the ports finds them, and what they write is not written over.
///
/// # Errors
/// Also: the simulated Autotask refuses, or the API does.
pub async fn start_seeded(options: &Options) -> Result<(Serving, Option<Login>), StartError> {
    let opened = Opened::open(options).await?;
    let login = opened.world.seed_once()?.map(|(login, _)| login);
    if let Some(login) = &login {
        opened.world.introduce_vendor(login).await.map_err(StartError::Vendor)?;
    }
    Ok((opened.serve(), login))
}

/// Bound and opened, and not answering yet.
struct Opened {
    world: World,
    api: TcpListener,
    api_at: SocketAddr,
    autotask: Option<TcpListener>,
    autotask_at: Option<SocketAddr>,
    manual: bool,
    ticks: bool,
}

impl Opened {
    async fn open(options: &Options) -> Result<Self, StartError> {
        let api = bind(options.port).await?;
        let autotask = match options.autotask_url {
            Some(_) => None,
            None => Some(bind(options.autotask_port).await?),
        };
        let (api_at, autotask_at) = (api.local_addr()?, autotask.as_ref().map(TcpListener::local_addr).transpose()?);
        let world = World::open(options, api_at, autotask_at).await?;
        Ok(Self { world, api, api_at, autotask, autotask_at, manual: options.manual, ticks: options.ticks })
    }

    fn serve(self) -> Serving {
        let Self { world, api, api_at, autotask, autotask_at, manual, ticks } = self;
        let mut tasks = JoinSet::new();
        if let (Some(listener), Some(simulator)) = (autotask, &world.simulator) {
            tasks.spawn(simulator.clone().call_out(world.outbound.clone()));
            let simulator = simulator.clone();
            tasks.spawn(async move {
                if let Err(error) = simulator.serve(listener).await {
                    tracing::error!(error = %error, "the simulated Autotask ended");
                }
            });
        }
        let router = control::router(world.clone()).fallback_service(front::router(world.clone()));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(api, router).await {
                tracing::error!(error = %error, "the API ended");
            }
        });
        if !manual {
            workers::start(&mut tasks, &world.bundle);
        }
        if ticks {
            tasks.spawn(ticks::fire(world.bundle.clone()));
        }
        tasks.spawn(housekeeping(world.clone()));
        Serving { world, api: api_at, autotask: autotask_at, tasks }
    }
}

impl Serving {
    /// Where clients send requests: `http://127.0.0.1:9400`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Stops listening and working. What is in flight ends as after a kill.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn bind(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| StartError::Port { port, source })
}

/// How often what has expired is deleted; DynamoDB itself takes up to days.
const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(300);

async fn housekeeping(world: World) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let engine = std::sync::Arc::clone(&world.engine);
        let swept = tokio::task::spawn_blocking(move || engine.sweep_expired()).await;
        tracing::debug!(records = swept.unwrap_or(0), at = %real::now(), "deleted what has expired");
    }
}
