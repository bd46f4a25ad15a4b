//! The store: [`PgStore`], PostgreSQL behind `actors::ports::Store`.
//! Promises that every error names the database, the cause and what to do, never the password, that
//! every call ends within a bound, and that an account has one run at a time.

mod commit;
mod database_url;
mod error;
mod migrations;
mod ownership;
mod reading;
mod session;
mod spent;
mod storable;

use std::collections::HashMap;
use std::time::Duration;

use actors::model::{AccountId, Batch, CampaignId, Run, Spent};
use actors::ports::{Store, StoreError};
use actors::report::AccountReport;
use bb8::{ManageConnection, Pool, PooledConnection};
use tokio::time::timeout;

pub use self::database_url::{DatabaseUrl, InvalidDatabaseUrl};
pub use self::migrations::SchemaState;
use self::ownership::{Holder, Ownership};
pub use self::reading::{CampaignRow, RunRow};
use self::session::{LastFailure, Session, Sessions};

/// A commit and a look-up at a time for each of a few accounts; more would only wait for the same disk, and
/// PostgreSQL's default of 100 connections is shared with others.
const POOL_SIZE: u32 = 8;
/// How long a call waits for a connection. Short, because whoever calls retries with a backoff of its own.
const CHECKOUT_LIMIT: Duration = Duration::from_secs(5);
/// Of a call that has its connection. A batch of 500 takes milliseconds; the server gives up at 50 s.
const OPERATION_LIMIT: Duration = Duration::from_secs(60);

/// Of all pending migrations together. One that rewrites a large table takes minutes; half an hour is a wait for
/// something that does not come.
const MIGRATION_LIMIT: Duration = Duration::from_secs(30 * 60);
/// A lock that was lost is taken again once within a call. Whoever loses it twice in a moment had better wait.
const OWNERSHIP_TRIES: u32 = 2;

/// Does nothing where an earlier try, whose answer was lost, has done it.
const BEGIN_RUN: &str = "INSERT INTO sync_runs (id, account_id) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";

/// The primary keys find the few ids of a page; `run_id` is then compared on the rows.
const SETTLED: &str = "\
SELECT id FROM campaigns WHERE account_id = $1 AND id = ANY ($3::text[]) AND run_id = $2
UNION
SELECT campaign_id FROM dead_letters WHERE account_id = $1 AND campaign_id = ANY ($3::text[]) AND run_id = $2";

/// `stored` and `dead_lettered` stay as the committing transactions have counted them.
const FINISH_RUN: &str = "\
UPDATE sync_runs SET
    status = $2, finished_at = now(), listed = $3, distinct_listed = $4, reported_total = $5, skipped = $6,
    requests = $7, retried = $8, throttled = $9, unauthorized = $10, timed_out = $11,
    duration_seconds = $12, lower_bound_seconds = $13, report = $14::text::jsonb
WHERE id = $1";

/// PostgreSQL as the pipeline's store. A clone shares the pool and the runs. With the last clone, the accounts of the
/// runs that were not finished are given back.
#[derive(Clone)]
pub struct PgStore {
    database: DatabaseUrl,
    pool: Pool<Sessions>,
    last_failure: LastFailure,
    ownership: Ownership,
}

/// Why a piece of work on a session failed, before it is explained.
enum Failure {
    Postgres(tokio_postgres::Error),
    Store(StoreError),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure::Postgres(error)
    }
}

impl PgStore {
    /// Connects, so that a wrong URL or an absent server is known now. Does not look at the schema.
    pub async fn connect(database: &DatabaseUrl) -> Result<Self, StoreError> {
        let sessions = Sessions::new(database.clone());
        let first = sessions.connect().await?;
        let last_failure = LastFailure::default();
        let pool = Pool::builder()
            .max_size(POOL_SIZE)
            .connection_timeout(CHECKOUT_LIMIT)
            .error_sink(Box::new(last_failure.clone()))
            .build_unchecked(sessions);
        // If it has ended in the meantime, the pool makes another when one is asked for.
        pool.add(first).ok();
        Ok(Self { database: database.clone(), pool, last_failure, ownership: Ownership::default() })
    }

    /// Which database this is.
    pub fn database(&self) -> &DatabaseUrl {
        &self.database
    }

