use rust_decimal::Decimal;

use super::{Company, Contract, Invoice, Service, ServiceBundle};
use crate::entity::{entity, picklist_number};
use crate::{DateValue, Id};

picklist_number! {
    /// What a billed item comes from. Only these two numbers are known.
    BillingItemType {
        /// Labour.
        Labour = 1,
        /// Correction of labour.
        LabourAdjustment = 2,
    }
}

entity! {
    /// A billed item that was approved and posted: a line of an invoice, once there is one.
    ///
    /// Costs are absent for an API user that may not read them; nobody needs them to collect money.
    BillingItem at "BillingItems",
        read &[
            "id", "invoiceID", "companyID", "itemName", "description", "quantity", "rate", "extendedPrice",
            "totalAmount", "taxDollars", "itemDate", "billingItemType", "subType", "contractID", "serviceID",
            "serviceBundleID", "lineItemID", "nonBillable", "purchaseOrderNumber",
        ],
        query true, create false, patch true,
        never filtered &["lineItemFullDescription", "lineItemGroupDescription"];
    /// The invoice; absent as long as none was made.
    invoice_id "invoiceID" Id<Invoice>,
    /// The company that is billed.
    company_id "companyID" Id<Company>,
    /// Name.
    item_name "itemName" String,
    /// Description.
    description "description" String,
    /// How many, or how many hours.
    quantity "quantity" Decimal,
    /// Price of one, in the customer's currency.
    rate "rate" Decimal,
    /// Quantity times rate, in the customer's currency.
    extended_price "extendedPrice" Decimal,
    /// What is billed, in the customer's currency.
    total_amount "totalAmount" Decimal,
    /// Tax, in the customer's currency.
    tax_dollars "taxDollars" Decimal,
    /// What it costs the tenant.
    our_cost "ourCost" Decimal,
    /// Day of the work or of the period.
    item_date "itemDate" DateValue,
    /// When it was posted.
    posted_date "postedDate" DateValue,
    /// What it comes from.
    billing_item_type "billingItemType" BillingItemType,
    /// A finer kind, a picklist.
    sub_type "subType" i64,
    /// 1 if it is shown and not billed, else 0: a number here.
    non_billable "nonBillable" i64,
    /// The contract.
    contract_id "contractID" Id<Contract>,
    /// The service of a recurring line.
    service_id "serviceID" Id<Service>,
    /// The bundle of a recurring line.
    service_bundle_id "serviceBundleID" Id<ServiceBundle>,
    /// Items that share it are shown as one line of the invoice.
    line_item_id "lineItemID" i64,
    /// Text of the line; for people.
    line_item_full_description "lineItemFullDescription" String,
    /// Text of the group of lines; for people.
    line_item_group_description "lineItemGroupDescription" String,
    /// The customer's order number.
    purchase_order_number "purchaseOrderNumber" String,
    /// When an integration says that it took the item over.
    web_service_date "webServiceDate" DateValue,
}
