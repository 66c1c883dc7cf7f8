//! Issues of what a check found to be in the way of the next run.
//!
//! Runs, the nightly watch and the probe of rights have issues of the same names. What one of them has opened is left
//! to it; only what a check itself has opened does a check count and close.

use super::record::{Finding, Severity};
use crate::actor::{Actor, Scope};
use crate::ids::{ConnectionId, PartnerId};
use crate::issues::batch::{Step, take};
use crate::issues::{Issue, Met, More};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Result};
use crate::records::{Collection, load_all};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What begins the occurrence of an issue that a check has met last.
const CHECK: &str = "check/";
/// Issues that one check opens at most: more lines than that have one cause, which the report shows.
const OPENED_MAX: usize = 100;

/// Opens an issue for each blocking finding, and closes those of earlier checks of which nothing is found any more, not
/// even as a warning. `saw_all`: whether everything was looked at in Autotask; else what it alone can show stays open.
///
/// # Errors
/// Records. Everything may be done again.
pub(super) async fn tell(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection): (&PartnerId, &ConnectionId),
    (findings, saw_all, at): (&[Finding], bool, Timestamp),
) -> Result<()> {
    let of = Collection::Issues(partner.clone(), connection.clone());
    let present = load_all::<Issue>(&*ports.storage, scope, &of, Read::Strong).await?;
    let present: Vec<&Issue> = present.iter().map(|found| &found.value).filter(|issue| issue.stands()).collect();
    let by = format!("{CHECK}{at}");
    take(ports, scope, actor, (partner, connection), &steps(findings, saw_all, &present, &by)).await
}

/// What becomes of which issue. Pure; `standing` are all of the connection whose cause is there as far as we know.
fn steps<'a>(findings: &'a [Finding], saw_all: bool, standing: &[&Issue], by: &'a str) -> Vec<Step<'a>> {
    let is_ours = |issue: &Issue| issue.occurrence.as_deref().is_some_and(|by| by.starts_with(CHECK));
    let others: BTreeSet<(&str, Code)> =
        standing.iter().filter(|issue| !is_ours(issue)).map(|issue| (issue.subject.as_str(), issue.code)).collect();
    let named: BTreeSet<(&str, Code)> = findings.iter().map(|found| (found.subject.as_str(), found.code)).collect();
    let mut steps: Vec<Step<'a>> = standing
        .iter()
        .filter(|issue| is_ours(issue) && !named.contains(&(issue.subject.as_str(), issue.code)))
        .filter(|issue| saw_all || is_known_here(issue))
        .map(|issue| Step { subject: issue.subject.clone(), code: issue.code, met: None })
        .collect();
    let mut opened: BTreeMap<(&str, Code), &Finding> = BTreeMap::new();
    for found in findings.iter().filter(|found| found.severity == Severity::Blocking) {
        let name = (found.subject.as_str(), found.code);
        if opened.len() < OPENED_MAX && !others.contains(&name) {
            opened.entry(name).or_insert(found);
        }
    }
    steps.extend(opened.into_iter().map(|((subject, code), found)| {
        let more = Some(More { data: Value::Null, fix: found.fix.clone() });
        Step { subject: subject.to_owned(), code, met: Some(Met { detail: &found.words, more, by: Some(by) }) }
    }));
    steps
}

/// Whether our own records alone show that the cause of an issue is gone.
fn is_known_here(issue: &Issue) -> bool {
    issue.subject == "connection" && issue.code != Code::PermissionMissing
        || issue.subject.starts_with("setting/")
        || matches!(issue.code, Code::UsageMissing | Code::UsageStale | Code::QuantityMissing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::About;
    use crate::issues::tests::issue;

    fn found(subject: &str, code: Code, severity: Severity) -> Finding {
        let about = About { kind: "account".to_owned(), id: "a1".to_owned(), name: None };
        Finding { code, about, subject: subject.to_owned(), words: "Words.".to_owned(), severity, fix: None }
    }

    fn standing(subject: &str, code: Code, by: Option<&str>) -> Issue {
        Issue { occurrence: by.map(str::to_owned), ..issue(subject, code) }
    }

    fn words(findings: &[Finding], saw_all: bool, standing: &[Issue]) -> Vec<String> {
        let standing: Vec<&Issue> = standing.iter().collect();
        let verb = |step: &Step<'_>| if step.met.is_some() { "open" } else { "close" };
        let all = steps(findings, saw_all, &standing, "check/now");
        all.iter().map(|step| format!("{} {} {}", verb(step), step.subject, step.code.as_str())).collect()
    }

    #[test]
    fn what_blocks_is_opened_and_what_only_another_flow_has_met_is_left_to_it() {
        use Severity::{Blocking, Warning};
        let (on, code) = ("account/a1", Code::ContractEnded);
        let ours = standing(on, code, Some("check/then"));
        for (finding, issue, saw_all, wanted) in [
            (Some(Blocking), None, true, "open account/a1 contract_ended"),
            (Some(Blocking), None, false, "open account/a1 contract_ended"),
            (Some(Warning), None, true, ""),
            (Some(Blocking), Some(ours.clone()), true, "open account/a1 contract_ended"),
            (Some(Warning), Some(ours.clone()), true, ""),
            (None, Some(ours.clone()), true, "close account/a1 contract_ended"),
            (None, Some(ours), false, ""),
            (Some(Blocking), Some(standing(on, code, Some("run-7"))), true, ""),
            (None, Some(standing(on, code, Some("run-7"))), true, ""),
            (None, Some(standing(on, code, None)), true, ""),
            (
                None,
                Some(standing("setting/kill_switch", Code::RunStopped, Some("check/then"))),
                false,
                "close setting/kill_switch run_stopped",
            ),
            (
                None,
                Some(standing("account/a1/p", Code::UsageStale, Some("check/then"))),
                false,
                "close account/a1/p usage_stale",
            ),
        ] {
            let findings: Vec<Finding> = finding.map(|severity| found(on, code, severity)).into_iter().collect();
            let issues: Vec<Issue> = issue.into_iter().collect();
            let told = words(&findings, saw_all, &issues).join(", ");
            assert_eq!(told, wanted, "{finding:?} {issues:?} {saw_all}");
        }
    }

    #[test]
    fn a_thing_found_twice_is_one_issue_and_there_is_a_bound_of_them() {
        let one = found("account/a1", Code::ContractEnded, Severity::Blocking);
        assert_eq!(words(&[one.clone(), one], true, &[]).len(), 1);
        let many: Vec<Finding> = (0..OPENED_MAX + 50)
            .map(|n| found(&format!("account/a{n}/p"), Code::UsageStale, Severity::Blocking))
            .collect();
        assert_eq!(words(&many, true, &[]).len(), OPENED_MAX);
        let known: Vec<Issue> =
            many.iter().map(|found| standing(&found.subject, found.code, Some("check/then"))).collect();
        assert!(words(&many, true, &known).iter().all(|step| step.starts_with("open ")), "what is still so stays open");
    }
}
