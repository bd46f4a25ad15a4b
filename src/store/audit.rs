//! The audit log: what was done, by whom, in the transaction of what it records. Most rows are written by the statements
//! that do it (`begin.rs`, `commit.rs`, `finish.rs`, `dead_letters.rs`, `pauses.rs`, and a trigger for migrations); here is
//! what has no statement of its own and is recorded before it happens, and how the log is read. Promises that a filter reads
//! what it shows, and not the whole table.

use std::time::SystemTime;

use actors::model::{AccountId, LetterFilter};
use actors::ports::StoreError;
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::session::Session;
use super::{Failure, PgStore, storable, who};

/// What can be recorded. This is the list: the column takes any text, so that a new kind needs no migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audited {
    /// A run was opened.
    RunBegun,
    /// A run that was left unfinished was taken over.
    RunResumed,
    /// A replay of dead letters was opened.
    ReplayBegun,
    /// A run or a replay has ended, or was found unfinished and closed.
    RunEnded,
    /// A transaction stored campaigns and dead letters.
    BatchCommitted,
    /// A run has deleted the dead letters of entries without an id, because the listing shows them no more.
    LettersForgotten,
    /// Dead letters of an account were deleted.
    LettersDiscarded,
    /// An operator has paused an account.
    AccountPaused,
    /// An operator has ended a pause.
    AccountResumed,
    /// An operator has asked for a run.
    RunRequested,
    /// An operator has asked for a replay.
    ReplayRequested,
    /// A service has started with a configuration.
    ConfigurationLoaded,
    /// A service has taken another one.
    ConfigurationReloaded,
    /// A migration was applied.
    MigrationApplied,
    /// Rows of this log were deleted.
    AuditPruned,
}

impl Audited {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 15] = [
        Self::RunBegun,
        Self::RunResumed,
        Self::ReplayBegun,
        Self::RunEnded,
        Self::BatchCommitted,
        Self::LettersForgotten,
        Self::LettersDiscarded,
        Self::AccountPaused,
        Self::AccountResumed,
        Self::RunRequested,
        Self::ReplayRequested,
        Self::ConfigurationLoaded,
        Self::ConfigurationReloaded,
        Self::MigrationApplied,
        Self::AuditPruned,
    ];

    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunBegun => "run_begun",
            Self::RunResumed => "run_resumed",
            Self::ReplayBegun => "replay_begun",
            Self::RunEnded => "run_ended",
            Self::BatchCommitted => "batch_committed",
            Self::LettersForgotten => "letters_forgotten",
            Self::LettersDiscarded => "letters_discarded",
            Self::AccountPaused => "account_paused",
            Self::AccountResumed => "account_resumed",
            Self::RunRequested => "run_requested",
            Self::ReplayRequested => "replay_requested",
            Self::ConfigurationLoaded => "configuration_loaded",
            Self::ConfigurationReloaded => "configuration_reloaded",
            Self::MigrationApplied => "migration_applied",
            Self::AuditPruned => "audit_pruned",
        }
    }
}

/// Which rows. What is none, or empty, leaves nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this account alone.
    pub account: Option<AccountId>,
    /// About this run alone.
    pub run: Option<Uuid>,
    /// Of these kinds.
    pub what: Vec<Audited>,
    /// From then on.
    pub since: Option<SystemTime>,
    /// Before then.
    pub until: Option<SystemTime>,
    /// Older than the row of this id.
    pub before: Option<Uuid>,
}

/// A row of `audit_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// What [`AuditFilter::before`] takes; at random.
    pub id: Uuid,
    /// When it was written.
    pub at: SystemTime,
    /// The name of its [`Audited`].
    pub what: String,
    /// None: about none, or about several.
    pub account: Option<String>,
    /// Likewise.
    pub run: Option<Uuid>,
    /// Who logged in to the database.
    pub database_user: String,
    /// An object: `command`, `process`, `os_user`, `host`, and `operator` of what was asked for over HTTP.
    pub who: Value,
    /// An object.
    pub details: Value,
}

