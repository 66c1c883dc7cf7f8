//! Adding a line to a contract, once.
//!
//! `POST Contracts/{id}/Services` has no idempotency key either, and its answer can be lost. Unlike an adjustment its
//! effect can be read: a line of the service stands on the contract. So the intent is stored first, under the name of
//! contract, service and account; an answer that is lost is waited out and then looked for. The new line has no units
//! of its own: they follow by the line's own protocol.

use crate::ids::{AccountId, ConnectionId, LineRef, PackageId, PartnerId, RunId};
use crate::records::{Key, Record};
use crate::units::{SEND_WINDOW, SETTLE};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How often one run tries to add a line whose POSTs are lost.
pub const CREATE_TRIES_MAX: u32 = 3;

/// What names the adding of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Creation {
    /// `Contracts.id`.
    pub contract: i64,
    /// The service or bundle, named like a line by the service's id.
    pub service: LineRef,
    /// For which account.
    pub account: AccountId,
}

/// A POST that may be on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateIntent {
    /// Who.
    pub run: RunId,
    /// How often this run has tried, this time included.
    pub tries: u32,
    /// Until when the POST may leave.
    pub sent_by: Timestamp,
    /// What Autotask said, where its answer leaves open whether it was done.
    #[serde(default)]
    pub heard: Option<String>,
}

/// The adding of a line to a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCreation {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Contracts.id`.
    pub contract: i64,
    /// The service or bundle, named like a line by the service's id.
    pub service: LineRef,
    /// For which account.
    pub account: AccountId,
    /// For which package.
    pub package: PackageId,
    /// The intent that is open: while it is, nobody adds the line.
    pub open: Option<CreateIntent>,
    /// The line that was added, where the answer came.
    pub line: Option<LineRef>,
    /// The run that added it.
    pub run: Option<RunId>,
    /// How often the last run has tried in vain.
    #[serde(default)]
    pub tries: u32,
    /// Which run that was.
    #[serde(default)]
    pub tried_by: Option<RunId>,
}

impl LineCreation {
    /// What names it.
    #[must_use]
    pub fn name(&self) -> Creation {
        Creation { contract: self.contract, service: self.service, account: self.account.clone() }
    }

    /// The record with a new intent.
    #[must_use]
    pub fn intend(mut self, run: &RunId, now: Timestamp) -> Self {
        let tries = if self.tried_by.as_ref() == Some(run) { self.tries + 1 } else { 1 };
        self.open = Some(CreateIntent { run: run.clone(), tries, sent_by: now + SEND_WINDOW, heard: None });
        self
    }

    /// The record after its intent has ended: with the line, or in vain.
    #[must_use]
    pub fn closed(mut self, line: Option<LineRef>, counts: bool) -> Self {
        if let Some(open) = self.open.take() {
            if line.is_some() {
                self.line = line;
                self.run = Some(open.run.clone());
            }
            self.tries = if counts { open.tries } else { open.tries.saturating_sub(1) };
            self.tried_by = Some(open.run);
        }
        self
    }
}

impl Record for LineCreation {
    const ENTITY: &'static str = "line_creation";
    fn key(&self) -> Key {
        let (partner, connection) = (self.partner.clone(), self.connection.clone());
        Key::LineCreation(partner, connection, self.contract, self.service, self.account.clone())
    }
}

/// What to do about a line that no mapping names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It stands on the contract: take it.
    Adopt(LineRef),
    /// The service stands on the contract more than once, and nothing tells which is meant.
    Duplicate(Vec<LineRef>),
    /// It is not there: add it.
    Add,
    /// Somebody's POST may still be on its way; it can be told from then on.
    Wait(Timestamp),
    /// It was tried as often as allowed.
    GiveUp(Option<String>),
    /// Autotask said no, in these words.
    Refused(String),
    /// The line on the contract is another account's.
    TakenBy(AccountId),
}

/// Decides by our record (read first) and the free lines of the service on the contract (read after, at `seen_at`).
#[must_use]
pub fn decide(ours: Option<&LineCreation>, free: &[LineRef], run: &RunId, seen_at: Timestamp) -> Step {
    if let Some(line) = ours.and_then(|ours| ours.line).filter(|line| free.contains(line)) {
        return Step::Adopt(line);
    }
    let open = ours.and_then(|ours| ours.open.as_ref());
    match (free, open) {
        // An identical line without units that another account's lost POST left behind is as good.
        ([first, ..], Some(_)) => Step::Adopt(*free.iter().min().unwrap_or(first)),
        ([line], None) => Step::Adopt(*line),
        ([_, _, ..], None) => Step::Duplicate(free.to_vec()),
        ([], Some(open)) if seen_at < open.sent_by + SETTLE => Step::Wait(open.sent_by + SETTLE),
        ([], Some(open)) if open.run == *run && open.tries >= CREATE_TRIES_MAX => Step::GiveUp(open.heard.clone()),
        ([], None) if ours.is_some_and(|o| o.tried_by.as_ref() == Some(run) && o.tries >= CREATE_TRIES_MAX) => {
            Step::GiveUp(None)
        }
        ([], _) => Step::Add,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(open: Option<(&str, u32)>, line: Option<i64>) -> LineCreation {
        let id = |text: &str| RunId::new(text).unwrap();
        LineCreation {
            partner: PartnerId::new("acme").unwrap(),
            connection: ConnectionId::new("con_1").unwrap(),
            contract: 7,
            service: LineRef::service(41),
            account: AccountId::new("a1").unwrap(),
            package: PackageId::new("p1").unwrap(),
            open: open.map(|(run, tries)| CreateIntent { run: id(run), tries, sent_by: at(15), heard: None }),
            line: line.map(LineRef::service),
            run: None,
            tries: 0,
            tried_by: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_line_is_added_once_whatever_became_of_the_answer() {
        let run = RunId::new("r1").unwrap();
        let svc = LineRef::service;
        let settled = 15 + SETTLE.as_secs();
        for (ours, free, seen, step) in [
            (None, vec![], 0, Step::Add),
            (None, vec![svc(9)], 0, Step::Adopt(svc(9))),
            (None, vec![svc(9), svc(8)], 0, Step::Duplicate(vec![svc(9), svc(8)])),
            (Some(record(Some(("r1", 1)), None)), vec![], 60, Step::Wait(at(settled))),
            (Some(record(Some(("r2", 1)), None)), vec![], 60, Step::Wait(at(settled))),
            (Some(record(Some(("r1", 1)), None)), vec![svc(9)], 60, Step::Adopt(svc(9))),
            (Some(record(Some(("r1", 1)), None)), vec![svc(9), svc(8)], 60, Step::Adopt(svc(8))),
            (Some(record(Some(("r1", 1)), None)), vec![], settled, Step::Add),
            (Some(record(Some(("r1", 3)), None)), vec![], settled, Step::GiveUp(None)),
            (Some(record(Some(("r2", 3)), None)), vec![], settled, Step::Add),
            (Some(record(None, Some(8))), vec![svc(8), svc(9)], 0, Step::Adopt(svc(8))),
            (Some(record(None, Some(7))), vec![], 0, Step::Add),
        ] {
            assert_eq!(decide(ours.as_ref(), &free, &run, at(seen)), step, "{ours:?} {free:?} at {seen}");
        }
    }
}
