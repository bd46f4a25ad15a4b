//! The program.
pub mod private_postgres;
pub mod store;
