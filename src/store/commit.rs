//! One batch, one transaction: the campaigns of some runs with their history, dead letters, and the runs' progress.
//! Promises that all of it is stored or nothing, that repeating a committed batch changes nothing but
//! the audit log, and that nothing is stored for a process that does not own its account any more.

use std::collections::HashSet;
use std::hash::Hash;

use actors::model::{DeadLetter, Run, SyncedCampaign};
use actors::ports::{Disowned, Share, StoreError};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Statement, Transaction};
use uuid::Uuid;

use super::ownership::{self, fence};
use super::session::Session;
use super::{Failure, count, storable};

/// One row of the audit log for the transaction, in the statement that stores most of it, so that it costs no round trip. It names
/// its account and run where that is one, and counts them where they are several: there are up to five such rows a second, and
/// the row of each run's end says what it has stored. Nothing where all counts are null.
macro_rules! audited {
    () => {
        "audited AS (
    INSERT INTO audit_log (what, account_id, run_id, details)
    SELECT 'batch_committed', CASE WHEN count(*) = 1 THEN min(account_id) END,
           CASE WHEN count(*) = 1 THEN min(run_id::text)::uuid END,
           jsonb_build_object('runs', count(*), 'campaigns', sum(campaigns), 'dead_letters', sum(letters))
    FROM runs WHERE campaigns + letters > 0 HAVING count(*) > 0
)"
    };
}

/// All parts of a statement see the tables as they were before it, so `compared` sees what was stored before.
/// A campaign counts for the run, and gets its number there, when the run had not stored it yet; a repeated batch
/// therefore counts nothing. Of a run that has no row any more nothing is stored. A run's batch is counted by the first of the
/// transaction's statements that has something new of it: the second finds `progressed_at` at this transaction's time.
/// The `GREATEST` keeps a campaign's history in order also where the server's clock is set back.
const STORE: &str = concat!(
    "\
WITH runs AS (
    SELECT t.n, t.account_id, t.run_id, r.stored, t.campaigns, t.letters
    FROM unnest($1::text[], $2::uuid[], $13::bigint[], $14::bigint[])
      WITH ORDINALITY AS t (account_id, run_id, campaigns, letters, n)
    JOIN sync_runs r ON r.id = t.run_id
), incoming AS (
    SELECT account_id, run_id, stored,
           id, name, status, budget::numeric AS budget, impressions, clicks, conversions, created_at, synced_at
    FROM unnest($3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
                $10::bigint[], $11::timestamptz[], $12::timestamptz[])
      AS t (n, id, name, status, budget, impressions, clicks, conversions, created_at, synced_at)
    JOIN runs USING (n)
), compared AS MATERIALIZED (
    SELECT i.*, c.run_id IS DISTINCT FROM i.run_id AS new_in_run,
           CASE WHEN c.run_id = i.run_id THEN c.run_number
                ELSE i.stored - 1
                   + row_number() OVER (PARTITION BY i.run_id, c.run_id IS DISTINCT FROM i.run_id) END AS run_number,
           (c.name, c.status, c.budget, c.impressions, c.clicks, c.conversions, c.created_at)
               IS DISTINCT FROM
           (i.name, i.status, i.budget, i.impressions, i.clicks, i.conversions, i.created_at) AS changed,
           GREATEST(clock.now, c.changed_at + interval '1 microsecond') AS recorded_at
    FROM incoming i
    CROSS JOIN (SELECT clock_timestamp() AS now) clock
    LEFT JOIN campaigns c ON c.account_id = i.account_id AND c.id = i.id
), history AS (
    INSERT INTO campaign_history (account_id, id, recorded_at, run_id, name, status, budget, impressions, clicks,
                                  conversions, created_at)
    SELECT account_id, id, recorded_at, run_id, name, status, budget, impressions, clicks, conversions, created_at
    FROM compared WHERE changed
), stored AS (
    INSERT INTO campaigns AS c (account_id, id, name, status, budget, impressions, clicks, conversions, created_at,
                                synced_at, first_seen_at, changed_at, run_id, run_number)
    SELECT account_id, id, name, status, budget, impressions, clicks, conversions, created_at,
           synced_at, recorded_at, recorded_at, run_id, run_number
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
    DELETE FROM dead_letters d USING incoming i WHERE d.account_id = i.account_id AND d.campaign_id = i.id
    RETURNING d.run_id
), counted AS (
    SELECT run_id, count(*) FILTER (WHERE new_in_run) AS new_in_run FROM compared GROUP BY run_id
), ",
    audited!(),
    "
