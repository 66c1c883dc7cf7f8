//! What a press of *Retry* does about an issue, or why it does nothing. Pure.

use super::{Fix, Issue};
use crate::ids::{AccountId, PackageId, RunId};
use crate::problem::Code;
use jiff::civil::Date;
use serde_json::{Value, json};

/// What puts an issue right.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// The connection is tested: credentials and rights.
    Test,
    /// The vendor's billing code is looked for again.
    BillingCode,
    /// A mapping follows its contract's one successor.
    Remap {
        /// Whose.
        account: AccountId,
        /// `Contracts.id` of the successor.
        to: i64,
        /// Before this day it would be too early.
        not_before: Option<Date>,
    },
    /// An invoice is read from Autotask again.
    Resync(i64),
    /// An invoice's PDF is asked for again now.
    Pdf(i64),
    /// An invoice's paid date is written now.
    WriteBack(i64),
    /// An account's lines are run once more, like the run that met the issue.
    Account {
        /// That run.
        run: RunId,
        /// Whose lines.
        account: AccountId,
    },
    /// What is pending of an account's packages is pushed now, once the package is mapped.
    Push {
        /// Whose.
        account: AccountId,
        /// Which package waits for its mapping.
        package: PackageId,
    },
    /// What a run did not do is run once more.
    Failed(RunId),
    /// What is new is fetched now: *Fetch New Data*, with its limits.
    Fetch,
    /// A run is run once more as a whole.
    Again(RunId),
    /// An auto-map run or an import is started once more.
    Mapper(RunId),
    /// The seat sync is run now.
    SeatSync,
    /// A person must choose: one of these calls. A part of a path in braces is theirs to say, too.
    Choose(Vec<Fix>),
    /// No call of ours puts it right.
    Nothing,
}

/// What puts an issue right.
#[must_use]
pub fn remedy(issue: &Issue) -> Remedy {
    let run = issue.run();
    let parts: Vec<&str> = issue.subject.split('/').collect();
    match parts.as_slice() {
        ["connection" | "mappings"] => connection(issue),
        ["mappings", "auto_map" | "csv_import"] => match (issue.code, run) {
            (Code::RunFailed, Some(run)) => Remedy::Mapper(run),
            // What was refused would be refused again: the file is to be corrected first.
            _ => Remedy::Choose(vec![call(issue, "POST", "mappings/import", Value::Null)]),
        },
        ["seat_sync" | "package_changes"] => whole_run(issue.code, run),
        ["invoices"] => Remedy::Fetch,
        ["schedule", "seat_sync"] => Remedy::SeatSync,
        ["account", account] => mapping(issue, account),
        ["account", account, package, ..] => line(issue, account, package, run),
        ["invoice", id, rest @ ..] => match id.parse() {
            Ok(id) => invoice(issue, id, !rest.is_empty()),
            Err(_) => named(issue),
        },
        ["invoice-number", ..] => {
            let body = json!({"invoice_reference": "autotask_id"});
            Remedy::Choose(vec![call(issue, "PATCH", "settings", body)])
        }
        _ => named(issue),
    }
}

fn connection(issue: &Issue) -> Remedy {
    match issue.code {
        Code::NeedsRelink | Code::PermissionMissing | Code::SecretStoreUnavailable => Remedy::Test,
        Code::BillingCodeMissing => Remedy::BillingCode,
        _ => named(issue),
    }
}

fn whole_run(code: Code, run: Option<RunId>) -> Remedy {
    match (code, run) {
        (Code::PermissionMissing, _) => Remedy::Test,
        (Code::RunPartial, Some(run)) => Remedy::Failed(run),
        (_, Some(run)) => Remedy::Again(run),
        (_, None) => Remedy::SeatSync,
    }
}

/// An issue of a mapping as a whole.
fn mapping(issue: &Issue, account: &str) -> Remedy {
    let path = format!("company-mappings/{account}");
    if issue.code == Code::AccountClaimedByOtherPsa {
        return Remedy::Choose(vec![call(issue, "DELETE", &path, Value::Null)]);
    }
    if let Some(fix) = &issue.fix {
        let to = fix.body["to_contract_id"].as_i64().filter(|_| fix.path.ends_with("/remap"));
        return match (AccountId::new(account), to) {
            (Ok(account), Some(to)) => Remedy::Remap { account, to, not_before: fix.not_before },
            _ => named(issue),
        };
    }
    let remap = call(issue, "POST", &format!("{path}/remap"), Value::Null);
    let put = call(issue, "PUT", &path, Value::Null);
    match issue.code {
        Code::CompanyInactiveOrGone | Code::ContractServiceRemoved => Remedy::Choose(vec![put]),
        _ => Remedy::Choose(vec![remap, put]),
    }
}

