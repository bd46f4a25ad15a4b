//! `run`: syncs the configured account once.

use std::process::ExitCode;

use indicatif::MultiProgress;

use super::sync::sync;
use crate::config::{LogFormat, RunConfig};
use crate::database::{self, Database};
use crate::report;

/// The exit code says how the run ended.
pub async fn run(config: RunConfig, log_format: LogFormat, bars: MultiProgress) -> anyhow::Result<ExitCode> {
    let database = Database::open(&config.database, database::PRIVATE).await?;
    if config.migrate {
        database.migrate().await?;
    }
    database.require_current_schema().await?;
    let report = sync(&config.platform, &config.pipeline, database.store.clone(), log_format, bars).await?;
    report::print(&report, config.report);
    database.close().await;
    Ok(report::exit_code(report.status))
}
