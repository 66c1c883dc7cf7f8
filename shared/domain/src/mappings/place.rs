//! Lines that a run finds on a contract or adds to it become the mapping's; lines that a package has left leave it.

use super::context::Context;
use super::put::{When, Words, put};
use super::{MappedLine, MappingStatus};
use crate::ids::{AccountId, LineRef, PackageId};
use crate::problem::{Code, Error, Result};

/// How often a mapping that somebody else changes meanwhile is looked at again.
const TRIES: u32 = 4;

const PLACED: Words = Words { action: "mapping.line_placed", event: Some("mapping.line_placed") };
const LEFT: Words = Words { action: "mapping.line_left", event: None };

/// Puts a line into an account's mapping as its package's. A line of another service that the package had is kept as
/// one that it leaves, until that has 0 units. `over`: also where another package of the account is leaving the line,
/// and its 0 units are written. False: nothing was done, as the account is mapped elsewhere by now, or the package to
/// another line than it `was`.
///
/// # Errors
/// `contract_service_shared` where the line is somebody else's; `conflict` when overtaken again and again.
pub(crate) async fn place_line(
    context: Context<'_>,
    account: &AccountId,
    (contract, was): (i64, Option<LineRef>),
    line: &MappedLine,
    over: bool,
) -> Result<bool> {
    for _ in 0..TRIES {
        let Some(present) = context.mapping(account).await? else { return Ok(false) };
        let billable = matches!(present.status, MappingStatus::Confirmed | MappingStatus::Broken);
        let own = present.lines.iter().find(|known| known.package_id == line.package_id).map(|known| known.line);
        let chosen = own.is_some() && own != was && own != Some(line.line);
        let moved = present.contract_for(&line.package_id).map(|contract| contract.id) != Some(contract);
        if !billable || moved || chosen {
            return Ok(false);
        }
        let leaving = present.leaving.iter().filter(|_| !over);
        let others = present.lines.iter().chain(leaving).filter(|known| known.package_id != line.package_id);
        if let Some(other) = others.filter(|known| known.line == line.line).map(|known| &known.package_id).next() {
            let detail = format!("The line {} is mapped to the package {other}.", line.line);
            return Err(Error::problem(Code::ContractServiceShared, detail));
        }
        let mut next = present.value.clone();
        let old = next.lines.iter().position(|known| known.package_id == line.package_id);
        let old = old.map(|at| next.lines.remove(at));
        if old.as_ref() == Some(line) {
            return Ok(true);
        }
        let mut line = line.clone();
        if let Some(old) = old {
            line.overwrite_cost = old.overwrite_cost.filter(|_| line.line.kind == crate::LineKind::Service);
            let same_service = old.line.kind == line.line.kind && old.service_id == line.service_id;
            if old.line != line.line && !same_service {
                next.leaving.push(old);
            }
        }
        next.leaving.retain(|left| left.line != line.line);
        next.lines.push(line);
        next.lines.sort_by(|a, b| a.package_id.cmp(&b.package_id));
        next.updated_at = context.ports.clock.now();
        match put(context, &next, When::Seen(Some(present.v)), PLACED).await {
            Err(Error::Problem(problem)) if problem.code == Code::Conflict => {}
            other => return other.map(|_| true),
        }
    }
    Err(Error::problem(Code::Conflict, "The mapping is being changed by others right now."))
}

/// Keeps a line that has units again among those that its package has left, so that a later run takes them off.
///
/// # Errors
/// `contract_service_shared` where the line is somebody else's by now; `conflict` when overtaken again and again.
pub(crate) async fn keep_left(context: Context<'_>, account: &AccountId, line: &MappedLine) -> Result<()> {
    for _ in 0..TRIES {
        let Some(present) = context.mapping(account).await? else { return Ok(()) };
        if present.lines.iter().chain(&present.leaving).any(|known| known.line == line.line) {
            return Ok(());
        }
        let mut next = present.value.clone();
        // Nothing that units are reckoned from has changed: `updated_at` stays.
        next.leaving.push(line.clone());
        match put(context, &next, When::Seen(Some(present.v)), LEFT).await {
            Err(Error::Problem(problem)) if problem.code == Code::Conflict => {}
            other => return other.map(|_| ()),
        }
    }
    Err(Error::problem(Code::Conflict, "The mapping is being changed by others right now."))
}

/// What becomes of a line that a package has left, by when it has 0 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It has 0 units.
    Empty,
    /// It will have 0 units, at a date that has not come. Until then it has units, which a contract that renews its own
    /// takes over.
    Later,
}

/// Forgets a line that a package has left, once it has 0 units; until then it is one that the package leaves. `own`: also
/// where it still stands as the package's own, as there is nothing of the package that a line of its new service would
/// be added for. Otherwise no other package of the account could ever be billed on it.
///
/// # Errors
/// `conflict` when overtaken again and again.
pub(crate) async fn forget_left(
    context: Context<'_>,
    account: &AccountId,
    (package, own): (&PackageId, bool),
    line: LineRef,
    left: Left,
) -> Result<()> {
    for _ in 0..TRIES {
        let Some(present) = context.mapping(account).await? else { return Ok(()) };
        let mut next = present.value.clone();
        let is = |known: &MappedLine| known.line == line && known.package_id == *package;
        if left == Left::Empty {
            next.leaving.retain(|left| !is(left));
        }
        let standing: Vec<MappedLine> = next.lines.extract_if(.., |known| own && is(known)).collect();
        if left == Left::Later {
            next.leaving.extend(standing);
        }
        if (next.leaving.len(), next.lines.len()) == (present.leaving.len(), present.lines.len()) {
            return Ok(());
        }
        next.updated_at = context.ports.clock.now();
        match put(context, &next, When::Seen(Some(present.v)), LEFT).await {
            Err(Error::Problem(problem)) if problem.code == Code::Conflict => {}
            other => return other.map(|_| ()),
        }
    }
    Err(Error::problem(Code::Conflict, "The mapping is being changed by others right now."))
}
