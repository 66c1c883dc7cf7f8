//! Mappings that point at something gone: marked when a run finds them so, and mended when a run sees
//! their units again.

use super::sources::Ours;
use crate::actor::Scope;
use crate::change::Change;
use crate::ids::AccountId;
use crate::issues::{self, Met, Subject};
use crate::mappings::{self, Mapping};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Key, Versioned, load};
use crate::runs::{LineState, Run, RunLine};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a code says that the mapping itself is broken: its issue is the mapping's, not the line's.
pub(super) fn is_broken(code: Code) -> bool {
    matches!(
        code,
        Code::ContractNotFound
            | Code::ContractEnded
            | Code::ContractRenewed
            | Code::ContractNotRecurring
            | Code::ContractServiceRemoved
    )
}

/// Marks and mends the mappings of a run's lines.
pub(super) async fn follow(ports: &Ports, scope: &Scope, run: &Run, ours: &Ours, lines: &[RunLine]) -> Result<()> {
    let mut broken: BTreeMap<&AccountId, (Code, &str)> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.state == LineState::Failed) {
        if let Some(code) = line.code.filter(|code| is_broken(*code)) {
            broken.entry(&line.account).or_insert((code, &line.words));
        }
    }
    for (account, (code, words)) in &broken {
        if let Some(mapping) = present(ports, scope, run, account).await? {
            let marked =
                mappings::mark_broken(ports, scope, &run.actor, &mapping, (*code, words), Some(&run.id)).await?;
            if !marked && mapping.broken.as_ref().is_some_and(|known| known.code == *code) {
                met_again(ports, scope, run, &mapping, *code, words).await?;
            }
        }
    }
    let seen: BTreeSet<&AccountId> =
        lines.iter().filter(|line| line.units_now.is_some()).map(|line| &line.account).collect();
    let marked = ours.mappings.values().filter(|mapping| mapping.broken.as_ref().is_some_and(|b| is_broken(b.code)));
    for mapping in marked.filter(|mapping| seen.contains(&mapping.account) && !broken.contains_key(&mapping.account)) {
        if let Some(mapping) = present(ports, scope, run, &mapping.account).await? {
            mappings::mark_working(ports, scope, &run.actor, &mapping).await?;
        }
    }
    Ok(())
}

/// The mapping is known to be broken: its issue counts the run that met it again.
async fn met_again(ports: &Ports, scope: &Scope, run: &Run, mapping: &Mapping, code: Code, words: &str) -> Result<()> {
    let subject = mappings::subject(mapping);
    let on = Subject { partner: &run.partner, connection: &run.connection, subject: &subject };
    let change = Change::of_connection(ports, &run.actor, &run.partner, &run.connection);
    let met = Met { detail: words, more: None, by: Some(run.id.as_str()) };
    Ok(issues::open_in(change, ports, scope, on, code, met).await?.commit(scope).await?)
}

async fn present(ports: &Ports, scope: &Scope, run: &Run, account: &AccountId) -> Result<Option<Versioned<Mapping>>> {
    let key = Key::Mapping(run.partner.clone(), run.connection.clone(), account.clone());
    Ok(load::<Mapping>(&*ports.storage, scope, &key).await?)
}
