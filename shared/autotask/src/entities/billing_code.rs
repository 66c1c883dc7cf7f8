use rust_decimal::Decimal;

use crate::entity::entity;

entity! {
    /// A billing code (allocation code). Read-only.
    BillingCode at "BillingCodes",
        read &["id", "name", "useType", "isActive", "billingCodeType"],
        query true, create false, patch false;
    /// Name.
    name "name" String,
    /// Description.
    description "description" String,
    /// What it is for; 1 is work types, the others by the field's picklist.
    use_type "useType" i64,
    /// Kind, a picklist.
    billing_code_type "billingCodeType" i64,
    /// Number in another system; some databases answer a number.
    external_number "externalNumber" String,
    /// General ledger account, a picklist.
    general_ledger_account "generalLedgerAccount" i64,
    /// Department.
    department "department" i64,
    /// Tax category.
    tax_category_id "taxCategoryID" i64,
    /// Cost of one unit.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Mark-up.
    markup_rate "markupRate" Decimal,
    /// Whether it can be used.
    is_active "isActive" bool,
}
