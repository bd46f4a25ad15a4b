//! The real binary, with real HTTP against the mock platform and real rows in a real PostgreSQL.

mod audit;
mod collector;
mod commands;
mod completeness;
mod configuration_file;
mod dead_letters;
mod kills;
mod listing_platform;
mod logs;
#[path = "../support/loopback_server.rs"]
mod loopback_server;
mod main_job;
mod many_accounts;
#[cfg(target_os = "linux")]
mod outage_memory;
mod outages;
mod overlap;
mod plan;
mod reload;
mod resumption;
mod retries;
mod rights;
mod running;
mod secrets;
mod service;
mod serving;
mod signals;
mod stopping;
mod support;
mod traces;
#[path = "../support/until.rs"]
mod until;
