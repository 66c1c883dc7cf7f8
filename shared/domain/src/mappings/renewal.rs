//! What takes the place of a mapped contract that ended or was renewed. Pure.

use super::MappedLine;
use super::facts::{ContractFacts, LineFacts, Remark, successors};
use super::remap::same_line;
use crate::ids::LineRef;
use crate::problem::Code;
use autotask::{Contract, ContractStatus, ContractType};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// How far from the day after a contract's end a contract that nothing links may begin to count as its successor: a
/// weekend, or a month's begin that was rounded.
const SUCCESSOR_DAYS_MAX: i32 = 5;

/// A contract that may take the place of another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// The contract, judged.
    pub(crate) contract: ContractFacts,
    /// Whether `renewedContractID` says so; else only its dates do.
    pub(crate) linked: bool,
    /// For each mapped line the one it would move to.
    pub(crate) lines: Vec<Proposal>,
}

/// Where a mapped line would move.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proposal {
    /// The mapped line.
    pub(crate) line: MappedLine,
    /// The one line of the same service, or why there is none.
    pub(crate) to: Result<LineRef, Remark>,
}

/// What was found to take a contract's place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Renewal {
    pub(crate) candidates: Vec<Candidate>,
}

impl Candidate {
    /// Whether it can be mapped as it is: usable, and each line has exactly one place to go.
    fn fits(&self) -> bool {
        self.contract.eligible && self.lines.iter().all(|line| line.to.is_ok())
    }

