use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Company;
use crate::entity::{Replace, entity, patch};
use crate::{DateValue, Id};

entity! {
    /// An invoice. People make, change, void and delete it in Autotask; over the API it is read, and
    /// three of its fields are written.
    ///
    /// It has no date of its last change, no amount paid and no balance: that something was paid in
    /// part cannot be seen.
    Invoice at "Invoices",
        read &[
            "id", "companyID", "invoiceNumber", "invoiceDateTime", "dueDate", "fromDate", "toDate",
            "createDateTime", "invoiceTotal", "totalTaxValue", "paidDate", "isVoided", "voidedDate",
            "webServiceDate", "orderNumber", "comments", "paymentTerm", "taxRegionName",
        ],
        query true, create false, patch true,
        never filtered &["dueDate", "taxRegionID"];
    /// The company that is billed.
    company_id "companyID" Id<Company>,
    /// The number printed on it. Nothing keeps two invoices from having the same.
    invoice_number "invoiceNumber" String,
    /// The date printed on it.
    invoice_date_time "invoiceDateTime" DateValue,
    /// The day by which it is to be paid. It cannot be asked for in a filter.
    due_date "dueDate" DateValue,
    /// First day billed.
    from_date "fromDate" DateValue,
    /// Last day billed.
    to_date "toDate" DateValue,
    /// When it was made: for polling.
    create_date_time "createDateTime" DateValue,
    /// Who made it, a resource.
    creator_resource_id "creatorResourceID" i64,
    /// Total in the customer's currency. The vendor does not say whether taxes are part of it.
    invoice_total "invoiceTotal" Decimal,
    /// Taxes in the customer's currency.
    total_tax_value "totalTaxValue" Decimal,
    /// The day on which it was paid in full; a date without a time.
    paid_date "paidDate" DateValue,
    /// Whether it was voided.
    is_voided "isVoided" bool,
    /// When it was voided.
    voided_date "voidedDate" DateValue,
    /// Who voided it, a resource.
    voided_by_resource_id "voidedByResourceID" i64,
    /// When an integration says that it took the invoice over.
    web_service_date "webServiceDate" DateValue,
    /// The customer's order number.
    order_number "orderNumber" String,
    /// Comments.
    comments "comments" String,
    /// Payment term, a picklist.
    payment_term "paymentTerm" i64,
    /// The template that its PDF is made by.
    invoice_editor_template_id "invoiceEditorTemplateID" i64,
    /// Name of its tax region.
    tax_region_name "taxRegionName" String,
    /// The batch in which it was made.
    batch_id "batchID" i64,
}

patch! {
    /// Changes to an invoice: all that the API can write.
    InvoicePatch changes Invoice;
    /// The number printed on it, at most 100 characters.
    invoice_number "invoiceNumber" String,
    /// The day on which it was paid in full; `Null` makes it unpaid again.
    paid_date "paidDate" Date,
    /// When the integration took it over.
    web_service_date "webServiceDate" DateValue,
}

/// Everything that can be written of an invoice, at once: the second way to clear `paidDate`, should
/// Autotask not take a `null` in an [`InvoicePatch`].
///
/// What is `None` is cleared. So it is made from a row that was read just before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InvoiceReplacement {
    /// The invoice: in the body, never in the path.
    pub id: Id<Invoice>,
    /// The number printed on it.
    #[serde(rename = "invoiceNumber")]
    pub invoice_number: String,
    /// The day on which it was paid in full; `None` makes it unpaid again.
    #[serde(rename = "paidDate", with = "crate::wire::optional")]
    pub paid_date: Option<Date>,
    /// When an integration took it over.
    #[serde(rename = "webServiceDate", with = "crate::wire::optional")]
    pub web_service_date: Option<DateValue>,
}

impl InvoiceReplacement {
    /// Number and `webServiceDate` as in `read`, and this `paidDate`. `None` if `read` has no number: then the field
    /// was not read, and writing it would clear it. `read` must have been read with `webServiceDate`, too, as
    /// [`Client::get`](crate::Client::get) and [`Invoice::READ_FIELDS`] do.
    pub fn of(read: &Invoice, paid_date: Option<Date>) -> Option<Self> {
        let invoice_number = read.invoice_number.clone()?;
        Some(Self { id: read.id, invoice_number, paid_date, web_service_date: read.web_service_date })
    }
}

impl Replace for InvoiceReplacement {
    type Entity = Invoice;
    const FIELDS: &'static [&'static str] = &["id", "invoiceNumber", "paidDate", "webServiceDate"];
}
