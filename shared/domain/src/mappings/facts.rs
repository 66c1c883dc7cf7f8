//! What Autotask says of contracts and lines, judged for billing. Pure.

use crate::ids::LineRef;
use crate::problem::Code;
use autotask::metadata::Fields;
use autotask::{Contract, ContractStatus, ContractType, PicklistValue};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Serialize;

/// Something to know about a contract or line, with its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Which.
    pub code: Code,
    /// In words.
    pub detail: String,
}

impl Remark {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// A contract as the picker shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContractFacts {
    /// `Contracts.id`.
    pub id: i64,
    /// `companyID`.
    pub company_id: Option<i64>,
    /// `contractName`.
    pub name: String,
    /// `contractNumber`.
    pub number: Option<String>,
    /// Label of `contractType`, its number where there is none.
    pub contract_type: Option<String>,
    /// Label of `contractPeriodType`, its value where there is none.
    pub period_type: Option<String>,
    /// Label of `status`, its number where there is none.
    pub status: Option<String>,
    /// First day.
    pub start: Option<Date>,
    /// Last day.
    pub end: Option<Date>,
    /// The contract that renews this one, whichever of the two points at the other.
    pub renewed_by: Option<i64>,
    /// Whether its lines can be mapped.
    pub eligible: bool,
    /// Why not.
    pub why_not: Vec<Remark>,
    /// What to know otherwise.
    pub warnings: Vec<Remark>,
    /// Whether it has a line of a service with the vendor's billing code.
    pub has_vendor_line: bool,
}

/// A contract's line as the picker shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineFacts {
    /// Which line.
    pub line: LineRef,
    /// On which contract.
    pub contract_id: i64,
    /// `serviceID` or `serviceBundleID`.
    pub service_id: i64,
    /// The service's name; absent where this API user may not read it.
    pub name: Option<String>,
    /// Whether the service can be used.
    pub service_active: bool,
    /// Price of one unit, where readable.
    pub unit_price: Option<Decimal>,
    /// Cost of one unit, where readable; never of a bundle.
    pub unit_cost: Option<Decimal>,
    /// Units today; absent where no row covers today.
    pub units: Option<i64>,
    /// Whether the row that covers today is approved and posted.
    pub period_billed: bool,
    /// Whether the service has the vendor's billing code.
    pub vendor_line: bool,
    /// Whether the contract holds the same service more than once.
    pub duplicate_line: bool,
}

/// The picklists of contracts.
#[derive(Debug, Default)]
pub(super) struct ContractLabels(Fields);

impl ContractLabels {
    pub(super) fn new(fields: Fields) -> Self {
        Self(fields)
    }

    fn number(&self, field: &str, value: i64) -> String {
        let label = self.0.picklist(field).and_then(|list| list.label_of(value));
        label.map_or_else(|| value.to_string(), str::to_owned)
    }

    fn period(&self, value: &PicklistValue) -> String {
        match value {
            PicklistValue::Number(number) => self.number("contractPeriodType", *number),
            PicklistValue::Name(name) => {
                let list = self.0.picklist("contractPeriodType");
                let entry = list.and_then(|l| l.entries().iter().find(|e| e.value.eq_ignore_ascii_case(name)));
                entry.and_then(|e| e.label.clone()).unwrap_or_else(|| name.clone())
            }
        }
    }
}

/// When it is, in whose calendar.
#[derive(Debug, Clone)]
pub(super) struct Today {
    pub(super) date: Date,
    pub(super) zone: TimeZone,
}

/// A contract's name as people know it.
pub(super) fn contract_name(contract: &Contract) -> String {
    contract.contract_name.clone().unwrap_or_else(|| format!("Contract {}", contract.id))
}

/// Judges a contract among its company's contracts.
pub(super) fn judge(
    contract: &Contract,
    siblings: &[Contract],
    labels: &ContractLabels,
    today: &Today,
) -> ContractFacts {
    let date = |value: Option<autotask::DateValue>| value.map(|v| v.calendar_date(&today.zone));
    let (start, end) = (date(contract.start_date), date(contract.end_date));
    let successor = successor(contract, siblings);
    let mut why_not = Vec::new();
    let mut warnings = Vec::new();
    let contract_type = contract.contract_type.map(|t| labels.number("contractType", t.number()));
    if contract.contract_type != Some(ContractType::RecurringService) {
        let kind = contract_type.as_deref().unwrap_or("unknown");
        why_not.push(Remark::new(Code::ContractNotRecurring, format!("The contract's type is {kind}.")));
    }
    if let Some(end) = end.filter(|end| *end < today.date) {
        why_not.push(Remark::new(Code::ContractEnded, format!("The contract ended on {end}.")));
    }
    let status = contract.status.map(|s| labels.number("status", s.number()));
    if let Some(status) = status.as_deref().filter(|_| contract.status != Some(ContractStatus::InEffect)) {
        why_not.push(Remark::new(Code::ContractEnded, format!("The contract's status is {status}.")));
    }
    if let Some(next) = successor {
        renewal(next, &mut why_not, &mut warnings, today);
    }
    if let Some(start) = start.filter(|start| *start > today.date) {
        warnings.push(Remark::new(Code::EffectiveDateOutsideContract, format!("The contract starts on {start}.")));
    }
    let period_type = contract.contract_period_type.as_ref().map(|p| labels.period(p));
    if let Some(period) = period_type.as_deref().filter(|p| !is_monthly(p)) {
        warnings.push(Remark::new(Code::ContractNotMonthly, format!("The contract's period is {period}.")));
    }
    ContractFacts {
        id: contract.id.get(),
        company_id: contract.company_id.map(|id| id.get()),
        name: contract_name(contract),
        number: contract.contract_number.clone().filter(|n| !n.is_empty()),
        contract_type,
        period_type,
        status,
        start,
        end,
        renewed_by: successor.map(|c| c.id.get()),
        eligible: why_not.is_empty(),
        why_not,
        warnings,
        has_vendor_line: false,
    }
}

