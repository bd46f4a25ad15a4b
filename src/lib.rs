//! The program.
pub mod platform;
