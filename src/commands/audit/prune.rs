//! `audit prune`: says how much of the audit log is older than the retention, asks, and deletes it.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::super::question::{is_confirmed, require_answer};
use crate::config::AuditPruneConfig;
use crate::database::{self, Database};
use crate::store::PgStore;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// Deletes it, unless the answer is no.
pub async fn run(config: AuditPruneConfig) -> anyhow::Result<ExitCode> {
    require_answer(config.yes, "prune")?;
    let database = Database::open_current(&config.database, database::PRIVATE).await?;
    let said = prune(&database.store, config.retention, config.yes).await;
    database.close().await;
    // The rows are gone, whether or not somebody reads of it.
    let _ = writeln!(io::stdout(), "{}", said?);
    Ok(ExitCode::SUCCESS)
}

async fn prune(store: &PgStore, retention: Duration, yes: bool) -> anyhow::Result<String> {
    let (there, days) = (store.database(), retention.as_secs() / SECONDS_OF_A_DAY);
    let old = store.audit_rows_older_than(retention).await?;
    if old == 0 {
        return Ok(format!("no row of the audit log of {there} is older than {days} days"));
    }
    let question =
        format!("delete the {old} rows of the audit log of {there} that are older than {days} days? [y/N] ");
    if !yes && !is_confirmed(&question).await? {
        return Ok("nothing was deleted".to_owned());
    }
    let pruned = store.prune_audit(retention).await?;
    Ok(format!("{pruned} rows of the audit log deleted"))
}
