//! Our copy of a company that invoices go to.

use crate::ids::{ConnectionId, PartnerId};
use crate::records::{Key, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a customer is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    /// `address1`.
    pub line1: String,
    /// `address2`.
    pub line2: String,
    /// `city`.
    pub city: String,
    /// `state`.
    pub state: String,
    /// `postalCode`.
    pub postal_code: String,
    /// `countryID`, Autotask's number.
    pub country: Option<i64>,
}

/// A person at a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// `Contacts.id`.
    pub id: i64,
    /// `firstName`.
    pub first_name: String,
    /// `lastName`.
    pub last_name: String,
    /// `emailAddress`.
    pub email: Option<String>,
    /// `phone`.
    pub phone: Option<String>,
    /// `primaryContact`.
    pub primary: bool,
    /// `isActive`.
    pub active: bool,
    /// User-defined fields that the filters name, with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub udfs: BTreeMap<String, String>,
}

/// Our copy of a company.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Companies.id`.
    pub id: i64,
    /// `companyName`.
    pub name: String,
    /// `companyNumber`.
    #[serde(default)]
    pub number: String,
    /// `companyType`: the picklist's number.
    pub company_type: Option<i64>,
    /// `classification`: the picklist's number.
    pub classification: Option<i64>,
    /// `isActive`.
    pub active: bool,
    /// `phone`.
    #[serde(default)]
    pub phone: Option<String>,
    /// `taxID`.
    #[serde(default)]
    pub tax_id: Option<String>,
    /// The currency's name, where Autotask tells one.
    #[serde(default)]
    pub currency: Option<String>,
    /// Address.
    #[serde(default)]
    pub address: Address,
    /// User-defined fields that the filters name, with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub udfs: BTreeMap<String, String>,
    /// Its contacts, the primary one first; at most [`CONTACTS_MAX`].
    #[serde(default)]
    pub contacts: Vec<Contact>,
    /// Which filter keeps it and its invoices out, by its name in our API; absent: it is wanted.
    #[serde(default)]
    pub hidden_by: Option<String>,
    /// Since when Autotask no longer returns it.
    #[serde(default)]
    pub missing_since: Option<Timestamp>,
    /// When a person archived it here.
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    /// Digest of what Autotask said.
    pub digest: String,
    /// When our copy last changed.
    pub changed_at: Timestamp,
}

/// Names of currencies by the numbers that companies carry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CurrencyNames {
    /// By `Currencies.id`.
    pub by_id: BTreeMap<i64, String>,
    /// The tenant's own.
    pub own: Option<String>,
}

impl CurrencyNames {
    /// The name of a company's currency; the tenant's own where it has none.
    #[must_use]
    pub fn of(&self, id: Option<i64>) -> Option<&String> {
        match id {
            Some(id) => self.by_id.get(&id),
            None => self.own.as_ref(),
        }
    }
}

/// The currencies of a connection's Autotask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currencies {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Their names.
    pub names: CurrencyNames,
    /// When Autotask was last asked.
    pub asked_at: Timestamp,
}

impl Record for Currencies {
    const ENTITY: &'static str = "currencies";
    fn key(&self) -> Key {
        Key::Currencies(self.partner.clone(), self.connection.clone())
    }
}

/// Contacts kept of one customer: invoices go to a few people, and a record has a size.
pub const CONTACTS_MAX: usize = 100;

impl Record for Customer {
    const ENTITY: &'static str = "customer";
    fn key(&self) -> Key {
        Key::Customer(self.partner.clone(), self.connection.clone(), self.id)
    }
}
