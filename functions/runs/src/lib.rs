//! Runs: preview, apply, list, lines, retry, cancel, reconciliation
