//! Invoices and what belongs to them.

use super::{EntityDef, PLAIN};

/// `billingItemType` of lines that come from a recurring service contract, and of others. Our own numbers.
pub(crate) const RECURRING_ITEM: i64 = 11;
pub(crate) const CHARGE_ITEM: i64 = 4;

/// Days until an invoice is due, by `paymentTerm`.
pub(crate) const DUE_DAYS: &[(i64, i32)] = &[(1, 0), (2, 15), (NET_30, 30), (4, 60)];
/// The payment term where none is given.
pub(crate) const NET_30: i64 = 3;

pub(super) const ENTITIES: &[EntityDef] = &[
    EntityDef {
        name: "Invoice",
        plural: "Invoices",
        first_id: 6_100,
        lengths: &[("invoiceNumber", 100)],
        picklists: &[("paymentTerm", "paymentTerm")],
        references: &[
            ("companyID", "Companies"),
            ("creatorResourceID", "Resources"),
            ("voidedByResourceID", "Resources"),
            ("invoiceEditorTemplateID", "InvoiceTemplates"),
            ("taxRegionID", "TaxRegions"),
        ],
        not_queryable: &["dueDate", "taxRegionID"],
        writable: &["invoiceNumber", "paidDate", "webServiceDate"],
        dates: &["invoiceDateTime", "dueDate", "fromDate", "toDate", "paidDate"],
        later: &[("taxRegionID", "int32")],
        defaults: &[
            ("isVoided", "false"),
            ("invoiceTotal", "0.0"),
            ("totalTaxValue", "0.0"),
            ("comments", "\"\""),
            ("orderNumber", "\"\""),
            ("paymentTerm", "3"),
        ],
        stamped: &["createDateTime"],
        ..PLAIN
    },
    EntityDef {
        name: "BillingItem",
        plural: "BillingItems",
        first_id: 88_000,
        picklists: &[("billingItemType", "billingItemType"), ("nonBillable", "zeroOrOne")],
        references: &[
            ("invoiceID", "Invoices"),
            ("companyID", "Companies"),
            ("contractID", "Contracts"),
            ("serviceID", "Services"),
            ("serviceBundleID", "ServiceBundles"),
            ("billingCodeID", "BillingCodes"),
            ("vendorID", "Companies"),
        ],
        not_queryable: &["lineItemFullDescription", "lineItemGroupDescription"],
        writable: &["webServiceDate"],
        dates: &["itemDate", "postedDate"],
        costs: &["ourCost"],
        defaults: &[("nonBillable", "0")],
        ..PLAIN
    },
    EntityDef {
        name: "Currency",
        plural: "Currencies",
        lengths: &[("name", 3), ("description", 100)],
        read_only: &["name", "isInternalCurrency", "lastModifiedDateTime", "updateResourceId"],
        defaults: &[("isActive", "true"), ("isInternalCurrency", "false"), ("exchangeRate", "1.0")],
        touched: &["lastModifiedDateTime"],
        ..PLAIN
    },
    EntityDef { name: "InvoiceTemplate", plural: "InvoiceTemplates", first_id: 101, ..PLAIN },
    EntityDef {
        name: "PaymentTerm",
        plural: "PaymentTerms",
        required: &["name"],
        lengths: &[("name", 100)],
        defaults: &[("isActive", "true"), ("paymentDueInDays", "0")],
        ..PLAIN
    },
    EntityDef {
        name: "TaxRegion",
        plural: "TaxRegions",
        required: &["name", "isActive"],
        lengths: &[("name", 200)],
        defaults: &[("isActive", "true")],
        ..PLAIN
    },
    EntityDef {
        name: "TaxCategory",
        plural: "TaxCategories",
        required: &["name", "isActive"],
        lengths: &[("name", 200)],
        defaults: &[("isActive", "true")],
        ..PLAIN
    },
    EntityDef {
        name: "Tax",
        plural: "Taxes",
        required: &["taxRegionID", "taxCategoryID", "taxName", "taxRate", "isCompounded"],
        lengths: &[("taxName", 100)],
        references: &[("taxRegionID", "TaxRegions"), ("taxCategoryID", "TaxCategories")],
        fixed: &["taxRegionID", "taxCategoryID"],
        defaults: &[("isCompounded", "false")],
        ..PLAIN
    },
];
