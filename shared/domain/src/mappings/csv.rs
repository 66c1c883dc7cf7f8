//! Mappings as CSV: one row per package with a line or a contract of its own, one for an account without. What goes out can come in again
//! ([`super::csv_rows`]).

use super::context::Context;
use super::{ContractRef, MappedLine, Mapping, MappingSource, MappingStatus};
use crate::ids::{AccountId, LineKind, PackageId};
use crate::ports::Read;
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, load_all};
use crate::vendor::Account;
use std::collections::BTreeMap;

/// The columns of an export. An import takes them in any order; names, `source` and `service_name` are for people.
pub const COLUMNS: [&str; 14] = [
    "account_id",
    "account_name",
    "status",
    "company_id",
    "company_name",
    "contract_id",
    "contract_name",
    "package_id",
    "line_kind",
    "contract_service_id",
    "service_name",
    "overwrite_cost",
    "source",
    "line_contract_id",
];
/// A spreadsheet takes a cell that begins so for a formula.
pub(super) const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// All accounts with their mappings, as CSV.
///
/// # Errors
/// `not_found` outside the caller's reach.
pub async fn export(context: Context<'_>) -> Result<String> {
    context.connection().await?;
    let (storage, scope) = (&*context.ports.storage, context.scope);
    let of = Collection::Mappings(context.partner.clone(), context.connection.clone());
    let mappings = load_all::<Mapping>(storage, scope, &of, Read::Strong).await?;
    let mappings: BTreeMap<AccountId, Mapping> = mappings.into_iter().map(|m| (m.account.clone(), m.value)).collect();
    let of = Collection::Accounts(context.partner.clone());
    let accounts = load_all::<Account>(storage, scope, &of, Read::Strong).await?;
    let rows = accounts.iter().filter(|a| a.active || mappings.contains_key(&a.id));
    write(rows.map(|a| (&a.value, mappings.get(&a.id))))
        .map_err(|error| Error::problem(Code::Internal, error.to_string()))
}

pub(super) fn write<'a>(rows: impl Iterator<Item = (&'a Account, Option<&'a Mapping>)>) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for (account, mapping) in rows {
        let packages = mapping.map(packages).unwrap_or_default();
        if packages.is_empty() {
            writer.write_record(cells(account, mapping, None))?;
        }
        for package in packages {
            writer.write_record(cells(account, mapping, Some(&package)))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A package of a mapping: with a line, with a contract of its own, or with both.
struct Packaged<'a> {
    id: &'a PackageId,
    line: Option<&'a MappedLine>,
    contract: Option<&'a ContractRef>,
}

fn packages(mapping: &Mapping) -> Vec<Packaged<'_>> {
    let own = |id: &PackageId| mapping.contracts.iter().find(|own| own.package_id == *id).map(|own| &own.contract);
    let has_line = |id: &PackageId| mapping.lines.iter().any(|line| line.package_id == *id);
    let mut packages: Vec<Packaged<'_>> = Vec::new();
    for line in &mapping.lines {
        packages.push(Packaged { id: &line.package_id, line: Some(line), contract: own(&line.package_id) });
    }
    for own in mapping.contracts.iter().filter(|own| !has_line(&own.package_id)) {
        packages.push(Packaged { id: &own.package_id, line: None, contract: Some(&own.contract) });
    }
    packages
}

fn cells(account: &Account, mapping: Option<&Mapping>, package: Option<&Packaged<'_>>) -> [String; COLUMNS.len()] {
    let line = package.and_then(|package| package.line);
    let company = mapping.and_then(|m| m.company.as_ref());
    let contract = mapping.and_then(|m| m.contract.as_ref());
    let text = |value: Option<&str>| value.map(harmless).unwrap_or_default();
    let number = |value: Option<i64>| value.map(|n| n.to_string()).unwrap_or_default();
    [
        account.id.to_string(),
        harmless(&account.name),
        mapping.map_or("unmapped", |m| status_text(m.status)).to_owned(),
        number(company.map(|c| c.id)),
        text(company.map(|c| c.name.as_str())),
        number(contract.map(|c| c.id)),
        text(contract.map(|c| c.name.as_str())),
        text(package.map(|p| p.id.as_str())),
        line.map_or("", |l| kind_text(l.line.kind)).to_owned(),
        number(line.map(|l| l.line.id)),
        text(line.map(|l| l.service_name.as_str())),
        line.and_then(|l| l.overwrite_cost).map(|yes| yes.to_string()).unwrap_or_default(),
        mapping.map_or("", |m| source_text(m.source)).to_owned(),
        number(package.and_then(|p| p.contract).map(|c| c.id)),
    ]
}

/// A cell that no spreadsheet takes for a formula: an apostrophe goes before it.
fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA_STARTS) { format!("'{text}") } else { text.to_owned() }
}

/// The status's text.
#[must_use]
pub fn status_text(status: MappingStatus) -> &'static str {
    match status {
        MappingStatus::Suggested => "suggested",
        MappingStatus::Confirmed => "confirmed",
        MappingStatus::Excluded => "excluded",
        MappingStatus::Broken => "broken",
    }
}

fn kind_text(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Service => "service",
        LineKind::Bundle => "bundle",
    }
}

fn source_text(source: MappingSource) -> &'static str {
    match source {
        MappingSource::Email => "email",
        MappingSource::Name => "name",
        MappingSource::Manual => "manual",
        MappingSource::Csv => "csv",
        MappingSource::Renewal => "renewal",
    }
}
