//! Seat sync: on the due day each mapped contract line gets the vendor's count as its units, exactly once.
//!
//! `sources` loads ours, `reading` loads theirs, `plan` decides (pure), `apply` carries the plan out through
//! [`crate::units`], `run` is what a worker does with a message, `due` what the dispatcher does on a tick.

mod apply;
mod broken;
mod conclude;
mod costs;
pub mod dating;
pub mod decisions;
pub mod due;
mod issues;
pub mod plan;
mod prepare;
pub mod reading;
mod report;
mod run;
mod sources;
pub mod undo;
pub mod writers;

pub(crate) use run::give_up_lines;
pub use run::{Computed, compute, work};
pub use sources::{Ours, load as load_ours};

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
