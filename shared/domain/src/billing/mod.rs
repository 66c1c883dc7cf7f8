//! Billing: each contract line gets the units that counts and packages say, exactly once.
//!
//! `sources` loads ours, with the changes that go `along`, and `targets` says what is billed on which line; `reading`
//! loads theirs; `plan` decides (pure), line by line in `decide`, with `reckon` for how many and `dating` and `when` for
//! from when; `guards` and `trouble` say what is not written; `lines` finds lines or adds them to contracts, once;
//! `apply` carries the plan out through [`crate::units`]; `run` is what a worker does with a message, `due` what the
//! dispatcher does on a tick.

mod along;
mod apply;
mod broken;
mod conclude;
mod costs;
pub mod creation;
pub mod dating;
mod decide;
pub mod decisions;
pub mod due;
pub mod guards;
mod issues;
mod lines;
pub mod plan;
mod prepare;
pub mod reading;
mod reckon;
mod report;
mod run;
mod sources;
pub mod targets;
mod trouble;
pub mod undo;
mod watch;
mod when;
pub mod writers;

pub(crate) use run::give_up_lines;
pub use run::{Computed, compute, work};
pub use sources::Ours;

use crate::actor::Scope;
use crate::connections::{Connection, Settings, settings::SettingsRecord};
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::{Key, load};

/// The present settings of a connection; defaults where none are stored.
async fn settings_of(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Settings> {
    let key = Key::Settings(connection.partner.clone(), connection.id.clone());
    let found = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok(found.map(|found| found.value.settings).unwrap_or_default())
}
