//! How accounts stand between their runs, for whoever watches many.

use std::time::SystemTime;

use actors::model::AccountId;

use super::Failure;
use super::session::Session;

/// The newest first, by the index, until one is found.
const LAST_COMPLETES: &str = "\
SELECT asked.account, run.finished_at
FROM unnest($1::text[]) AS asked (account)
CROSS JOIN LATERAL (
    SELECT finished_at FROM sync_runs
    WHERE account_id = asked.account AND status = 'complete' AND kind = 'sync' AND finished_at IS NOT NULL
    ORDER BY started_at DESC LIMIT 1
) run";

/// As above, whatever became of it; one that was left unfinished is as good as never begun.
const LAST_BEGUN: &str = "\
SELECT asked.account, run.started_at
FROM unnest($1::text[]) AS asked (account)
CROSS JOIN LATERAL (
    SELECT CASE WHEN status IN ('running', 'interrupted') THEN to_timestamp(0) ELSE started_at END AS started_at
    FROM sync_runs WHERE account_id = asked.account AND kind = 'sync'
    ORDER BY sync_runs.started_at DESC LIMIT 1
) run";

/// By the primary key.
const DEAD_LETTER_COUNTS: &str = "\
SELECT asked.account, (SELECT count(*) FROM dead_letters WHERE account_id = asked.account)
FROM unnest($1::text[]) AS asked (account)";

pub(super) async fn last_completes(
    session: &mut Session,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, SystemTime)>, Failure> {
    let statement = session.prepared(LAST_COMPLETES).await?;
    let rows = session.client.query(&statement, &[&names(accounts)]).await?;
    Ok(rows.iter().map(|row| (row.get::<_, &str>(0).into(), row.get(1))).collect())
}

pub(super) async fn last_begun(
    session: &mut Session,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, SystemTime)>, Failure> {
    let statement = session.prepared(LAST_BEGUN).await?;
    let rows = session.client.query(&statement, &[&names(accounts)]).await?;
    Ok(rows.iter().map(|row| (row.get::<_, &str>(0).into(), row.get(1))).collect())
}

pub(super) async fn dead_letter_counts(
    session: &mut Session,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, u64)>, Failure> {
    let statement = session.prepared(DEAD_LETTER_COUNTS).await?;
    let rows = session.client.query(&statement, &[&names(accounts)]).await?;
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok(rows.iter().map(|row| (row.get::<_, &str>(0).into(), count(row.get(1)))).collect())
}

fn names(accounts: &[AccountId]) -> Vec<&str> {
    accounts.iter().map(AccountId::as_str).collect()
}
