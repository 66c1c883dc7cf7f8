use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{Company, Contact, PicklistValue};
use crate::entity::{create, entity, patch, picklist_number};
use crate::{DateValue, Id};

picklist_number! {
    /// What a contract bills. Only the recurring one's number is documented.
    ContractType {
        /// Recurring Service: the only type that has contract services.
        RecurringService = 7,
    }
}

picklist_number! {
    /// Whether a contract is in effect.
    ContractStatus {
        /// In effect.
        InEffect = 1,
    }
}

entity! {
    /// A contract of a company.
    Contract at "Contracts",
        read &["id", "companyID", "contractName", "contractNumber", "contractType", "status", "startDate", "endDate", "renewedContractID"],
        query true, create true, patch true;
    /// The company; fixed once created.
    company_id "companyID" Id<Company>,
    /// Name.
    contract_name "contractName" String,
    /// The tenant's own number for it.
    contract_number "contractNumber" String,
    /// What it bills; fixed once created.
    contract_type "contractType" ContractType,
    /// Whether it is in effect.
    status "status" ContractStatus,
    /// Category, a picklist.
    contract_category "contractCategory" i64,
    /// Billing period: a number or text; fixed once created.
    contract_period_type "contractPeriodType" PicklistValue,
    /// First day.
    start_date "startDate" DateValue,
    /// Last day.
    end_date "endDate" DateValue,
    /// The contract that renews this one: a pointer, nothing more.
    renewed_contract_id "renewedContractID" Id<Contract>,
    /// The company that is billed, if another.
    bill_to_company_id "billToCompanyID" Id<Company>,
    /// The contact who is billed.
    bill_to_company_contact_id "billToCompanyContactID" Id<Contact>,
    /// How it is billed, a picklist.
    billing_preference "billingPreference" i64,
    /// The contact.
    contact_id "contactID" Id<Contact>,
    /// The contact's name.
    contact_name "contactName" String,
    /// Description.
    description "description" String,
    /// Whether it is the company's default contract.
    is_default_contract "isDefaultContract" bool,
    /// The opportunity it came from.
    opportunity_id "opportunityID" i64,
    /// Purchase order number.
    purchase_order_number "purchaseOrderNumber" String,
    /// One-time fee.
    setup_fee "setupFee" Decimal,
    /// Estimated cost.
    estimated_cost "estimatedCost" Decimal,
    /// Estimated revenue; may be 0.
    estimated_revenue "estimatedRevenue" Decimal,
    /// Last change: for polling.
    last_modified_date_time "lastModifiedDateTime" DateValue,
    + user_defined_fields "userDefinedFields"
}

create! {
    /// A new contract.
    NewContract creates Contract;
    required {
        /// The company.
        company_id "companyID" Id<Company>,
        /// Name, at most 100 characters.
        contract_name "contractName" String,
        /// What it bills.
        contract_type "contractType" ContractType,
        /// Whether it is in effect.
        status "status" ContractStatus,
        /// First day.
        start_date "startDate" Date,
        /// Last day.
        end_date "endDate" Date,
        /// Whether time entries need start and stop: 1 or 0.
        time_reporting_requires_start_and_stop_times "timeReportingRequiresStartAndStopTimes" i64,
    }
    optional {
        /// Billing period. Metadata call it read-only; on create it is taken.
        contract_period_type "contractPeriodType" PicklistValue,
        /// Category; some databases require it.
        contract_category "contractCategory" i64,
        /// The tenant's own number for it, at most 50 characters.
        contract_number "contractNumber" String,
        /// Description.
        description "description" String,
    }
    + user_defined_fields "userDefinedFields"
}

patch! {
    /// Changes to a contract. An earlier end date removes what lies after it.
    ContractPatch changes Contract;
    /// Name.
    contract_name "contractName" String,
    /// The tenant's own number for it.
    contract_number "contractNumber" String,
    /// Whether it is in effect.
    status "status" ContractStatus,
    /// First day.
    start_date "startDate" Date,
    /// Last day.
    end_date "endDate" Date,
    /// The contract that renews this one.
    renewed_contract_id "renewedContractID" Id<Contract>,
    /// Description.
    description "description" String,
    + user_defined_fields "userDefinedFields"
}
