use rust_decimal::Decimal;

use super::{BillingCode, Company};
use crate::Id;
use crate::entity::{entity, patch};

entity! {
    /// A product of the tenant's catalogue.
    Product at "Products",
        read &[
            "id", "name", "sku", "vendorProductNumber", "manufacturerProductName", "periodType", "productBillingCodeID",
            "isActive", "unitCost", "unitPrice",
        ],
        query true, create true, patch true;
    /// Name.
    name "name" String,
    /// Description.
    description "description" String,
    /// Stock-keeping unit.
    sku "sku" String,
    /// An outside system's id.
    external_product_id "externalProductID" String,
    /// The tenant's own id for it.
    internal_product_id "internalProductID" String,
    /// The vendor's number for it.
    vendor_product_number "vendorProductNumber" String,
    /// Manufacturer.
    manufacturer_name "manufacturerName" String,
    /// The manufacturer's name for it.
    manufacturer_product_name "manufacturerProductName" String,
    /// Cost of one unit.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Recommended price.
    msrp "msrp" Decimal,
    /// Billing period, a picklist.
    period_type "periodType" i64,
    /// Category, a picklist.
    product_category "productCategory" i64,
    /// Billing code.
    product_billing_code_id "productBillingCodeID" Id<BillingCode>,
    /// Default vendor.
    default_vendor_id "defaultVendorID" Id<Company>,
    /// Whether it can be used.
    is_active "isActive" bool,
    /// Whether each piece has a serial number.
    is_serialized "isSerialized" bool,
    + user_defined_fields "userDefinedFields"
}

patch! {
    /// Changes to a product.
    ProductPatch changes Product;
    /// Name.
    name "name" String,
    /// Description.
    description "description" String,
    /// Stock-keeping unit.
    sku "sku" String,
    /// An outside system's id.
    external_product_id "externalProductID" String,
    /// Cost of one unit.
    unit_cost "unitCost" Decimal,
    /// Price of one unit.
    unit_price "unitPrice" Decimal,
    /// Whether it can be used.
    is_active "isActive" bool,
    + user_defined_fields "userDefinedFields"
}
