//! The simulator by itself: `cargo run -p simulator -- --port 9401`.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use jiff::Timestamp;
use simulator::{
    CALLOUT_TIMEOUT, Clock, Database, DatabaseSpec, HttpOutbound, Options, Reach, Simulator, Switches, seed,
};
use tokio::net::TcpListener;
use url::Url;

#[derive(Debug, Parser)]
#[command(about = "A stateful Autotask that behaves")]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 9401)]
    port: u16,
    /// Folder for its state; without it everything is forgotten at the end.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Fill the demo database with an MSP of 40 companies; one that lies on disk stays as it is.
    #[arg(long)]
    seed_demo: bool,
    /// Let webhooks call any host; without it only this machine.
    #[arg(long)]
    callouts_anywhere: bool,
    /// Number that decides the dice of faults.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the program is the host that gives the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

const USER: &str = "api@demo-msp.example";
const SECRET: &str = "demo-secret";
const INTEGRATION_CODE: &str = "DEMOINTEGRATIONCODE00000000";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let port = arguments.port;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| format!("port {port} cannot be used: {error}; name another with --port"))?;
    let base_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
    let options = Options {
        base_url: base_url.clone(),
        data: arguments.data,
        seed: arguments.seed,
        switches: Switches::default(),
        callout_timeout: CALLOUT_TIMEOUT,
    };
    let simulator = Simulator::open(Arc::new(SystemClock), options)?;
    let database = demo_database(&simulator, arguments.seed_demo)?;
    println!("Autotask simulator at {base_url}");
    println!("  zone look-up      {base_url}ATServicesRest/V1.0/zoneInformation?user={USER}");
    println!("  zone              {} (ci {})", database.url, database.ci);
    println!("  UserName          {USER}");
    println!("  Secret            {SECRET}");
    println!("  integration code  {INTEGRATION_CODE} (header ApiIntegrationCode)");
    println!("  inspection        {base_url}_sim/requests  _sim/faults  _sim/databases  _sim/switches  _sim/callouts");
    println!("Try:");
    println!("  curl -s {}V1.0/Companies/query -H 'UserName: {USER}' -H 'Secret: {SECRET}' \\", database.url);
    println!("    -H 'ApiIntegrationCode: {INTEGRATION_CODE}' -H 'Content-Type: application/json' \\");
    println!(r#"    -d '{{"maxRecords":5,"filter":[{{"op":"exist","field":"id"}}]}}'"#);
    println!("Ctrl-C ends it.");
    let reach = if arguments.callouts_anywhere { Reach::Anywhere } else { Reach::Loopback };
    let outbound = HttpOutbound::new(reach)?;
    tokio::select! {
        served = simulator.clone().serve(listener) => served?,
        () = simulator.call_out(outbound) => {}
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    Ok(())
}

/// The demo database: the one that lies on disk, or a new one.
fn demo_database(simulator: &Simulator, filled: bool) -> Result<Database, Box<dyn std::error::Error>> {
    if let Some(database) = simulator.database_of(USER) {
        return Ok(database);
    }
    let database = simulator.add_database(DatabaseSpec::new(USER, SECRET, INTEGRATION_CODE))?;
    if filled {
        seed::demo_msp(simulator, database.ci, simulator.today())?;
    }
    Ok(database)
}
