//! The entities that are typed so far. Others can be read through
//! [`Client::raw_query`](crate::Client::raw_query).
//!
//! Unknown fields are ignored and missing ones are `None`: zones are upgraded at different times,
//! and what a security level may not see is left out.

mod billing_code;
mod billing_item;
mod company;
mod configuration_item;
mod contact;
mod contract;
mod contract_service;
mod contract_service_bundle;
mod currency;
mod invoice;
mod invoice_pdf;
mod product;
mod service;
mod ticket;
mod webhook;

pub use billing_code::BillingCode;
pub use billing_item::{BillingItem, BillingItemType};
pub use company::{Company, CompanyPatch, CompanyType, NewCompany};
pub use configuration_item::ConfigurationItem;
pub use contact::{Contact, ContactPatch, NewContact};
pub use contract::{Contract, ContractPatch, ContractStatus, ContractType, NewContract};
pub use contract_service::{
    ContractService, ContractServiceAdjustment, ContractServicePatch, ContractServiceUnit, NewContractService,
};
pub use contract_service_bundle::{
    ContractServiceBundle, ContractServiceBundleAdjustment, ContractServiceBundlePatch, ContractServiceBundleUnit,
    NewContractServiceBundle,
};
pub use currency::Currency;
pub use invoice::{Invoice, InvoicePatch, InvoiceReplacement};
pub use invoice_pdf::{INVOICE_PDF_MAX, InvoicePdf};
pub use product::{Product, ProductPatch};
pub use service::{NewService, Service, ServiceBundle, ServiceBundlePatch, ServicePatch};
pub use ticket::{NewTicket, NewTicketNote, Ticket, TicketNote, TicketPatch};
pub use webhook::{
    NewWebhook, WEBHOOK_KEY_MAX, WEBHOOK_NAME_MAX, WEBHOOK_URL_MAX, Webhook, WebhookEventErrorLog,
    WebhookExcludedResource, WebhookField, WebhookKey, WebhookKind, WebhookPatch, WebhookUdfField,
};

pub(crate) use invoice_pdf::{plain_base64, read as read_invoice_pdf};

use crate::wire::{Scalar, Wire};

/// A picklist value that some databases answer as a number and others as text
/// (`contractPeriodType`: `1`, `"m"`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PicklistValue {
    /// A number; its label is in the field's picklist.
    Number(i64),
    /// Text that is no number.
    Name(String),
}

impl From<i64> for PicklistValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl Wire for PicklistValue {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        match scalar {
            Scalar::Int(number) => Ok(Self::Number(number)),
            Scalar::Text(text) => Ok(text.parse().map_or(Self::Name(text), Self::Number)),
            Scalar::Fraction(_) | Scalar::Bool(_) => Err("expected a picklist value"),
        }
    }

    fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