/// An issue of an account's package: of a line, or of what is to become one.
fn line(issue: &Issue, account: &str, package: &str, run: Option<RunId>) -> Remedy {
    let (Ok(account), Ok(package)) = (AccountId::new(account), PackageId::new(package)) else {
        return Remedy::Nothing;
    };
    match issue.code {
        Code::PackageUnmapped => Remedy::Push { account, package },
        Code::DuplicateLine | Code::ContractServiceShared => {
            let path = format!("company-mappings/{account}");
            Remedy::Choose(vec![call(issue, "PUT", &path, Value::Null)])
        }
        Code::HeldZero | Code::HeldLargeChange | Code::DriftDetected => match issue.data["line_no"].as_u64().zip(run) {
            Some((no, run)) => {
                let of = |what: &str| call(issue, "POST", &format!("runs/{run}/lines/{no}/{what}"), Value::Null);
                Remedy::Choose(["approve", "adjust", "dismiss"].map(of).to_vec())
            }
            None => Remedy::Choose(vec![call(issue, "POST", "runs", Value::Null)]),
        },
        _ => match run {
            Some(run) => Remedy::Account { run, account },
            None => Remedy::Choose(vec![call(issue, "POST", "runs", Value::Null)]),
        },
    }
}

/// An issue of an invoice, or (`payments`) of the payments that stand on it.
fn invoice(issue: &Issue, id: i64, payments: bool) -> Remedy {
    let delete = Fix {
        method: "DELETE".to_owned(),
        path: "/v1/payments/{payment_id}".to_owned(),
        body: Value::Null,
        not_before: None,
    };
    match issue.code {
        Code::PdfUnavailable => Remedy::Pdf(id),
        Code::PaymentWritebackFailed => Remedy::WriteBack(id),
        Code::PaymentConflict => {
            let resync = call(issue, "POST", &format!("invoices/{id}/resync"), Value::Null);
            Remedy::Choose(vec![delete, resync])
        }
        Code::InvoiceVoided | Code::InvoiceMissingUpstream if payments => Remedy::Choose(vec![delete]),
        Code::InvoiceTotalMismatch | Code::InvoiceMissingUpstream => Remedy::Resync(id),
        _ => named(issue),
    }
}

/// The call that whoever opened the issue has named, for a person to make.
fn named(issue: &Issue) -> Remedy {
    issue.fix.clone().map_or(Remedy::Nothing, |fix| Remedy::Choose(vec![fix]))
}

fn call(issue: &Issue, method: &str, path: &str, body: Value) -> Fix {
    Fix::of(&issue.connection, method, path, body)
}

