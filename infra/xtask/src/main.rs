//! `cargo xtask`.

use clap::{Parser, Subcommand, ValueEnum};
use peak_alloc::PeakAlloc;
use std::io::Write as _;
use std::process::ExitCode;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Measurements of this repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures, prints JSON, and fails where a bound is passed.
    Bench {
        /// What.
        what: Bench,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Bench {
    /// The heap of an import of 1,000 and of 50,000 invoices.
    Invoices,
    /// The instructions of verifying and decoding a webhook's callout; needs valgrind.
    Webhook,
}

fn main() -> ExitCode {
    let Task::Bench { what } = Arguments::parse().task;
    let measured = match what {
        Bench::Invoices => xtask::bench_invoices(&HEAP),
        Bench::Webhook => xtask::bench_webhook(),
    };
    match measured {
        Ok(report) => {
            // Nobody reads it where this fails.
            let _ = writeln!(std::io::stdout(), "{}", report.json);
            if report.within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
