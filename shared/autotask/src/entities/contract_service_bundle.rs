use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{Contract, ServiceBundle};
use crate::entity::{child, create, entity, patch};
use crate::{Create, DateValue, Entity, Id};

entity! {
    /// A service bundle on a recurring contract: a line. It holds prices, not units.
    ContractServiceBundle at "ContractServiceBundles",
        read &["id", "contractID", "serviceBundleID", "unitPrice"],
        query true, create false, patch false;
    /// The contract.
    contract_id "contractID" Id<Contract>,
    /// The catalogue's bundle.
    service_bundle_id "serviceBundleID" Id<ServiceBundle>,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Adjusted price.
    adjusted_price "adjustedPrice" Decimal,
    /// Price of one unit in the tenant's currency.
    internal_currency_unit_price "internalCurrencyUnitPrice" Decimal,
    /// Adjusted price in the tenant's currency.
    internal_currency_adjusted_price "internalCurrencyAdjustedPrice" Decimal,
    /// Text on the invoice.
    invoice_description "invoiceDescription" String,
    /// Text for the tenant.
    internal_description "internalDescription" String,
    /// The quote item it came from.
    quote_item_id "quoteItemID" i64,
}

child!(ContractServiceBundle under Contract at "ServiceBundles", create true, patch true, delete false);

create! {
    /// A new bundle line on a recurring contract, without units.
    NewContractServiceBundle creates ContractServiceBundle;
    required {
        /// The contract, also in the body.
        contract_id "contractID" Id<Contract>,
        /// The catalogue's bundle.
        service_bundle_id "serviceBundleID" Id<ServiceBundle>,
    }
    optional {
        /// Price of one unit.
        unit_price "unitPrice" Decimal,
        /// Text on the invoice.
        invoice_description "invoiceDescription" String,
        /// Text for the tenant.
        internal_description "internalDescription" String,
    }
}

patch! {
    /// Changes to a bundle line.
    ContractServiceBundlePatch changes ContractServiceBundle;
    /// Adjusted price.
    adjusted_price "adjustedPrice" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Text on the invoice.
    invoice_description "invoiceDescription" String,
    /// Text for the tenant.
    internal_description "internalDescription" String,
}

entity! {
    /// The units of a bundle line in one billing period, or in a part of one. Read-only.
    ContractServiceBundleUnit at "ContractServiceBundleUnits",
        read &["id", "contractServiceBundleID", "units", "approveAndPostDate"],
        query true, create false, patch false;
    /// The contract.
    contract_id "contractID" Id<Contract>,
    /// The line.
    contract_service_bundle_id "contractServiceBundleID" Id<ContractServiceBundle>,
    /// The catalogue's bundle.
    service_bundle_id "serviceBundleID" Id<ServiceBundle>,
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
}

impl ContractServiceBundleUnit {
    /// The fields that tell which period a row is of, besides [`Self::READ_FIELDS`].
    pub const PERIOD_FIELDS: &'static [&'static str] =
        &["id", "contractID", "contractServiceBundleID", "startDate", "endDate", "units", "approveAndPostDate"];
}

create! {
    /// Adds units to a bundle line or takes some away, from a day on: units only, no price. It
    /// cannot be read back: read [`ContractServiceBundleUnit`]. Sent twice, it counts twice.
    ContractServiceBundleAdjustment creates ContractServiceBundleAdjustment;
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
        contract_service_bundle_id "contractServiceBundleID" Id<ContractServiceBundle>,
        /// The catalogue's bundle, instead of the line. If the contract has no line of it,
        /// Autotask **creates one**.
        service_bundle_id "serviceBundleID" Id<ServiceBundle>,
        /// Whether the same bundle may stand on the contract again.
        allow_repeat_service_bundle "allowRepeatServiceBundle" bool,
    }
}

impl ContractServiceBundleAdjustment {
    /// A change of the units of one bundle line.
    pub fn of_line(contract: Id<Contract>, line: Id<ContractServiceBundle>, unit_change: i64, from: Date) -> Self {
        Self { contract_service_bundle_id: Some(line), ..Self::new(contract, from, unit_change) }
    }
}

impl Entity for ContractServiceBundleAdjustment {
    const NAME: &'static str = "ContractServiceBundleAdjustments";
    const MODEL: &'static str = "ContractServiceBundleAdjustment";
    const READ_FIELDS: &'static [&'static str] = &[];
    const FIELDS: &'static [&'static str] = <Self as Create>::FIELDS;
    const QUERYABLE: bool = false;
    const ROOT_CREATE: bool = true;
    const ROOT_PATCH: bool = false;
}

child!(ContractServiceBundleAdjustment under Contract at "ServiceBundleAdjustments", create true, patch false, delete false);
