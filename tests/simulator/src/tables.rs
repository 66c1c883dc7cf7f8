//! The entities, one table row each. Names and types of the fields come from the vendor's models,
//! verbs from its list of operations; what stands here is what neither tells.

mod billed;
mod service_desk;
mod webhooks;

pub(crate) use billed::{CHARGE_ITEM, DUE_DAYS, NET_30, RECURRING_ITEM};
pub(crate) use service_desk::COMPLETE;
pub(crate) use webhooks::{KINDS, RIGHT, WebhookKind};

/// One entity: how it is reached and what its fields demand.
#[derive(Debug)]
pub(crate) struct EntityDef {
    /// Name in the vendor's models and in error texts: `ContractService`.
    pub(crate) name: &'static str,
    /// Name in paths and permissions: `ContractServices`.
    pub(crate) plural: &'static str,
    /// The model that its fields come from, where the models do not have its own.
    pub(crate) model: &'static str,
    /// Where it lies under a parent.
    pub(crate) child: Option<ChildDef>,
    /// The first id that a database gives out.
    pub(crate) first_id: i64,
    pub(crate) required: &'static [&'static str],
    /// Most characters of a text.
    pub(crate) lengths: &'static [(&'static str, usize)],
    /// Fields that hold a value of a picklist of `PICKLISTS`.
    pub(crate) picklists: &'static [(&'static str, &'static str)],
    /// Fields that hold an id of another entity (by plural).
    pub(crate) references: &'static [(&'static str, &'static str)],
    pub(crate) not_queryable: &'static [&'static str],
    /// Never written through the API.
    pub(crate) read_only: &'static [&'static str],
    /// The only fields that are written through the API, where they are few.
    pub(crate) writable: &'static [&'static str],
    /// Written on create only.
    pub(crate) fixed: &'static [&'static str],
    /// Date-times whose time is dropped.
    pub(crate) dates: &'static [&'static str],
    /// Hidden from a user that may not read costs.
    pub(crate) costs: &'static [&'static str],
    /// Fields, and their model types, that the models of 2020 do not have yet.
    pub(crate) later: &'static [(&'static str, &'static str)],
    /// Written, and never shown.
    pub(crate) secret: &'static [&'static str],
    /// Kept per row and never shown: numbers.
    pub(crate) internal: &'static [&'static str],
    /// Names of user-defined fields; none where the entity has no such fields.
    pub(crate) udfs: &'static [&'static str],
    /// Values of a new row where none are given, as JSON.
    pub(crate) defaults: &'static [(&'static str, &'static str)],
    /// Stamped on create.
    pub(crate) stamped: &'static [&'static str],
    /// Stamped on every change.
    pub(crate) touched: &'static [&'static str],
}

/// Where a child lies: `Contracts/{id}/Services`.
#[derive(Debug)]
pub(crate) struct ChildDef {
    pub(crate) parent: &'static str,
    pub(crate) segment: &'static str,
    /// The field that holds the parent's id.
    pub(crate) field: &'static str,
}

const PLAIN: EntityDef = EntityDef {
    name: "",
    plural: "",
    model: "",
    child: None,
    first_id: 1,
    required: &[],
    lengths: &[],
    picklists: &[],
    references: &[],
    not_queryable: &[],
    read_only: &[],
    writable: &[],
    fixed: &[],
    dates: &[],
    costs: &[],
    later: &[],
    secret: &[],
    internal: &[],
    udfs: &[],
    defaults: &[],
    stamped: &[],
    touched: &[],
};

/// One value of a picklist: number, letter form (where one is known), label.
pub(crate) type Pick = (i64, &'static str, &'static str);

/// User-defined fields that hold a value of a list: rows carry its number as text. Names are unique here.
pub(crate) const LIST_UDFS: &[(&str, &[Pick])] = &[
    ("Billing Plan", &[(1, "", "Monthly"), (2, "", "Yearly")]),
    ("Billing Contact", &[(1, "", "Yes"), (2, "", "No")]),
];
/// User-defined fields that are encrypted: no query takes them.
pub(crate) const ENCRYPTED_UDFS: &[&str] = &["Vault Code"];
/// Labels that people switched off; rows may still carry them.
pub(crate) const INACTIVE_LABELS: &[&str] = &["Dead", "Delinquent"];

