//! The vendor's back end: partners, accounts, packages, usage
