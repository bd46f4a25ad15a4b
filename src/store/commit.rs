//! One batch, one transaction: campaigns with their history, dead letters, and the run's progress.
//! Promises that all of it is stored or nothing, that repeating a committed batch changes nothing, and that nothing is
//! stored for a process that does not own its account any more.

use std::collections::HashSet;
use std::hash::Hash;

use actors::model::{Batch, DeadLetter, Run, SyncedCampaign};
use actors::ports::StoreError;
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::ownership::{self, fence};
use super::session::Session;
use super::{Failure, storable};

/// All parts of a statement see the tables as they were before it, so `compared` sees what was stored before.
/// A campaign counts for the run, and gets its number there, when the run had not stored it yet; a repeated batch
/// therefore counts nothing.
/// The `GREATEST` keeps a campaign's history in order also where the server's clock is set back.
const STORE: &str = "\
WITH incoming AS (
    SELECT id, name, status, budget::numeric AS budget, impressions, clicks, conversions, created_at, synced_at
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
                $10::timestamptz[], $11::timestamptz[])
      AS t (id, name, status, budget, impressions, clicks, conversions, created_at, synced_at)
), compared AS MATERIALIZED (
    SELECT i.*, c.run_id IS DISTINCT FROM $2 AS new_in_run,
           CASE WHEN c.run_id = $2 THEN c.run_number
                ELSE r.stored - 1 + row_number() OVER (PARTITION BY c.run_id IS DISTINCT FROM $2) END AS run_number,
           (c.name, c.status, c.budget, c.impressions, c.clicks, c.conversions, c.created_at)
               IS DISTINCT FROM
           (i.name, i.status, i.budget, i.impressions, i.clicks, i.conversions, i.created_at) AS changed,
           GREATEST(clock.now, c.changed_at + interval '1 microsecond') AS recorded_at
    FROM incoming i
    CROSS JOIN (SELECT clock_timestamp() AS now) clock
    JOIN sync_runs r ON r.id = $2
    LEFT JOIN campaigns c ON c.account_id = $1 AND c.id = i.id
), history AS (
    INSERT INTO campaign_history (account_id, id, recorded_at, run_id, name, status, budget, impressions, clicks,
                                  conversions, created_at)
    SELECT $1, id, recorded_at, $2, name, status, budget, impressions, clicks, conversions, created_at
    FROM compared WHERE changed
), stored AS (
    INSERT INTO campaigns AS c (account_id, id, name, status, budget, impressions, clicks, conversions, created_at,
                                synced_at, first_seen_at, changed_at, run_id, run_number)
    SELECT $1, id, name, status, budget, impressions, clicks, conversions, created_at,
           synced_at, recorded_at, recorded_at, $2, run_number
    FROM compared
    ON CONFLICT (account_id, id) DO UPDATE SET
        name = excluded.name, status = excluded.status, budget = excluded.budget,
        impressions = excluded.impressions, clicks = excluded.clicks, conversions = excluded.conversions,
        created_at = excluded.created_at, synced_at = excluded.synced_at, run_id = excluded.run_id,
        run_number = excluded.run_number, removed_at = NULL,
        changed_at = CASE
            WHEN (c.name, c.status, c.budget, c.impressions, c.clicks, c.conversions, c.created_at)
                     IS DISTINCT FROM
                 (excluded.name, excluded.status, excluded.budget, excluded.impressions, excluded.clicks,
                  excluded.conversions, excluded.created_at)
            THEN excluded.changed_at ELSE c.changed_at END
), healed AS (
    DELETE FROM dead_letters d USING incoming i WHERE d.account_id = $1 AND d.campaign_id = i.id
    RETURNING d.run_id
), counted AS (
    SELECT count(*) AS new_in_run FROM compared WHERE new_in_run
)
UPDATE sync_runs SET
    stored = stored + new_in_run,
    progressed_at = CASE WHEN new_in_run > 0 THEN now() ELSE progressed_at END,
    dead_lettered = dead_lettered - (SELECT count(*) FROM healed WHERE run_id = $2)
FROM counted WHERE id = $2";

/// One row per campaign: a repeated failure keeps the time of the first. Counted like the campaigns above.
const BURY: &str = "\
WITH incoming AS (
    SELECT * FROM unnest($4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                         $9::timestamptz[], $10::timestamptz[])
      AS t (campaign_id, error_class, message, attempts, payload, first_failed_at, last_failed_at)
), counted AS (
    SELECT count(*) AS new_in_run
    FROM incoming i LEFT JOIN dead_letters d ON d.account_id = $1 AND d.campaign_id = i.campaign_id
    WHERE d.run_id IS DISTINCT FROM $2
), buried AS (
    INSERT INTO dead_letters AS d (account_id, campaign_id, run_id, run_epoch, error_class, message, attempts, payload,
                                   first_failed_at, last_failed_at)
    SELECT $1, campaign_id, $2, $3, error_class, message, attempts, payload, first_failed_at, last_failed_at
    FROM incoming
    ON CONFLICT (account_id, campaign_id) DO UPDATE SET
        run_id = excluded.run_id, run_epoch = excluded.run_epoch,
        error_class = excluded.error_class, message = excluded.message, attempts = excluded.attempts,
        payload = excluded.payload,
        first_failed_at = LEAST(d.first_failed_at, excluded.first_failed_at),
        last_failed_at = excluded.last_failed_at
)
UPDATE sync_runs SET
    dead_lettered = dead_lettered + new_in_run,
    progressed_at = CASE WHEN new_in_run > 0 THEN now() ELSE progressed_at END
