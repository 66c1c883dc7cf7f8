//! Moving a mapping, or the packages of one of its contracts, to another contract of its company.

use super::claims::check_free;
use super::context::Context;
use super::facts::{ContractFacts, LineFacts, Remark};
use super::put::{When, Words, put};
use super::save::{CONFIRMED, SavedWithRemarks, confirmed};
use super::target::{Target, contract_ref, contracts_of, mapped, one_of};
use super::theirs::Theirs;
use super::{ContractRef, MappedLine, Mapping, MappingSource, MappingStatus, PackageContract};
use crate::ids::AccountId;
use crate::problem::{Code, Error, Problem, Result};
use std::collections::BTreeSet;

/// From which contract to which one a mapping moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The contract that is left: the mapping's, or that of some of its packages. Absent: the mapping's.
    pub from: Option<i64>,
    /// The contract that comes instead.
    pub to: i64,
}

/// Moves a mapping to another contract of its company: what lies on its own contract, and nothing else. As
/// [`remap_from`].
///
/// # Errors
/// As [`remap_from`].
pub async fn remap(
    context: Context<'_>,
    account: &AccountId,
    to_contract: i64,
    source: MappingSource,
    if_match: Option<u64>,
) -> Result<SavedWithRemarks> {
    remap_from(context, account, Move { from: None, to: to_contract }, source, if_match).await
}

/// Moves what a mapping has on one contract to another contract of its company, line by line: each to the one line of
/// the same service. It is confirmed, for a person did it.
///
/// # Errors
/// `not_found` without a mapping; `invalid_input` for a contract that the mapping does not have; `duplicate_line` when
/// the new contract holds a service more than once; `contract_service_removed` when it lacks one; `service_inactive`;
/// otherwise as [`super::save()`].
pub async fn remap_from(
    context: Context<'_>,
    account: &AccountId,
    moved: Move,
    source: MappingSource,
    if_match: Option<u64>,
) -> Result<SavedWithRemarks> {
    let present = context.mapping(account).await?.ok_or_else(|| Error::not_found("mapping"))?;
    When::if_match(if_match).check(Some(present.v))?;
    let Some(company) = present.company.clone() else {
        return Err(Error::problem(Code::Conflict, "The account is excluded; save a mapping for it instead."));
    };
    let main = present.contract.as_ref().map(|contract| contract.id);
    let from = moved.from.or(main);
    let known = from == main || present.contracts.iter().any(|own| Some(own.contract.id) == from);
    if !known {
        return Err(Problem::field("/from_contract_id", "is not a contract of this mapping").into());
    }
    // Without lines: whether those are free is seen when they are known.
    let bare = Mapping { status: MappingStatus::Confirmed, lines: Vec::new(), ..present.value.clone() };
    check_free(context, &bare).await?;
    let theirs = Theirs::open(context).await?;
    let read = read_moved(&theirs, &present, company.id, (from, moved.to)).await;
    theirs.close().await;
    let Moved { facts, lines, leaving } = read?;
    let (contract, contracts) = moved_contracts(&present, from, &contract_ref(&facts));
    let target = Target { company, contract, contracts, lines };
    let next = confirmed(context, account, source, target).await?;
    let next = if source == MappingSource::Renewal { with_leaving(context, next, leaving).await? } else { next };
    let saved =
        put(context, &next, When::Seen(Some(present.v)), Words { action: "mapping.remapped", ..CONFIRMED }).await?;
    Ok(SavedWithRemarks { saved, warnings: facts.warnings })
}

/// The mapping with lines that its packages have left. Where one of them is somebody else's, it is not ours to empty.
async fn with_leaving(context: Context<'_>, next: Mapping, leaving: Vec<MappedLine>) -> Result<Mapping> {
    let mut with = next.clone();
    with.leaving.extend(leaving);
    match check_free(context, &with).await {
        Ok(()) => Ok(with),
        Err(Error::Problem(problem)) if problem.code == Code::ContractServiceShared => Ok(next),
        Err(error) => Err(error),
    }
}

/// A mapping's contracts after a move; what lies on the mapping's own contract then needs no mention.
fn moved_contracts(
    present: &Mapping,
    from: Option<i64>,
    to: &ContractRef,
) -> (Option<ContractRef>, Vec<PackageContract>) {
    let moved = |contract: &ContractRef| if Some(contract.id) == from { to.clone() } else { contract.clone() };
    let main = match &present.contract {
        Some(contract) => moved(contract),
        None => to.clone(),
    };
    let own = present.contracts.iter().map(|own| PackageContract { contract: moved(&own.contract), ..own.clone() });
    let own = own.filter(|own| own.contract.id != main.id).collect();
    (Some(main), own)
}

