use rust_decimal::Decimal;

use super::{BillingCode, Company, PicklistValue};
use crate::entity::{create, entity, patch};
use crate::{DateValue, Id};

entity! {
    /// A service of the tenant's catalogue.
    Service at "Services",
        read &["id", "name", "periodType", "billingCodeID", "isActive", "unitCost", "unitPrice"],
        query true, create true, patch true;
    /// Name.
    name "name" String,
    /// Description.
    description "description" String,
    /// Text on the invoice.
    invoice_description "invoiceDescription" String,
    /// Billing period, a picklist; fixed once created.
    period_type "periodType" PicklistValue,
    /// Recurring-service billing code.
    billing_code_id "billingCodeID" Id<BillingCode>,
    /// Cost of one unit.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Mark-up.
    markup_rate "markupRate" Decimal,
    /// Whether it can be used.
    is_active "isActive" bool,
    /// Its vendor.
    vendor_company_id "vendorCompanyID" Id<Company>,
    /// When it was created.
    create_date "createDate" DateValue,
    /// Last change: for polling.
    last_modified_date "lastModifiedDate" DateValue,
}

create! {
    /// A new service.
    NewService creates Service;
    required {
        /// Name, at most 150 characters.
        name "name" String,
        /// Price of one unit.
        unit_price "unitPrice" Decimal,
        /// Billing period, a picklist.
        period_type "periodType" PicklistValue,
        /// Recurring-service billing code.
        billing_code_id "billingCodeID" Id<BillingCode>,
    }
    optional {
        /// Description, at most 400 characters.
        description "description" String,
        /// Text on the invoice, at most 1,000 characters.
        invoice_description "invoiceDescription" String,
        /// Cost of one unit.
        unit_cost "unitCost" Decimal,
        /// Whether it can be used.
        is_active "isActive" bool,
        /// Its vendor.
        vendor_company_id "vendorCompanyID" Id<Company>,
    }
}

patch! {
    /// Changes to a service. There is no delete: make it inactive.
    ServicePatch changes Service;
    /// Name.
    name "name" String,
    /// Description.
    description "description" String,
    /// Text on the invoice.
    invoice_description "invoiceDescription" String,
    /// Cost of one unit.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Whether it can be used.
    is_active "isActive" bool,
}

entity! {
    /// Services sold together.
    ServiceBundle at "ServiceBundles",
        read &["id", "name", "periodType", "billingCodeID", "isActive", "unitCost", "unitPrice"],
        query true, create true, patch true;
    /// Name.
    name "name" String,
    /// Description.
    description "description" String,
    /// Text on the invoice.
    invoice_description "invoiceDescription" String,
    /// Billing period, a picklist; fixed once created.
    period_type "periodType" PicklistValue,
    /// Recurring-service billing code.
    billing_code_id "billingCodeID" Id<BillingCode>,
    /// Cost of one unit: the sum of its services'.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Discount per unit.
    unit_discount "unitDiscount" Decimal,
    /// Discount in percent.
    percentage_discount "percentageDiscount" Decimal,
    /// Whether it can be used.
    is_active "isActive" bool,
    /// When it was created.
    create_date "createDate" DateValue,
    /// Last change: for polling.
    last_modified_date "lastModifiedDate" DateValue,
}

patch! {
    /// Changes to a service bundle.
    ServiceBundlePatch changes ServiceBundle;
    /// Name.
    name "name" String,
    /// Description.
    description "description" String,
    /// Text on the invoice.
    invoice_description "invoiceDescription" String,
    /// Whether it can be used.
    is_active "isActive" bool,
}
