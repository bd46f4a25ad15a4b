//! What an account has spent of its rate limits, and which the platform named, kept as times of the server's clock: whoever reads it may have
//! another one.

use std::time::Duration;

use actors::model::{AccountId, Run, Spent};
use actors::settings::RateLimit;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Failure;
use super::ownership::{self, fence};
use super::session::Session;

const LOAD: &str = "\
SELECT extract(epoch FROM clock_timestamp() - counted_by)::float8, requests
FROM (SELECT unnest(counted_by) AS counted_by, unnest(requests) AS requests
      FROM spent_permits WHERE account_id = $1) spent
ORDER BY 1";

const LOAD_STATED: &str = "\
SELECT unnest(stated_requests), unnest(stated_windows_ms) FROM spent_permits WHERE account_id = $1";

const SAVE: &str = "\
INSERT INTO spent_permits (account_id, counted_by, requests, stated_requests, stated_windows_ms)
SELECT $1, coalesce(array_agg(clock_timestamp() - ago * interval '1 second'), '{}'), coalesce(array_agg(requests), '{}'),
       $4, $5
FROM unnest($2::float8[], $3::integer[]) AS spent (ago, requests)
ON CONFLICT (account_id) DO UPDATE SET
    counted_by = excluded.counted_by, requests = excluded.requests,
    stated_requests = excluded.stated_requests, stated_windows_ms = excluded.stated_windows_ms";

pub(super) async fn load(session: &mut Session, account: &AccountId) -> Result<Spent, Failure> {
    let statement = session.prepared(LOAD).await?;
    let rows = session.client.query(&statement, &[&account.as_str()]).await?;
    let mut spent = Spent::default();
    for (ago, requests) in rows.iter().map(entry) {
        if ago >= 0.0 {
            spent.counted.push((Duration::from_secs_f64(ago), requests));
        } else {
            let (until, leased) = spent.leased;
            spent.leased = (until.max(Duration::from_secs_f64(-ago)), leased.saturating_add(requests));
        }
    }
    let statement = session.prepared(LOAD_STATED).await?;
    let stated = session.client.query(&statement, &[&account.as_str()]).await?;
    spent.stated = stated.iter().filter_map(stated_limit).collect();
    Ok(spent)
}

/// None for what is no limit of ours.
fn stated_limit(row: &Row) -> Option<RateLimit> {
    let (requests, window_ms): (i32, i64) = (row.get(0), row.get(1));
    let window = Duration::from_millis(u64::try_from(window_ms).ok()?);
    RateLimit::new(u32::try_from(requests).ok()?, window).ok()
}

fn entry(row: &Row) -> (f64, u32) {
    (row.get(0), u32::try_from(row.get::<_, i32>(1)).unwrap_or(0))
}

/// Not for a process that was taken over: its record would replace its successor's.
pub(super) async fn save(session: &mut Session, run: &Run, spent: &Spent) -> Result<(), Failure> {
    let (beside, save) = (session.prepared(ownership::BESIDE_COMMITS).await?, session.prepared(SAVE).await?);
    let leased = (spent.leased.1 > 0).then(|| (-spent.leased.0.as_secs_f64(), spent.leased.1));
    let counted = spent.counted.iter().map(|(ago, requests)| (ago.as_secs_f64(), *requests));
    let (ago, requests): (Vec<f64>, Vec<i32>) =
        counted.chain(leased).map(|(ago, n)| (ago, i32::try_from(n).unwrap_or(i32::MAX))).unzip();
    let stated = |limit: &RateLimit| {
        let (requests, window_ms) =
            (i32::try_from(limit.requests()), i64::try_from(limit.window().as_millis()));
        (requests.unwrap_or(i32::MAX), window_ms.unwrap_or(i64::MAX))
    };
    let (stated_requests, stated_windows): (Vec<i32>, Vec<i64>) = spent.stated.iter().map(stated).unzip();
    let values: [&(dyn ToSql + Sync); 5] =
        [&run.account.as_str(), &ago, &requests, &stated_requests, &stated_windows];
    let transaction = session.client.transaction().await?;
    fence(&transaction, &beside, run).await?;
    transaction.execute(&save, &values).await?;
    Ok(transaction.commit().await?)
}