/// Planned for its values each time, so that what is not asked for is not in the plan, and the rest is bounds of an index.
const LIST: &str = "\
SELECT id, at, what, account_id, run_id, database_user, who::text, details::text FROM audit_log
WHERE ($1 IS NULL OR account_id = $1)
  AND ($2 IS NULL OR run_id = $2)
  AND (cardinality($3) = 0 OR what = ANY ($3))
  AND ($4 IS NULL OR at >= $4) AND ($5 IS NULL OR at < $5)
  AND ($6 IS NULL OR (at, id) < (SELECT known.at, known.id FROM audit_log known WHERE known.id = $6))
ORDER BY at DESC, id DESC LIMIT $7";

const RECORD: &str = "\
INSERT INTO audit_log (what, account_id, who, details) VALUES ($1, $2, $3::text::jsonb, $4::text::jsonb)";

impl PgStore {
    /// The rows that are meant, the newest first.
    pub async fn audit_rows(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.with("read the audit log of", async |session| list(session, filter, limit).await).await
    }

    /// Records which configuration a service works with: its accounts, and a fingerprint that tells whether it is another
    /// one.
    pub async fn audit_configuration(
        &self,
        what: Audited,
        accounts: &[AccountId],
        fingerprint: &str,
    ) -> Result<(), StoreError> {
        let accounts: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let details = json!({ "fingerprint": fingerprint, "accounts": accounts });
        self.record(what, None, who::this_process(), details).await
    }

    /// Records that an operator asks from this address for a run of the account, or for a replay of these letters.
    pub async fn audit_request(
        &self,
        account: &AccountId,
        replay: Option<&LetterFilter>,
        address: &str,
    ) -> Result<(), StoreError> {
        let (what, details) = match replay {
            None => (Audited::RunRequested, json!({})),
            Some(letters) => (Audited::ReplayRequested, json!({ "filter": filter(None, letters) })),
        };
        self.record(what, Some(account), who::operator(address), details).await
    }

    async fn record(
        &self,
        what: Audited,
        account: Option<&AccountId>,
        who: String,
        details: Value,
    ) -> Result<(), StoreError> {
        self.with("write the audit log of", async |session| {
            let statement = session.prepared(RECORD).await?;
            let parameters: [&(dyn ToSql + Sync); 4] =
                [&what.as_str(), &account.map(AccountId::as_str), &who, &details.to_string()];
            session.client.execute(&statement, &parameters).await?;
            Ok(())
        })
        .await
    }
}

/// Dead letters that are meant, as details name them.
pub(super) fn filter(account: Option<&str>, letters: &LetterFilter) -> Value {
    let campaigns: Vec<_> = letters.campaigns.iter().map(|id| storable::id(id.as_str())).collect();
    let classes: Vec<_> = letters.classes.iter().map(|class| class.as_str()).collect();
    json!({ "account": account, "campaigns": campaigns, "classes": classes })
}

async fn list(session: &mut Session, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditRow>, Failure> {
    let what: Vec<_> = filter.what.iter().map(|what| what.as_str()).collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
        (&filter.account.as_ref().map(AccountId::as_str), Type::TEXT),
        (&filter.run, Type::UUID),
        (&what, Type::TEXT_ARRAY),
        (&filter.since.map(storable::clamped), Type::TIMESTAMPTZ),
        (&filter.until.map(storable::clamped), Type::TIMESTAMPTZ),
        (&filter.before, Type::UUID),
        (&i64::from(limit), Type::INT8),
    ];
    Ok(session.client.query_typed(LIST, &parameters).await?.iter().map(row).collect())
}

fn row(row: &Row) -> AuditRow {
    // What the server prints of a jsonb is JSON.
    let object = |column: usize| serde_json::from_str(row.get(column)).unwrap_or_default();
    AuditRow {
        id: row.get(0),
        at: row.get(1),
        what: row.get(2),
        account: row.get(3),
        run: row.get(4),
        database_user: row.get(5),
        who: object(6),
        details: object(7),
    }
}
