//! Where the things lie that an issue is about: in Autotask, and here.

use super::Issue;
use crate::actor::Scope;
use crate::connections::load_connection;
use crate::ids::{AccountId, ConnectionId, PartnerId};
use crate::invoices::Invoice;
use crate::links::InAutotask;
use crate::mappings::Mapping;
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Key, load};
use std::collections::BTreeMap;
use url::form_urlencoded::byte_serialize;

/// Where an issue's thing lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The thing in Autotask that can be opened there, and its address.
    pub autotask: Option<(InAutotask, String)>,
    /// What to read of it in our API.
    pub ours: String,
}

/// What the places of some issues rest on.
#[derive(Debug)]
pub struct Places {
    connection: ConnectionId,
    web_url: String,
    mappings: BTreeMap<AccountId, Mapping>,
    /// The company of each invoice.
    invoices: BTreeMap<i64, i64>,
}

impl Places {
    /// Loads what the places of these issues rest on: of what they do not say themselves, each thing once.
    ///
    /// # Errors
    /// `not_found` for the connection.
    pub async fn load(
        ports: &Ports,
        scope: &Scope,
        (partner, id): (&PartnerId, &ConnectionId),
        issues: &[Issue],
    ) -> Result<Self> {
        let connection = load_connection(ports, scope, partner, id).await?;
        let web_url = connection.zone.web_url.clone();
        let mut places = Self { connection: id.clone(), web_url, mappings: BTreeMap::new(), invoices: BTreeMap::new() };
        for issue in issues.iter().filter(|issue| told(issue).is_none()) {
            if let Some(account) = account(issue).filter(|account| !places.mappings.contains_key(account)) {
                let key = Key::Mapping(partner.clone(), id.clone(), account.clone());
                let found = load::<Mapping>(&*ports.storage, scope, &key).await?;
                places.mappings.extend(found.map(|found| (account, found.value)));
            }
            if let Some(invoice) = invoice(issue).filter(|invoice| !places.invoices.contains_key(invoice)) {
                let key = Key::Invoice(partner.clone(), id.clone(), invoice);
                let found = load::<Invoice>(&*ports.storage, scope, &key).await?;
                places.invoices.extend(found.map(|found| (invoice, found.value.company)));
            }
        }
        Ok(places)
    }

    /// Where an issue's thing lies.
    #[must_use]
    pub fn of(&self, issue: &Issue) -> Place {
        let there = told(issue).or_else(|| self.known(issue)).filter(|_| !self.web_url.is_empty());
        Place { autotask: there.map(|what| (what, what.url(&self.web_url))), ours: self.ours(issue) }
    }

    /// From what we keep of the issue's subject.
    fn known(&self, issue: &Issue) -> Option<InAutotask> {
        if let Some(company) = invoice(issue).and_then(|invoice| self.invoices.get(&invoice)) {
            return Some(InAutotask::Company(*company));
        }
        let mapping = self.mappings.get(&account(issue)?)?;
        let contract = mapping.contract.as_ref().filter(|_| issue.code != Code::CompanyInactiveOrGone);
        match contract {
            Some(contract) => Some(InAutotask::Contract(contract.id)),
            None => mapping.company.as_ref().map(|company| InAutotask::Company(company.id)),
        }
    }

    fn ours(&self, issue: &Issue) -> String {
        let base = format!("/v1/connections/{}", self.connection);
        if let Some(account) = account(issue) {
            return match issue.run() {
                Some(run) => format!("{base}/runs/{run}/lines?account={account}"),
                None => format!("{base}/accounts?q={account}"),
            };
        }
        if let Some(invoice) = invoice(issue) {
            return format!("{base}/invoices/{invoice}");
        }
        match (issue.subject.split_once('/'), issue.run()) {
            (Some(("invoice-number", number)), _) => {
                let number: String = byte_serialize(number.as_bytes()).collect();
                format!("{base}/invoices/explain?number={number}")
            }
            (None, _) if issue.subject == "invoices" => format!("{base}/sync-status"),
            (_, Some(run)) => format!("{base}/runs/{run}"),
            (None, None) if issue.subject == "mappings" => format!("{base}/permissions"),
            _ => base,
        }
    }
}

/// What the issue's own data name.
fn told(issue: &Issue) -> Option<InAutotask> {
    let id = |name: &str| issue.data[name].as_i64();
    let contract = || id("contract_id").or_else(|| issue.data["contract"]["id"].as_i64());
    id("ticket_id")
        .map(InAutotask::Ticket)
        .or_else(|| id("contact_id").map(InAutotask::Contact))
        .or_else(|| contract().map(InAutotask::Contract))
        .or_else(|| id("company_id").map(InAutotask::Company))
}

fn account(issue: &Issue) -> Option<AccountId> {
    let mut parts = issue.subject.split('/');
    (parts.next() == Some("account")).then(|| parts.next())?.and_then(|id| AccountId::new(id).ok())
}

fn invoice(issue: &Issue) -> Option<i64> {
    let mut parts = issue.subject.split('/');
    (parts.next() == Some("invoice")).then(|| parts.next())?.and_then(|id| id.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issues::tests::issue;
    use serde_json::{Value, json};

    #[test]
    fn an_issue_leads_to_the_nearest_thing_that_autotask_can_open() {
        let places = Places {
            connection: ConnectionId::new("con_1").unwrap(),
            web_url: "https://ww5.autotask.net/".to_owned(),
            mappings: BTreeMap::new(),
            invoices: BTreeMap::from([(8, 4)]),
        };
        for (subject, data, there, ours) in [
            ("connection", Value::Null, None, ""),
            ("mappings", Value::Null, None, "/permissions"),
            (
                "account/a1/p",
                json!({"contract_id": 33, "company_id": 4}),
                Some(InAutotask::Contract(33)),
                "/accounts?q=a1",
            ),
            ("account/a1/p", json!({"company_id": 4}), Some(InAutotask::Company(4)), "/accounts?q=a1"),
            ("account/a1", json!({"contract": {"id": 33}}), Some(InAutotask::Contract(33)), "/accounts?q=a1"),
            ("account/a2", Value::Null, None, "/accounts?q=a2"),
            ("invoice/8", Value::Null, Some(InAutotask::Company(4)), "/invoices/8"),
            ("invoice/8/payments", Value::Null, Some(InAutotask::Company(4)), "/invoices/8"),
            ("invoice/9", Value::Null, None, "/invoices/9"),
            ("invoice-number/A 1&b/2", Value::Null, None, "/invoices/explain?number=A+1%26b%2F2"),
            ("run/x", json!({"ticket_id": 5, "company_id": 4}), Some(InAutotask::Ticket(5)), ""),
        ] {
            let place = places.of(&Issue { data, ..issue(subject, Code::ContractEnded) });
            assert_eq!(place.autotask.map(|(what, _)| what), there, "{subject}");
            assert_eq!(place.ours, format!("/v1/connections/con_1{ours}"), "{subject}");
        }
    }

    #[test]
    fn a_zone_that_names_no_web_address_gives_no_link() {
        let (mappings, invoices) = (BTreeMap::new(), BTreeMap::new());
        let places =
            Places { connection: ConnectionId::new("con_1").unwrap(), web_url: String::new(), mappings, invoices };
        let issue = Issue { data: json!({"company_id": 4}), ..issue("account/a1", Code::CompanyInactiveOrGone) };
        assert_eq!(places.of(&issue).autotask, None);
    }
}
