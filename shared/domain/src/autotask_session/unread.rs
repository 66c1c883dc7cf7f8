//! Credentials that are stored and cannot be read: an issue on the connection, until a session reads them again.

use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::{Connection, ConnectionStatus, load_connection};
use crate::issues::{self, Issue, Met, Subject, key};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::load;

const CODE: Code = Code::SecretStoreUnavailable;
/// An outage is counted once in so many seconds: a session does not know the run that it is for, and a run comes back
/// several times before it gives up.
const COUNTED_EVERY: i64 = 3_600;

/// Takes note of whether a session could read its connection's credentials. While nothing changes it costs one read;
/// what goes wrong here is logged and changes nothing for the session.
pub(super) async fn follow(ports: &Ports, scope: &Scope, connection: &Connection, failed: Option<&Error>) {
    let done = match failed {
        None => readable(ports, scope, connection).await,
        Some(Error::Problem(problem)) if problem.code == CODE => {
            unreadable(ports, scope, connection, &problem.detail).await
        }
        Some(_) => Ok(()),
    };
    match done {
        // Another session has written the same.
        Ok(()) | Err(Error::Storage(StorageError::Conflict { .. })) => {}
        Err(error) => {
            tracing::warn!(connection.id = %connection.id, error = %error, "an issue about credentials was not written");
        }
    }
}

async fn readable(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<()> {
    if !present(ports, scope, connection).await?.is_some_and(|issue| issue.stands()) {
        return Ok(());
    }
    let actor = actor(ports);
    let change = Change::of_connection(ports, &actor, &connection.partner, &connection.id);
    Ok(issues::resolve(change, ports, scope, on(connection), CODE).await?.commit(scope).await?)
}

async fn unreadable(ports: &Ports, scope: &Scope, connection: &Connection, detail: &str) -> Result<()> {
    let now = load_connection(ports, scope, &connection.partner, &connection.id).await?;
    if now.secret != connection.secret || now.status == ConnectionStatus::Disconnected {
        // Others have replaced or deleted them meanwhile.
        return Ok(());
    }
    let by = format!("hour/{}", ports.clock.now().as_second() / COUNTED_EVERY);
    let known = present(ports, scope, connection).await?;
    if known.is_some_and(|issue| issue.stands() && issue.occurrence.as_deref() == Some(&by)) {
        return Ok(());
    }
    let (actor, met) = (actor(ports), Met { detail, more: None, by: Some(&by) });
    let change = Change::of_connection(ports, &actor, &connection.partner, &connection.id);
    Ok(issues::open_in(change, ports, scope, on(connection), CODE, met).await?.commit(scope).await?)
}

async fn present(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Option<Issue>> {
    let Subject { partner, connection, subject } = on(connection);
    let found = load::<Issue>(&*ports.storage, scope, &key(partner, connection, subject, CODE)).await?;
    Ok(found.map(|found| found.value))
}

fn on(connection: &Connection) -> Subject<'_> {
    Subject { partner: &connection.partner, connection: &connection.id, subject: "connection" }
}

fn actor(ports: &Ports) -> Actor {
    Actor::system("session:credentials", format!("session_{}", ports.ids.uuid().simple()))
}
