//! `counted check 1000`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let Some(times) = arguments.next().and_then(|text| text.parse::<u32>().ok()) else { return ExitCode::FAILURE };
    match counted::run(&what, times) {
        Some(done) if done == times => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