/// Values differ per tenant in truth; these are data of this simulator.
pub(crate) const PICKLISTS: &[(&str, &[Pick])] = &[
    (
        "companyType",
        &[
            (1, "", "Customer"),
            (2, "", "Lead"),
            (3, "", "Prospect"),
            (4, "", "Dead"),
            (6, "", "Cancelation"),
            (7, "", "Vendor"),
            (8, "", "Partner"),
        ],
    ),
    ("classification", &[(1, "", "Gold"), (2, "", "Silver"), (3, "", "Delinquent")]),
    (
        "contractType",
        &[
            (1, "", "Time & Materials"),
            (3, "", "Fixed Price"),
            (4, "", "Block Hours"),
            (6, "", "Retainer"),
            (RECURRING_SERVICE, "", "Recurring Service"),
            (8, "", "Incident"),
        ],
    ),
    ("contractStatus", &[(0, "", "Inactive"), (1, "", "Active")]),
    (
        "period",
        &[
            (1, "m", "Monthly"),
            (2, "q", "Quarterly"),
            (3, "s", "Semi-Annual"),
            (4, "y", "Yearly"),
            (5, "o", "One-Time"),
        ],
    ),
    ("contractCategory", &[(1, "", "Standard"), (2, "", "Managed Services")]),
    (
        "billingPreference",
        &[(1, "", "Immediately without reviewing"), (2, "", "Manually"), (3, "", "On Timesheet Approval")],
    ),
    ("billingCodeType", &[(0, "", "System"), (1, "", "Normal"), (2, "", "Non Billable")]),
    (
        "useType",
        &[
            (1, "", "Work Type"),
            (2, "", "Material"),
            (3, "", "Internal Time"),
            (4, "", "Expense Category"),
            (RECURRING_CODE, "", "Recurring Contract Service"),
            (6, "", "Milestone"),
        ],
    ),
    ("zeroOrOne", &[(0, "", "No"), (1, "", "Yes")]),
    ("active", &[(0, "", "Inactive"), (1, "", "Active")]),
    ("productCategory", &[(1, "", "Standard"), (2, "", "Security"), (3, "", "Backup")]),
    ("billingType", &[(1, "", "One-Time"), (2, "", "Recurring")]),
    ("priceCostMethod", &[(1, "", "No automatic updates"), (2, "", "Update cost"), (3, "", "Update price")]),
    ("invoiceMethod", &[(1, "", "E-mail"), (2, "", "Print")]),
    (
        "paymentTerm",
        &[(1, "", "Due on receipt"), (2, "", "Net 15 days"), (NET_30, "", "Net 30 days"), (4, "", "Net 60 days")],
    ),
    (
        "billingItemType",
        &[
            (1, "", "Labor"),
            (2, "", "Labor Adjustment"),
            (3, "", "Expense"),
            (CHARGE_ITEM, "", "Charge"),
            (RECURRING_ITEM, "", "Recurring Contract Service"),
        ],
    ),
    ("licenseType", &[(1, "", "Professional"), (7, "", "API User (API-only)")]),
    (
        "ticketStatus",
        &[
            (1, "", "New"),
            (COMPLETE, "", "Complete"),
            (7, "", "Waiting Customer"),
            (8, "", "In Progress"),
            (11, "", "Escalate"),
        ],
    ),
    ("priority", &[(1, "", "High"), (2, "", "Medium"), (3, "", "Low"), (4, "", "Critical")]),
    ("queue", &[(5, "", "Client Portal"), (29_682_833, "", "Level I Support"), (29_683_354, "", "Billing")]),
    ("ticketSource", &[(2, "", "Phone"), (4, "", "Email"), (8, "", "Monitoring Alert"), (9, "", "Other")]),
    ("ticketType", &[(1, "", "Service Request"), (2, "", "Incident"), (3, "", "Problem"), (5, "", "Alert")]),
    ("ticketCategory", &[(2, "", "AEM Alert"), (3, "", "Standard")]),
    ("noteType", &[(1, "", "Task Summary"), (2, "", "Task Detail"), (3, "", "Task Notes")]),
    ("publish", &[(1, "", "All Autotask Users"), (2, "", "Internal Project Team")]),
    ("configurationItemType", &[(1, "", "Workstation"), (2, "", "Server"), (3, "", "Network Device")]),
    ("configurationItemCategory", &[(1, "", "Standard"), (2, "", "Monitored")]),
];

