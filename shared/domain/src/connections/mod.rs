//! A partner's link to one Autotask database: its state, its settings, its credentials.

mod record;
pub mod settings;

pub use record::{Connection, ConnectionStatus, FeatureState, Permission, Priority, PsaGuard, Schedule, ZoneRecord};
pub use settings::Settings;
