//! What a CSV file itself gives to its accounts, first come first served.

use super::csv_rows::RowError;
use super::target::Target;
use crate::connections::settings::ManyAccounts;
use crate::ids::{AccountId, LineRef, PackageId};
use crate::problem::Code;
use std::collections::BTreeMap;

/// What the rows so far have taken.
pub(super) struct Within {
    many: ManyAccounts,
    companies: BTreeMap<i64, AccountId>,
    lines: BTreeMap<LineRef, (AccountId, i64, PackageId)>,
    /// Where counts are summed: the line of a company, contract and package.
    sums: BTreeMap<(i64, i64, PackageId), (AccountId, LineRef)>,
}

impl Within {
    pub(super) fn new(many: ManyAccounts) -> Self {
        Self { many, companies: BTreeMap::new(), lines: BTreeMap::new(), sums: BTreeMap::new() }
    }

    /// Takes what an account's rows want, all of it or nothing.
    pub(super) fn take(&mut self, account: &AccountId, target: Target) -> Result<Target, RowError> {
        let company = target.company.id;
        if let Some(holder) = self.companies.get(&company).filter(|_| self.many == ManyAccounts::Off) {
            let detail = format!("The file maps the company {company} to {holder} already.");
            return Err(RowError { code: Code::CompanyAlreadyMapped, detail });
        }
        let shared = |detail: String| Err(RowError { code: Code::ContractServiceShared, detail });
        let mut sums = Vec::new();
        for line in &target.lines {
            let (package, line) = (&line.package_id, line.line);
            let held = self.lines.get(&line);
            let summed = |(_, of, what): &&(AccountId, i64, PackageId)| {
                self.many == ManyAccounts::Sum && *of == company && what == package
            };
            if let Some((holder, ..)) = held.filter(|held| !summed(held)) {
                return shared(format!("The file maps the line {line} to {holder} already."));
            }
            let Some(contract) = target.contract_for(package) else { continue };
            let sum = (company, contract, package.clone());
            if let Some((holder, other)) = self.sums.get(&sum).filter(|(_, other)| *other != line) {
                return shared(format!("Counts are summed into one line: the file maps {holder} to the line {other}."));
            }
            sums.push((sum, line));
        }
        self.companies.entry(company).or_insert_with(|| account.clone());
        for line in &target.lines {
            let held = || (account.clone(), company, line.package_id.clone());
            self.lines.entry(line.line).or_insert_with(held);
        }
        if self.many == ManyAccounts::Sum {
            self.sums.extend(sums.into_iter().map(|(sum, line)| (sum, (account.clone(), line))));
        }
        Ok(target)
    }
}
