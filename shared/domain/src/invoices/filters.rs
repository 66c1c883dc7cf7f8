//! Which invoices and customers a partner wants. None named: all.

use super::customer::Customer;
use crate::ids::{ConnectionId, PartnerId};
use crate::records::{Key, Record};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Companies by id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompanyFilter {
    /// Only these; empty: all.
    #[serde(rename = "in")]
    pub only: Vec<i64>,
    /// None of these.
    #[serde(rename = "not_in")]
    pub except: Vec<i64>,
}

/// A user-defined field with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UdfFilter {
    /// The field's name, as Autotask spells it.
    pub name: String,
    /// Its value; compared without regard to case.
    pub equals: String,
}

/// What is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Labels of `companyType`; empty: all.
    pub company_types: Vec<String>,
    /// Labels of `classification`; empty: all.
    pub classifications: Vec<String>,
    /// Companies.
    pub company_ids: CompanyFilter,
    /// A field of the company.
    pub company_udf: Option<UdfFilter>,
    /// A field that one of the company's active contacts has.
    pub contact_udf: Option<UdfFilter>,
    /// Invoices of this day or later; by the invoice's date.
    pub invoice_date_from: Option<Date>,
    /// Of what was made before the first import only open invoices are taken. What is made later is taken whether or not
    /// it is paid.
    pub unpaid_only: bool,
    /// Whether invoices over nothing are taken.
    pub include_zero: bool,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            company_types: Vec::new(),
            classifications: Vec::new(),
            company_ids: CompanyFilter::default(),
            company_udf: None,
            contact_udf: None,
            invoice_date_from: None,
            unpaid_only: false,
            include_zero: true,
        }
    }
}

/// Filters as stored. Absent: all is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiltersRecord {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// The filters.
    pub filters: Filters,
    /// `companyType` numbers of the labels, as the picklist had them when the filters were saved.
    #[serde(default)]
    pub company_type_ids: Vec<i64>,
    /// `classification` numbers of the labels.
    #[serde(default)]
    pub classification_ids: Vec<i64>,
    /// The value by which rows of the company's field carry [`Filters::company_udf`]: a list's rows have its number,
    /// not its label. Absent: as it was given.
    #[serde(default)]
    pub company_udf_value: Option<String>,
    /// The same of [`Filters::contact_udf`].
    #[serde(default)]
    pub contact_udf_value: Option<String>,
    /// When they were last changed.
    pub changed_at: Timestamp,
}

impl FiltersRecord {
    /// No filter: all is wanted.
    #[must_use]
    pub fn none(partner: &PartnerId, connection: &ConnectionId) -> Self {
        Self {
            partner: partner.clone(),
            connection: connection.clone(),
            filters: Filters::default(),
            company_type_ids: Vec::new(),
            classification_ids: Vec::new(),
            company_udf_value: None,
            contact_udf_value: None,
            changed_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Which filter keeps a customer and its invoices out, by its name in our API.
    #[must_use]
    pub fn hides(&self, customer: &Customer) -> Option<&'static str> {
        let filters = &self.filters;
        let listed = |ids: &[i64], id: Option<i64>| id.is_some_and(|id| ids.contains(&id));
        if !filters.company_types.is_empty() && !listed(&self.company_type_ids, customer.company_type) {
            return Some("company_types");
        }
        if !filters.classifications.is_empty() && !listed(&self.classification_ids, customer.classification) {
            return Some("classifications");
        }
        let CompanyFilter { only, except } = &filters.company_ids;
        if (!only.is_empty() && !only.contains(&customer.id)) || except.contains(&customer.id) {
            return Some("company_ids");
        }
        let (of_company, of_contact) = (self.company_udf_value.as_deref(), self.contact_udf_value.as_deref());
        if filters.company_udf.as_ref().is_some_and(|udf| !udf.fits(&customer.udfs, of_company)) {
            return Some("company_udf");
        }
        let has = |udf: &UdfFilter| {
            customer.contacts.iter().any(|contact| contact.active && udf.fits(&contact.udfs, of_contact))
        };
        if filters.contact_udf.as_ref().is_some_and(|udf| !has(udf)) {
            return Some("contact_udf");
        }
        None
    }

    /// Which filter keeps an invoice of a wanted customer out, by its name in our API. `history`: it was made before
    /// anything was fetched, is paid or void, and is not here.
    #[must_use]
    pub fn hides_invoice(&self, date: Date, total: Decimal, history: bool) -> Option<&'static str> {
        let filters = &self.filters;
        if filters.invoice_date_from.is_some_and(|from| date < from) {
            return Some("invoice_date_from");
        }
        if !filters.include_zero && total.is_zero() {
            return Some("include_zero");
        }
        (filters.unpaid_only && history).then_some("unpaid_only")
    }

    /// What a filter is set to, by its name in our API; null where there is no such filter.
    #[must_use]
    pub fn value_of(&self, filter: &str) -> Value {
        serde_json::to_value(&self.filters).map(|mut all| all[filter].take()).unwrap_or_default()
    }

    /// Names of the company's user-defined fields that the filters look at.
    #[must_use]
    pub fn company_udfs(&self) -> Vec<&str> {
        self.filters.company_udf.iter().map(|udf| udf.name.as_str()).collect()
    }

    /// Names of the contacts' user-defined fields that the filters look at.
    #[must_use]
    pub fn contact_udfs(&self) -> Vec<&str> {
        self.filters.contact_udf.iter().map(|udf| udf.name.as_str()).collect()
    }
}

impl UdfFilter {
    /// Whether these fields have the value; `stored`: as rows carry it, where that is not as it was given.
    #[must_use]
    pub fn fits(&self, udfs: &BTreeMap<String, String>, stored: Option<&str>) -> bool {
        let wanted = stored.unwrap_or(&self.equals).trim().to_lowercase();
        let same = |value: &String| value.trim().to_lowercase() == wanted;
        udfs.get(&self.name).is_some_and(same)
    }
}

impl Record for FiltersRecord {
    const ENTITY: &'static str = "invoice_filters";
    fn key(&self) -> Key {
        Key::InvoiceFilters(self.partner.clone(), self.connection.clone())
    }
}
