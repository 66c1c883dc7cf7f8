use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{Company, Contract, Service};
use crate::entity::{child, create, entity, patch};
use crate::{Create, DateValue, Entity, Id};

entity! {
    /// A service on a recurring contract: a line. It holds prices, not units.
    ContractService at "ContractServices",
        read &["id", "contractID", "serviceID", "unitCost", "unitPrice"],
        query true, create false, patch false;
    /// The contract.
    contract_id "contractID" Id<Contract>,
    /// The catalogue's service.
    service_id "serviceID" Id<Service>,
    /// Cost of one unit.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Price of one unit in the tenant's currency.
    internal_currency_unit_price "internalCurrencyUnitPrice" Decimal,
    /// Adjusted price in the tenant's currency.
    internal_currency_adjusted_price "internalCurrencyAdjustedPrice" Decimal,
    /// Text on the invoice; the catalogue's if the tenant says so.
    invoice_description "invoiceDescription" String,
    /// Text for the tenant.
    internal_description "internalDescription" String,
    /// The quote item it came from.
    quote_item_id "quoteItemID" i64,
}

child!(ContractService under Contract at "Services", create true, patch true, delete false);

create! {
    /// A new line on a recurring contract, without units.
    NewContractService creates ContractService;
    required {
        /// The contract, also in the body.
        contract_id "contractID" Id<Contract>,
        /// The catalogue's service.
        service_id "serviceID" Id<Service>,
    }
    optional {
        /// Cost of one unit.
        unit_cost "unitCost" Decimal,
        /// Price of one unit.
        unit_price "unitPrice" Decimal,
        /// Text on the invoice, at most 1,000 characters.
        invoice_description "invoiceDescription" String,
        /// Text for the tenant, at most 100 characters.
        internal_description "internalDescription" String,
    }
}

patch! {
    /// Changes to a line. Without permission to see costs a cost is ignored without an error: read
    /// it back.
    ContractServicePatch changes ContractService;
    /// Cost of one unit.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Text on the invoice.
    invoice_description "invoiceDescription" String,
    /// Text for the tenant.
    internal_description "internalDescription" String,
}

entity! {
    /// The units of a line in one billing period, or in a part of one after an adjustment. Read-only.
    ContractServiceUnit at "ContractServiceUnits",
        read &["id", "contractServiceID", "units", "approveAndPostDate"],
        query true, create false, patch false;
    /// The contract.
    contract_id "contractID" Id<Contract>,
    /// The line.
    contract_service_id "contractServiceID" Id<ContractService>,
    /// The catalogue's service.
    service_id "serviceID" Id<Service>,
    /// Units.
    units "units" i64,
    /// First day.
    start_date "startDate" DateValue,
    /// Last day.
    end_date "endDate" DateValue,
    /// Price; per unit or of the row is not documented.
    price "price" Decimal,
    /// Price in the tenant's currency.
    internal_currency_price "internalCurrencyPrice" Decimal,
    /// Cost; per unit or of the row is not documented.
    cost "cost" Decimal,
    /// When the row was approved and posted for billing; none: not yet.
    approve_and_post_date "approveAndPostDate" DateValue,
    /// The service's vendor.
    vendor_company_id "vendorCompanyID" Id<Company>,
}

impl ContractServiceUnit {
    /// The fields that tell which period a row is of, besides [`Self::READ_FIELDS`].
    pub const PERIOD_FIELDS: &'static [&'static str] =
        &["id", "contractID", "contractServiceID", "startDate", "endDate", "units", "approveAndPostDate"];
}

create! {
    /// Adds units to a line or takes some away, from a day on. It cannot be read back: read
    /// [`ContractServiceUnit`]. It has no key either: sent twice, it counts twice.
    ContractServiceAdjustment creates ContractServiceAdjustment;
    required {
        /// The contract.
        contract_id "contractID" Id<Contract>,
        /// From which day on.
        effective_date "effectiveDate" Date,
        /// How many units more (or, negative, fewer): a difference, no target.
        unit_change "unitChange" i64,
    }
    optional {
        /// The line.
        contract_service_id "contractServiceID" Id<ContractService>,
        /// The catalogue's service, instead of the line. If the contract has no line of it,
        /// Autotask **creates one**.
        service_id "serviceID" Id<Service>,
        /// New cost of one unit.
        adjusted_unit_cost "adjustedUnitCost" Decimal,
        /// New price of one unit; negative for a discount.
        adjusted_unit_price "adjustedUnitPrice" Decimal,
        /// Whether the same service may stand on the contract again.
        allow_repeat_service "allowRepeatService" bool,
    }
}

impl ContractServiceAdjustment {
    /// A change of the units of one line.
    pub fn of_line(contract: Id<Contract>, line: Id<ContractService>, unit_change: i64, from: Date) -> Self {
        Self { contract_service_id: Some(line), ..Self::new(contract, from, unit_change) }
    }
}

impl Entity for ContractServiceAdjustment {
    const NAME: &'static str = "ContractServiceAdjustments";
    const MODEL: &'static str = "ContractServiceAdjustment";
    const READ_FIELDS: &'static [&'static str] = &[];
    const FIELDS: &'static [&'static str] = <Self as Create>::FIELDS;
    const QUERYABLE: bool = false;
    const ROOT_CREATE: bool = true;
    const ROOT_PATCH: bool = false;
}

child!(ContractServiceAdjustment under Contract at "ServiceAdjustments", create true, patch false, delete false);
