//! What the integration does: connections, mappings, units, runs
