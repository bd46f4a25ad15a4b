//! `run` and `dead-letters replay`: syncs the configured accounts once, all of each or what was given up on.

use std::process::ExitCode;

use actors::report::{AccountReport, Status};
use tracing::warn;

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
    let RunConfig { accounts, authorities, max_in_flight, .. } = config;
    let store = database.store.clone();
    let is_replay = accounts.iter().any(|account| account.pipeline.replay.is_some());
    let report = sync(accounts, authorities, max_in_flight.get(), store, log_format, stderr, shutdown).await;
    if is_replay && report.accounts.iter().all(had_nothing_to_replay) {
        warn!("no such dead letters in {}: nothing was replayed", database.store.database());
    }
    report::print(&report, config.report);
    database.close().await;
    Ok(report::exit_code(report.status))
}

fn had_nothing_to_replay(report: &AccountReport) -> bool {
    report.status == Status::Complete && report.campaigns.reported_total == Some(0)
}
