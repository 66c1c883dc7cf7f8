//! Lines that Autotask bills and no account is mapped to.
//!
//! They are looked for on contracts that confirmed mappings use, among services that a mapping uses or that carry the
//! vendor's billing code: one call for the billing code, one for its services, one for each 490 contracts (at most
//! [`CONTRACTS_MAX`]) and one for each 490 lines found there. Other contracts, bundles, and lines without units today
//! are not looked into.

use super::reconcile::{Bucket, Finding, Ours, blank};
use crate::actor::{Actor, Scope};
use crate::autotask_session;
use crate::billing::reading;
use crate::connections::{Settings, billing_code_name, load_connection};
use crate::ids::{ConnectionId, LineKind, LineRef, PartnerId};
use crate::mappings::Mapping;
use crate::ports::Ports;
use crate::problem::Result;
use autotask::{BillingCode, Client, ContractService, Filter, Id, Service};
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Contracts that are looked into: five calls. A partner with more clients than that is told so by
/// [`super::Reconciliation::contracts_left_out`].
const CONTRACTS_MAX: usize = 2_000;

/// Lines of the vendor's services on mapped contracts that no account is mapped to, and bill something today; how
/// many contracts were left out; calls.
pub(super) async fn find(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    settings: &Settings,
    ours: &Ours,
    date: Date,
) -> Result<(Vec<Finding>, usize, u32)> {
    let contracts: BTreeMap<i64, &Mapping> =
        ours.in_use().filter_map(|mapping| Some((mapping.contract.as_ref()?.id, mapping))).collect();
    let left_out = contracts.len().saturating_sub(CONTRACTS_MAX);
    let looked: Vec<i64> = contracts.keys().copied().take(CONTRACTS_MAX).collect();
    if looked.is_empty() {
        return Ok((Vec::new(), 0, 0));
    }
    let connection = load_connection(ports, scope, partner, id).await?;
    let code = billing_code_name(ports, scope).await?;
    let session = autotask_session::open(ports, scope, &connection).await?;
    let read = read_orphans(&session.client, settings, &code, &looked, ours, date).await;
    let calls = session.calls();
    session.close().await;
    let read = match read {
        Ok(read) => read,
        Err(error) => return Err(autotask_session::settle(ports, scope, actor, &connection, error).await),
    };
    let found = read.into_iter().map(|orphan| orphan.finding(&contracts));
    Ok((found.collect(), left_out, calls))
}

struct Orphan {
    row: ContractService,
    service_name: String,
    units: i64,
}

impl Orphan {
    fn finding(self, contracts: &BTreeMap<i64, &Mapping>) -> Finding {
        let contract_id = self.row.contract_id.map(Id::get);
        let mapping = contract_id.and_then(|id| contracts.get(&id));
        let company = mapping.and_then(|mapping| mapping.company.as_ref());
        let words = "No account is mapped to this line; nobody keeps its units right.".to_owned();
        let money = |each: Option<Decimal>| each.map(|each| each * Decimal::from(-self.units));
        Finding {
            company_id: company.map(|company| company.id),
            company_name: company.map(|company| company.name.clone()),
            contract_id,
            contract_name: mapping.and_then(|mapping| Some(mapping.contract.as_ref()?.name.clone())),
            line: Some(LineRef::service(self.row.id.get())),
            service_name: Some(self.service_name),
            units: Some(self.units),
            invoice_difference: money(self.row.unit_price),
            cost_difference: money(self.row.unit_cost),
            ..blank(Bucket::LineWithoutAccount, None, words)
        }
    }
}

async fn read_orphans(
    client: &Client,
    settings: &Settings,
    billing_code: &str,
    contracts: &[i64],
    ours: &Ours,
    date: Date,
) -> autotask::Result<Vec<Orphan>> {
    let mapped = || ours.in_use().flat_map(|mapping| &mapping.lines);
    // What a package has left goes to 0 by itself.
    let leaving = ours.in_use().flat_map(|mapping| &mapping.leaving);
    let taken: BTreeSet<LineRef> = mapped().chain(leaving).map(|line| line.line).collect();
    let mut services = services_of(client, billing_code).await?;
    let own = mapped().filter(|line| line.line.kind == LineKind::Service);
    services.extend(own.map(|line| (line.service_id, line.service_name.clone())));
    let rows = client.query::<ContractService>().any_of("contractID", contracts.iter().copied()).all().await?;
    let name = |row: &ContractService| services.get(&row.service_id?.get()).cloned();
    let candidates: Vec<(ContractService, String)> = rows
        .into_iter()
        .filter(|row| !taken.contains(&LineRef::service(row.id.get())))
        .filter_map(|row| name(&row).map(|name| (row, name)))
        .collect();
    let lines: BTreeSet<LineRef> = candidates.iter().map(|(row, _)| LineRef::service(row.id.get())).collect();
    let rows = reading::rows(client, &settings.zone(), &lines, date).await?;
    let theirs = reading::Theirs { rows, ..reading::Theirs::default() };
    let units = |row: &ContractService| theirs.row_at(LineRef::service(row.id.get()), date).map(|row| row.units);
    let billed = candidates.into_iter().filter_map(|(row, service_name)| {
        let units = units(&row).filter(|units| *units > 0)?;
        Some(Orphan { row, service_name, units })
    });
    Ok(billed.collect())
}

/// The services that carry the vendor's billing code, by id.
async fn services_of(client: &Client, billing_code: &str) -> autotask::Result<BTreeMap<i64, String>> {
    let codes = client.query::<BillingCode>().filter(Filter::eq("name", billing_code)).include(&["id", "name"]);
    let codes: Vec<i64> = codes.all().await?.iter().map(|code| code.id.get()).collect();
    let services = client.query::<Service>().any_of("billingCodeID", codes).include(&["id", "name"]).all().await?;
    Ok(services.into_iter().map(|service| (service.id.get(), service.name.unwrap_or_default())).collect())
}
