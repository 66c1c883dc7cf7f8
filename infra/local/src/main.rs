//! The whole bundle on one machine.
#![allow(clippy::print_stdout, reason = "it talks to people")]

use clap::{Args, Parser, Subcommand};
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
    /// Does the set-up and the main job once, on free ports and in a temporary folder, and checks itself.
    Demo {
        /// Ends with one line of JSON.
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
    /// Folder for all state.
    #[arg(long, default_value = ".local")]
    data: PathBuf,
    /// Forget the state that is there.
    #[arg(long)]
    fresh: bool,
    /// Use another Autotask instead of the simulated one.
    #[arg(long)]
    autotask_url: Option<Url>,
    /// Queues wait for `POST /_local/drain`.
    #[arg(long)]
    manual: bool,
    /// Schedules fire by themselves.
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
            println!("{}", causes(&*error));
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
    println!("A partner's token (partner_admin of `msp1`, main account), valid for 30 days:");
    println!("  export TOKEN={}", token("partner_admin", Some("msp1")));
    println!();
    println!("Try:");
    println!("  curl -s {api}/v1/setup-guide -H \"Authorization: Bearer $TOKEN\"");
    if let Some(login) = login {
        let body = format!(
            r#"{{"psa":"autotask","username":"{}","secret":"{}","features":["seat_sync"]}}"#,
            login.username, login.secret
        );
        println!("  curl -s {api}/v1/connections -H \"Authorization: Bearer $TOKEN\" \\");
        println!("    -H 'Content-Type: application/json' -d '{body}'");
    }
    println!("  curl -s -X POST {api}/_local/token -d '{{\"role\":\"service\"}}'");
    println!("  curl -s -X POST {api}/_local/schedules/seat-sync -d '{{\"time\":\"2026-12-01T00:15:00Z\"}}'");
    println!("  curl -s -X POST {api}/_local/drain");
    println!("  curl -s '{api}/_local/events'");
    if let Some(at) = serving.autotask {
        println!("  curl -s http://{at}/_sim/requests");
    }
    println!();
    println!("Ctrl-C ends it; the state stays.");
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