FROM counted WHERE id = $2";

/// Stores the batch. A campaign that stands in it more than once is stored as it stands last; one that is both
/// synced and a dead letter is synced.
pub(super) async fn commit(session: &mut Session, run: &Run, batch: &Batch) -> Result<(), Failure> {
    let synced = last_of_each(&batch.synced, |synced| synced.campaign.id.as_str());
    let stored: HashSet<&str> = synced.iter().map(|synced| synced.campaign.id.as_str()).collect();
    let letters = last_of_each(&batch.dead_letters, |letter| storable::id(letter.id.as_str()));
    let letters: Vec<_> = letters.into_iter().filter(|l| !stored.contains(l.id.as_str())).collect();

    let in_line = session.prepared(ownership::IN_LINE).await?;
    let (store, bury) = (session.prepared(STORE).await?, session.prepared(BURY).await?);
    let transaction = session.client.transaction().await?;
    fence(&transaction, &in_line, run).await?;
    if !synced.is_empty() {
        store_campaigns(&transaction, &store, run, &synced).await?;
    }
    if !letters.is_empty() {
        bury_letters(&transaction, &bury, run, &letters).await?;
    }
    Ok(transaction.commit().await?)
}

async fn store_campaigns(
    transaction: &Transaction<'_>,
    statement: &tokio_postgres::Statement,
    run: &Run,
    synced: &[&SyncedCampaign],
) -> Result<(), Failure> {
    for synced in synced {
        storable::campaign(synced).map_err(|why| Failure::Store(StoreError::Refused(why)))?;
    }
    let column = |text: fn(&SyncedCampaign) -> &str| synced.iter().map(|s| text(s)).collect::<Vec<_>>();
    let count = |number: fn(&SyncedCampaign) -> i64| synced.iter().map(|s| number(s)).collect::<Vec<_>>();
    let columns: [&(dyn ToSql + Sync); 11] = [
        &run.account.as_str(),
        &run.id,
        &column(|s| s.campaign.id.as_str()),
        &column(|s| &s.campaign.name),
        &column(|s| &s.campaign.status),
        &column(|s| &s.campaign.budget),
        &count(|s| s.campaign.impressions),
        &count(|s| s.campaign.clicks),
        &count(|s| s.campaign.conversions),
        &synced.iter().map(|s| s.campaign.created_at).collect::<Vec<_>>(),
        &synced.iter().map(|s| s.synced_at).collect::<Vec<_>>(),
    ];
    belongs_to_run(transaction.execute(statement, &columns).await?, run).map_err(Failure::Store)
}

async fn bury_letters(
    transaction: &Transaction<'_>,
    statement: &tokio_postgres::Statement,
    run: &Run,
    letters: &[&DeadLetter],
) -> Result<(), Failure> {
    let columns: [&(dyn ToSql + Sync); 10] = [
        &run.account.as_str(),
        &run.id,
        &run.epoch,
        &letters.iter().map(|l| storable::id(l.id.as_str())).collect::<Vec<_>>(),
        &letters.iter().map(|l| l.class.as_str()).collect::<Vec<_>>(),
        &letters.iter().map(|l| storable::text(&l.message)).collect::<Vec<_>>(),
        &letters.iter().map(|l| i64::from(l.attempts)).collect::<Vec<_>>(),
        &letters.iter().map(|l| storable::text(&l.payload)).collect::<Vec<_>>(),
        &letters.iter().map(|l| storable::clamped(l.first_failed_at)).collect::<Vec<_>>(),
        &letters.iter().map(|l| storable::clamped(l.last_failed_at)).collect::<Vec<_>>(),
    ];
    belongs_to_run(transaction.execute(statement, &columns).await?, run).map_err(Failure::Store)
}

/// Both statements end in an update of the run's row. Where there is none, nothing may be committed.
pub(super) fn belongs_to_run(updated: u64, run: &Run) -> Result<(), StoreError> {
    match updated {
        1 => Ok(()),
        _ => Err(StoreError::Broken(format!(
            "run {} of account {} is not in sync_runs any more; start a new run",
            run.id, run.account
        ))),
    }
}

/// In order, without what a later one with the same key replaces.
fn last_of_each<'a, T, K: Eq + Hash>(all: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut seen = HashSet::with_capacity(all.len());
    let mut kept: Vec<_> = all.iter().rev().filter(|item| seen.insert(key(item))).collect();
    kept.reverse();
    kept
}
