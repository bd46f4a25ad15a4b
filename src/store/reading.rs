//! What commands show of what is stored.

use std::time::SystemTime;

use actors::model::AccountId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Failure;
use super::session::Session;

const RECENT_RUNS: &str = "\
SELECT id, account_id, status, started_at, finished_at, stored, dead_lettered, listed, distinct_listed,
       reported_total, skipped, requests, throttled, duration_seconds, resumed, kind
FROM sync_runs
WHERE ($1::text IS NULL OR account_id = $1) AND ($3::timestamptz IS NULL OR (started_at, id) < ($3, $4))
ORDER BY started_at DESC, id DESC LIMIT $2";

const SAMPLE_CAMPAIGNS: &str = "\
SELECT id, name, status, budget::text, impressions, clicks, conversions, created_at, synced_at
FROM campaigns WHERE account_id = $1 ORDER BY id LIMIT $2";

/// A row of `sync_runs`. What is optional is not known before the run has finished.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// The run.
    pub id: Uuid,
    /// Whose campaigns it synced.
    pub account: String,
    /// `running`, `complete`, `partial`, `failed` or `interrupted`.
    pub status: String,
    /// `sync`, or `replay` of dead letters.
    pub kind: String,
    /// Whether a process has taken it over from another. What is stored and dead is then of all of them, and what is
    /// optional of the last one that ended in good order.
    pub resumed: bool,
    /// When it began.
    pub started_at: SystemTime,
    /// When its report was written; of a run that was left unfinished, its last progress.
    pub finished_at: Option<SystemTime>,
    /// Campaigns stored so far.
    pub stored: i64,
    /// Campaigns given up on so far.
    pub dead_lettered: i64,
    /// Entries of all pages, repeats included.
    pub listed: Option<i64>,
    /// Different campaigns among them.
    pub distinct_listed: Option<i64>,
    /// What the platform said that there are.
    pub reported_total: Option<i64>,
    /// Not synced again by a run that was taken over.
    pub skipped: Option<i64>,
    /// Requests sent.
    pub requests: Option<i64>,
    /// 429s received.
    pub throttled: Option<i64>,
    /// From the listing's first request to the last committed row.
    pub duration_seconds: Option<f64>,
}

/// A row of `campaigns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRow {
    /// As the platform calls it.
    pub id: String,
    /// Free text from the platform.
    pub name: String,
    /// As the platform spells it.
    pub status: String,
    /// The decimal number, exactly.
    pub budget: String,
    /// Times shown.
    pub impressions: i64,
    /// Times clicked.
    pub clicks: i64,
    /// Times it led to what it was for.
    pub conversions: i64,
    /// When the platform says that it was created.
    pub created_at: SystemTime,
    /// When the platform says that it synced it.
    pub synced_at: SystemTime,
}

pub(super) async fn recent_runs(
    session: &mut Session,
    account: Option<&str>,
    after: Option<(SystemTime, Uuid)>,
    limit: u32,
) -> Result<Vec<RunRow>, Failure> {
    let statement = session.prepared(RECENT_RUNS).await?;
    let (started_at, id) = after.unzip();
    let rows = session.client.query(&statement, &[&account, &i64::from(limit), &started_at, &id]).await?;
    Ok(rows.iter().map(run).collect())
}

pub(super) async fn sample_campaigns(
    session: &mut Session,
    account: &AccountId,
    limit: u32,
) -> Result<Vec<CampaignRow>, Failure> {
    let statement = session.prepared(SAMPLE_CAMPAIGNS).await?;
    let rows = session.client.query(&statement, &[&account.as_str(), &i64::from(limit)]).await?;
    Ok(rows.iter().map(campaign).collect())
}

fn run(row: &Row) -> RunRow {
    RunRow {
        id: row.get(0),
        account: row.get(1),
        status: row.get(2),
        started_at: row.get(3),
        finished_at: row.get(4),
        stored: row.get(5),
        dead_lettered: row.get(6),
        listed: row.get(7),
        distinct_listed: row.get(8),
        reported_total: row.get(9),
        skipped: row.get(10),
        requests: row.get(11),
        throttled: row.get(12),
        duration_seconds: row.get(13),
        resumed: row.get(14),
        kind: row.get(15),
    }
}

fn campaign(row: &Row) -> CampaignRow {
    CampaignRow {
        id: row.get(0),
        name: row.get(1),
        status: row.get(2),
        budget: row.get(3),
        impressions: row.get(4),
        clicks: row.get(5),
        conversions: row.get(6),
        created_at: row.get(7),
        synced_at: row.get(8),
    }
}
