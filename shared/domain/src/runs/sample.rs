//! A line for tests of what is made of lines.

use super::{LineState, RunLine};
use crate::ids::{AccountId, LineKind, LineRef, PackageId};

/// A planned line from `now` to `wanted` units.
pub(crate) fn line(no: u32, now: i64, wanted: i64) -> RunLine {
    RunLine {
        no,
        account: AccountId::new(format!("acc_{no}")).unwrap(),
        account_name: "Umbrella".to_owned(),
        company_id: Some(i64::from(no)),
        company_name: Some("Umbrella Corporation".to_owned()),
        contract_id: Some(7),
        contract_name: None,
        package: PackageId::new("training").unwrap(),
        kind: LineKind::Service,
        service_id: i64::from(no),
        line: Some(LineRef::service(i64::from(no))),
        leaving: false,
        created: false,
        service_name: "Training".to_owned(),
        reckoning: None,
        decision: None,
        units_now: Some(now),
        count: Some(wanted),
        count_as_of: None,
        units_wanted: Some(wanted),
        cost_now: None,
        cost_wanted: None,
        invoice_change: None,
        effective_date: "2026-11-01".parse().unwrap(),
        period_billed: false,
        drift_from: None,
        state: if now == wanted { LineState::Unchanged } else { LineState::Changed },
        code: None,
        words: format!("{now} -> {wanted} units from 2026-11-01."),
        sent: None,
        verified_units: None,
        adjustment_id: None,
    }
}
