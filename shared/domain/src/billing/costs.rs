//! Unit costs: a cost rides on the adjustment; where it is then still another, or units were right already, it
//! is set on the contract line and read back. Absolute, so it may be sent again.

use super::apply::Applied;
use super::prepare::Prepared;
use super::reading;
use super::report::CostResult;
use crate::autotask_session::Session;
use crate::ids::LineRef;
use crate::problem::{Error, Result};
use crate::runs::LineState;
use crate::units::Verdict;
use autotask::{ContractServicePatch, Field, Id};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Writes and reads back the costs of all lines whose units are right.
pub(super) async fn write(
    session: &Session,
    prepared: &Prepared,
    applied: &Applied,
) -> Result<BTreeMap<u32, CostResult>> {
    let wanted: Vec<(u32, LineRef, Decimal)> = prepared
        .plan
        .lines
        .iter()
        .filter(|planned| units_are_right(planned, applied))
        .filter_map(|planned| Some((planned.line.no, planned.line.line?, planned.line.cost_wanted?)))
        .collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let changed = |line: &LineRef| matches!(applied.verdicts.get(line), Some(Verdict::Changed { .. }));
    let before = |line: &LineRef| prepared.theirs.lines.get(line).and_then(|facts| facts.unit_cost);
    let stale: BTreeSet<LineRef> =
        wanted.iter().filter(|(_, line, cost)| changed(line) || before(line) != Some(*cost)).map(|w| w.1).collect();
    let mut now = read(session, &stale).await?;
    let mut refusals: BTreeMap<LineRef, String> = BTreeMap::new();
    let mut heard: BTreeMap<LineRef, String> = BTreeMap::new();
    let mut patched = BTreeSet::new();
    for (_, line, cost) in &wanted {
        let Some((contract, present)) = now.get(line) else { continue };
        if *present == Some(*cost) {
            continue;
        }
        let mut patch = ContractServicePatch::new(Id::new(line.id));
        patch.unit_cost = Field::Set(*cost);
        match session.client.patch_under(Id::new(*contract), &patch).await {
            Ok(_) => {
                patched.insert(*line);
            }
            // Reading tells; should it not have been applied, these words are the reason.
            Err(error @ autotask::Error::UnknownOutcome { .. }) => {
                patched.insert(*line);
                heard.insert(*line, error.texts().join(" "));
            }
            Err(
                error @ (autotask::Error::Forbidden { .. }
                | autotask::Error::Rejected { .. }
                | autotask::Error::NotFound { .. }),
            ) => {
                refusals.insert(*line, error.texts().join(" "));
            }
            Err(source) => return Err(Error::Autotask { doing: "setting a unit cost", source }),
        }
    }
    now.extend(read(session, &patched).await?);
    let results = wanted.into_iter().map(|(no, line, cost)| {
        let seen = now.get(&line).map_or_else(|| before(&line), |(_, present)| *present);
        let result = match (refusals.remove(&line), seen) {
            (Some(why), _) => CostResult::NotWritable(why),
            (None, Some(seen)) if seen == cost => CostResult::Right { written: before(&line) != Some(cost) },
            (None, Some(seen)) => {
                let heard = heard.remove(&line).filter(|heard| !heard.is_empty());
                let heard = heard.map_or_else(String::new, |heard| format!(" It says: {heard}"));
                CostResult::NotWritable(format!("Autotask still shows {seen}.{heard}"))
            }
            (None, None) => CostResult::NotWritable("Autotask shows this user no costs.".to_owned()),
        };
        (no, result)
    });
    Ok(results.collect())
}

fn units_are_right(planned: &super::plan::Planned, applied: &Applied) -> bool {
    match planned.line.line.and_then(|line| applied.verdicts.get(&line)) {
        Some(verdict) => matches!(verdict, Verdict::Changed { .. } | Verdict::Unchanged { .. }),
        None => planned.line.state == LineState::Unchanged || planned.cost_only.is_some(),
    }
}

async fn read(session: &Session, lines: &BTreeSet<LineRef>) -> Result<BTreeMap<LineRef, (i64, Option<Decimal>)>> {
    let found = reading::lines(&session.client, lines)
        .await
        .map_err(|source| Error::Autotask { doing: "reading unit costs", source })?;
    Ok(found.into_iter().map(|(line, facts)| (line, (facts.contract_id, facts.unit_cost))).collect())
}