impl Remedy {
    /// Whether *Retry* does it, because there is nothing to choose.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        !matches!(self, Remedy::Choose(_) | Remedy::Nothing)
    }

    /// The one call that puts the issue right, or the first of those to choose from; what no other route does is the
    /// issue's own *Retry*.
    #[must_use]
    pub fn call(&self, issue: &Issue) -> Option<Fix> {
        let post = |path: &str| Some(call(issue, "POST", path, Value::Null));
        match self {
            Remedy::Test => post("test"),
            Remedy::BillingCode => post("billing-codes/ensure"),
            Remedy::Remap { .. } => issue.fix.clone(),
            Remedy::Resync(id) => post(&format!("invoices/{id}/resync")),
            Remedy::Push { package, .. } => {
                Some(call(issue, "PUT", &format!("package-mappings/{package}"), Value::Null))
            }
            Remedy::Failed(run) => post(&format!("runs/{run}/retry-failed")),
            Remedy::Fetch => post("sync/fetch-new"),
            Remedy::SeatSync => Some(call(issue, "POST", "runs", json!({"kind": "seat_sync", "mode": "apply"}))),
            Remedy::Pdf(_) | Remedy::WriteBack(_) | Remedy::Account { .. } | Remedy::Again(_) | Remedy::Mapper(_) => {
                post(&format!("issues/{}/retry", issue.name()))
            }
            Remedy::Choose(calls) => calls.first().cloned(),
            Remedy::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issues::tests::issue;

    /// What is done, in a word; what there is to choose, as `method path` below the connection.
    fn words(issue: &Issue) -> String {
        let shown = |fix: &Fix| format!("{} {}", fix.method, fix.path.trim_start_matches("/v1/connections/con_1/"));
        match remedy(issue) {
            Remedy::Choose(calls) => calls.iter().map(shown).collect::<Vec<_>>().join(", "),
            Remedy::Remap { account, to, not_before } => format!("remap {account} to {to} from {not_before:?}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_issue_is_retried_by_what_it_needs_or_names_what_a_person_must_choose() {
        for (subject, code, wanted) in [
            ("connection", Code::NeedsRelink, "Test"),
            ("connection", Code::PermissionMissing, "Test"),
            ("connection", Code::SecretStoreUnavailable, "Test"),
            ("mappings", Code::PermissionMissing, "Test"),
            ("connection", Code::BillingCodeMissing, "BillingCode"),
            ("connection", Code::CostNotReadable, "Nothing"),
            ("seat_sync", Code::RunStopped, "Again(r1)"),
            ("seat_sync", Code::RunPartial, "Failed(r1)"),
            ("seat_sync", Code::Internal, "Again(r1)"),
            ("seat_sync", Code::PermissionMissing, "Test"),
            ("package_changes", Code::RunFailed, "Again(r1)"),
            ("undo", Code::RunFailed, "Nothing"),
            ("invoices", Code::FetchFailed, "Fetch"),
            ("mappings/auto_map", Code::RunFailed, "Mapper(r1)"),
            ("mappings/csv_import", Code::RunFailed, "Mapper(r1)"),
            ("mappings/csv_import", Code::RunPartial, "POST mappings/import"),
            ("schedule/seat_sync", Code::RunMissed, "SeatSync"),
            ("account/a1/p", Code::RejectedByAutotask, "Account { run: r1, account: a1 }"),
            ("account/a1/p", Code::UsageMissing, "Account { run: r1, account: a1 }"),
            ("account/a1/p/svc-7", Code::WriteUnverified, "Account { run: r1, account: a1 }"),
            ("account/a1/p", Code::PackageUnmapped, "Push { account: a1, package: p }"),
            ("account/a1/p", Code::DuplicateLine, "PUT company-mappings/a1"),
            (
                "account/a1/p",
                Code::HeldZero,
                "POST runs/r1/lines/3/approve, POST runs/r1/lines/3/adjust, POST runs/r1/lines/3/dismiss",
            ),
            ("account/a1", Code::CompanyInactiveOrGone, "PUT company-mappings/a1"),
            ("account/a1", Code::ContractEnded, "POST company-mappings/a1/remap, PUT company-mappings/a1"),
            ("account/a1", Code::AccountClaimedByOtherPsa, "DELETE company-mappings/a1"),
            ("line/svc-7", Code::ServiceInactive, "Nothing"),
            ("invoice/8", Code::PdfUnavailable, "Pdf(8)"),
            ("invoice/8", Code::PaymentWritebackFailed, "WriteBack(8)"),
            ("invoice/8", Code::InvoiceTotalMismatch, "Resync(8)"),
            ("invoice/8", Code::InvoiceMissingUpstream, "Resync(8)"),
            ("invoice/8/payments", Code::InvoiceMissingUpstream, "DELETE /v1/payments/{payment_id}"),
            ("invoice/8/payments", Code::InvoiceVoided, "DELETE /v1/payments/{payment_id}"),
            ("invoice/8", Code::PaymentConflict, "DELETE /v1/payments/{payment_id}, POST invoices/8/resync"),
            ("invoice/x", Code::PdfUnavailable, "Nothing"),
            ("invoice-number/INV-1/2", Code::InvoiceNumberClash, "PATCH settings"),
            ("something/else", Code::Internal, "Nothing"),
        ] {
            let occurrence = Some("r1".to_owned());
            let issue = Issue { occurrence, data: json!({"line_no": 3}), ..issue(subject, code) };
            assert_eq!(words(&issue), wanted, "{subject} {code:?}");
        }
    }

    #[test]
    fn a_proposed_successor_is_followed_and_a_call_that_somebody_named_is_shown() {
        let renewed = issue("account/a1", Code::ContractRenewed);
        let body = json!({"to_contract_id": 77, "reason": "renewal"});
        let fix = Fix::of(&renewed.connection, "POST", "company-mappings/a1/remap", body);
        let renewed = Issue { fix: Some(fix), ..renewed };
        assert_eq!(words(&renewed), "remap a1 to 77 from None");
        let other = issue("webhook/companies", Code::Internal);
        let fix = Fix::of(&other.connection, "POST", "webhooks/install", Value::Null);
        assert_eq!(words(&Issue { fix: Some(fix), ..other }), "POST webhooks/install");
    }

    #[test]
    fn what_no_run_met_names_the_start_of_a_run() {
        assert_eq!(words(&issue("account/a1/p", Code::RejectedByAutotask)), "POST runs");
        assert_eq!(words(&issue("account/a1/p", Code::HeldZero)), "POST runs");
        assert_eq!(words(&issue("seat_sync", Code::RunStopped)), "SeatSync");
    }
}
