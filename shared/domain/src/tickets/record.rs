//! One ticket of a failure, and what is still to be done about it. What comes next is decided here, purely.

use crate::ids::{AccountId, ConnectionId, PartnerId, RunId};
use crate::records::{Index, Key, Record};
use crate::units::{SEND_WINDOW, SETTLE};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The job in the index.
pub const TICKETS_JOB: &str = "failure_tickets";
/// Accounts of one ticket that are remembered as failing. Of more it closes when a run of all accounts ends well.
pub const FAILING_MAX: usize = 500;

/// A create that may be on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketIntent {
    /// `Tickets.externalID`: by it a ticket is looked for whose answer was lost.
    pub reference: String,
    /// The run that it tells of.
    pub run: RunId,
    /// Until when the request may leave; none: nothing was sent, or what was sent was refused.
    pub sent_by: Option<Timestamp>,
}

/// The ticket in Autotask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRef {
    /// `Tickets.id`.
    pub id: i64,
}

/// A failure that has a ticket, or is to have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureTicket {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// What fails: `seat_sync`, or `seat_sync/acc_1` where each client has its own.
    pub subject: String,
    /// The accounts that fail.
    pub failing: BTreeSet<AccountId>,
    /// Whether a run failed as a whole, or of more accounts than are remembered.
    pub whole: bool,
    /// The newest run that said anything of it.
    pub last_run: Option<RunId>,
    /// The newest run in which it failed.
    pub failed_run: RunId,
    /// The newest run that the ticket tells of.
    pub told: Option<RunId>,
    /// The ticket.
    pub ticket: Option<TicketRef>,
    /// The create, from before it is sent until its ticket is known.
    pub intent: Option<TicketIntent>,
    /// How often the next step was tried in vain.
    pub tries: u32,
    /// When it is tried again.
    pub due_at: Option<Timestamp>,
    /// Why it was in vain.
    pub trouble: Option<String>,
}

impl Record for FailureTicket {
    const ENTITY: &'static str = "failure_ticket";
    fn key(&self) -> Key {
        Key::FailureTicket(self.partner.clone(), self.connection.clone(), self.subject.clone())
    }
    fn index(&self) -> Option<Index> {
        self.due_at.map(|at| Index::Due { job: TICKETS_JOB.to_owned(), at })
    }
}

/// What a run says of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which run.
    pub run: RunId,
    /// The accounts that failed in it.
    pub failed: BTreeSet<AccountId>,
    /// Those that did not.
    pub fine: BTreeSet<AccountId>,
    /// Whether it failed as a whole.
    pub whole: bool,
    /// Whether it was a run of all accounts.
    pub all: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Look for the ticket, and make it if there is none.
    Create {
        /// `externalID`.
        reference: String,
        /// Whether it may be made now; else it is only looked for.
        may_send: bool,
    },
    /// Say on the ticket that the failure came again.
    Note(TicketRef),
    /// The failure is gone: close it.
    Close(TicketRef),
    /// Wait until a create that may be on its way is there or cannot come any more.
    Wait(Timestamp),
    /// Nothing is left: forget it.
    Forget,
    /// Nothing now.
    Nothing,
}

impl FailureTicket {
    /// A failure that nothing is known of.
    #[must_use]
    pub fn new(partner: &PartnerId, connection: &ConnectionId, subject: &str, run: &RunId) -> Self {
        Self {
            partner: partner.clone(),
            connection: connection.clone(),
            subject: subject.to_owned(),
            failing: BTreeSet::new(),
            whole: false,
            last_run: None,
            failed_run: run.clone(),
            told: None,
            ticket: None,
            intent: None,
            tries: 0,
            due_at: None,
            trouble: None,
        }
    }

    /// Takes what a run says. False: it is no newer than what is known.
    pub fn hear(&mut self, said: &Said, now: Timestamp) -> bool {
        // Runs are named by their time.
        if self.last_run.as_ref().is_some_and(|last| said.run.as_str() <= last.as_str()) {
            return false;
        }
        self.last_run = Some(said.run.clone());
        let was = self.is_failing();
        self.failing.extend(said.failed.iter().cloned());
        self.failing.retain(|account| said.failed.contains(account) || !said.fine.contains(account));
        self.whole = said.whole || (self.whole && !said.all);
        if self.failing.len() > FAILING_MAX {
            (self.failing, self.whole) = (BTreeSet::new(), true);
        }
        let fails_again = said.whole || !said.failed.is_empty();
        if fails_again {
            self.failed_run = said.run.clone();
        }
        if fails_again || was != self.is_failing() {
            (self.due_at, self.tries, self.trouble) = (Some(now), 0, None);
        }
        true
    }

