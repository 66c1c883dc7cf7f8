use super::{Company, Contact, Contract, ContractService, Product};
use crate::entity::entity;
use crate::{DateValue, Id};

entity! {
    /// A configuration item: a device or another asset of a company; `InstalledProduct` in callouts.
    ConfigurationItem at "ConfigurationItems",
        read &[
            "id", "companyID", "contactID", "contractID", "contractServiceID", "productID", "isActive",
            "configurationItemType", "configurationItemCategoryID", "referenceTitle", "referenceNumber", "serialNumber",
            "installDate", "warrantyExpirationDate", "createDate", "lastModifiedTime",
        ],
        query true, create true, patch true;
    /// Whose it is.
    company_id "companyID" Id<Company>,
    /// Who uses it.
    contact_id "contactID" Id<Contact>,
    /// The contract that covers it.
    contract_id "contractID" Id<Contract>,
    /// The contract's line that covers it.
    contract_service_id "contractServiceID" Id<ContractService>,
    /// Of which product it is one.
    product_id "productID" Id<Product>,
    /// Whether it is active.
    is_active "isActive" bool,
    /// Type, a picklist.
    configuration_item_type "configurationItemType" i64,
    /// Category, a picklist.
    configuration_item_category_id "configurationItemCategoryID" i64,
    /// Name.
    reference_title "referenceTitle" String,
    /// Number.
    reference_number "referenceNumber" String,
    /// Serial number.
    serial_number "serialNumber" String,
    /// When it was installed.
    install_date "installDate" DateValue,
    /// When its warranty ends.
    warranty_expiration_date "warrantyExpirationDate" DateValue,
    /// When it was made.
    create_date "createDate" DateValue,
    /// Last change: for polling.
    last_modified_time "lastModifiedTime" DateValue,
}
