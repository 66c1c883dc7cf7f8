use rust_decimal::Decimal;

use crate::DateValue;
use crate::entity::entity;

entity! {
    /// A currency of the database. It has one even where several currencies are not switched on.
    Currency at "Currencies",
        read &["id", "name", "isInternalCurrency", "isActive"],
        query true, create false, patch true;
    /// Name, usually the ISO 4217 code.
    name "name" String,
    /// Description.
    description "description" String,
    /// Whether it is the tenant's own.
    is_internal_currency "isInternalCurrency" bool,
    /// Whether it can be used.
    is_active "isActive" bool,
    /// What one unit of it is worth in the tenant's own.
    exchange_rate "exchangeRate" Decimal,
    /// Last change.
    last_modified_date_time "lastModifiedDateTime" DateValue,
}
