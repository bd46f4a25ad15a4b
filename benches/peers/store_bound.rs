//! A million rows without a platform: through the `StoreActor`, and beside it by the quickest way that PostgreSQL has.

use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{AccountId, Campaign, SyncedCampaign};
use actors::ports::Store;
use actors::settings::BatchLimits;
use actors::testing::store_all;
use anyhow::{Context, anyhow, ensure};
use campaign_sync::store::PgStore;
use futures_util::SinkExt;
use mock_platform::campaign;
use tokio::time::Instant;
use tokio_postgres::NoTls;

const ACCOUNT: &str = "default";
const SEED: u64 = 1;
/// What goes to the server at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// As a platform lists and syncs it. The `round` makes others of the same ids.
fn synced(number: u64, round: u64) -> SyncedCampaign {
    let source = campaign(SEED, number);
    let created_at: jiff::Timestamp = source.created_at.parse().expect("it is RFC 3339");
    let campaign = Campaign {
        id: source.id.as_str().into(),
        name: source.name,
        status: source.status.to_owned(),
        budget: format!("{}.{:02}", source.budget_cents / 100, source.budget_cents % 100).into(),
        impressions: source.impressions as i64 + round as i64,
        clicks: source.clicks as i64,
        conversions: source.conversions as i64,
        created_at: SystemTime::UNIX_EPOCH + Duration::from_secs(created_at.as_second().unsigned_abs()),
        payload: "{}".into(),
    };
    SyncedCampaign { campaign: Arc::new(campaign), synced_at: SystemTime::now() }
}

/// What it takes only to make them, which is in both.
pub(crate) fn made(rows: u64) -> Duration {
    let begun = Instant::now();
    for number in 1..=rows {
        std::hint::black_box(synced(number, 0));
    }
    begun.elapsed()
}

/// By the actor, into the tables of ours at that database.
pub(crate) async fn through_the_actor(database: &str, rows: u64, round: u64) -> anyhow::Result<Duration> {
    let store = PgStore::connect(&database.parse()?).await?;
    let run = store.begin_run(&AccountId::from(ACCOUNT), None).await?;
    let batch = BatchLimits::new(500, Duration::from_millis(200)).context("the default is in range")?;
    let begun = Instant::now();
    let campaigns = (1..=rows).map(move |number| synced(number, round));
    let stored = store_all(Rc::new(store), Arc::new(run), batch, campaigns).await;
    let took = begun.elapsed();
    ensure!(stored.map_err(|cause| anyhow!(cause))? == rows, "not all were acknowledged");
    Ok(took)
}

/// By `COPY` into a temporary table and one `INSERT … ON CONFLICT`, in one transaction.
pub(crate) async fn copied(database: &str, rows: u64, round: u64) -> anyhow::Result<Duration> {
    let (mut client, connection) = tokio_postgres::connect(database, NoTls).await?;
    let driver = tokio::spawn(connection);
    let begun = Instant::now();
    let transaction = client.transaction().await?;
    transaction
        .batch_execute(
            "CREATE TEMPORARY TABLE incoming (id text, name text, status text, budget numeric, impressions bigint, clicks bigint,
                                              conversions bigint, created_at timestamptz, synced_at timestamptz) ON COMMIT DROP",
        )
        .await?;
    let sink = transaction.copy_in("COPY incoming FROM STDIN").await?;
    futures_util::pin_mut!(sink);
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    for number in 1..=rows {
        write_row(&mut chunk, &synced(number, round))?;
        if chunk.len() >= CHUNK {
            sink.send(std::mem::replace(&mut chunk, Vec::with_capacity(2 * CHUNK)).into()).await?;
        }
    }
    sink.send(bytes::Bytes::from(chunk)).await?;
    sink.finish().await?;
    transaction
        .execute(
            "INSERT INTO campaigns (account_id, id, name, status, budget, impressions, clicks, conversions, created_at,
                                    synced_at, first_seen_at, changed_at, run_id, run_number)
             SELECT $1, id, name, status, budget, impressions, clicks, conversions, created_at, synced_at, now(), now(),
                    gen_random_uuid(), 0
             FROM incoming
             ON CONFLICT (account_id, id) DO UPDATE SET
                 name = excluded.name, status = excluded.status, budget = excluded.budget, impressions = excluded.impressions,
                 clicks = excluded.clicks, conversions = excluded.conversions, created_at = excluded.created_at,
                 synced_at = excluded.synced_at, changed_at = excluded.changed_at, run_id = excluded.run_id",
            &[&ACCOUNT],
        )
        .await?;
    transaction.commit().await?;
    let took = begun.elapsed();
    driver.abort();
    Ok(took)
}

/// A line of COPY's text format.
fn write_row(chunk: &mut Vec<u8>, synced: &SyncedCampaign) -> anyhow::Result<()> {
    let Campaign { id, name, status, budget, impressions, clicks, conversions, .. } = &*synced.campaign;
    let time = |at: SystemTime| jiff::Timestamp::try_from(at);
    write!(chunk, "{}\t", id.as_str())?;
    for byte in name.bytes() {
        match byte {
            b'\\' => chunk.extend(b"\\\\"),
            b'\n' => chunk.extend(b"\\n"),
            b'\r' => chunk.extend(b"\\r"),
            b'\t' => chunk.extend(b"\\t"),
            byte => chunk.push(byte),
        }
    }
    writeln!(
        chunk,
        "\t{status}\t{budget}\t{impressions}\t{clicks}\t{conversions}\t{}\t{}",
        time(synced.campaign.created_at)?,
        time(synced.synced_at)?
    )?;
    Ok(())
}
