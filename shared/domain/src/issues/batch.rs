//! Many issues at once: what a run or a check has met, and what it found gone.

use super::{Met, Subject, open_in, resolve};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};

/// Issues of one change: each is up to three writes, a transaction takes a hundred.
const BATCH: usize = 30;
/// How often a batch is written anew because a person decided about one of its issues at the same moment.
const TRIES: u32 = 4;

/// An issue that was met, or one whose cause was found gone.
#[derive(Debug, Clone)]
pub(crate) struct Step<'a> {
    /// On what.
    pub(crate) subject: String,
    /// What.
    pub(crate) code: Code,
    /// The occurrence; none: it is gone.
    pub(crate) met: Option<Met<'a>>,
}

/// Opens and closes issues, some in one change each. Of occurrences that name what met them, a second time changes
/// nothing, so that whoever died in between may do all of it again.
///
/// # Errors
/// Records; a conflict where others were always faster.
pub(crate) async fn take(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    steps: &[Step<'_>],
) -> Result<()> {
    for batch in steps.chunks(BATCH) {
        one(ports, scope, actor, of, batch).await?;
    }
    Ok(())
}

async fn one(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection): (&PartnerId, &ConnectionId),
    batch: &[Step<'_>],
) -> Result<()> {
    for _ in 0..TRIES {
        let mut change = Change::of_connection(ports, actor, partner, connection);
        for Step { subject, code, met } in batch {
            let on = Subject { partner, connection, subject };
            change = match met {
                Some(met) => open_in(change, ports, scope, on, *code, met.clone()).await?,
                None => resolve(change, ports, scope, on, *code).await?,
            };
        }
        match change.commit(scope).await {
            Err(StorageError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
    }
    Err(Error::Storage(StorageError::Conflict { at: 0, current: None }))
}