/// `contractType` of recurring service contracts.
pub(crate) const RECURRING_SERVICE: i64 = 7;
/// `useType` of billing codes for recurring contract services.
pub(crate) const RECURRING_CODE: i64 = 5;

/// The entities that the simulator knows.
pub(crate) fn entities() -> impl Iterator<Item = &'static EntityDef> {
    let webhooks = webhooks::ENTITIES.iter().copied().flatten();
    ENTITIES.iter().chain(billed::ENTITIES).chain(service_desk::ENTITIES).chain(webhooks)
}

const ENTITIES: &[EntityDef] = &[
    EntityDef {
        name: "Company",
        plural: "Companies",
        first_id: 29_683_500,
        required: &["companyName", "companyType", "phone", "ownerResourceID"],
        lengths: &[
            ("companyName", 100),
            ("phone", 25),
            ("address1", 128),
            ("address2", 128),
            ("companyNumber", 50),
            ("webAddress", 255),
        ],
        picklists: &[
            ("companyType", "companyType"),
            ("classification", "classification"),
            ("invoiceMethod", "invoiceMethod"),
        ],
        references: &[("ownerResourceID", "Resources"), ("parentCompanyID", "Companies")],
        not_queryable: &["assetValue", "sicCode", "stockMarket", "stockSymbol", "quoteTemplateID"],
        read_only: &["createDate", "createdByResourceID", "lastActivityDate", "lastTrackedModifiedDateTime"],
        fixed: &["billToAddressToUse"],
        udfs: &["Portal Id", "Tier", "Customer Ranking", "Vault Code", "Billing Plan"],
        defaults: &[("isActive", "true"), ("billToAddressToUse", "1"), ("currencyID", "1")],
        stamped: &["createDate"],
        touched: &["lastActivityDate", "lastTrackedModifiedDateTime"],
        ..PLAIN
    },
    EntityDef {
        name: "Contact",
        plural: "Contacts",
        child: Some(ChildDef { parent: "Companies", segment: "Contacts", field: "companyID" }),
        first_id: 30_682_600,
        required: &["companyID", "firstName", "lastName", "isActive"],
        lengths: &[
            ("firstName", 50),
            ("lastName", 50),
            ("emailAddress", 254),
            ("emailAddress2", 254),
            ("emailAddress3", 254),
            ("phone", 25),
            ("mobilePhone", 25),
            ("title", 50),
            ("externalID", 50),
        ],
        picklists: &[("isActive", "active")],
        references: &[("companyID", "Companies")],
        not_queryable: &["isOptedOutFromBulkEmail", "solicitationOptOut", "surveyOptOut"],
        read_only: &["createDate", "lastActivityDate", "lastModifiedDate"],
        fixed: &["companyID"],
        udfs: &["Portal User Id", "Billing Contact"],
        defaults: &[("isActive", "1"), ("primaryContact", "false")],
        stamped: &["createDate"],
        touched: &["lastActivityDate", "lastModifiedDate"],
        ..PLAIN
    },
    EntityDef {
        name: "Contract",
        plural: "Contracts",
        first_id: 29_684_100,
        required: &[
            "companyID",
            "contractName",
            "contractType",
            "startDate",
            "endDate",
            "status",
            "timeReportingRequiresStartAndStopTimes",
        ],
        lengths: &[("contractName", 100), ("contractNumber", 50)],
        picklists: &[
            ("contractType", "contractType"),
            ("status", "contractStatus"),
            ("contractPeriodType", "period"),
            ("contractCategory", "contractCategory"),
            ("billingPreference", "billingPreference"),
            ("timeReportingRequiresStartAndStopTimes", "zeroOrOne"),
        ],
        references: &[
            ("companyID", "Companies"),
            ("contactID", "Contacts"),
            ("billToCompanyID", "Companies"),
            ("billToCompanyContactID", "Contacts"),
            ("renewedContractID", "Contracts"),
            ("exclusionContractID", "Contracts"),
            ("setupFeeBillingCodeID", "BillingCodes"),
        ],
        read_only: &["contactName", "isCompliant", "lastModifiedDateTime"],
        later: &[("lastModifiedDateTime", "date-time")],
        touched: &["lastModifiedDateTime"],
        fixed: &["companyID", "contractType", "contractPeriodType", "exclusionContractID"],
        dates: &["startDate", "endDate"],
        costs: &["estimatedCost"],
        udfs: &["Vendor Agreement"],
        defaults: &[
            ("isDefaultContract", "false"),
            ("timeReportingRequiresStartAndStopTimes", "0"),
            ("status", "1"),
            ("contractCategory", "1"),
            ("contractPeriodType", "1"),
            ("estimatedRevenue", "0.0"),
        ],
        ..PLAIN
    },
    EntityDef {
        name: "ContractService",
        plural: "ContractServices",
        child: Some(ChildDef { parent: "Contracts", segment: "Services", field: "contractID" }),
        first_id: 4_800,
        required: &["contractID", "serviceID"],
        lengths: &[("invoiceDescription", 1_000), ("internalDescription", 100)],
        references: &[("contractID", "Contracts"), ("serviceID", "Services")],
        read_only: &["internalCurrencyUnitPrice", "internalCurrencyAdjustedPrice"],
        fixed: &["contractID", "serviceID", "quoteItemID"],
        costs: &["unitCost"],
        ..PLAIN
    },
    EntityDef {
        name: "ContractServiceUnit",
        plural: "ContractServiceUnits",
        child: Some(ChildDef { parent: "Contracts", segment: "ServiceUnits", field: "contractID" }),
        first_id: 91_000,
        references: &[
            ("contractID", "Contracts"),
            ("contractServiceID", "ContractServices"),
            ("serviceID", "Services"),
            ("vendorCompanyID", "Companies"),
        ],
        dates: &["startDate", "endDate"],
        costs: &["cost"],
        internal: &["_unitCost", "_unitPrice"],
        ..PLAIN
    },
    EntityDef {
        name: "ContractServiceAdjustment",
        plural: "ContractServiceAdjustments",
        child: Some(ChildDef { parent: "Contracts", segment: "ServiceAdjustments", field: "contractID" }),
        first_id: 61_000,
        required: &["effectiveDate"],
        references: &[
            ("contractID", "Contracts"),
            ("contractServiceID", "ContractServices"),
            ("serviceID", "Services"),
        ],
        dates: &["effectiveDate"],
        costs: &["adjustedUnitCost"],
        ..PLAIN
    },
    EntityDef {
        name: "ContractServiceBundle",
        plural: "ContractServiceBundles",
        child: Some(ChildDef { parent: "Contracts", segment: "ServiceBundles", field: "contractID" }),
        first_id: 2_300,
        required: &["contractID", "serviceBundleID"],
        lengths: &[("invoiceDescription", 1_000), ("internalDescription", 100)],
        references: &[("contractID", "Contracts"), ("serviceBundleID", "ServiceBundles")],
        read_only: &["internalCurrencyUnitPrice", "internalCurrencyAdjustedPrice"],
        fixed: &["contractID", "serviceBundleID", "quoteItemID"],
        ..PLAIN
    },
    EntityDef {
        name: "ContractServiceBundleUnit",
        plural: "ContractServiceBundleUnits",
        child: Some(ChildDef { parent: "Contracts", segment: "ServiceBundleUnits", field: "contractID" }),
        first_id: 51_000,
        references: &[
            ("contractID", "Contracts"),
            ("contractServiceBundleID", "ContractServiceBundles"),
            ("serviceBundleID", "ServiceBundles"),
        ],
        dates: &["startDate", "endDate"],
        costs: &["cost"],
        internal: &["_unitCost", "_unitPrice"],
        ..PLAIN
    },
    EntityDef {
        name: "ContractServiceBundleAdjustment",
        plural: "ContractServiceBundleAdjustments",
        child: Some(ChildDef { parent: "Contracts", segment: "ServiceBundleAdjustments", field: "contractID" }),
        first_id: 71_000,
        required: &["effectiveDate"],
        references: &[
            ("contractID", "Contracts"),
            ("contractServiceBundleID", "ContractServiceBundles"),
            ("serviceBundleID", "ServiceBundles"),
        ],
        dates: &["effectiveDate"],
        ..PLAIN
    },
    EntityDef {
        name: "Service",
        plural: "Services",
        first_id: 40,
        required: &["name", "unitPrice", "periodType", "billingCodeID"],
        lengths: &[("name", 150), ("description", 400), ("invoiceDescription", 1_000)],
        picklists: &[("periodType", "period")],
        references: &[("billingCodeID", "BillingCodes"), ("vendorCompanyID", "Companies")],
        read_only: &["createDate", "creatorResourceID", "lastModifiedDate", "updateResourceID"],
        fixed: &["periodType"],
        costs: &["unitCost", "markupRate"],
        defaults: &[("isActive", "true"), ("periodType", "1")],
        stamped: &["createDate"],
        touched: &["lastModifiedDate"],
        ..PLAIN
    },
    EntityDef {
        name: "ServiceBundle",
        plural: "ServiceBundles",
        first_id: 12,
        required: &["name", "periodType", "billingCodeID"],
        lengths: &[("name", 150), ("description", 400), ("invoiceDescription", 1_000)],
        picklists: &[("periodType", "period")],
        references: &[("billingCodeID", "BillingCodes")],
        read_only: &["unitCost", "createDate", "creatorResourceID", "lastModifiedDate", "updateResourceID"],
        fixed: &["periodType"],
        costs: &["unitCost"],
        defaults: &[("isActive", "true"), ("periodType", "1")],
        stamped: &["createDate"],
        touched: &["lastModifiedDate"],
        ..PLAIN
    },
    EntityDef {
        name: "ServiceBundleService",
        plural: "ServiceBundleServices",
        child: Some(ChildDef { parent: "ServiceBundles", segment: "Services", field: "serviceBundleID" }),
        first_id: 30,
        required: &["serviceBundleID", "serviceID"],
        references: &[("serviceBundleID", "ServiceBundles"), ("serviceID", "Services")],
        ..PLAIN
    },
    EntityDef {
        name: "Product",
        plural: "Products",
        first_id: 29_682_800,
        required: &["name", "isActive", "productBillingCodeID", "isSerialized"],
        lengths: &[
            ("name", 100),
            ("sku", 50),
            ("externalProductID", 50),
            ("internalProductID", 50),
            ("vendorProductNumber", 50),
        ],
        picklists: &[
            ("periodType", "period"),
            ("productCategory", "productCategory"),
            ("billingType", "billingType"),
            ("priceCostMethod", "priceCostMethod"),
        ],
        references: &[
            ("productBillingCodeID", "BillingCodes"),
            ("chargeBillingCodeID", "BillingCodes"),
            ("defaultVendorID", "Companies"),
        ],
        fixed: &["billingType", "priceCostMethod", "markupRate"],
        costs: &["unitCost", "markupRate"],
        udfs: &["Vendor Package"],
        defaults: &[("isActive", "true"), ("isSerialized", "false")],
        ..PLAIN
    },
    EntityDef {
        name: "BillingCode",
        plural: "BillingCodes",
        first_id: 29_682_900,
        picklists: &[("useType", "useType"), ("billingCodeType", "billingCodeType")],
        costs: &["unitCost", "markupRate"],
        defaults: &[("isActive", "true"), ("isExcludedFromNewContracts", "false"), ("billingCodeType", "1")],
        ..PLAIN
    },
    EntityDef {
        name: "Resource",
        plural: "Resources",
        first_id: 29_682_880,
        required: &["firstName", "lastName"],
        lengths: &[("firstName", 50), ("lastName", 50), ("email", 254)],
        picklists: &[("licenseType", "licenseType")],
        read_only: &["userName", "licenseType"],
        costs: &["internalCost"],
        defaults: &[("isActive", "true")],
        ..PLAIN
    },
];
