//! Mappings in short, for tables of tests.

use crate::ids::{AccountId, ConnectionId, LineRef, PackageId, PartnerId};
use crate::mappings::{CompanyRef, ContractRef, MappedLine, Mapping, MappingSource, MappingStatus, PackageContract};
use jiff::Timestamp;
use std::collections::BTreeMap;

pub(super) fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

pub(super) fn package(id: &str) -> PackageId {
    PackageId::new(id).unwrap()
}

pub(super) fn contract(id: i64) -> ContractRef {
    ContractRef { id, name: format!("C{id}"), start: None, end: None }
}

/// `account@company/contract`, lines as `package:line`, left ones as `package~line`, own contracts as `package>contract`; a `?` before it: only
/// suggested, a `!`: broken.
pub(super) fn mapping(text: &str) -> Mapping {
    let mut words = text.split(' ');
    let head = words.next().unwrap();
    let (status, head) = match head.split_at(1) {
        ("?", rest) => (MappingStatus::Suggested, rest),
        ("!", rest) => (MappingStatus::Broken, rest),
        _ => (MappingStatus::Confirmed, head),
    };
    let (id, target) = head.split_once('@').unwrap();
    let (company, main) = target.split_once('/').unwrap();
    let (mut lines, mut leaving, mut contracts) = (Vec::new(), Vec::new(), Vec::new());
    let line = |of: &str, id: &str| MappedLine {
        package_id: package(of),
        line: LineRef::service(id.parse().unwrap()),
        service_id: 41,
        service_name: "Training".to_owned(),
        overwrite_cost: None,
    };
    for word in words {
        if let Some((of, id)) = word.split_once(':') {
            lines.push(line(of, id));
        } else if let Some((of, id)) = word.split_once('~') {
            leaving.push(line(of, id));
        } else if let Some((of, id)) = word.split_once('>') {
            contracts.push(PackageContract { package_id: package(of), contract: contract(id.parse().unwrap()) });
        }
    }
    Mapping {
        partner: PartnerId::new("acme").unwrap(),
        connection: ConnectionId::new("con_1").unwrap(),
        account: account(id),
        status,
        company: Some(CompanyRef { id: company.parse().unwrap(), name: "Kite".to_owned() }),
        contract: main.parse().ok().map(contract),
        contracts,
        leaving,
        lines,
        source: MappingSource::Manual,
        broken: None,
        paused: false,
        confirmed_at: None,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn all(texts: &[&str]) -> BTreeMap<AccountId, Mapping> {
    texts.iter().map(|text| mapping(text)).map(|m| (m.account.clone(), m)).collect()
}
