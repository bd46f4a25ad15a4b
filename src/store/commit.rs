//! One batch, one transaction: the campaigns of some runs with their history, dead letters, and the runs' progress.
//! Promises that all of it is stored or nothing, that repeating a committed batch changes nothing but
//! the audit log, and that nothing is stored for a process that does not own its account any more.
//! It is one round trip: all of it goes to the server at once, the commit too. Several go at the same time, also of one run.

mod incoming;

use std::collections::HashSet;

use actors::model::Run;
use actors::ports::{Disowned, Share};
use futures_util::future::try_join5;
use uuid::Uuid;

use self::incoming::Incoming;
use super::Failure;
use super::numbering::Numbering;
use super::ownership::{self, fence};
use super::session::Session;

/// The runs that own their account and have a row, for only of these anything is stored: the statement before has their
/// accounts' locks, but nobody has looked at its answer yet. With what is to be recorded of each.
macro_rules! runs {
    () => {
        "runs AS (
    SELECT t.*
    FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) WITH ORDINALITY
      AS t (account_id, run_id, run_epoch, first_number, campaigns, letters, n)
    JOIN account_owners o ON o.account_id = t.account_id AND o.epoch = t.run_epoch
    JOIN sync_runs r ON r.id = t.run_id
)"
    };
}

/// One row of the audit log for the transaction, in the statement that stores most of it, so that it costs no round
/// trip. It names its account and run where that is one, and counts them where they are several: there are up to five
/// such rows a second, and the row of each run's end says what it has stored. Nothing where all counts are zero.
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

/// Of those that [`STORE`] has just stored.
macro_rules! history {
    () => {
        "INSERT INTO campaign_history (account_id, id, recorded_at, run_id, name, status, budget, impressions, clicks,
                                  conversions, created_at)
    SELECT account_id, id, changed_at, run_id, name, status, budget, impressions, clicks, conversions, created_at
    FROM stored "
    };
}

/// Whatever depends on what was there before is judged where a row is locked anyway, never by what the statement saw
/// when it began: that is quicker, and right also beside another transaction of the same run, even beside one that
/// stores the same.
///
/// `changed_at` becomes the time of the statement in what is new or has changed, and that is how the history knows it.
/// `GREATEST` keeps a campaign's history in order also where the server's clock is set back. Then, and where somebody
/// else has just stored the same, what has not changed can have a later `changed_at` too; it has its history already.
/// One that is the statement's time to the microsecond has the batch tried again, at another time.
///
/// A campaign counts for the run, and gets its number there, when the run had not stored it yet; a repeated batch
/// therefore counts nothing. Each time, a run gets numbers that nobody had before, so a campaign that has one of these
/// is new. That also holds for a transaction that nobody waits for any more and that commits after its repetition.
/// Campaigns are locked in the order of their keys, and the runs' rows last and in order: two transactions that share
/// some wait for each other no longer than a commit takes, and never both. That is why `counted` asks for the history,
/// and has it written before. A run's batch is counted by the first of the transaction's statements that has something
/// new of it: the second finds `progressed_at` at this transaction's time.
const STORE: &str = concat!(
    "WITH ",
    runs!(),
    ", stored AS (
    INSERT INTO campaigns AS c (account_id, id, name, status, budget, impressions, clicks, conversions, created_at,
                                synced_at, first_seen_at, changed_at, run_id, run_number)
    SELECT account_id, id, name, status, budget::numeric, impressions, clicks, conversions, created_at,
           synced_at, statement_timestamp(), statement_timestamp(), run_id, first_number + place
    FROM unnest($7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[],
                $14::bigint[], $15::bigint[], $16::timestamptz[], $17::timestamptz[])
      AS t (n, place, id, name, status, budget, impressions, clicks, conversions, created_at, synced_at)
    JOIN runs USING (n) ORDER BY account_id, id
    ON CONFLICT (account_id, id) DO UPDATE SET
        name = excluded.name, status = excluded.status, budget = excluded.budget,
        impressions = excluded.impressions, clicks = excluded.clicks, conversions = excluded.conversions,
        created_at = excluded.created_at, synced_at = excluded.synced_at, run_id = excluded.run_id,
        run_number = CASE WHEN c.run_id = excluded.run_id THEN c.run_number ELSE excluded.run_number END,
        removed_at = NULL,
        changed_at = CASE
            WHEN (c.name, c.status, c.budget, c.impressions, c.clicks, c.conversions, c.created_at)
                     IS DISTINCT FROM
                 (excluded.name, excluded.status, excluded.budget, excluded.impressions, excluded.clicks,
                  excluded.conversions, excluded.created_at)
            THEN GREATEST(excluded.changed_at, c.changed_at + interval '1 microsecond') ELSE c.changed_at END
    RETURNING account_id, id, name, status, budget, impressions, clicks, conversions, created_at, changed_at, run_id,
              run_number
), history AS (
    ",
    history!(),
    "WHERE changed_at = statement_timestamp() RETURNING 1
), later_history AS (
    ",
    history!(),
    "WHERE changed_at > statement_timestamp() ON CONFLICT DO NOTHING
), healed AS (
    DELETE FROM dead_letters d USING stored s
    WHERE d.account_id = s.account_id AND d.campaign_id = s.id
      AND (SELECT EXISTS (SELECT FROM dead_letters WHERE account_id = ANY ($1)))
    RETURNING d.run_id
), counted AS (
    SELECT run_id, new_in_run, next_number, coalesce(healed, 0) AS healed
    FROM (SELECT run_id, count(*) FILTER (WHERE run_number BETWEEN first_number AND first_number + campaigns - 1)
                           AS new_in_run,
                 first_number + campaigns AS next_number
          FROM stored JOIN runs USING (run_id) GROUP BY run_id, first_number, campaigns) s
    LEFT JOIN (SELECT run_id, count(*) AS healed FROM healed GROUP BY run_id) h USING (run_id)
    CROSS JOIN (SELECT count(*) FROM history) written_before
), locked AS MATERIALIZED (
    SELECT r.id FROM sync_runs r JOIN counted ON run_id = r.id ORDER BY r.id FOR NO KEY UPDATE OF r
), ",
    audited!(),
    "
