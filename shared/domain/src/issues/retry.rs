//! *Retry*: the very call that puts an issue right, by the same code and with the same guards as its own route. What
//! it changes is audited by that code; what has no route of its own is audited here.

use super::act::choose;
use super::list::find;
use super::remedy::{Remedy, remedy};
use super::{Chosen, Issue};
use crate::actor::{Actor, Scope};
use crate::connections;
use crate::ids::{AccountId, ConnectionId, PackageId, PartnerId, RunId};
use crate::invoices::{fetch, payments, pdf};
use crate::mappings::{self, Context, MappingSource};
use crate::packages::PackageMapping;
use crate::ports::Ports;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, Versioned, load};
use crate::runs::{self, Run, RunKind, RunMode, StartRun, Trigger};
use jiff::SignedDuration;
use serde_json::json;
use std::collections::BTreeSet;

/// Most calls of one request: each may ask Autotask several things, and an API function has 29 s.
pub const RETRIES_MAX: usize = 10;
/// After so long no further call is begun, so that the last one has the time of its own route.
const TIME_MAX: SignedDuration = SignedDuration::from_secs(12);

/// What came of a press.
#[derive(Debug, Clone)]
pub enum Tried {
    /// It was done; whether the issue is over, the issue says.
    Done,
    /// It is to be done by a worker, at once.
    Queued,
    /// A run was started.
    Started(Box<Run>),
}

/// An issue after a press.
#[derive(Debug, Clone)]
pub struct Retried {
    /// As it is now.
    pub issue: Issue,
    /// What was done.
    pub tried: Tried,
}

/// Does what puts an issue right.
///
/// # Errors
/// `not_found`; `issue_not_retryable` where no call of ours puts it right, or its cause is gone; `issue_needs_choice`
/// with the `calls` to choose from; else as that call.
pub async fn retry(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    name: &str,
) -> Result<Retried> {
    let issue = find(ports, scope, of, name).await?;
    let press = Press { ports, scope, actor, of };
    let tried = press.carry_out(&step_of(&issue)?).await?;
    Ok(Retried { issue: find(ports, scope, of, name).await?.value, tried })
}

/// What became of each issue, by its name; and how many that are meant were left for another request.
pub type RetriedMany = (Vec<(String, Result<Retried>)>, usize);

/// Does what puts several issues right: what they have in common once, at most [`RETRIES_MAX`] calls.
///
/// # Errors
/// `not_found` for the connection.
pub async fn retry_many(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    chosen: &Chosen,
) -> Result<RetriedMany> {
    let (found, left) = choose(ports, scope, of, chosen).await?;
    let press = Press { ports, scope, actor, of };
    let begun = ports.clock.now();
    let (mut steps, mut items): (Vec<Group>, Vec<(String, Result<Retried>)>) = (Vec::new(), Vec::new());
    for (name, issue) in found {
        match issue.and_then(|issue: Versioned<Issue>| step_of(&issue)) {
            Ok(step) => add(&mut steps, step, name),
            Err(error) => items.push((name, Err(error))),
        }
    }
    for (at, group) in steps.into_iter().enumerate() {
        let late = ports.clock.now().duration_since(begun) > TIME_MAX;
        let done = if at < RETRIES_MAX && !late { press.carry_out(&group.step).await } else { Err(not_begun()) };
        for name in group.names {
            let item = match &done {
                Ok(tried) => {
                    let issue = find(ports, scope, of, &name).await?.value;
                    Ok(Retried { issue, tried: tried.clone() })
                }
                Err(error) => Err(again(error)),
            };
            items.push((name, item));
        }
    }
    Ok((items, left))
}

/// What one call does, for one or several issues.
#[derive(Debug, PartialEq)]
enum Step {
    One(Remedy),
    Accounts(RunId, BTreeSet<AccountId>),
    Push(BTreeSet<AccountId>, BTreeSet<PackageId>),
}

#[derive(Debug)]
struct Group {
    step: Step,
    names: Vec<String>,
}

