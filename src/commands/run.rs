//! `run` and `dead-letters replay`: syncs the configured accounts once, all of each or what was given up on.

use std::process::ExitCode;

use super::open::open;
use super::sync::sync;
use crate::config::{LogFormat, RunConfig};
use crate::report;
use crate::shutdown::{INTERRUPTED, Shutdown};
use crate::standard_error::StandardError;

/// The exit code says how the run ended.
pub async fn run(
    config: RunConfig,
    log_format: LogFormat,
    stderr: StandardError,
    shutdown: Shutdown,
) -> anyhow::Result<ExitCode> {
    let Some(database) = shutdown.or(open(&config.database, config.migrate)).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let database = database?;
    let RunConfig { accounts, max_in_flight, .. } = config;
    let store = database.store.clone();
    let report = sync(accounts, max_in_flight.get(), store, log_format, stderr, shutdown).await;
    report::print(&report, config.report);
    database.close().await;
    Ok(report::exit_code(report.status))
}
