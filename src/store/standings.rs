//! How accounts stand between their runs, for whoever watches many.

use std::collections::HashMap;
use std::time::SystemTime;

use actors::model::{AccountId, FailureClass};

use super::Failure;
use super::session::Session;

/// How many dead letters an account has in each class; without the classes of which it has none.
pub type LettersByClass = Vec<(FailureClass, u64)>;

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

/// The accounts' own parts of the primary key.
const DEAD_LETTER_COUNTS: &str = "\
SELECT account_id, error_class, count(*) FROM dead_letters WHERE account_id = ANY ($1)
GROUP BY account_id, error_class ORDER BY account_id, error_class";

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
) -> Result<HashMap<AccountId, LettersByClass>, Failure> {
    let statement = session.prepared(DEAD_LETTER_COUNTS).await?;
    let rows = session.client.query(&statement, &[&names(accounts)]).await?;
    let mut counts: HashMap<_, LettersByClass> =
        accounts.iter().map(|account| (account.clone(), vec![])).collect();
    for row in rows {
        let (class, count) = (FailureClass::named(row.get(1)), row.get::<_, i64>(2).unsigned_abs());
        if let (Some(class), Some(of_account)) =
            (class, counts.get_mut(&AccountId::from(row.get::<_, &str>(0))))
        {
            of_account.push((class, count));
        }
    }
    Ok(counts)
}

fn names(accounts: &[AccountId]) -> Vec<&str> {
    accounts.iter().map(AccountId::as_str).collect()
}