    /// Whether the failure is there.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.whole || !self.failing.is_empty()
    }

    /// What is to be done next.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Step {
        if let Some(intent) = self.intent.as_ref().filter(|_| self.ticket.is_none()) {
            let reference = intent.reference.clone();
            let settles = intent.sent_by.map(|sent_by| sent_by.checked_add(SETTLE).unwrap_or(Timestamp::MAX));
            return match settles {
                Some(at) if at > now => Step::Wait(at),
                // What was sent is there by now, or never will be.
                Some(_) => Step::Create { reference, may_send: self.is_failing() },
                None if self.is_failing() => Step::Create { reference, may_send: true },
                None => Step::Forget,
            };
        }
        match (&self.ticket, self.is_failing()) {
            (None, true) => Step::Nothing,
            (None, false) => Step::Forget,
            (Some(ticket), false) => Step::Close(ticket.clone()),
            (Some(ticket), true) if self.told.as_ref() != Some(&self.failed_run) => Step::Note(ticket.clone()),
            (Some(_), true) => Step::Nothing,
        }
    }

    /// Stores that a ticket is to be made under this reference.
    pub fn intend(&mut self, reference: String) {
        if self.ticket.is_none() && self.intent.is_none() && self.is_failing() {
            self.intent = Some(TicketIntent { reference, run: self.failed_run.clone(), sent_by: None });
        }
    }

    /// The create leaves now; returns until when it may.
    pub fn sends(&mut self, now: Timestamp) -> Timestamp {
        let sent_by = now.checked_add(SEND_WINDOW).unwrap_or(Timestamp::MAX);
        if let Some(intent) = &mut self.intent {
            intent.sent_by = Some(sent_by);
        }
        sent_by
    }

    /// The create was refused: nothing was made.
    pub fn refused(&mut self) {
        if let Some(intent) = &mut self.intent {
            intent.sent_by = None;
        }
    }

    /// The ticket is there, and tells of the intent's run.
    pub fn made(&mut self, id: i64) {
        self.ticket = Some(TicketRef { id });
        self.told = self.intent.take().map(|intent| intent.run);
    }

    /// The ticket tells of the newest failure.
    pub fn noted(&mut self) {
        self.told = Some(self.failed_run.clone());
    }

    /// The failure is over, or there was never a ticket.
    pub fn over(&mut self) {
        (self.ticket, self.intent, self.told) = (None, None, None);
    }

    /// Somebody closed the ticket, or it is gone: a failure that goes on gets a new one.
    pub fn closed(&mut self) {
        self.ticket = None;
        self.told = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u32) -> RunId {
        RunId::new(format!("run-{number:03}")).unwrap()
    }

    fn accounts(names: &[&str]) -> BTreeSet<AccountId> {
        names.iter().map(|name| AccountId::new(*name).unwrap()).collect()
    }

    fn said(number: u32, failed: &[&str], fine: &[&str], all: bool) -> Said {
        Said { run: run(number), failed: accounts(failed), fine: accounts(fine), whole: false, all }
    }

    fn now() -> Timestamp {
        "2026-12-01T00:20:00Z".parse().unwrap()
    }

    fn fresh() -> FailureTicket {
        FailureTicket::new(&PartnerId::new("p").unwrap(), &ConnectionId::new("c").unwrap(), "seat_sync", &run(1))
    }

    fn with_ticket() -> FailureTicket {
        let mut record = fresh();
        assert!(record.hear(&said(1, &["a", "b"], &["c"], true), now()));
        record.intend("ref".to_owned());
        record.made(7);
        record
    }

    #[test]
    fn a_failure_is_one_ticket_and_its_recurrence_a_note() {
        let mut record = fresh();
        assert!(record.hear(&said(1, &["a", "b"], &[], true), now()));
        record.intend("ref".to_owned());
        assert_eq!(record.next(now()), Step::Create { reference: "ref".to_owned(), may_send: true });
        record.made(7);
        assert_eq!(record.next(now()), Step::Nothing);
        assert!(!record.hear(&said(1, &["a", "b"], &[], true), now()), "the same event again");
        assert!(record.hear(&said(2, &["a"], &["b"], true), now()));
        assert_eq!(record.next(now()), Step::Note(TicketRef { id: 7 }));
        assert!(!record.hear(&said(1, &["z"], &[], true), now()), "an older run, told late");
    }

    #[test]
    fn it_closes_when_every_account_that_failed_is_fine() {
        let mut record = with_ticket();
        assert!(record.hear(&said(2, &[], &["a"], false), now()));
        assert_eq!(record.next(now()), Step::Nothing, "b still fails");
        assert!(record.hear(&said(3, &[], &["b"], false), now()));
        assert_eq!(record.next(now()), Step::Close(TicketRef { id: 7 }));
    }

    #[test]
    fn a_run_that_failed_as_a_whole_is_over_with_a_run_of_all_accounts() {
        let mut record = fresh();
        assert!(record.hear(&Said { whole: true, ..said(1, &[], &[], true) }, now()));
        record.intend("ref".to_owned());
        record.made(7);
        assert!(record.hear(&said(2, &[], &["a"], false), now()));
        assert_eq!(record.next(now()), Step::Nothing);
        assert!(record.hear(&said(3, &[], &["a"], true), now()));
        assert_eq!(record.next(now()), Step::Close(TicketRef { id: 7 }));
    }

    #[test]
    fn a_create_that_may_be_on_its_way_is_waited_out_and_then_looked_for() {
        let mut record = fresh();
        record.hear(&said(1, &["a"], &[], true), now());
        record.intend("ref".to_owned());
        let sent_by = record.sends(now());
        let settled = sent_by.checked_add(SETTLE).unwrap();
        assert_eq!(record.next(now()), Step::Wait(settled));
        assert_eq!(record.next(settled), Step::Create { reference: "ref".to_owned(), may_send: true });
        // Where the failure is gone by then, it is looked for to be closed, and not made.
        record.hear(&said(2, &[], &["a"], true), now());
        assert_eq!(record.next(settled), Step::Create { reference: "ref".to_owned(), may_send: false });
        record.refused();
        assert_eq!(record.next(now()), Step::Forget);
    }
}