/// Puts a step to those that are done by the same call.
fn add(groups: &mut Vec<Group>, step: Step, name: String) {
    for group in &mut *groups {
        let joined = match (&mut group.step, &step) {
            (Step::Accounts(run, all), Step::Accounts(of, more)) if run == of => {
                all.extend(more.iter().cloned());
                true
            }
            (Step::Push(accounts, packages), Step::Push(more, of)) => {
                accounts.extend(more.iter().cloned());
                packages.extend(of.iter().cloned());
                true
            }
            (one, same) => one == same,
        };
        if joined {
            return group.names.push(name);
        }
    }
    groups.push(Group { step, names: vec![name] });
}

fn step_of(issue: &Issue) -> Result<Step> {
    if !issue.stands() {
        return Err(Error::problem(Code::IssueNotRetryable, "The cause is gone."));
    }
    match remedy(issue) {
        Remedy::Nothing => {
            let words = format!("No call puts this right. {}", issue.code.action());
            Err(Error::problem(Code::IssueNotRetryable, words))
        }
        Remedy::Choose(calls) => Err(needs_choice(issue.code.action(), &calls)),
        Remedy::Account { run, account } => Ok(Step::Accounts(run, BTreeSet::from([account]))),
        Remedy::Push { account, package } => Ok(Step::Push(BTreeSet::from([account]), BTreeSet::from([package]))),
        other => Ok(Step::One(other)),
    }
}

fn needs_choice(words: &str, calls: &[super::Fix]) -> Error {
    let named: Vec<String> = calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    let words = format!("{words} By: {}.", named.join(", "));
    Problem::new(Code::IssueNeedsChoice, words).with("calls", json!(calls)).into()
}

fn not_begun() -> Error {
    let words = format!("It was not begun: a request makes at most {RETRIES_MAX} calls. Send what is left again.");
    Error::problem(Code::Unavailable, words)
}

/// The same failure for another issue of the same call.
fn again(error: &Error) -> Error {
    match error {
        Error::Problem(problem) => Error::Problem(problem.clone()),
        other => {
            tracing::error!(error = %other, cause = ?std::error::Error::source(other), "a retry failed unexpectedly");
            Error::problem(Code::Internal, "The call failed unexpectedly.")
        }
    }
}

struct Press<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    actor: &'a Actor,
    of: (&'a PartnerId, &'a ConnectionId),
}