    pub(crate) fn shown(&self) -> Value {
        let line = |proposal: &Proposal| {
            let (to, why) = match &proposal.to {
                Ok(line) => (Some(line.id), None),
                Err(why) => (None, Some(why)),
            };
            json!({
                "package_id": proposal.line.package_id,
                "kind": proposal.line.line.kind,
                "from": proposal.line.line.id,
                "service_id": proposal.line.service_id,
                "service_name": proposal.line.service_name,
                "to": to,
                "why": why,
            })
        };
        json!({
            "contract_id": self.contract.id,
            "name": self.contract.name,
            "start": self.contract.start,
            "end": self.contract.end,
            "linked": self.linked,
            "usable": self.contract.eligible,
            "why_not": self.contract.why_not,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

impl Renewal {
    /// The only contract that can take the place, if all its lines have a place to go. Of several none is chosen.
    pub(crate) fn unambiguous(&self) -> Option<&Candidate> {
        let mut usable = self.candidates.iter().filter(|candidate| candidate.contract.eligible);
        match (usable.next(), usable.next()) {
            (Some(only), None) => Some(only).filter(|only| only.fits()),
            _ => None,
        }
    }

    /// What is in the way, in words.
    pub(crate) fn words(&self) -> String {
        let named = |c: &Candidate| {
            let from = c.contract.start.map_or_else(String::new, |start| format!(" from {start}"));
            format!("{} ({}){from}", c.contract.name, c.contract.id)
        };
        let usable: Vec<&Candidate> = self.candidates.iter().filter(|c| c.contract.eligible).collect();
        match usable.as_slice() {
            [] => {
                let all: Vec<String> = self.candidates.iter().map(named).collect();
                format!("Its successor {} cannot be billed as it is.", all.join(", "))
            }
            [one] => {
                let missing: Vec<&str> =
                    one.lines.iter().filter_map(|l| l.to.as_ref().err()).map(|why| why.detail.as_str()).collect();
                let missing = if missing.is_empty() { String::new() } else { format!(" {}", missing.join(" ")) };
                format!("Its successor is {}.{missing}", named(one))
            }
            several => {
                let all: Vec<String> = several.iter().map(|c| named(c)).collect();
                format!("Its successor may be any of {}.", all.join(", "))
            }
        }
    }
}

/// The contracts that may take a contract's place, and whether a link says so: those that `renewedContractID` links
/// either way; failing that, where it ends, recurring ones of the company that begin when it does.
pub(super) fn candidates<'a>(
    contract: &'a Contract,
    all: &'a [Contract],
    ends: bool,
    zone: &TimeZone,
) -> Vec<(&'a Contract, bool)> {
    let own = |other: &&Contract| other.company_id == contract.company_id;
    let linked: Vec<_> = successors(contract, all).filter(own).map(|next| (next, true)).collect();
    if !linked.is_empty() || !ends {
        return linked;
    }
    let Some(end) = contract.end_date.map(|date| date.calendar_date(zone)) else { return Vec::new() };
    let follows = |other: &&Contract| {
        let start = other.start_date.map(|date| date.calendar_date(zone));
        start.is_some_and(|start| begins_after(end, start))
    };
    let billable = |other: &&Contract| {
        other.contract_type == Some(ContractType::RecurringService) && other.status == Some(ContractStatus::InEffect)
    };
    // What renews another contract of the company is not this one's successor.
    let anothers = |next: &Contract| {
        all.iter().any(|old| old.id != contract.id && successors(old, all).any(|linked| linked.id == next.id))
    };
    let others = all.iter().filter(|other| other.id != contract.id).filter(own);
    others.filter(follows).filter(billable).filter(|next| !anothers(next)).map(|next| (next, false)).collect()
}

/// Whether a contract that begins on `start` follows one that ended on `end`.
fn begins_after(end: Date, start: Date) -> bool {
    let Ok(next) = end.tomorrow() else { return false };
    next.until(start).is_ok_and(|gap| gap.get_days().abs() <= SUCCESSOR_DAYS_MAX)
}

/// Where each mapped line would move on a contract.
pub(super) fn proposals(lines: &[MappedLine], contract: i64, there: &[LineFacts]) -> Vec<Proposal> {
    let there: Vec<&LineFacts> = there.iter().filter(|line| line.contract_id == contract).collect();
    let place = |line: &MappedLine| same_line(line, &there).map(|found| found.line);
    lines.iter().map(|line| Proposal { line: line.clone(), to: place(line) }).collect()
}

/// The codes of a contract whose place another may have to take.
pub(super) const PLACE_TAKEN: [Code; 2] = [Code::ContractEnded, Code::ContractRenewed];

#[cfg(test)]
mod tests {
    use super::*;
    use autotask::DateValue;

    fn contract(id: i64, from: &str, to: &str) -> Contract {
        let day = |text: &str| DateValue::from_date(text.parse().unwrap());
        Contract {
            company_id: Some(7.into()),
            contract_type: Some(ContractType::RecurringService),
            status: Some(ContractStatus::InEffect),
            start_date: day(from),
            end_date: day(to),
            ..Contract::with_id(id)
        }
    }

    fn found(all: &[Contract], ends: bool) -> Vec<(i64, bool)> {
        let found = candidates(&all[0], all, ends, &TimeZone::UTC);
        found.into_iter().map(|(contract, linked)| (contract.id.get(), linked)).collect()
    }

    #[test]
    fn a_link_in_either_direction_is_the_successor_and_dates_are_asked_only_without_one() {
        let old = contract(1, "2025-12-01", "2026-11-30");
        let next = contract(2, "2026-12-01", "2027-11-30");
        let by_date = contract(3, "2026-12-01", "2027-11-30");
        let on = Contract { renewed_contract_id: Some(2.into()), ..old.clone() };
        let back = Contract { renewed_contract_id: Some(1.into()), ..next.clone() };
        assert_eq!(found(&[on, next.clone(), by_date.clone()], true), [(2, true)]);
        assert_eq!(found(&[old.clone(), back, by_date.clone()], true), [(2, true)]);
        assert_eq!(found(&[old.clone(), next.clone(), by_date], true), [(2, false), (3, false)]);
        assert_eq!(found(&[old, next], false), []);
    }

    #[test]
    fn without_a_link_only_a_running_recurring_contract_of_the_company_that_begins_then_counts() {
        let old = contract(1, "2025-12-01", "2026-11-30");
        let fits = contract(2, "2026-12-01", "2027-11-30");
        let cases = [
            (fits.clone(), true),
            (contract(2, "2026-12-06", "2027-11-30"), true),
            (contract(2, "2026-12-07", "2027-11-30"), false),
            (contract(2, "2026-11-26", "2027-11-30"), true),
            (contract(2, "2026-11-25", "2027-11-30"), false),
            (Contract { company_id: Some(8.into()), ..fits.clone() }, false),
            (Contract { contract_type: Some(ContractType::Other(1)), ..fits.clone() }, false),
            (Contract { status: Some(ContractStatus::Other(0)), ..fits.clone() }, false),
        ];
        for (next, counts) in cases {
            assert_eq!(!found(&[old.clone(), next.clone()], true).is_empty(), counts, "{next:?}");
        }
        let other = Contract { renewed_contract_id: Some(2.into()), ..contract(3, "2025-12-01", "2026-11-30") };
        assert_eq!(found(&[old, fits, other], true), [], "it renews another contract");
    }
}
