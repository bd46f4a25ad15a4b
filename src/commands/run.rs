//! `run` and `dead-letters replay`: syncs the configured accounts once, all of each or what was given up on.

use std::process::ExitCode;
use std::time::Duration;

use actors::ports::StoreError;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::sync::sync;
use crate::config::{LogFormat, RunConfig};
use crate::database::{self, Database};
use crate::report;
use crate::shutdown::{INTERRUPTED, Shutdown};
use crate::standard_error::StandardError;

/// How long a database that is away when the run begins is waited for: a restart with recovery fits in, or the start of
/// a machine on which both begin. Not longer, because the address may be wrong; `check` says so at once.
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(2);

/// The exit code says how the run ended.
pub async fn run(
    config: RunConfig,
    log_format: LogFormat,
    stderr: StandardError,
    shutdown: Shutdown,
) -> anyhow::Result<ExitCode> {
    let Some(database) = shutdown.or(prepare(&config)).await else {
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

async fn prepare(config: &RunConfig) -> anyhow::Result<Database> {
    let begun = Instant::now();
    loop {
        let error = match open(config).await {
            Ok(database) => return Ok(database),
            Err(error) => error,
        };
        let is_away = matches!(error.downcast_ref(), Some(StoreError::Unavailable(_)));
        if !is_away || begun.elapsed() >= PATIENCE {
            return Err(error);
        }
        warn!(cause = %error, "the database is away: it is waited for, up to {} s", PATIENCE.as_secs());
        sleep(RETRY).await;
    }
}

async fn open(config: &RunConfig) -> anyhow::Result<Database> {
    let database = Database::open(&config.database, database::PRIVATE).await?;
    if config.migrate {
        database.migrate().await?;
    }
    database.store.require_current_schema().await?;
    database.store.require_writable().await?;
    Ok(database)
}
