//! The whole bundle on one machine.
#![allow(clippy::print_stdout, reason = "it talks to people")]

use clap::{Args, Parser, Subcommand};
use domain::problem::chain;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use local::demo;
use local::gateway::jwt::Grant;
use local::host::real;
use local::serve::{self, Options, Serving};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use url::Url;

#[derive(Debug, Parser)]
#[command(about = "The whole bundle on one machine", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do the set-up, the main job and package billing once, on free ports and in a temporary folder, and check the outcome.
    Demo {
        /// Print one line of JSON at the end, for scripts.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// Port of the API and of `/_local`.
    #[arg(long, default_value_t = 9400)]
    port: u16,
    /// Port of the simulated Autotask.
    #[arg(long, default_value_t = 9401)]
    autotask_port: u16,
    /// Folder for all state; made where it is missing.
    #[arg(long, default_value = ".local")]
    data: PathBuf,
    /// Delete what that folder holds, and start anew.
    #[arg(long)]
    fresh: bool,
    /// Another Autotask instead of the simulated one: where its zones are looked up.
    #[arg(long)]
    autotask_url: Option<Url>,
    /// Let queues wait for `POST /_local/drain` instead of working them off at once.
    #[arg(long)]
    manual: bool,
    /// Let schedules fire by themselves as the clock goes on.
    #[arg(long)]
    ticks: bool,
    /// How long one request to Autotask may take, in milliseconds.
    #[arg(long, default_value_t = 60_000)]
    request_timeout_ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = if cli.command.is_some() { "error" } else { "warn,local=info,runtime=info" };
    start_log(level);
    let done = match cli.command {
        Some(Command::Demo { json }) => show_demo(json).await,
        None => serve_until_stopped(cli.serve).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            println!("{}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error: what `RUST_LOG` says, or `level`.
fn start_log(level: &str) {
    let asked = std::env::var_os("RUST_LOG").and_then(|filter| filter.to_str()?.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| level.parse().expect("our own filters are well-formed"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(lines).init();
}

type Done = Result<ExitCode, Box<dyn std::error::Error>>;

async fn show_demo(json: bool) -> Done {
    let report = demo::run(|text| println!("{text}")).await?;
    if json {
        println!("{}", serde_json::to_string(&report.summary)?);
    }
    Ok(if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn serve_until_stopped(arguments: Serve) -> Done {
    let options = Options {
        port: arguments.port,
        autotask_port: arguments.autotask_port,
        data: arguments.data,
        fresh: arguments.fresh,
        autotask_url: arguments.autotask_url,
        manual: arguments.manual,
        ticks: arguments.ticks,
        request_timeout: Duration::from_millis(arguments.request_timeout_ms),
    };
    let (serving, login) = serve::start_seeded(&options).await?;
    greet(&serving, login.as_ref());
    tokio::signal::ctrl_c().await?;
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn greet(serving: &Serving, login: Option<&serve::Login>) {
    let api = serving.api_url();
    let token = |role: &str, partner: Option<&str>| {
        let grant = Grant {
            partner_id: partner.map(str::to_owned),
            role: Some(role.to_owned()),
            main_account: Some(true),
            sub: None,
            expires_in_seconds: None,
        };
        serving.world.issuer.issue(&grant, real::now())
    };
    println!("API        {api}");
    println!("Autotask   {}", serving.world.autotask_url);
    println!("Clock      {}", serving.world.bundle.host().clock.now());
    println!();
    println!("Tokens, for 30 days: of a partner (partner_admin of `msp1`, main account) and of the vendor's back end.");
    println!("  export TOKEN={}", token("partner_admin", Some("msp1")));
    println!("  export BACKEND={}", token("service", None));
    for (name, variable) in [("partner", "TOKEN"), ("backend", "BACKEND")] {
        println!(
            "  {name}() {{ local at=$1; shift; curl -s \"{api}/v1/$at\" -H \"Authorization: Bearer ${variable}\" \\\n    \
             -H 'Content-Type: application/json' \"$@\"; echo; }}"
        );
    }
    println!();
    match login {
        Some(login) => show_a_client_billed(&api, login, serving.world.bundle.host().clock.now()),
        None => println!("Try:\n  partner setup-guide"),
    }
    println!();
    println!("Look inside:");
    println!("  curl -s {api}/_local/events");
    println!("  curl -s {api}/_local/queues");
    if let Some(at) = serving.autotask {
        println!("  curl -s http://{at}/_sim/requests");
    }
    println!();
    println!("infra/local/README.md describes the rest. Ctrl-C ends it; the state stays, --fresh forgets it.");
}

/// How long before the run the back end counts.
const COUNTED_BEFORE: SignedDuration = SignedDuration::from_mins(10);

/// One client of the demo's MSP from nothing to billed, as commands in the order that works.
fn show_a_client_billed(api: &str, login: &serve::Login, now: Timestamp) {
    let partner = |what: &str, rest: &str| println!("  partner {what}{rest}");
    let backend = |path: &str, body: &str| println!("  backend {path} -X PUT -d '{body}'");
    println!("Try, in this order. The vendor's back end says who there is and counts seats:");
    backend("partners/msp1", r#"{"name":"Northgate IT","time_zone":"UTC","active":true}"#);
    backend(
        "packages/awareness",
        r#"{"name":"Awareness","metric":"user","unit_price_to_partner":"1.75","currency":"USD"}"#,
    );
    backend("partners/msp1/packages", r#"{"packages":["awareness"]}"#);
    backend(
        "partners/msp1/accounts/a1",
        concat!(
            r#"{"name":"Harbour Dental","contact_email":"alice.fairweather@harbourdental.example","#,
            r#""packages":[{"id":"awareness"}],"active":true}"#
        ),
    );
    backend("usage/msp1/a1/awareness", &format!(r#"{{"active":7,"as_of":"{now}"}}"#));
    println!("The partner connects, copies the `id` of the answer, and lets auto-map propose:");
    let body = format!(
        r#"{{"psa":"autotask","username":"{}","secret":"{}","features":["seat_sync"]}}"#,
        login.username, login.secret
    );
    partner("connections", &format!(" -d '{body}'"));
    println!("  export CID=con_…");
    partner("connections/$CID/company-mappings/auto-map", " -X POST");
    partner("connections/$CID/accounts", "");
    println!("It confirms, previews, and looks at the plan:");
    partner("connections/$CID/company-mappings/a1/confirm", " -X POST");
    partner("connections/$CID/runs", r#" -d '{"kind":"seat_sync","mode":"preview"}'"#);
    println!("  export RID=…      # the `run_id` of the answer");
    partner("connections/$CID/runs/$RID/lines", "");
    println!(
        "The 1st comes, the back end has counted again (counts older than 48 hours are not written), a run starts:"
    );
    let slot = next_slot(now);
    let counted = slot - COUNTED_BEFORE;
    println!("  curl -s -X POST {api}/_local/clock -d '{{\"now\":\"{counted}\"}}'");
    backend("usage/msp1/a1/awareness", &format!(r#"{{"active":8,"as_of":"{counted}"}}"#));
    println!("  curl -s -X POST {api}/_local/schedules/seat-sync -d '{{\"time\":\"{slot}\"}}'");
    println!("Its report, with the `id` of the newest run:");
    partner("\"connections/$CID/runs?limit=1\"", "");
    println!("  export RID=…");
    partner("connections/$CID/runs/$RID/lines.csv", "");
}

/// When the monthly run of a connection in UTC with default settings is due next.
fn next_slot(now: Timestamp) -> Timestamp {
    let today = now.to_zoned(TimeZone::UTC).date();
    let first = today.last_of_month().tomorrow().unwrap_or(today);
    first.at(0, 15, 0, 0).to_zoned(TimeZone::UTC).map_or(now, |slot| slot.timestamp())
}
