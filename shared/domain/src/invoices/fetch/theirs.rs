//! What Autotask returns, in our terms.

use crate::invoices::customer::{Address, CONTACTS_MAX, Contact, CurrencyNames, Customer};
use crate::invoices::filters::FiltersRecord;
use crate::invoices::hex;
use crate::invoices::record::InvoiceLine;
use autotask::{BillingItem, UserDefinedFields};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Characters of a digest: 128 bits.
const DIGEST_CHARS: usize = 32;

/// The head of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Header {
    pub(super) id: i64,
    pub(super) number: String,
    pub(super) company: i64,
    pub(super) date: Date,
    pub(super) created_at: Timestamp,
    pub(super) due: Option<Date>,
    pub(super) from: Option<Date>,
    pub(super) to: Option<Date>,
    pub(super) total: Decimal,
    pub(super) tax: Decimal,
    pub(super) order_number: String,
    pub(super) comments: String,
    pub(super) paid_on: Option<Date>,
    pub(super) voided_on: Option<Date>,
}

impl Header {
    /// `None` where the row lacks what an invoice needs: a customer, a date, a total.
    pub(super) fn of(row: &autotask::Invoice, zone: &TimeZone) -> Option<Self> {
        let day = |value: Option<autotask::DateValue>| value.map(|value| value.calendar_date(zone));
        let date = day(row.invoice_date_time).or(day(row.create_date_time))?;
        let created_at = row.create_date_time.or(row.invoice_date_time)?.instant();
        let voided_on = row.is_voided.unwrap_or(false).then(|| day(row.voided_date).unwrap_or(date));
        Some(Self {
            id: row.id.get(),
            number: row.invoice_number.clone().unwrap_or_default().trim().to_owned(),
            company: row.company_id?.get(),
            date,
            created_at,
            due: day(row.due_date),
            from: day(row.from_date),
            to: day(row.to_date),
            total: row.invoice_total?.normalize(),
            tax: row.total_tax_value.unwrap_or_default().normalize(),
            order_number: row.order_number.clone().unwrap_or_default(),
            comments: row.comments.clone().unwrap_or_default(),
            paid_on: day(row.paid_date),
            voided_on,
        })
    }

    /// Whether nobody in Autotask has said that it is paid or void.
    pub(super) fn is_open(&self) -> bool {
        self.paid_on.is_none() && self.voided_on.is_none()
    }

    pub(super) fn digest(&self) -> String {
        digest(self)
    }
}

/// A line. What is shown and not billed comes to nothing.
pub(super) fn line(row: &BillingItem, zone: &TimeZone) -> InvoiceLine {
    let billed = row.non_billable.unwrap_or(0) == 0;
    let amount = row.total_amount.or(row.extended_price).filter(|_| billed).unwrap_or_default();
    InvoiceLine {
        id: row.id.get(),
        name: row.item_name.clone().unwrap_or_default(),
        description: row.description.clone().unwrap_or_default(),
        quantity: row.quantity,
        rate: row.rate,
        amount: amount.normalize(),
        tax: row.tax_dollars.filter(|_| billed).unwrap_or_default().normalize(),
        date: row.item_date.map(|value| value.calendar_date(zone)),
        kind: row.billing_item_type.as_ref().map(|kind| kind.number()),
        contract: row.contract_id.map(autotask::Id::get),
        service: row.service_id.map(autotask::Id::get),
        bundle: row.service_bundle_id.map(autotask::Id::get),
        order: row.line_item_id,
    }
}

/// What Autotask says of a company, over what is known of it.
pub(super) fn customer(
    row: &autotask::Company,
    before: Option<&Customer>,
    of: &FiltersRecord,
    currencies: &CurrencyNames,
    now: Timestamp,
) -> Customer {
    let text = |value: &Option<String>| value.clone().filter(|value| !value.trim().is_empty());
    let plain = |value: &Option<String>| value.clone().unwrap_or_default();
    Customer {
        partner: of.partner.clone(),
        connection: of.connection.clone(),
        id: row.id.get(),
        name: plain(&row.company_name),
        number: plain(&row.company_number),
        company_type: row.company_type.as_ref().map(|kind| kind.number()),
        classification: row.classification,
        active: row.is_active.unwrap_or(true),
        phone: text(&row.phone),
        tax_id: text(&row.tax_id),
        currency: currencies.of(row.currency_id).cloned(),
        address: Address {
            line1: plain(&row.address1),
            line2: plain(&row.address2),
            city: plain(&row.city),
            state: plain(&row.state),
            postal_code: plain(&row.postal_code),
            country: row.country_id,
        },
        udfs: named(&row.user_defined_fields, &of.company_udfs()),
        contacts: before.map(|customer| customer.contacts.clone()).unwrap_or_default(),
        hidden_by: None,
        missing_since: None,
        archived_at: before.and_then(|customer| customer.archived_at),
        digest: String::new(),
        changed_at: before.map_or(now, |customer| customer.changed_at),
    }
}

/// A person at a company; `None` without a company.
pub(super) fn contact(row: &autotask::Contact, of: &FiltersRecord) -> Option<(i64, Contact)> {
    let text = |value: &Option<String>| value.clone().filter(|value| !value.trim().is_empty());
    let contact = Contact {
        id: row.id.get(),
        first_name: row.first_name.clone().unwrap_or_default(),
        last_name: row.last_name.clone().unwrap_or_default(),
        email: text(&row.email_address),
        phone: text(&row.phone),
        primary: row.primary_contact.unwrap_or(false),
        active: row.is_active.unwrap_or(1) != 0,
        udfs: named(&row.user_defined_fields, &of.contact_udfs()),
    };
    Some((row.company_id?.get(), contact))
}

/// Adds contacts to a customer, or puts them over what was known of them: active ones, the primary first.
pub(super) fn put_contacts(customer: &mut Customer, contacts: impl IntoIterator<Item = Contact>) {
    for contact in contacts {
        customer.contacts.retain(|known| known.id != contact.id);
        if contact.active {
            customer.contacts.push(contact);
        }
    }
    customer.contacts.sort_by_key(|contact| (!contact.primary, contact.id));
    customer.contacts.truncate(CONTACTS_MAX);
}

/// Decides about a customer, and makes its digest. One that is kept out keeps no more than the decision needs.
pub(super) fn decided(mut customer: Customer, of: &FiltersRecord) -> Customer {
    customer.hidden_by = of.hides(&customer).map(str::to_owned);
    if customer.hidden_by.is_some() {
        (customer.phone, customer.tax_id, customer.address) = (None, None, Address::default());
        for contact in &mut customer.contacts {
            (contact.first_name, contact.last_name) = (String::new(), String::new());
            (contact.email, contact.phone) = (None, None);
        }
        if of.filters.contact_udf.is_none() {
            customer.contacts.clear();
        }
    }
    // Of what Autotask said and the filters make of it, not of what happened to our copy.
    let said = Customer {
        digest: String::new(),
        changed_at: Timestamp::UNIX_EPOCH,
        archived_at: None,
        missing_since: None,
        ..customer.clone()
    };
    customer.digest = digest(&said);
    customer
}

fn named(fields: &UserDefinedFields, names: &[&str]) -> BTreeMap<String, String> {
    let value = |name: &&str| fields.get(name).map(|value| ((*name).to_owned(), value.to_owned()));
    names.iter().filter_map(value).collect()
}

fn digest(of: &impl Serialize) -> String {
    let json = serde_json::to_vec(of).unwrap_or_default();
    hex(&Sha256::digest(json)).chars().take(DIGEST_CHARS).collect()
}