    /// Applies the pending migrations and returns their names, in order. Safe when several processes do it at once.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        // Not the pool's: a migration may take longer than a statement of the pipeline may.
        let mut client = self.sessions().bare().await?;
        match timeout(MIGRATION_LIMIT, migrations::apply(&mut client, &self.database)).await {
            Ok(applied) => applied,
            Err(_) => {
                Err(error::timed_out(&self.database, "apply the migrations to", MIGRATION_LIMIT.as_secs()))
            }
        }
    }

    /// How far the schema is; changes nothing. A schema newer than this program is an error.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        let database = &self.database;
        self.with("read the schema's version from", async |session| {
            migrations::state(&session.client, database).await.map_err(Failure::Store)
        })
        .await
    }

    /// The newest runs first; of all accounts where none is named.
    pub async fn recent_runs(&self, account: Option<&str>, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        self.with("read the runs from", async |session| reading::recent_runs(session, account, limit).await)
            .await
    }

    /// A few campaigns of the account as they are stored, in the order of their ids.
    pub async fn sample_campaigns(
        &self,
        account: &AccountId,
        limit: u32,
    ) -> Result<Vec<CampaignRow>, StoreError> {
        self.with("read campaigns from", async |session| {
            reading::sample_campaigns(session, account, limit).await
        })
        .await
    }

    /// Does a piece of work on a session of the pool. `doing` completes "cannot … (database)" in an error. The session goes
    /// back to the pool unless the work was cut off or found the server away.
    async fn with<T>(
        &self,
        doing: &str,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut session = self.checkout(doing).await?;
        session.in_use = true;
        let outcome = match timeout(OPERATION_LIMIT, work(&mut session)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Postgres(error))) => Err(error::explain(&self.database, doing, &error)),
            Err(_) => Err(error::timed_out(&self.database, doing, OPERATION_LIMIT.as_secs())),
        };
        session.in_use = matches!(outcome, Err(StoreError::Unavailable(_)));
        outcome
    }

    /// Does a piece of work that only the run that holds its account may do, and that says whether it still did.
    async fn owning(
        &self,
        run: &Run,
        doing: &str,
        work: impl AsyncFn(&mut Session, Holder) -> Result<bool, Failure>,
    ) -> Result<(), StoreError> {
        for _ in 0..OWNERSHIP_TRIES {
            let holder = self.ownership.hold(run, &self.sessions(), doing).await?;
            if self.with(doing, async |session| work(session, holder).await).await? {
                return Ok(());
            }
            tracing::warn!(account = %run.account, "the connection that held the account was lost");
            self.ownership.lost(run, holder).await;
        }
        Err(error::lost(&self.database, doing))
    }

    /// Makes connections that are not the pool's.
    fn sessions(&self) -> Sessions {
        Sessions::new(self.database.clone())
    }

    async fn checkout(&self, doing: &str) -> Result<PooledConnection<'_, Sessions>, StoreError> {
        match self.pool.get().await {
            Ok(session) => {
                self.last_failure.take();
                Ok(session)
            }
            Err(bb8::RunError::User(error)) => Err(error),
            Err(bb8::RunError::TimedOut) => Err(self
                .last_failure
                .take()
                .unwrap_or_else(|| error::busy(&self.database, doing, POOL_SIZE, CHECKOUT_LIMIT.as_secs()))),
        }
    }
}

impl Store for PgStore {
    async fn begin_run(&self, account: &AccountId) -> Result<Run, StoreError> {
        let run = self.ownership.begin(account).await;
        let begun = self
            .owning(&run, "begin a run in", async |session, holder| {
                let statement = session.prepared(BEGIN_RUN).await?;
                let held = holder.holds(&session.client, account).await?;
                if held {
                    session.client.execute(&statement, &[&run.id, &account.as_str()]).await?;
                }
                Ok(held)
            })
            .await;
        match begun {
            Ok(()) => self.ownership.begun(&run).await,
            // The caller's next try goes on with this run.
            Err(StoreError::Unavailable(_)) => {}
            Err(_) => self.ownership.release(&run).await,
        }
        begun.map(|()| run)
    }

    async fn settled(&self, run: &Run, ids: &[CampaignId]) -> Result<Vec<CampaignId>, StoreError> {
        // A dead letter's id may not stand in the table as the platform wrote it.
        let by_stored: HashMap<_, _> = ids.iter().map(|id| (storable::id(id.as_str()), id)).collect();
        let wanted: Vec<_> = by_stored.keys().collect();
        self.with("look up what the run has done in", async |session| {
            let statement = session.prepared(SETTLED).await?;
            let rows = session.client.query(&statement, &[&run.account.as_str(), &run.id, &wanted]).await?;
            Ok(rows
                .iter()
                .filter_map(|row| by_stored.get(row.get::<_, &str>(0)))
                .map(|id| (*id).clone())
                .collect())
        })
        .await
    }

    async fn commit(&self, run: &Run, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.owning(run, "store a batch in", async |session, holder| {
            commit::commit(session, run, holder, batch).await
        })
        .await
    }

    async fn load_spent(&self, account: &AccountId) -> Result<Spent, StoreError> {
        self.with("read what was spent of the limits", async |session| spent::load(session, account).await)
            .await
    }

    async fn save_spent(&self, account: &AccountId, spent: &Spent) -> Result<(), StoreError> {
        self.with("record what is spent of the limits", async |session| {
            spent::save(session, account, spent).await
        })
        .await
    }

    async fn finish_run(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
        let mut json = serde_json::to_value(report).expect("a report has string keys only");
        storable::json(&mut json);
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (campaigns, requests) = (&report.campaigns, &report.requests);
        let finished = self
            .with("finish a run in", async |session| {
                let statement = session.prepared(FINISH_RUN).await?;
                let updated = session
                    .client
                    .execute(
                        &statement,
                        &[
                            &run.id,
                            &report.status.as_str(),
                            &count(campaigns.listed),
                            &count(campaigns.distinct),
                            &campaigns.reported_total.map(count),
                            &count(campaigns.skipped),
                            &count(requests.total),
                            &count(requests.retried),
                            &count(requests.throttled),
                            &count(requests.unauthorized),
                            &count(requests.timed_out),
                            &report.duration.as_secs_f64(),
                            &report.lower_bound.as_secs_f64(),
                            &json.to_string(),
                        ],
                    )
                    .await?;
                commit::belongs_to_run(updated, run).map_err(Failure::Store)
            })
            .await;
        // Where the caller may try again, the account is still the run's.
        if !matches!(finished, Err(StoreError::Unavailable(_))) {
            self.ownership.release(run).await;
        }
        finished
    }
}