UPDATE sync_runs r SET
    stored = r.stored + new_in_run,
    progressed_at = CASE WHEN new_in_run > 0 THEN now() ELSE progressed_at END,
    batches = batches + CASE WHEN new_in_run > 0 THEN 1 ELSE 0 END,
    dead_lettered = dead_lettered - (SELECT count(*) FROM healed h WHERE h.run_id = r.id)
FROM counted WHERE r.id = counted.run_id
RETURNING r.id"
);

/// One row per campaign: a repeated failure keeps the time of the first. Counted like the campaigns above.
const BURY: &str = concat!(
    "\
WITH runs AS (
    SELECT t.n, t.account_id, t.run_id, t.run_epoch, t.campaigns, t.letters
    FROM unnest($1::text[], $2::uuid[], $3::bigint[], $12::bigint[], $13::bigint[])
      WITH ORDINALITY AS t (account_id, run_id, run_epoch, campaigns, letters, n)
    JOIN sync_runs r ON r.id = t.run_id
), incoming AS (
    SELECT account_id, run_id, run_epoch,
           campaign_id, error_class, message, attempts, payload, first_failed_at, last_failed_at
    FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
                $10::timestamptz[], $11::timestamptz[])
      AS t (n, campaign_id, error_class, message, attempts, payload, first_failed_at, last_failed_at)
    JOIN runs USING (n)
), counted AS (
    SELECT i.run_id, count(*) FILTER (WHERE d.run_id IS DISTINCT FROM i.run_id) AS new_in_run
    FROM incoming i
    LEFT JOIN dead_letters d ON d.account_id = i.account_id AND d.campaign_id = i.campaign_id
    GROUP BY i.run_id
), buried AS (
    INSERT INTO dead_letters AS d (account_id, campaign_id, run_id, run_epoch, error_class, message, attempts, payload,
                                   first_failed_at, last_failed_at)
    SELECT account_id, campaign_id, run_id, run_epoch, error_class, message, attempts, payload,
           first_failed_at, last_failed_at
    FROM incoming
    ON CONFLICT (account_id, campaign_id) DO UPDATE SET
        run_id = excluded.run_id, run_epoch = excluded.run_epoch,
        error_class = excluded.error_class, message = excluded.message, attempts = excluded.attempts,
        payload = excluded.payload,
        first_failed_at = LEAST(d.first_failed_at, excluded.first_failed_at),
        last_failed_at = excluded.last_failed_at
), ",
    audited!(),
    "
UPDATE sync_runs r SET
    dead_lettered = dead_lettered + new_in_run,
    progressed_at = CASE WHEN new_in_run > 0 THEN now() ELSE progressed_at END,
    batches = batches + CASE WHEN new_in_run > 0 AND progressed_at <> now() THEN 1 ELSE 0 END
FROM counted WHERE r.id = counted.run_id
RETURNING r.id"
);

/// Stores what the runs that still own their account share; which the others are. A campaign that stands in a share
/// more than once is stored as it stands last; one that is both synced and a dead letter is synced.
pub(super) async fn commit(session: &mut Session, shares: &[Share]) -> Result<Vec<Disowned>, Failure> {
    let in_line = session.prepared(ownership::IN_LINE).await?;
    let (store, bury) = (session.prepared(STORE).await?, session.prepared(BURY).await?);
    let transaction = session.client.transaction().await?;
    let runs: Vec<&Run> = shares.iter().map(|share| &*share.run).collect();
    let mut disowned = fence(&transaction, &in_line, &runs).await?;
    let owned = |(index, share)| disowned.iter().all(|d| d.index != index).then_some(share);
    let owned: Vec<&Share> = shares.iter().enumerate().filter_map(owned).collect();

    let (mut synced, mut letters, mut counts) = (vec![], vec![], Counts::default());
    for (n, share) in (1..).zip(&owned) {
        let (of_run, given_up) = once_each(share);
        counts.campaigns.push(count(of_run.len() as u64));
        counts.letters.push(count(given_up.len() as u64));
        synced.extend(of_run.into_iter().map(|synced| (n, synced)));
        letters.extend(given_up.into_iter().map(|letter| (n, letter)));
    }
    let mut counted = HashSet::new();
    if !synced.is_empty() {
        counted.extend(store_campaigns(&transaction, &store, &owned, &synced, &counts).await?);
        // It has recorded both.
        counts = Counts::default();
    }
    if !letters.is_empty() {
        counted.extend(bury_letters(&transaction, &bury, &owned, &letters, &counts).await?);
    }
    transaction.commit().await?;
    // Both statements end in an update of the runs' rows.
    let gone = |(index, share): (usize, &Share)| {
        let is_gone = !share.batch.is_empty() && !counted.contains(&share.run.id);
        (is_gone && disowned.iter().all(|d| d.index != index))
            .then(|| Disowned { index, cause: gone(&share.run) })
    };
    let gone: Vec<Disowned> = shares.iter().enumerate().filter_map(gone).collect();
    disowned.extend(gone);
    Ok(disowned)
}

