//! Believable contents for a database, the same each time.

mod demo;
mod lines;
mod names;

pub use demo::{DemoAccount, DemoLine, DemoMsp, demo_msp};
pub use lines::{LinesSpec, SeededLine, lines, lines_of};
