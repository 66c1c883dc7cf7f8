//! Jobs that a connection can be set up for, and what each of them switches on.

use super::Settings;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Defaults named after the job that the vendor sells, in one choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum JobProfile {
    /// Active users become the units of mapped contract lines on the 1st.
    #[default]
    SeatCount,
    /// A package change becomes the right contract lines.
    PackageBilling,
    /// Invoices come in, payments go back.
    Invoices,
}

impl JobProfile {
    /// Every profile.
    pub const ALL: &'static [JobProfile] = &[JobProfile::SeatCount, JobProfile::PackageBilling, JobProfile::Invoices];

    /// The profile's name in our API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            JobProfile::SeatCount => "seat_count",
            JobProfile::PackageBilling => "package_billing",
            JobProfile::Invoices => "invoices",
        }
    }

    /// Features that are on where the connect request names none.
    #[must_use]
    pub fn features(self) -> Vec<String> {
        match self {
            JobProfile::SeatCount => vec!["seat_sync".to_owned()],
            JobProfile::PackageBilling => vec!["package_billing".to_owned()],
            JobProfile::Invoices => vec!["invoices".to_owned()],
        }
    }

    /// Settings of a new connection.
    #[must_use]
    pub fn settings(self) -> Settings {
        let mut settings = Settings::default();
        if self != JobProfile::SeatCount {
            // Nothing happens by itself on the 1st: packages change when the vendor says so, invoices come all day.
            settings.schedule.enabled = false;
        }
        settings
    }
}

impl FromStr for JobProfile {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|profile| profile.as_str() == text).ok_or(())
    }
}

/// A job that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name in our API.
    pub name: &'static str,
    /// Whether this version of the bundle does it. What it does not do may be chosen ahead and is warned about.
    pub available: bool,
}

/// Every feature that may be named.
pub const FEATURES: &[Feature] = &[
    Feature { name: "seat_sync", available: true },
    Feature { name: "package_billing", available: true },
    Feature { name: "invoices", available: true },
    Feature { name: "quotes", available: false },
    Feature { name: "catalogue", available: false },
    Feature { name: "webhooks", available: false },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_profile_switches_automatic_billing_sync_on() {
        for profile in JobProfile::ALL {
            assert!(!profile.settings().billing_auto_sync);
            assert_eq!(profile.as_str().parse(), Ok(*profile));
            for feature in profile.features() {
                assert!(FEATURES.iter().any(|known| known.name == feature));
            }
        }
    }
}