/// What is to be stored of each campaign.
fn once_each(share: &Share) -> (Vec<&SyncedCampaign>, Vec<&DeadLetter>) {
    let synced = last_of_each(&share.batch.synced, |synced| synced.campaign.id.as_str());
    let stored: HashSet<&str> = synced.iter().map(|synced| synced.campaign.id.as_str()).collect();
    let letters = last_of_each(&share.batch.dead_letters, |letter| storable::id(letter.id.as_str()));
    let letters = letters.into_iter().filter(|letter| !stored.contains(letter.id.as_str())).collect();
    (synced, letters)
}

/// What is recorded of each run, in the order of the runs; empty: nothing.
#[derive(Default)]
struct Counts {
    campaigns: Vec<i64>,
    letters: Vec<i64>,
}

/// A campaign or a dead letter, and the place of its run, counted from 1.
type OfRun<'a, T> = (i32, &'a T);

async fn store_campaigns(
    transaction: &Transaction<'_>,
    statement: &Statement,
    shares: &[&Share],
    synced: &[OfRun<'_, SyncedCampaign>],
    counts: &Counts,
) -> Result<Vec<Uuid>, Failure> {
    for (_, synced) in synced {
        storable::campaign(synced).map_err(|why| Failure::Store(StoreError::Refused(why)))?;
    }
    let column = |text: fn(&SyncedCampaign) -> &str| synced.iter().map(|(_, s)| text(s)).collect::<Vec<_>>();
    let numbers =
        |number: fn(&SyncedCampaign) -> i64| synced.iter().map(|(_, s)| number(s)).collect::<Vec<_>>();
    let columns: [&(dyn ToSql + Sync); 14] = [
        &shares.iter().map(|share| share.run.account.as_str()).collect::<Vec<_>>(),
        &shares.iter().map(|share| share.run.id).collect::<Vec<_>>(),
        &synced.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        &column(|s| s.campaign.id.as_str()),
        &column(|s| &s.campaign.name),
        &column(|s| &s.campaign.status),
        &column(|s| &s.campaign.budget),
        &numbers(|s| s.campaign.impressions),
        &numbers(|s| s.campaign.clicks),
        &numbers(|s| s.campaign.conversions),
        &synced.iter().map(|(_, s)| s.campaign.created_at).collect::<Vec<_>>(),
        &synced.iter().map(|(_, s)| s.synced_at).collect::<Vec<_>>(),
        &counts.campaigns,
        &counts.letters,
    ];
    Ok(transaction.query(statement, &columns).await?.iter().map(|row| row.get(0)).collect())
}

async fn bury_letters(
    transaction: &Transaction<'_>,
    statement: &Statement,
    shares: &[&Share],
    letters: &[OfRun<'_, DeadLetter>],
    counts: &Counts,
) -> Result<Vec<Uuid>, Failure> {
    let columns: [&(dyn ToSql + Sync); 13] = [
        &shares.iter().map(|share| share.run.account.as_str()).collect::<Vec<_>>(),
        &shares.iter().map(|share| share.run.id).collect::<Vec<_>>(),
        &shares.iter().map(|share| share.run.epoch).collect::<Vec<_>>(),
        &letters.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        &letters.iter().map(|(_, l)| storable::id(l.id.as_str())).collect::<Vec<_>>(),
        &letters.iter().map(|(_, l)| l.class.as_str()).collect::<Vec<_>>(),
        &letters.iter().map(|(_, l)| storable::text(&l.message)).collect::<Vec<_>>(),
        &letters.iter().map(|(_, l)| i64::from(l.attempts)).collect::<Vec<_>>(),
        &letters.iter().map(|(_, l)| storable::text(&l.payload)).collect::<Vec<_>>(),
        &letters.iter().map(|(_, l)| storable::clamped(l.first_failed_at)).collect::<Vec<_>>(),
        &letters.iter().map(|(_, l)| storable::clamped(l.last_failed_at)).collect::<Vec<_>>(),
        &counts.campaigns,
        &counts.letters,
    ];
    Ok(transaction.query(statement, &columns).await?.iter().map(|row| row.get(0)).collect())
}

/// What a run that has no row any more is told.
pub(super) fn gone(run: &Run) -> String {
    format!("run {} of account {} is not in sync_runs any more; start a new run", run.id, run.account)
}

/// In order, without what a later one with the same key replaces.
fn last_of_each<'a, T, K: Eq + Hash>(all: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut seen = HashSet::with_capacity(all.len());
    let mut kept: Vec<_> = all.iter().rev().filter(|item| seen.insert(key(item))).collect();
    kept.reverse();
    kept
}
