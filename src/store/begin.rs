//! How a run begins: one transaction takes the account, takes over its unfinished run or opens a new one, and closes
//! what else was left unfinished. Whoever calls holds the account's lock, so nobody is at work on any of it.

use std::time::Duration;

use actors::model::{AccountId, Run};
use tokio_postgres::Client;
use uuid::Uuid;

/// Waits for what the process before is still committing, and for its records of what was spent: a statement of its own,
/// because the next one's snapshot has to be taken after that.
const LOCK: &str = "SELECT FROM account_owners WHERE account_id = $1 FOR UPDATE";

/// Only the account's newest run can be resumed: what an older one stored has been stored again since. Its rest is
/// measured from its last progress, so a run that goes on every day is resumed however long it takes in all, and one
/// that gets nowhere is not resumed for ever.
const BEGIN: &str = "\
WITH unfinished AS (
    SELECT r.id, r.stored FROM account_owners o JOIN sync_runs r ON r.id = o.run_id
    WHERE o.account_id = $1 AND r.status IN ('running', 'interrupted', 'failed')
      AND r.progressed_at >= now() - make_interval(secs => $3)
), resumed AS (
    UPDATE sync_runs SET status = 'running', finished_at = NULL, resumed = true
    WHERE id IN (SELECT id FROM unfinished)
), opened AS (
    INSERT INTO sync_runs (id, account_id) SELECT $2, $1 WHERE NOT EXISTS (SELECT FROM unfinished)
), closed AS (
    UPDATE sync_runs SET status = 'interrupted', finished_at = progressed_at
    WHERE account_id = $1 AND status = 'running' AND id NOT IN (SELECT id FROM unfinished)
)
INSERT INTO account_owners AS o (account_id, epoch, run_id)
VALUES ($1, 1, coalesce((SELECT id FROM unfinished), $2))
ON CONFLICT (account_id) DO UPDATE SET epoch = o.epoch + 1, run_id = excluded.run_id, taken_at = now()
RETURNING epoch, run_id, (SELECT stored FROM unfinished),
          (SELECT distinct_listed FROM sync_runs WHERE account_id = $1 AND listing_proven
           ORDER BY started_at DESC LIMIT 1)";

/// On the connection that holds the account's lock: without it, nothing is committed.
pub(super) async fn begin(
    connection: &mut Client,
    account: &AccountId,
    resume_within: Option<Duration>,
) -> Result<Run, tokio_postgres::Error> {
    let transaction = connection.transaction().await?;
    transaction.execute(LOCK, &[&account.as_str()]).await?;
    let seconds = resume_within.map(|most| most.as_secs_f64());
    let row = transaction.query_one(BEGIN, &[&account.as_str(), &Uuid::now_v7(), &seconds]).await?;
    transaction.commit().await?;
    let stored: Option<i64> = row.get(2);
    Ok(Run {
        id: row.get(1),
        account: account.clone(),
        epoch: row.get(0),
        resumed: stored.is_some(),
        stored_before: stored.and_then(|stored| u64::try_from(stored).ok()).unwrap_or(0),
        listed_before: row.get::<_, Option<i64>>(3).and_then(|listed| u64::try_from(listed).ok()),
    })
}