/// What a move makes of a mapping's lines.
struct Moved {
    facts: ContractFacts,
    lines: Vec<MappedLine>,
    /// Lines that stand for those that packages have left: a renewal has taken over units that these had still.
    leaving: Vec<MappedLine>,
}

async fn read_moved(
    theirs: &Theirs<'_>,
    present: &Mapping,
    company: i64,
    (from, to): (Option<i64>, i64),
) -> Result<Moved> {
    theirs.usable_company(company).await?;
    let facts = one_of(theirs, &contracts_of(theirs, company).await?, company, to, "/to_contract_id").await?;
    let moves = |line: &&MappedLine| present.contract_for(&line.package_id).map(|contract| contract.id) == from;
    let there = match present.lines.iter().chain(&present.leaving).any(|line| moves(&line)) {
        true => theirs.lines_of(&[to], &BTreeSet::new()).await?,
        false => Vec::new(),
    };
    let mut lines = Vec::new();
    for line in &present.lines {
        lines.push(if moves(&line) { moved_line(line, &there)? } else { line.clone() });
    }
    let left = present.leaving.iter().filter(|line| moves(line) && from != Some(to));
    // One that is not there, or not alone, has taken over nothing that could be told from the others.
    let mut leaving: Vec<MappedLine> = left.filter_map(|line| moved_line(line, &there).ok()).collect();
    let mut taken = BTreeSet::new();
    match lines.iter().find(|line| !taken.insert(line.line)) {
        Some(twice) => {
            let detail = format!("Two packages of the account would go to the line {}.", twice.line);
            Err(Error::problem(Code::ContractServiceShared, detail))
        }
        None => {
            leaving.retain(|line| taken.insert(line.line));
            Ok(Moved { facts, lines, leaving })
        }
    }
}

/// The same service's line on another contract.
fn moved_line(line: &MappedLine, there: &[LineFacts]) -> Result<MappedLine> {
    match same_line(line, &there.iter().collect::<Vec<_>>()) {
        Ok(found) => Ok(mapped(found, line.package_id.clone(), line.overwrite_cost)),
        Err(why) => Err(Error::problem(why.code, why.detail)),
    }
}

/// The one usable line of the same service among a contract's lines, or why there is none.
pub(super) fn same_line<'a>(line: &MappedLine, there: &[&'a LineFacts]) -> Result<&'a LineFacts, Remark> {
    let same = there.iter().copied().filter(|l| l.line.kind == line.line.kind && l.service_id == line.service_id);
    match same.collect::<Vec<_>>().as_slice() {
        [one] if one.service_active => Ok(one),
        [_] => Err(Remark::new(Code::ServiceInactive, format!("The service {} is inactive.", line.service_name))),
        [] => {
            let detail = format!("The contract has no line of the service {}.", line.service_name);
            Err(Remark::new(Code::ContractServiceRemoved, detail))
        }
        several => {
            let ids = several.iter().map(|l| l.line.id.to_string()).collect::<Vec<_>>().join(", ");
            let detail = format!("The contract has {} lines of {}: {ids}.", several.len(), line.service_name);
            Err(Remark::new(Code::DuplicateLine, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{LineRef, PackageId};

    fn there(line: LineRef, service: i64) -> LineFacts {
        LineFacts {
            line,
            contract_id: 2,
            service_id: service,
            name: Some(format!("service {service}")),
            service_active: true,
            unit_price: None,
            unit_cost: None,
            units: None,
            period_billed: false,
            vendor_line: false,
            duplicate_line: false,
        }
    }

    #[test]
    fn a_renewal_takes_each_line_to_the_one_line_of_the_same_service() {
        let present = mapped(&there(LineRef::service(7), 41), PackageId::new("p1").unwrap(), None);
        let new = [there(LineRef::service(90), 41), there(LineRef::service(91), 42), there(LineRef::bundle(92), 41)];
        assert_eq!(moved_line(&present, &new).unwrap().line, LineRef::service(90));
        let twice = [there(LineRef::service(90), 41), there(LineRef::service(93), 41)];
        assert_eq!(moved_line(&present, &twice).unwrap_err().code(), Some(Code::DuplicateLine));
        assert_eq!(moved_line(&present, &new[1..]).unwrap_err().code(), Some(Code::ContractServiceRemoved));
        let inactive = [LineFacts { service_active: false, ..there(LineRef::service(90), 41) }];
        assert_eq!(moved_line(&present, &inactive).unwrap_err().code(), Some(Code::ServiceInactive));
    }
}
