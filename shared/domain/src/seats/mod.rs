//! Placeholder until the first thread lands.
