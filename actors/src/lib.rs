//! The pipeline of campaign-sync.
pub mod model;
pub mod permit;
pub mod ports;
pub mod report;
