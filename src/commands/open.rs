//! The database that a run or a service begins with: migrated, current, there, and the user may do what is needed; one that
//! is away is waited for.

use std::time::Duration;

use actors::ports::StoreError;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::config::DatabaseConfig;
use crate::database::{self, Database};

/// How long a database that is away at the begin is waited for: a restart with recovery fits in, or the start of a
/// machine on which both begin. Not longer, because the address may be wrong; `check` says so at once.
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(2);

pub(super) async fn open(config: &DatabaseConfig, migrate: bool) -> anyhow::Result<Database> {
    let begun = Instant::now();
    loop {
        let error = match try_to_open(config, migrate).await {
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

async fn try_to_open(config: &DatabaseConfig, migrate: bool) -> anyhow::Result<Database> {
    let database = Database::open(config, database::PRIVATE).await?;
    if migrate {
        database.migrate().await?;
    }
    database.store.require_current_schema().await?;
    database.store.require_rights().await?;
    database.store.require_writable().await?;
    Ok(database)
}
