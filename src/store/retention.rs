//! How rows of the audit log go: those older than the retention, and batches after a month, by the tables' owner, in
//! transactions of a bounded size, each of which records what it deletes.
//!
//! The table's trigger lets a deletion pass where its transaction says that it is one of these, and only of rows that are
//! older than 30 days. No function with its owner's rights does it: then whoever may call that could prune, and a role that
//! may not is kept from it by the missing `DELETE` as it is.

use std::time::{Duration, SystemTime};

use actors::ports::StoreError;

use super::session::Session;
use super::{Failure, PgStore, error};

/// Batches come up to five times a second, everything else a few times a run, and what they did for a run stands in the row of its
/// end. So they are kept for as long as anything has to be: the table's trigger knows the same 30 days.
const BATCHES_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Rows of one transaction: a tenth of a second, and small beside what a statement may take.
const CHUNK: i64 = 10_000;

const DOING: &str = "prune the audit log of";

const MAY_DELETE: &str = "SELECT has_table_privilege('audit_log', 'DELETE')";
/// No further than `$3`, so that it ends in time whatever the table holds.
const OLD: &str = "\
SELECT count(*) FROM (
    (SELECT FROM audit_log WHERE what = 'batch_committed' AND at < now() - make_interval(secs => $2) LIMIT $3)
    UNION ALL
    (SELECT FROM audit_log WHERE what <> 'batch_committed' AND at < now() - make_interval(secs => $1) LIMIT $3)
    LIMIT $3
) old";
/// For this transaction alone.
const SAY_SO: &str = "SELECT set_config('campaign_sync.audit_prune', 'on', true)";
/// The oldest rows from `$3` on, where the chunk before ended: what that deleted still stands in the index. They go by their place
/// in the table, which a row that is never changed keeps; so the table is not read, whatever the statistics say.
macro_rules! prune {
    ($which:literal, $said:literal) => {
        concat!(
            "\
WITH gone AS (
    DELETE FROM audit_log WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM audit_log
        WHERE ",
            $which,
            " AND at >= coalesce($3::timestamptz, '-infinity') AND at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2))
    RETURNING at
), audited AS (
    INSERT INTO audit_log (what, details)
    SELECT 'audit_pruned', jsonb_build_object(",
            $said,
            "'rows', count(*), 'first', min(at), 'last', max(at))
    FROM gone HAVING count(*) > 0
)
SELECT count(*), max(at) FROM gone"
        )
    };
}
const PRUNE_BATCHES: &str = prune!("what = 'batch_committed'", "'of', 'batch_committed', ");
const PRUNE: &str = prune!("true", "");

impl PgStore {
    /// An error unless the user may delete rows of the audit log.
    pub async fn require_may_prune(&self) -> Result<(), StoreError> {
        let may: bool = self
            .with(DOING, async |session| Ok(session.client.query_one(MAY_DELETE, &[]).await?.get(0)))
            .await?;
        if may {
            return Ok(());
        }
        let advice = "only the owner of the table may: name that user in the database URL";
        Err(error::broken(self.database(), DOING, "the user may not delete from audit_log", advice))
    }

    /// How many rows [`Self::prune_audit`] would delete, counted no further than `most`.
    pub async fn audit_rows_to_prune(&self, age: Duration, most: u32) -> Result<u64, StoreError> {
        let old = self.with(DOING, async |session| {
            let (age, of_batches, most) = (age.as_secs_f64(), BATCHES_KEPT.as_secs_f64(), i64::from(most));
            Ok(session.client.query_one(OLD, &[&age, &of_batches, &most]).await?.get::<_, i64>(0))
        });
        Ok(old.await?.unsigned_abs())
    }

    /// Deletes the rows of the audit log that are older than this, which is 30 days or more, and the batches that are older than
    /// 30 days; how many.
    pub async fn prune_audit(&self, age: Duration) -> Result<u64, StoreError> {
        let batches = self.prune_all(PRUNE_BATCHES, BATCHES_KEPT).await?;
        Ok(batches + self.prune_all(PRUNE, age).await?)
    }

    async fn prune_all(&self, prune: &'static str, age: Duration) -> Result<u64, StoreError> {
        let (mut pruned, mut from) = (0, None);
        loop {
            let (gone, last) =
                self.with(DOING, async |session| prune_chunk(session, prune, age, from).await).await?;
            pruned += gone.unsigned_abs();
            from = last;
            if gone < CHUNK {
                return Ok(pruned);
            }
        }
    }
}

/// How many it were, and when the last of them was written.
async fn prune_chunk(
    session: &mut Session,
    prune: &'static str,
    age: Duration,
    from: Option<SystemTime>,
) -> Result<(i64, Option<SystemTime>), Failure> {
    let prune = session.prepared(prune).await?;
    let transaction = session.client.transaction().await?;
    transaction.execute(SAY_SO, &[]).await?;
    let gone = transaction.query_one(&prune, &[&age.as_secs_f64(), &CHUNK, &from]).await?;
    transaction.commit().await?;
    Ok((gone.get(0), gone.get(1)))
}
