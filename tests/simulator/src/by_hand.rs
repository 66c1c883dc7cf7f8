//! What a person does in Autotask's user interface, behind the API's back.

mod invoices;

use jiff::civil::Date;

use crate::adjust;
use crate::behaviour;
use crate::refusal::Refusal;
use crate::rows::gone;
use crate::sim::{Simulator, SimulatorError};
use crate::state::Tenant;
use crate::units;

pub use invoices::MadeInvoice;

impl Simulator {
    /// Renews a contract; `start` is by default the day after its end. See [`Simulator::renew_until`].
    pub fn renew(&self, ci: u64, contract: i64, start: Option<Date>) -> Result<i64, SimulatorError> {
        self.renew_until(ci, contract, start, None)
    }

    /// Renews a contract from `start` (by default the day after its end) to `end` (by default as many months as
    /// before): a new contract with the same lines and units begins, the old one ends the day before at the latest,
    /// and one names the other in `renewedContractID` as the switch `renewed_points` says. Answers the new one's id.
    ///
    /// # Errors
    /// If there is no such contract, it was renewed before, or the days are in disorder.
    pub fn renew_until(
        &self,
        ci: u64,
        contract: i64,
        start: Option<Date>,
        end: Option<Date>,
    ) -> Result<i64, SimulatorError> {
        self.on_contract(ci, contract, |tenant| behaviour::renew(tenant, contract, start, end))
    }

    /// Gives a contract another last day. Earlier, it removes the units rows after it and cuts the one that holds it;
    /// later, it adds periods with the last row's units.
    ///
    /// # Errors
    /// If there is no such contract, or it would end before it begins.
    pub fn end_contract(&self, ci: u64, contract: i64, last_day: Date) -> Result<(), SimulatorError> {
        self.on_contract(ci, contract, |tenant| behaviour::end_contract(tenant, contract, last_day))
    }

    /// Approves and posts the periods of a contract's lines that hold `day`: sets `approveAndPostDate` of their units
    /// rows to now, where it is not set. Answers how many rows that were.
    ///
    /// # Errors
    /// If there is no such contract.
    pub fn post_period(&self, ci: u64, contract: i64, day: Date) -> Result<usize, SimulatorError> {
        self.on_contract(ci, contract, |tenant| Ok(units::post(tenant, contract, day)))
    }

    /// Changes the units of a line from a day on by `change`, as a person does. `lines` is `ContractServices` or
    /// `ContractServiceBundles`. It is not among [`Simulator::adjustments`], and switches about adjustments do not
    /// bind it: 0 units and posted periods are fine. Answers the units on that day.
    ///
    /// # Errors
    /// If there is no such line, the day lies outside of its contract, or fewer than 0 units would be left on any day.
    pub fn adjust_by_hand(
        &self,
        ci: u64,
        lines: &str,
        line: i64,
        from: Date,
        change: i64,
    ) -> Result<i64, SimulatorError> {
        self.with_tenant(ci, lines, |tenant, entity| {
            let family = adjust::family_of_lines(entity)
                .ok_or_else(|| SimulatorError(format!("{} are no lines", entity.def.plural)))?;
            tenant.row(entity, line).ok_or_else(|| gone(entity, line))?;
            adjust::by_hand(tenant, family, line, from, change).map_err(|refused| SimulatorError(refused.into_text()))
        })
    }

    fn on_contract<T>(
        &self,
        ci: u64,
        contract: i64,
        act: impl FnOnce(&mut Tenant) -> Result<T, Refusal>,
    ) -> Result<T, SimulatorError> {
        self.with_tenant(ci, "Contracts", |tenant, entity| {
            tenant.row(entity, contract).ok_or_else(|| gone(entity, contract))?;
            act(tenant).map_err(|refused| SimulatorError(refused.into_text()))
        })
    }
}
