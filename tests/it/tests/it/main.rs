//! One integration binary, one file per function.
#![allow(clippy::unwrap_used)]

mod approvals;
mod arrows;
mod autotask_facts;
mod billing;
mod billing_model;
mod bootstrap;
mod budget;
mod builders;
mod canary;
#[path = "connect/mod.rs"]
mod connect_function;
mod conventions;
mod edge;
mod health;
mod hostile;
#[path = "intake.rs"]
mod intake_function;
mod invoice_pdfs;
mod invoices_in;
#[path = "map/mod.rs"]
mod map_function;
#[path = "notify/mod.rs"]
mod notify_function;
mod one_machine;
mod one_machine_http;
mod openapi;
mod ops;
mod package_changes;
mod packages;
mod payments;
mod rules;
#[path = "runs/mod.rs"]
mod runs_function;
mod seat_sync;
mod simulator;
mod store_contract;
mod template;
mod topologies;
mod watch;
mod webhooks;
mod zone_discover;
