//! Instructions of recognising a callout, counted by callgrind: they are the same on a busy machine.

use crate::Report;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many times the instructions of its HMAC a callout may take, all in all.
const RATIO_MAX: u64 = 4;
/// Counted twice, and the difference taken: what starting costs cancels out.
const FEW: u64 = 100;
const MANY: u64 = 1_100;

type Failure = Box<dyn std::error::Error>;

/// Builds what is counted, optimised as it is deployed, and counts.
///
/// # Errors
/// It does not build; valgrind is not there, or says something unknown.
pub fn measure() -> Result<Report, Failure> {
    let program = build()?;
    let (hmac, check, forged) = (each(&program, "hmac")?, each(&program, "check")?, each(&program, "forged")?);
    let json = json!({
        "bench": "webhook",
        "instructions": {"hmac": hmac, "verify_and_decode": check, "refuse_a_forged_one": forged},
        "ratio_times_100": check * 100 / hmac.max(1),
        "ratio_max": RATIO_MAX,
    });
    Ok(Report { json, within: hmac > 0 && check <= RATIO_MAX * hmac })
}

fn build() -> Result<PathBuf, Failure> {
    let built = Command::new("cargo").args(["build", "--quiet", "--release", "--package", "counted"]).status()?;
    if !built.success() {
        return Err("`counted` does not build".into());
    }
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).ok_or("this program lies in no target folder")?;
    Ok(target.join("release").join("counted"))
}

/// Instructions of doing it once.
fn each(program: &Path, what: &str) -> Result<u64, Failure> {
    let few = count(program, what, FEW)?;
    Ok(count(program, what, MANY)?.saturating_sub(few) / (MANY - FEW))
}

fn count(program: &Path, what: &str, times: u64) -> Result<u64, Failure> {
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([what, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&counted.stderr);
    let figure = said.lines().find_map(|line| line.split_once("Collected :"));
    match figure.and_then(|(_, figure)| figure.trim().parse().ok()) {
        Some(figure) if counted.status.success() => Ok(figure),
        _ => Err(format!("valgrind counted nothing: {said}").into()),
    }
}
