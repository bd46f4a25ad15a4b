//! The schema's migrations, embedded in the binary.
//! Promises that two processes that start at once apply each of them once, and that a schema passes for this program's
//! only where its tables are there.

use actors::ports::StoreError;
use refinery::error::Kind;
use tokio_postgres::Client;

use super::database_url::DatabaseUrl;
use super::{error, rights};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The advisory lock under which migrations run: the bytes of "campsync".
const LOCK: i64 = i64::from_be_bytes(*b"campsync");
/// A process that waits longer than this for another's migrations says so instead.
const LOCK_WAIT: &str = "SET lock_timeout = '60s'";
/// Of a migration itself. While it waits for a table, whoever comes after it waits behind it, readers included; so it gives up
/// soon, nothing of it has happened, and whoever migrates tries again.
const TABLE_LOCK_WAIT: &str = "SET lock_timeout = '5s'";

/// What the migrations make, and each command needs.
const TABLES: [&str; 8] = [
    "account_owners",
    "audit_log",
    "campaign_history",
    "campaigns",
    "dead_letters",
    "paused_accounts",
    "spent_permits",
    "sync_runs",
];
const MISSING: &str = "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL";

/// Whether there is a schema to look in, and whether it has our history.
const FIND: &str = "SELECT current_schema() IS NOT NULL, to_regclass('refinery_schema_history') IS NOT NULL";
const APPLIED: &str = "SELECT version FROM refinery_schema_history ORDER BY version";

/// What [`state`] does, for an error.
pub(super) const READ_STATE: &str = "read the schema's version from";

/// How far the database's schema is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaState {
    /// The version of the last migration that was applied; none in an empty database.
    pub version: Option<i32>,
    /// What is still to be applied, in order, as `V1__campaigns`.
    pub pending: Vec<String>,
}

impl SchemaState {
    /// An error that says what to do, unless it is the schema that this program knows.
    pub(super) fn require_current(&self, database: &DatabaseUrl) -> Result<(), StoreError> {
        let cause = match self {
            Self { pending, .. } if pending.is_empty() => return Ok(()),
            Self { version: None, .. } => "it has no tables of campaign-sync yet".to_owned(),
            Self { pending, .. } => {
                format!("its schema is older than this program ({} not applied)", pending.join(", "))
            }
        };
        Err(error::broken(database, "use", &cause, "run `campaign-sync migrate`"))
    }
}

/// Reads how far the schema is; changes nothing.
pub(super) async fn state(client: &Client, database: &DatabaseUrl) -> Result<SchemaState, StoreError> {
    let explain = |error| error::explain(database, READ_STATE, &error);
    let found = client.query_one(FIND, &[]).await.map_err(explain)?;
    if !found.get::<_, bool>(0) {
        let advice = format!("create the schema, or if it is there: {}", rights::ADVICE);
        return Err(error::broken(
            database,
            READ_STATE,
            "the user may use no schema of its search_path",
            &advice,
        ));
    }
    let applied: Vec<i32> = match found.get(1) {
        true => client.query(APPLIED, &[]).await.map_err(explain)?.iter().map(|row| row.get(0)).collect(),
        false => Vec::new(),
    };
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations();
    if let Some(newer) = applied.iter().find(|version| known.iter().all(|m| m.version() != **version)) {
        let cause = format!("its schema has version {newer}, which this program does not know");
        return Err(error::broken(database, READ_STATE, &cause, "use the newer campaign-sync that made it"));
    }
    let pending = known.iter().filter(|migration| !applied.contains(&migration.version()));
    let mut pending: Vec<_> = pending.map(|m| (m.version(), m.to_string())).collect();
    pending.sort_unstable();
    if pending.is_empty() {
        let missing = client.query(MISSING, &[&TABLES.as_slice()]).await.map_err(explain)?;
        let missing: Vec<&str> = missing.iter().map(|row| row.get(0)).collect();
        if !missing.is_empty() {
            return Err(error::lost(database, &missing.join(", ")));
        }
    }
    Ok(SchemaState {
        version: applied.last().copied(),
        pending: pending.into_iter().map(|(_, name)| name).collect(),
    })
}

/// Applies what is pending, and returns the names of what it applied. Where nothing is, it writes nothing, so
/// that a user without the right to create tables can call it.
pub(super) async fn apply(client: &mut Client, database: &DatabaseUrl) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "apply the migrations to";
    if state(client, database).await?.pending.is_empty() {
        return Ok(Vec::new());
    }
    let explain = |error| error::explain(database, DOING, &error);
    client.batch_execute(LOCK_WAIT).await.map_err(explain)?;
    // Held until the connection ends, which is when the caller drops it.
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.map_err(explain)?;
    client.batch_execute(TABLE_LOCK_WAIT).await.map_err(explain)?;
    let report =
        embedded::migrations::runner().run_async(client).await.map_err(|error| match error.kind() {
            Kind::Connection(_, source) => match source.downcast_ref() {
                Some(error) => error::explain(database, DOING, error),
                None => error::broken(database, DOING, &source.to_string(), ""),
            },
            _ => error::broken(
                database,
                DOING,
                &error.to_string(),
                "the schema was made by another version of campaign-sync",
            ),
        })?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}
