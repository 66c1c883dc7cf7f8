use crate::entity::{create, entity, patch, picklist_number};
use crate::{DateValue, Id};

picklist_number! {
    /// What kind of company it is. Tenants add their own.
    CompanyType {
        /// Customer.
        Customer = 1,
    }
}

entity! {
    /// A company: the tenant's customer, lead, vendor, or (id 0) the tenant itself.
    Company at "Companies",
        read &["id", "companyName", "companyNumber", "companyType", "isActive"],
        query true, create true, patch true,
        never filtered &["assetValue", "sicCode", "stockMarket", "stockSymbol", "quoteTemplateID"];
    /// Name.
    company_name "companyName" String,
    /// The tenant's own number for it.
    company_number "companyNumber" String,
    /// Kind.
    company_type "companyType" CompanyType,
    /// Whether it is active.
    is_active "isActive" bool,
    /// Parent company.
    parent_company_id "parentCompanyID" Id<Company>,
    /// Its owner, a resource.
    owner_resource_id "ownerResourceID" i64,
    /// Classification, a picklist.
    classification "classification" i64,
    /// Territory, a picklist.
    territory_id "territoryID" i64,
    /// Main phone.
    phone "phone" String,
    /// Web site.
    web_address "webAddress" String,
    /// Street.
    address1 "address1" String,
    /// Street, second line.
    address2 "address2" String,
    /// City.
    city "city" String,
    /// State or county.
    state "state" String,
    /// Postal code.
    postal_code "postalCode" String,
    /// Country.
    country_id "countryID" i64,
    /// Currency.
    currency_id "currencyID" i64,
    /// Tax region.
    tax_region_id "taxRegionID" i64,
    /// Tax number.
    tax_id "taxID" String,
    /// Whether it pays no tax.
    is_tax_exempt "isTaxExempt" bool,
    /// When it was created.
    create_date "createDate" DateValue,
    /// Last activity.
    last_activity_date "lastActivityDate" DateValue,
    /// Last change of a tracked field: for polling.
    last_tracked_modified_date_time "lastTrackedModifiedDateTime" DateValue,
    + user_defined_fields "userDefinedFields"
}

impl Company {
    /// What a copy of a customer needs, besides [`Self::READ_FIELDS`]. A user-defined field is read by including
    /// its own name as well.
    pub const CUSTOMER_FIELDS: &'static [&'static str] = &[
        "id",
        "companyName",
        "companyNumber",
        "companyType",
        "classification",
        "isActive",
        "parentCompanyID",
        "phone",
        "webAddress",
        "address1",
        "address2",
        "city",
        "state",
        "postalCode",
        "countryID",
        "currencyID",
        "taxID",
        "isTaxExempt",
        "lastActivityDate",
        "lastTrackedModifiedDateTime",
    ];
}

create! {
    /// A new company. Autotask makes its primary location by itself.
    NewCompany creates Company;
    required {
        /// Name, at most 100 characters.
        company_name "companyName" String,
        /// Kind.
        company_type "companyType" CompanyType,
        /// Main phone, at most 25 characters.
        phone "phone" String,
        /// Its owner, a resource; not an API user.
        owner_resource_id "ownerResourceID" i64,
    }
    optional {
        /// The tenant's own number for it, at most 50 characters.
        company_number "companyNumber" String,
        /// Whether it is active.
        is_active "isActive" bool,
        /// Street, at most 128 characters.
        address1 "address1" String,
        /// Street, second line.
        address2 "address2" String,
        /// City.
        city "city" String,
        /// State or county.
        state "state" String,
        /// Postal code.
        postal_code "postalCode" String,
        /// Country.
        country_id "countryID" i64,
        /// Web site, at most 255 characters.
        web_address "webAddress" String,
    }
    + user_defined_fields "userDefinedFields"
}

patch! {
    /// Changes to a company.
    CompanyPatch changes Company;
    /// Name.
    company_name "companyName" String,
    /// The tenant's own number for it.
    company_number "companyNumber" String,
    /// Kind; not from Vendor while services refer to it.
    company_type "companyType" CompanyType,
    /// Whether it is active.
    is_active "isActive" bool,
    /// Main phone.
    phone "phone" String,
    /// Web site.
    web_address "webAddress" String,
    /// Parent company.
    parent_company_id "parentCompanyID" Id<Company>,
    + user_defined_fields "userDefinedFields"
}
