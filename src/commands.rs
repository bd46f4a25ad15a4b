//! The commands, one file each. A command gets its settings checked, does its work, prints to standard output and
//! returns its exit code; it never ends the process.

pub mod audit;
pub mod check;
pub mod completions;
pub mod dead_letters;
pub mod demo;
pub mod man;
pub mod migrate;
pub mod mock_platform;
pub mod plan;
pub mod run;
pub mod runs;
#[cfg(feature = "age")]
pub mod secrets;
pub mod serve;

mod generated;
mod open;
mod question;
mod sync;
