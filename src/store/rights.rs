//! The rights that the program needs in its tables. `deploy/roles.sql` grants exactly these, and a test takes them away one
//! by one.

use actors::ports::StoreError;
use tokio_postgres::types::ToSql;

use super::session::Session;
use super::{Failure, PgStore, error};

/// Each table with the rights in it; an owner has all of them. That a row is locked takes `UPDATE`.
const NEEDED: [(&str, &[&str]); 9] = [
    ("account_owners", &["SELECT", "INSERT", "UPDATE"]),
    ("audit_log", &["SELECT"]),
    ("campaign_history", &["INSERT"]),
    ("campaigns", &["SELECT", "INSERT", "UPDATE"]),
    ("dead_letters", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("paused_accounts", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("refinery_schema_history", &["SELECT"]),
    ("spent_permits", &["SELECT", "INSERT", "UPDATE"]),
    ("sync_runs", &["SELECT", "INSERT", "UPDATE"]),
];
/// What may be written of a row of the audit log. Its number, time and user are the server's word.
const AUDITED: [&str; 5] = ["what", "account_id", "run_id", "who", "details"];

const MISSING: &str = "\
SELECT needed.of || ' on ' || needed.name
FROM unnest($1::text[], $2::text[]) AS needed (name, of)
WHERE NOT has_table_privilege(to_regclass(needed.name), needed.of)
UNION ALL
SELECT 'INSERT (' || audited.name || ') on audit_log' FROM unnest($3::text[]) AS audited (name)
WHERE NOT has_column_privilege(to_regclass('audit_log'), audited.name, 'INSERT') ORDER BY 1";

/// What brings missing rights back.
pub(super) const ADVICE: &str = "run deploy/roles.sql again as the owner of the tables";

impl PgStore {
    /// An error that names each right in a table that the user lacks. For a schema that is current.
    pub async fn require_rights(&self) -> Result<(), StoreError> {
        const DOING: &str = "use";
        let missing = self.with(DOING, missing).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let cause = format!("the user lacks {}", missing.join(", "));
        Err(error::broken(self.database(), DOING, &cause, ADVICE))
    }
}

async fn missing(session: &mut Session) -> Result<Vec<String>, Failure> {
    let needed = NEEDED.iter().flat_map(|(table, rights)| rights.iter().map(move |right| (*table, *right)));
    let (tables, rights): (Vec<&str>, Vec<&str>) = needed.unzip();
    let statement = session.prepared(MISSING).await?;
    let parameters: [&(dyn ToSql + Sync); 3] = [&tables, &rights, &AUDITED.as_slice()];
    Ok(session.client.query(&statement, &parameters).await?.iter().map(|row| row.get(0)).collect())
}
