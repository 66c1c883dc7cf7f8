//! Moving a mapping to another contract of its company.

use super::context::Context;
use super::facts::{ContractFacts, LineFacts, Remark};
use super::put::{When, Words, check_free, put};
use super::save::{CONFIRMED, SavedWithRemarks, confirmed, contract_ref, mapped, read_contract};
use super::theirs::Theirs;
use super::{MappedLine, Mapping, MappingSource};
use crate::ids::AccountId;
use crate::problem::{Code, Error, Result};
use std::collections::BTreeSet;

/// Moves a mapping to another contract of its company, line by line: each to the one line of the same service.
/// It is confirmed, for a person did it.
///
/// # Errors
/// `not_found` without a mapping; `duplicate_line` when the new contract holds a service more than once;
/// `contract_service_removed` when it lacks one; `service_inactive`; otherwise as [`super::save()`].
pub async fn remap(
    context: Context<'_>,
    account: &AccountId,
    to_contract: i64,
    source: MappingSource,
    if_match: Option<u64>,
) -> Result<SavedWithRemarks> {
    let present = context.mapping(account).await?.ok_or_else(|| Error::not_found("mapping"))?;
    When::if_match(if_match).check(Some(present.v))?;
    let Some(company) = present.company.clone() else {
        return Err(Error::problem(Code::Conflict, "The account is excluded; save a mapping for it instead."));
    };
    check_free(context, account, company.id, &[]).await?;
    let theirs = Theirs::open(context).await?;
    let read = read_moved(&theirs, &present, company.id, to_contract).await;
    theirs.close().await;
    let (facts, lines) = read?;
    let next = confirmed(context, account, source, (company, Some(contract_ref(&facts)), lines)).await?;
    let saved =
        put(context, &next, When::Seen(Some(present.v)), Words { action: "mapping.remapped", ..CONFIRMED }).await?;
    Ok(SavedWithRemarks { saved, warnings: facts.warnings })
}

async fn read_moved(
    theirs: &Theirs<'_>,
    present: &Mapping,
    company: i64,
    to_contract: i64,
) -> Result<(ContractFacts, Vec<MappedLine>)> {
    theirs.usable_company(company).await?;
    let facts = read_contract(theirs, company, to_contract).await?;
    let there = match present.lines.is_empty() {
        true => Vec::new(),
        false => theirs.lines_of(&[to_contract], &BTreeSet::new()).await?,
    };
    Ok((facts, move_lines(&present.lines, &there)?))
}

/// The same services' lines on another contract.
fn move_lines(present: &[MappedLine], there: &[LineFacts]) -> Result<Vec<MappedLine>> {
    let there: Vec<&LineFacts> = there.iter().collect();
    let moved = present.iter().map(|line| match same_line(line, &there) {
        Ok(found) => Ok(mapped(found, line.package_id.clone(), line.overwrite_cost)),
        Err(why) => Err(Error::problem(why.code, why.detail)),
    });
    moved.collect()
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
        let present = [mapped(&there(LineRef::service(7), 41), PackageId::new("p1").unwrap(), None)];
        let new = [there(LineRef::service(90), 41), there(LineRef::service(91), 42), there(LineRef::bundle(92), 41)];
        assert_eq!(move_lines(&present, &new).unwrap()[0].line, LineRef::service(90));
        let twice = [there(LineRef::service(90), 41), there(LineRef::service(93), 41)];
        assert_eq!(move_lines(&present, &twice).unwrap_err().code(), Some(Code::DuplicateLine));
        assert_eq!(move_lines(&present, &new[1..]).unwrap_err().code(), Some(Code::ContractServiceRemoved));
        let inactive = [LineFacts { service_active: false, ..there(LineRef::service(90), 41) }];
        assert_eq!(move_lines(&present, &inactive).unwrap_err().code(), Some(Code::ServiceInactive));
    }
}
