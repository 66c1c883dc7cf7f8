//! Which invoices and customers a partner wants. None named: all.

use crate::ids::{ConnectionId, PartnerId};
use crate::records::{Key, Record};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

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
    /// The first import takes open invoices only. What comes later is taken whether or not it is paid.
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
    /// When they were last changed.
    pub changed_at: Timestamp,
}

impl Record for FiltersRecord {
    const ENTITY: &'static str = "invoice_filters";
    fn key(&self) -> Key {
        Key::InvoiceFilters(self.partner.clone(), self.connection.clone())
    }
}
