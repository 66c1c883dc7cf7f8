//! What a person maps an account to: save or exclude.

use super::claims::check_free;
use super::context::Context;
use super::facts::Remark;
use super::put::{Saved, When, Words, put};
use super::target::{Target, read_target};
use super::theirs::Theirs;
use super::wanted::{Wanted, check_contracts, check_packages, check_shape, settle_lines, sums};
use super::{CompanyRef, ContractRef, MappedLine, Mapping, MappingSource, MappingStatus, PackageContract};
use crate::ids::{AccountId, LineRef};
use crate::problem::{Problem, Result};
use std::collections::BTreeSet;

/// A saved mapping, with what to know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedWithRemarks {
    /// The mapping.
    pub saved: Saved,
    /// Warnings: a period that is not monthly, a contract that has not begun.
    pub warnings: Vec<Remark>,
}

/// Saves what a person chose. It is confirmed at once, and nothing in Autotask is touched.
///
/// # Errors
/// The codes that a mapping can be refused with; nothing is saved then.
pub async fn save(
    context: Context<'_>,
    account: &AccountId,
    wanted: Wanted,
    if_match: Option<u64>,
) -> Result<SavedWithRemarks> {
    context.connection().await?;
    context.account(account).await?;
    let when = When::if_match(if_match);
    when.check(context.mapping(account).await?.map(|m| m.v))?;
    if wanted.excluded {
        return exclude(context, account, &wanted, when).await;
    }
    let company = check_shape(&wanted)?;
    check_packages(context, &wanted).await?;
    check_contracts(&wanted, &context.settings().await?.topologies)?;
    let sums = sums(context, wanted.lines.iter().map(|l| &l.package_id)).await?;
    let wanted = settle_lines(wanted, &sums)?;
    check_free(context, &confirmed(context, account, MappingSource::Manual, unread(company, &wanted)).await?).await?;
    let theirs = Theirs::open(context).await?;
    let target = read_target(&theirs, company, &wanted).await;
    theirs.close().await;
    let (target, warnings) = target?;
    let next = confirmed(context, account, MappingSource::Manual, target).await?;
    let saved = put(context, &next, when, CONFIRMED).await?;
    Ok(SavedWithRemarks { saved, warnings })
}

pub(super) const CONFIRMED: Words = Words { action: "mapping.confirmed", event: Some("mapping.confirmed") };
pub(super) const EXCLUDED: Words = Words { action: "mapping.excluded", event: Some("mapping.removed") };

/// What is wanted before anything was read of it: ids alone, to see whether they are free.
fn unread(company: i64, wanted: &Wanted) -> Target {
    let contract = |id: i64| ContractRef { id, name: String::new(), start: None, end: None };
    let own = wanted.own_contracts();
    let lines = wanted.lines.iter().filter_map(|l| Some((l, l.line?)));
    Target {
        company: CompanyRef { id: company, name: String::new() },
        contract: wanted.contract_id.map(contract),
        contracts: own
            .map(|(_, line, id)| PackageContract { package_id: line.package_id.clone(), contract: contract(id) })
            .collect(),
        lines: lines
            .map(|(wanted, line)| MappedLine {
                package_id: wanted.package_id.clone(),
                line,
                service_id: 0,
                service_name: String::new(),
                overwrite_cost: wanted.overwrite_cost,
            })
            .collect(),
    }
}

/// A confirmed mapping; what a person set apart (a pause) stays.
pub(super) async fn confirmed(
    context: Context<'_>,
    account: &AccountId,
    source: MappingSource,
    target: Target,
) -> Result<Mapping> {
    let now = context.ports.clock.now();
    let present = context.mapping(account).await?.map(|found| found.value);
    let Target { company, contract, contracts, lines } = target;
    let next = Mapping {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        account: account.clone(),
        status: MappingStatus::Confirmed,
        company: Some(company),
        contract,
        contracts,
        leaving: Vec::new(),
        lines,
        source,
        broken: None,
        paused: present.as_ref().is_some_and(|m| m.paused),
        confirmed_at: Some(now),
        updated_at: now,
    };
    Ok(Mapping { leaving: present.map(|present| still_leaving(&present, &next)).unwrap_or_default(), ..next })
}

/// Lines that a package has left and that still have units, where the package stays on its contract.
fn still_leaving(present: &Mapping, next: &Mapping) -> Vec<MappedLine> {
    let contract = |m: &Mapping, line: &MappedLine| m.contract_for(&line.package_id).map(|c| c.id);
    let taken: BTreeSet<LineRef> = next.lines.iter().map(|line| line.line).collect();
    let stays = |line: &&MappedLine| contract(present, line) == contract(next, line) && !taken.contains(&line.line);
    present.leaving.iter().filter(stays).cloned().collect()
}

async fn exclude(context: Context<'_>, account: &AccountId, wanted: &Wanted, when: When) -> Result<SavedWithRemarks> {
    if wanted.company_id.is_some() || wanted.contract_id.is_some() || !wanted.lines.is_empty() {
        return Err(Problem::field("/excluded", "an excluded account has no company, contract or lines").into());
    }
    let next = excluded(context, account, MappingSource::Manual);
    Ok(SavedWithRemarks { saved: put(context, &next, when, EXCLUDED).await?, warnings: Vec::new() })
}

/// The mapping of an account that a person does not want mapped.
pub(super) fn excluded(context: Context<'_>, account: &AccountId, source: MappingSource) -> Mapping {
    Mapping {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        account: account.clone(),
        status: MappingStatus::Excluded,
        company: None,
        contract: None,
        contracts: Vec::new(),
        leaving: Vec::new(),
        lines: Vec::new(),
        source,
        broken: None,
        paused: false,
        confirmed_at: None,
        updated_at: context.ports.clock.now(),
    }
}