/// A successor that has begun makes this contract the wrong one; a later one is worth knowing.
fn renewal(next: &Contract, why_not: &mut Vec<Remark>, warnings: &mut Vec<Remark>, today: &Today) {
    let start = next.start_date.map(|v| v.calendar_date(&today.zone));
    let from = start.map_or_else(String::new, |start| format!(" from {start}"));
    let detail = format!("It is renewed by contract {} ({}){from}.", next.id, contract_name(next));
    let remark = Remark::new(Code::ContractRenewed, detail);
    if start.is_none_or(|start| start <= today.date) { why_not.push(remark) } else { warnings.push(remark) }
}

/// The contract that renews `contract`: linked either way, and the later of the two.
fn successor<'a>(contract: &'a Contract, siblings: &'a [Contract]) -> Option<&'a Contract> {
    successors(contract, siblings).next()
}

/// All contracts that renew `contract`.
pub(super) fn successors<'a>(
    contract: &'a Contract,
    siblings: &'a [Contract],
) -> impl Iterator<Item = &'a Contract> + use<'a> {
    let linked = |other: &&Contract| {
        contract.renewed_contract_id == Some(other.id) || other.renewed_contract_id == Some(contract.id)
    };
    let later = |other: &&Contract| match (contract.start_date, other.start_date) {
        (Some(mine), Some(theirs)) => theirs > mine,
        _ => other.id > contract.id,
    };
    siblings.iter().filter(|other| other.id != contract.id).filter(linked).filter(later)
}

/// Whether a period's label means a month; `m` is what some databases answer.
pub(crate) fn is_monthly(label: &str) -> bool {
    let label = label.trim().to_lowercase();
    label == "m" || label.starts_with("month")
}

/// Marks lines of one contract and kind that hold the same service.
pub(super) fn mark_duplicates(lines: &mut [LineFacts]) {
    let mut seen = std::collections::BTreeMap::new();
    for line in lines.iter() {
        *seen.entry((line.contract_id, line.line.kind, line.service_id)).or_insert(0_u32) += 1;
    }
    for line in lines {
        line.duplicate_line = seen.get(&(line.contract_id, line.line.kind, line.service_id)).is_some_and(|n| *n > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autotask::DateValue;

    fn contract(id: i64, from: &str, to: &str) -> Contract {
        let day = |text: &str| DateValue::from_date(text.parse().unwrap());
        Contract {
            contract_type: Some(ContractType::RecurringService),
            status: Some(ContractStatus::InEffect),
            contract_period_type: Some(PicklistValue::Name("m".to_owned())),
            start_date: day(from),
            end_date: day(to),
            ..Contract::with_id(id)
        }
    }

    fn judged(contract: &Contract, siblings: &[Contract]) -> (bool, Vec<Code>, Vec<Code>) {
        let today = Today { date: "2026-11-20".parse().unwrap(), zone: TimeZone::UTC };
        let facts = judge(contract, siblings, &ContractLabels::default(), &today);
        let codes = |remarks: &[Remark]| remarks.iter().map(|r| r.code).collect();
        (facts.eligible, codes(&facts.why_not), codes(&facts.warnings))
    }

    #[test]
    fn only_a_running_recurring_contract_is_eligible() {
        let good = contract(1, "2026-01-01", "2026-12-31");
        assert_eq!(judged(&good, &[]), (true, vec![], vec![]));
        let other = Contract { contract_type: Some(ContractType::Other(3)), ..good.clone() };
        assert_eq!(judged(&other, &[]), (false, vec![Code::ContractNotRecurring], vec![]));
        assert_eq!(judged(&contract(1, "2025-01-01", "2026-11-19"), &[]).1, [Code::ContractEnded]);
        assert!(judged(&contract(1, "2025-01-01", "2026-11-20"), &[]).0, "the last day counts");
        let off = Contract { status: Some(ContractStatus::Other(0)), ..good.clone() };
        assert_eq!(judged(&off, &[]).1, [Code::ContractEnded]);
        let future = contract(1, "2027-01-01", "2027-12-31");
        assert_eq!(judged(&future, &[]), (true, vec![], vec![Code::EffectiveDateOutsideContract]));
        let yearly = Contract { contract_period_type: Some(PicklistValue::Name("y".to_owned())), ..good };
        assert_eq!(judged(&yearly, &[]), (true, vec![], vec![Code::ContractNotMonthly]));
    }

    #[test]
    fn a_renewal_is_seen_whichever_contract_points_at_the_other() {
        let old = contract(1, "2025-01-01", "2026-12-31");
        let new = contract(2, "2026-11-01", "2027-10-31");
        let points_on = Contract { renewed_contract_id: Some(2.into()), ..old.clone() };
        let points_back = Contract { renewed_contract_id: Some(1.into()), ..new.clone() };
        for all in [[points_on, new], [old, points_back]] {
            assert_eq!(judged(&all[0], &all).1, [Code::ContractRenewed]);
            assert_eq!(judged(&all[1], &all), (true, vec![], vec![]));
        }
    }

    #[test]
    fn a_renewal_that_has_not_begun_is_a_warning() {
        let next = contract(2, "2027-01-01", "2027-12-31");
        let old = Contract { renewed_contract_id: Some(2.into()), ..contract(1, "2026-01-01", "2026-12-31") };
        assert_eq!(judged(&old, &[old.clone(), next]), (true, vec![], vec![Code::ContractRenewed]));
    }
}
