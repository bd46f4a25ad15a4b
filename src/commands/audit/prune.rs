//! `audit prune`: says how much of the audit log is older than the retention, asks, and deletes it.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::super::question::{is_confirmed, require_answer};
use crate::config::AuditPruneConfig;
use crate::database::{self, Database};
use crate::store::PgStore;

const SECONDS_OF_A_DAY: u64 = 86_400;
/// For the question. A higher number tells a person no more, and takes longer to count.
const MOST_COUNTED: u32 = 1_000_000;

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
    let old = format!("older than {days} days, or of a batch and older than 30");
    let nothing = format!("no row of the audit log of {there} is {old}");
    store.require_may_prune().await?;
    if !yes {
        let rows = match store.audit_rows_to_prune(retention, MOST_COUNTED + 1).await? {
            0 => return Ok(nothing),
            rows if rows > u64::from(MOST_COUNTED) => format!("more than {MOST_COUNTED}"),
            rows => rows.to_string(),
        };
        let question = format!("delete the {rows} rows of the audit log of {there} that are {old}? [y/N] ");
        if !is_confirmed(&question).await? {
            return Ok("nothing was deleted".to_owned());
        }
    }
    Ok(match store.prune_audit(retention).await? {
        0 => nothing,
        pruned => format!("{pruned} rows of the audit log deleted"),
    })
}