impl Press<'_> {
    async fn carry_out(&self, step: &Step) -> Result<Tried> {
        let (ports, scope, actor, (partner, connection)) = (self.ports, self.scope, self.actor, self.of);
        let started = |run: Run| Tried::Started(Box::new(run));
        match step {
            Step::Accounts(run, accounts) => {
                let of = (partner, connection, run);
                let reason = actor.reason.clone();
                Ok(started(runs::retry_accounts(ports, scope, actor, of, accounts.clone(), reason).await?))
            }
            Step::Push(accounts, packages) => {
                self.are_mapped(packages).await?;
                let wanted = StartRun::of_kind(RunKind::PackageChanges, RunMode::Apply, Trigger::Retry);
                let accounts = Some(accounts.iter().cloned().collect());
                Ok(started(self.start(StartRun { accounts, ..wanted }).await?))
            }
            Step::One(Remedy::Test) => {
                connections::test(ports, scope, actor, partner, connection).await?;
                Ok(Tried::Done)
            }
            Step::One(Remedy::BillingCode) => {
                connections::ensure_billing_code(ports, scope, actor, partner, connection).await?;
                Ok(Tried::Done)
            }
            Step::One(Remedy::Remap { account, to, not_before }) => {
                self.is_time(*not_before).await?;
                let context = Context { ports, scope, actor, partner, connection };
                mappings::remap(context, account, *to, MappingSource::Renewal, None).await?;
                Ok(Tried::Done)
            }
            Step::One(Remedy::Resync(id)) => {
                fetch::resync(ports, scope, actor, self.of, *id).await?;
                Ok(Tried::Done)
            }
            Step::One(Remedy::Fetch) => {
                let kind = fetch::FetchKind::New;
                fetch::press(ports, scope, actor, partner, connection, kind).await.map(|_| Tried::Queued)
            }
            Step::One(Remedy::Pdf(id)) => pdf::again(ports, scope, actor, self.of, *id).await.map(|()| Tried::Queued),
            Step::One(Remedy::WriteBack(id)) => {
                payments::write_now(ports, scope, actor, self.of, *id).await.map(|()| Tried::Queued)
            }
            Step::One(Remedy::Failed(run)) => {
                let of = (partner, connection, run);
                Ok(started(runs::retry_failed(ports, scope, actor, of, actor.reason.clone()).await?))
            }
            Step::One(Remedy::Again(run)) => {
                let of = (partner, connection, run);
                Ok(started(runs::run_again(ports, scope, actor, of, actor.reason.clone()).await?))
            }
            Step::One(Remedy::Mapper(run)) => {
                let context = Context { ports, scope, actor, partner, connection };
                Ok(started(mappings::run_again(context, run).await?))
            }
            Step::One(Remedy::SeatSync) => {
                Ok(started(self.start(StartRun::seat_sync(RunMode::Apply, Trigger::Retry)).await?))
            }
            // These are steps of their own, or none.
            Step::One(Remedy::Account { .. } | Remedy::Push { .. } | Remedy::Choose(_) | Remedy::Nothing) => {
                Err(Error::problem(Code::IssueNotRetryable, "No call puts this right."))
            }
        }
    }

    async fn start(&self, wanted: StartRun) -> Result<Run> {
        let wanted = StartRun { reason: self.actor.reason.clone(), ..wanted };
        runs::start(self.ports, self.scope, self.actor, self.of.0, self.of.1, wanted).await
    }

    /// Nothing is pushed of a package for which a person has not chosen a service yet.
    async fn are_mapped(&self, packages: &BTreeSet<PackageId>) -> Result<()> {
        let mut missing = Vec::new();
        for package in packages {
            let key = Key::PackageMapping(self.of.0.clone(), self.of.1.clone(), package.clone());
            if load::<PackageMapping>(&*self.ports.storage, self.scope, &key).await?.is_none() {
                let path = format!("package-mappings/{package}");
                missing.push(super::Fix::of(self.of.1, "PUT", &path, serde_json::Value::Null));
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(needs_choice(Code::PackageUnmapped.action(), &missing)) }
    }

    /// A contract that has not begun bills nothing: until then the one before does.
    async fn is_time(&self, not_before: Option<jiff::civil::Date>) -> Result<()> {
        let zone = connections::read_settings(self.ports, self.scope, self.of.0, self.of.1).await?.settings.zone();
        let today = self.ports.clock.now().to_zoned(zone).date();
        match not_before {
            Some(day) if day > today => {
                let words = format!("The successor begins on {day}; before that it would be too early.");
                Err(Problem::new(Code::IssueNotRetryable, words).with("not_before", day.to_string()).into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_call_does_is_one_step() {
        let account = |id: &str| AccountId::new(id).unwrap();
        let run = |id: &str, of: &str| Step::Accounts(RunId::new(id).unwrap(), BTreeSet::from([account(of)]));
        let mut groups = Vec::new();
        let steps = [
            run("r1", "a"),
            Step::One(Remedy::Test),
            run("r1", "b"),
            run("r2", "a"),
            Step::One(Remedy::Test),
            Step::One(Remedy::Pdf(1)),
            Step::One(Remedy::Pdf(2)),
        ];
        for (at, step) in steps.into_iter().enumerate() {
            add(&mut groups, step, at.to_string());
        }
        let names: Vec<String> = groups.iter().map(|group| group.names.join(" ")).collect();
        assert_eq!(names, ["0 2", "1 4", "3", "5", "6"]);
        let both = BTreeSet::from([account("a"), account("b")]);
        assert_eq!(groups[0].step, Step::Accounts(RunId::new("r1").unwrap(), both));
    }
}
