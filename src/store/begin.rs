//! How a run begins: one transaction takes the account, takes over its unfinished run or opens a new one, and closes
//! what else was left unfinished. Or the account is only borrowed: it is taken, and nothing else changes. Whoever calls
//! holds the account's lock, so nobody is at work on any of it.

use std::time::Duration;

use actors::model::{AccountId, LetterFilter, Replay, Run};
use serde_json::json;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::session::Session;
use super::{Failure, audit, dead_letters};

/// Locks no row, and is refused where nothing can be written.
const WRITABLE: &str = "SELECT FROM account_owners WHERE false FOR KEY SHARE";

/// Waits for what the process before is still committing, and for its records of what was spent: a statement of its own,
/// because the next one's snapshot has to be taken after that.
const LOCK: &str = "SELECT FROM account_owners WHERE account_id = $1 FOR UPDATE";

/// Only the account's newest run that is no replay can be resumed: what an older one stored has been stored again since.
/// Of its dead letters, some may have been replayed or discarded meanwhile. Its rest is measured from its last progress, so a run that goes on every day is resumed however long it takes in all, and one
/// that gets nowhere is not resumed for ever.
const BEGIN: &str = "\
WITH unfinished AS (
    SELECT r.id, r.stored, GREATEST(r.stored, r.next_number) AS next_number FROM account_owners o JOIN sync_runs r ON r.id = o.sync_run_id
    WHERE o.account_id = $1 AND r.status IN ('running', 'interrupted', 'failed')
      AND r.progressed_at >= now() - make_interval(secs => $3)
), resumed AS (
    UPDATE sync_runs r SET status = 'running', finished_at = NULL, resumed = true,
        dead_lettered = (SELECT count(*) FROM dead_letters d WHERE d.account_id = $1 AND d.run_id = r.id)
    WHERE id IN (SELECT id FROM unfinished)
), opened AS (
    INSERT INTO sync_runs (id, account_id, kind) SELECT $2, $1, $4 WHERE NOT EXISTS (SELECT FROM unfinished)
), closed AS (
    UPDATE sync_runs SET status = 'interrupted', finished_at = progressed_at
    WHERE account_id = $1 AND status = 'running' AND id NOT IN (SELECT id FROM unfinished)
    RETURNING id, status, stored, dead_lettered, batches
), audited AS (
    INSERT INTO audit_log (what, account_id, run_id, details)
    SELECT 'run_ended', $1, id,
           jsonb_build_object('status', status, 'stored', stored, 'dead_lettered', dead_lettered, 'batches', batches,
                              'found_unfinished', true)
    FROM closed
    UNION ALL
    SELECT CASE WHEN u.id IS NOT NULL THEN 'run_resumed' WHEN $4 = 'replay' THEN 'replay_begun' ELSE 'run_begun' END,
           $1, coalesce(u.id, $2),
           $5::text::jsonb || CASE WHEN u.id IS NULL THEN '{}' ELSE jsonb_build_object('stored', u.stored) END
    FROM (SELECT) one LEFT JOIN unfinished u ON true
)
INSERT INTO account_owners AS o (account_id, epoch, run_id, sync_run_id)
SELECT $1, 1, run.id, CASE WHEN $4 = 'sync' THEN run.id END
FROM (SELECT coalesce((SELECT id FROM unfinished), $2) AS id) run
ON CONFLICT (account_id) DO UPDATE SET
    epoch = o.epoch + 1, run_id = excluded.run_id, sync_run_id = coalesce(excluded.sync_run_id, o.sync_run_id),
    borrowed = false, taken_at = now()
RETURNING epoch, run_id, (SELECT stored FROM unfinished), (SELECT next_number FROM unfinished),
          (SELECT distinct_listed FROM sync_runs WHERE account_id = $1 AND listing_proven
           ORDER BY started_at DESC LIMIT 1)";

/// The run for which the account was taken before stays the one that the next begin may resume.
const BORROW: &str = "\
INSERT INTO account_owners AS o (account_id, epoch, borrowed) VALUES ($1, 1, true)
ON CONFLICT (account_id) DO UPDATE SET epoch = o.epoch + 1, borrowed = true, taken_at = now()
RETURNING epoch";

/// Asked before a run begins, when there is time yet to wait for a server that takes writes.
pub(super) async fn require_writable(session: &mut Session) -> Result<(), Failure> {
    Ok(session.client.batch_execute(WRITABLE).await?)
}

/// What a process takes an account for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// A run; one that was left unfinished no longer ago than this is resumed.
    Sync { resume_within: Option<Duration> },
    /// To try these dead letters again.
    Replay(&'a LetterFilter),
}

/// For who holds the account's lock.
pub(super) async fn begin(
    session: &mut Session,
    account: &AccountId,
    purpose: Purpose<'_>,
) -> Result<Run, Failure> {
    let (kind, resume_within, details) = match purpose {
        Purpose::Sync { resume_within } => ("sync", resume_within, json!({})),
        Purpose::Replay(letters) => ("replay", None, json!({ "filter": audit::filter(None, letters) })),
    };
    let transaction = session.client.transaction().await?;
    transaction.execute(LOCK, &[&account.as_str()]).await?;
    let seconds = resume_within.map(|most| most.as_secs_f64());
    let details = details.to_string();
    let parameters: [&(dyn ToSql + Sync); 5] =
        [&account.as_str(), &Uuid::now_v7(), &seconds, &kind, &details];
    let row = transaction.query_one(BEGIN, &parameters).await?;
    let replay = match purpose {
        Purpose::Sync { .. } => None,
        Purpose::Replay(filter) => {
            let letters = dead_letters::count(&transaction, account, filter).await?;
            Some(Replay { filter: filter.clone(), letters })
        }
    };
    transaction.commit().await?;
    let stored: Option<i64> = row.get(2);
    let unsigned = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    Ok(Run {
        id: row.get(1),
        account: account.clone(),
        epoch: row.get(0),
        resumed: stored.is_some(),
        stored_before: unsigned(stored).unwrap_or(0),
        numbered_below: unsigned(row.get(3)).unwrap_or(0),
        listed_before: unsigned(row.get(4)),
        replay,
    })
}

/// As [`begin`], without a run.
pub(super) async fn borrow(session: &mut Session, account: &AccountId) -> Result<Run, Failure> {
    let transaction = session.client.transaction().await?;
    transaction.execute(LOCK, &[&account.as_str()]).await?;
    let row = transaction.query_one(BORROW, &[&account.as_str()]).await?;
    transaction.commit().await?;
    let (account, epoch) = (account.clone(), row.get(0));
    Ok(Run {
        id: Uuid::nil(),
        account,
        epoch,
        resumed: false,
        stored_before: 0,
        numbered_below: 0,
        listed_before: None,
        replay: None,
    })
}
