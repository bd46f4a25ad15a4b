//! The program around the pipeline: the platform's client, the database, settings, commands and output.
//! `main` is the way in; `actors` holds what all of this is for.

pub mod cli;
pub mod commands;
pub mod config;
pub mod database;
pub mod estimate;
pub mod metrics;
pub mod plan_report;
pub mod platform;
pub mod printable;
pub mod private_postgres;
pub mod progress;
pub mod report;
pub mod rotating_secret;
pub mod serve;
pub mod shutdown;
pub mod standard_error;
pub mod store;
pub mod syncer;
pub mod telemetry;
pub mod tls;
