//! `run` and `dead-letters replay`: syncs the configured account once, all of it or what of it was given up on.

use std::process::ExitCode;

use indicatif::MultiProgress;

use super::sync::sync;
use crate::config::{LogFormat, RunConfig};
use crate::database::{self, Database};
use crate::report;
use crate::shutdown::{INTERRUPTED, Shutdown};

/// The exit code says how the run ended.
pub async fn run(
    config: RunConfig,
    log_format: LogFormat,
    bars: MultiProgress,
    shutdown: Shutdown,
) -> anyhow::Result<ExitCode> {
    let Some(database) = shutdown.or(prepare(&config)).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let database = database?;
    let (platform, pipeline) = (&config.platform, &config.pipeline);
    let report = sync(platform, pipeline, database.store.clone(), log_format, bars, shutdown).await?;
    report::print(&report, config.report);
    database.close().await;
    Ok(report::exit_code(report.status))
}

async fn prepare(config: &RunConfig) -> anyhow::Result<Database> {
    let database = Database::open(&config.database, database::PRIVATE).await?;
    if config.migrate {
        database.migrate().await?;
    }
    database.require_current_schema().await?;
    Ok(database)
}