UPDATE sync_runs r SET
    stored = r.stored + new_in_run,
    next_number = CASE WHEN new_in_run > 0 THEN GREATEST(r.next_number, counted.next_number) ELSE r.next_number END,
    progressed_at = CASE WHEN new_in_run > 0 THEN now() ELSE progressed_at END,
    batches = batches + CASE WHEN new_in_run > 0 THEN 1 ELSE 0 END,
    dead_lettered = dead_lettered - healed
FROM locked JOIN counted ON counted.run_id = locked.id
WHERE r.id = locked.id
RETURNING r.id"
);

/// One row per campaign: a repeated failure keeps the time of the first. Counted like the campaigns above.
const BURY: &str = concat!(
    "WITH ",
    runs!(),
    ", incoming AS (
    SELECT account_id, run_id, run_epoch,
           campaign_id, error_class, message, attempts, payload, first_failed_at, last_failed_at
    FROM unnest($7::bigint[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[],
                $13::timestamptz[], $14::timestamptz[])
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
/// more than once is stored as it stands last; one that is both synced and a dead letter is synced. Where it is to be
/// `alone`, no other transaction stores anything of the accounts meanwhile; nor where there are dead letters, for what
/// is buried is compared with what the statement saw when it began.
pub(super) async fn commit(
    session: &mut Session,
    shares: &[Share],
    numbering: &Numbering,
    alone: bool,
) -> Result<Vec<Disowned>, Failure> {
    let incoming = Incoming::of(shares, numbering)?;
    let owners = if alone || !incoming.letters.is_empty() { ownership::IN_LINE } else { ownership::TOGETHER };
    let owners = session.prepared(owners).await?;
    let (store, bury) = (session.prepared(STORE).await?, session.prepared(BURY).await?);
    let client = &session.client;
    // They are polled in this order, and so sent. Where one fails, the server refuses what follows, and its `COMMIT` is a
    // rollback. Where the first alone fails, which takes a server that is out of memory, rows can be stored without their
    // letters; the repetition mends that.
    let ((), mut disowned, stored, buried, ()) = try_join5(
        client.batch_execute("BEGIN"),
        fence(client, &owners, &incoming.runs),
        incoming.store(client, &store),
        incoming.bury(client, &bury),
        client.batch_execute("COMMIT"),
    )
    .await?;
    // Both statements end in an update of the runs' rows.
    let counted: HashSet<Uuid> = stored.iter().chain(&buried).map(|row| row.get(0)).collect();
    let gone = |(index, run): (usize, &&Run)| {
        let is_gone = incoming.has_some_of(index) && !counted.contains(&run.id);
        (is_gone && disowned.iter().all(|d| d.index != index)).then(|| Disowned { index, cause: gone(run) })
    };
    let gone: Vec<Disowned> = incoming.runs.iter().enumerate().filter_map(gone).collect();
    disowned.extend(gone);
    Ok(disowned)
}

/// What a run that has no row any more is told.
pub(super) fn gone(run: &Run) -> String {
    format!("run {} of account {} is not in sync_runs any more; start a new run", run.id, run.account)
}
