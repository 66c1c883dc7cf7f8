//! Secrets with versions, in a file that only its owner can read.

use super::clock::LocalClock;
use super::journal::{Access, Journal};
use async_trait::async_trait;
use domain::ids::{ConnectionId, PartnerId};
use domain::ports::{SecretName, SecretVersion, Secrets, SecretsError};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One machine's Secrets Manager. Nothing of it prints.
#[derive(Debug)]
pub struct LocalSecrets {
    clock: Arc<LocalClock>,
    state: Mutex<State>,
    away: AtomicBool,
}

#[derive(Debug)]
struct State {
    kept: Vec<Kept>,
    next: u64,
    journal: Journal,
}

#[derive(Debug)]
struct Kept {
    name: SecretName,
    version: SecretVersion,
    at: Timestamp,
    value: SecretString,
}

/// One change, as it lies in the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Put { partner: Option<PartnerId>, connection: Option<ConnectionId>, version: u64, at: Timestamp, value: String },
    Delete { partner: Option<PartnerId>, connection: Option<ConnectionId> },
}

impl LocalSecrets {
    /// Forgotten with the process.
    #[must_use]
    pub fn memory(clock: Arc<LocalClock>) -> Self {
        Self::new(clock, Vec::new(), Journal::none())
    }

    /// Kept in `path`, which only the owner can read.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(clock: Arc<LocalClock>, path: &Path) -> io::Result<Self> {
        let (kept, journal) = Journal::open(path, Access::Private, |lines: Vec<Line>| {
            let mut kept = Vec::new();
            for line in lines {
                replay(&mut kept, line);
            }
            let lines = kept.iter().map(Kept::line).collect();
            (kept, lines)
        })?;
        Ok(Self::new(clock, kept, journal))
    }

    fn new(clock: Arc<LocalClock>, kept: Vec<Kept>, journal: Journal) -> Self {
        let next = kept.iter().filter_map(|kept| kept.version.0.parse::<u64>().ok()).max().unwrap_or(0) + 1;
        Self { clock, state: Mutex::new(State { kept, next, journal }), away: AtomicBool::new(false) }
    }

    /// From now on (or no longer) nothing can be read or written, as when Secrets Manager is away.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// The names of all secrets, with the number of their versions.
    #[must_use]
    pub fn names(&self) -> Vec<(SecretName, usize)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<(SecretName, usize)> = Vec::new();
        for kept in &state.kept {
            match names.iter_mut().find(|(name, _)| *name == kept.name) {
                Some((_, versions)) => *versions += 1,
                None => names.push((kept.name.clone(), 1)),
            }
        }
        names
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, SecretsError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SecretsError::Unavailable("the secret store is away".into()));
        }
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Secrets for LocalSecrets {
    async fn put(&self, name: &SecretName, value: SecretString) -> Result<SecretVersion, SecretsError> {
        let at = self.clock.now();
        let mut state = self.state()?;
        let version = SecretVersion(format!("{:08}", state.next));
        let kept = Kept { name: name.clone(), version: version.clone(), at, value };
        state.journal.append(&kept.line()).map_err(unavailable)?;
        state.next += 1;
        state.kept.push(kept);
        Ok(version)
    }

    async fn get(&self, name: &SecretName, version: &SecretVersion) -> Result<SecretString, SecretsError> {
        let state = self.state()?;
        let found = state.kept.iter().find(|kept| kept.name == *name && kept.version == *version);
        found.map(|kept| kept.value.clone()).ok_or(SecretsError::Missing)
    }

    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError> {
        let mut state = self.state()?;
        let (partner, connection) = parts(name);
        state.journal.append(&Line::Delete { partner, connection }).map_err(unavailable)?;
        state.kept.retain(|kept| kept.name != *name);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<(SecretName, Timestamp)>, SecretsError> {
        let state = self.state()?;
        let mut all: Vec<(SecretName, Timestamp)> = Vec::new();
        for kept in &state.kept {
            let of_connection = matches!(kept.name, SecretName::Connection(..));
            if of_connection && !all.iter().any(|(name, _)| *name == kept.name) {
                all.push((kept.name.clone(), kept.at));
            }
        }
        Ok(all)
    }
}

impl Kept {
    fn line(&self) -> Line {
        let (partner, connection) = parts(&self.name);
        let version = self.version.0.parse().unwrap_or(0);
        Line::Put { partner, connection, version, at: self.at, value: self.value.expose_secret().to_owned() }
    }
}

fn parts(name: &SecretName) -> (Option<PartnerId>, Option<ConnectionId>) {
    match name {
        SecretName::Connection(partner, connection) => (Some(partner.clone()), Some(connection.clone())),
        SecretName::Vendor => (None, None),
    }
}

fn name(partner: Option<PartnerId>, connection: Option<ConnectionId>) -> SecretName {
    match (partner, connection) {
        (Some(partner), Some(connection)) => SecretName::Connection(partner, connection),
        _ => SecretName::Vendor,
    }
}

fn replay(kept: &mut Vec<Kept>, line: Line) {
    match line {
        Line::Put { partner, connection, version, at, value } => kept.push(Kept {
            name: name(partner, connection),
            version: SecretVersion(format!("{version:08}")),
            at,
            value: value.into(),
        }),
        Line::Delete { partner, connection } => {
            let gone = name(partner, connection);
            kept.retain(|kept| kept.name != gone);
        }
    }
}

fn unavailable(error: io::Error) -> SecretsError {
    SecretsError::Unavailable(Box::new(error))
}
