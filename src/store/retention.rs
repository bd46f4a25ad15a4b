//! How rows of the audit log go: those older than the retention, by the tables' owner, in transactions of a bounded size,
//! each of which records what it deletes.
//!
//! The table's trigger lets a deletion pass where its transaction says that it is one of these, and only of rows that are
//! older than 30 days. No function with its owner's rights does it: then whoever may call that could prune, and a role that
//! may not is kept from it by the missing `DELETE` as it is.

use std::time::Duration;

use actors::ports::StoreError;

use super::session::Session;
use super::{Failure, PgStore, error};

/// Rows of one transaction: a tenth of a second, and small beside what a statement may take.
const CHUNK: i64 = 10_000;

const DOING: &str = "prune the audit log of";

const MAY_DELETE: &str = "SELECT has_table_privilege('audit_log', 'DELETE')";
const OLD: &str = "SELECT count(*) FROM audit_log WHERE at < now() - make_interval(secs => $1)";
/// For this transaction alone.
const SAY_SO: &str = "SELECT set_config('campaign_sync.audit_prune', 'on', true)";
const PRUNE: &str = "\
WITH old AS (
    SELECT id FROM audit_log WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2
), gone AS (
    DELETE FROM audit_log a USING old WHERE a.id = old.id RETURNING a.at
), audited AS (
    INSERT INTO audit_log (what, details)
    SELECT 'audit_pruned', jsonb_build_object('rows', count(*), 'first', min(at), 'last', max(at))
    FROM gone HAVING count(*) > 0
)
SELECT count(*) FROM gone";

impl PgStore {
    /// How many rows of the audit log are older than this. An error unless the user may delete them.
    pub async fn audit_rows_older_than(&self, age: Duration) -> Result<u64, StoreError> {
        let (may, old) = self.with(DOING, async |session| count_old(session, age).await).await?;
        if may {
            return Ok(old);
        }
        let advice = "only the owner of the table may: name that user in the database URL";
        Err(error::broken(self.database(), DOING, "the user may not delete from audit_log", advice))
    }

    /// Deletes the rows of the audit log that are older than this, which is 30 days or more; how many.
    pub async fn prune_audit(&self, age: Duration) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let gone = self.with(DOING, async |session| prune_chunk(session, age).await).await?;
            pruned += gone.unsigned_abs();
            if gone < CHUNK {
                return Ok(pruned);
            }
        }
    }
}

async fn count_old(session: &mut Session, age: Duration) -> Result<(bool, u64), Failure> {
    let may = session.client.query_one(MAY_DELETE, &[]).await?.get(0);
    let old = session.client.query_one(OLD, &[&age.as_secs_f64()]).await?;
    Ok((may, old.get::<_, i64>(0).unsigned_abs()))
}

async fn prune_chunk(session: &mut Session, age: Duration) -> Result<i64, Failure> {
    let prune = session.prepared(PRUNE).await?;
    let transaction = session.client.transaction().await?;
    transaction.execute(SAY_SO, &[]).await?;
    let gone = transaction.query_one(&prune, &[&age.as_secs_f64(), &CHUNK]).await?.get(0);
    transaction.commit().await?;
    Ok(gone)
}
