//! The real binary, with real HTTP against the mock platform and real rows in a real PostgreSQL.

mod commands;
mod dead_letters;
mod kills;
mod listing_platform;
mod main_job;
mod overlap;
mod plan;
mod resumption;
mod signals;
mod support;
