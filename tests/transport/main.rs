//! What is encrypted, to whom, and what is said where it cannot be: to a platform and to PostgreSQL, with real
//! certificates and over real connections.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a person may want to see every cell of a table")]

mod certificates;
mod listener;
mod platform;
mod postgres;
mod program;
mod rotation;
mod server;
mod service;
