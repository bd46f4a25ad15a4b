//! What an account has spent of its rate limits, and which the platform named, kept as times of the server's clock: whoever reads it may have
//! another one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{AccountId, Run, Spent};
use actors::ports::Disowned;
use actors::settings::RateLimit;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::session::Session;
use super::{Failure, ownership};

const LOAD: &str = "\
SELECT extract(epoch FROM clock_timestamp() - counted_by)::float8, requests
FROM (SELECT unnest(counted_by) AS counted_by, unnest(requests) AS requests
      FROM spent_permits WHERE account_id = $1) spent
ORDER BY 1";

const LOAD_STATED: &str = "\
SELECT unnest(stated_requests), unnest(stated_windows_ms) FROM spent_permits WHERE account_id = $1";

/// For runs that own their account, each row under a lock until it is written: not beside the begin of a run, for its
/// successor's record would be replaced, and beside commits, because requests wait for it.
const SAVE: &str = "\
WITH owned AS (
    SELECT o.account_id, n
    FROM account_owners o
    JOIN unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS t (account_id, epoch, n) USING (account_id, epoch)
    ORDER BY o.account_id
    FOR KEY SHARE OF o
), spent AS (
    SELECT n, array_agg(clock_timestamp() - ago * interval '1 second') AS counted_by, array_agg(requests) AS requests
    FROM unnest($3::integer[], $4::float8[], $5::integer[]) AS t (n, ago, requests) GROUP BY n
), stated AS (
    SELECT n, array_agg(requests) AS requests, array_agg(window_ms) AS windows_ms
    FROM unnest($6::integer[], $7::integer[], $8::bigint[]) AS t (n, requests, window_ms) GROUP BY n
)
INSERT INTO spent_permits (account_id, counted_by, requests, stated_requests, stated_windows_ms)
SELECT account_id, coalesce(spent.counted_by, '{}'), coalesce(spent.requests, '{}'),
       coalesce(stated.requests, '{}'), coalesce(stated.windows_ms, '{}')
FROM owned LEFT JOIN spent USING (n) LEFT JOIN stated USING (n)
ON CONFLICT (account_id) DO UPDATE SET
    counted_by = excluded.counted_by, requests = excluded.requests,
    stated_requests = excluded.stated_requests, stated_windows_ms = excluded.stated_windows_ms
RETURNING (SELECT n FROM owned WHERE owned.account_id = spent_permits.account_id)";

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

/// One record for each account, in one statement, which is durable when it returns. Which runs own theirs no more.
pub(super) async fn save(
    session: &mut Session,
    records: &[(Arc<Run>, Spent)],
) -> Result<Vec<Disowned>, Failure> {
    let (mut spent, mut stated) = (Spents::default(), Stateds::default());
    for (n, (_, record)) in (1..).zip(records) {
        spent.add(n, record);
        stated.add(n, record);
    }
    let save = session.prepared(SAVE).await?;
    let values: [&(dyn ToSql + Sync); 8] = [
        &records.iter().map(|(run, _)| run.account.as_str()).collect::<Vec<_>>(),
        &records.iter().map(|(run, _)| run.epoch).collect::<Vec<_>>(),
        &spent.of,
        &spent.ago,
        &spent.requests,
        &stated.of,
        &stated.requests,
        &stated.windows_ms,
    ];
    let saved = session.client.query(&save, &values).await?;
    if saved.len() == records.len() {
        return Ok(vec![]);
    }
    let saved: HashSet<i64> = saved.iter().map(|row| row.get(0)).collect();
    let runs: Vec<&Run> = records.iter().map(|(run, _)| &**run).collect();
    let accounts: Vec<&str> = runs.iter().map(|run| run.account.as_str()).collect();
    let owners = session.prepared(ownership::OWNERS).await?;
    let disowned = ownership::disowned(&runs, &session.client.query(&owners, &[&accounts]).await?);
    Ok(disowned.into_iter().filter(|disowned| !saved.contains(&(disowned.index as i64 + 1))).collect())
}

/// What was spent, by columns.
#[derive(Default)]
struct Spents {
    of: Vec<i32>,
    ago: Vec<f64>,
    requests: Vec<i32>,
}

impl Spents {
    fn add(&mut self, n: i32, record: &Spent) {
        let leased = (record.leased.1 > 0).then(|| (-record.leased.0.as_secs_f64(), record.leased.1));
        let counted = record.counted.iter().map(|(ago, requests)| (ago.as_secs_f64(), *requests));
        for (ago, requests) in counted.chain(leased) {
            self.of.push(n);
            self.ago.push(ago);
            self.requests.push(i32::try_from(requests).unwrap_or(i32::MAX));
        }
    }
}

/// What the platform stated, by columns.
#[derive(Default)]
struct Stateds {
    of: Vec<i32>,
    requests: Vec<i32>,
    windows_ms: Vec<i64>,
}

impl Stateds {
    fn add(&mut self, n: i32, record: &Spent) {
        for limit in &record.stated {
            self.of.push(n);
            self.requests.push(i32::try_from(limit.requests()).unwrap_or(i32::MAX));
            self.windows_ms.push(i64::try_from(limit.window().as_millis()).unwrap_or(i64::MAX));
        }
    }
}
