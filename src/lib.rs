//! The program.
pub mod cli;
pub mod config;
pub mod platform;
pub mod private_postgres;
pub mod store;
