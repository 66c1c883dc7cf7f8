//! Accounts, companies, contracts, lines and their mapping
