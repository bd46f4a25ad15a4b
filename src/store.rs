//! The store: [`PgStore`], PostgreSQL behind `actors::ports::Store`.
//! Promises that every error names the database, the cause and what to do, never the password, that
//! every call ends within a bound, that an account has one run at a time, and that a process which another has taken
//! over from stores nothing any more.

mod audit;
mod begin;
mod commit;
mod database_url;
mod dead_letters;
mod encryption;
mod error;
mod finish;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod migrations;
mod numbering;
mod ownership;
mod pauses;
mod pool_watch;
mod reading;
mod retention;
mod rights;
mod session;
mod settled;
mod spent;
mod standings;
mod storable;
mod who;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{AccountId, CampaignId, LetterFilter, Run, SettledCampaign, Spent};
use actors::ports::{Disowned, Question, Share, Store, StoreError};
use actors::report::AccountReport;
use bb8::{ManageConnection, Pool, PooledConnection};
use tokio::time::timeout;
use uuid::Uuid;

pub use self::audit::{AuditFilter, AuditRow, Audited};
use self::begin::Purpose;
pub use self::database_url::{DatabaseUrl, InvalidDatabaseUrl};
pub use self::dead_letters::{DeadLetterRow, LetterPosition};
pub use self::migrations::SchemaState;
use self::numbering::Numbering;
use self::ownership::Ownership;
pub use self::pool_watch::{PoolState, PoolWatch};
pub use self::reading::{CampaignRow, RunRow};
use self::session::{LastFailure, Session, Sessions};
pub use self::standings::LettersByClass;
pub use self::who::acting_as;

/// Two commits, a look-up and a record, four runs that begin or end, and two for whoever looks on; more would only wait
/// for the same disk, and PostgreSQL's default of 100 connections is shared with others.
const POOL_SIZE: u32 = 10;
/// How long a call waits for a connection. Short, because whoever calls retries with a backoff of its own.
const CHECKOUT_LIMIT: Duration = Duration::from_secs(5);
/// Of a call that has its connection. A batch of 500 takes milliseconds; the server gives up at 50 s.
const OPERATION_LIMIT: Duration = Duration::from_secs(60);

/// Of all pending migrations together. One that rewrites a large table takes minutes; half an hour is a wait for
/// something that does not come.
const MIGRATION_LIMIT: Duration = Duration::from_secs(30 * 60);

/// PostgreSQL as the pipeline's store. A clone shares the pool and the runs. With the last clone, the accounts of the
/// runs that were not finished are given back.
#[derive(Clone)]
pub struct PgStore {
    database: DatabaseUrl,
    pool: Pool<Sessions>,
    last_failure: LastFailure,
    ownership: Ownership,
    numbering: Numbering,
}

/// Why a piece of work on a session failed, before it is explained.
enum Failure {
    Postgres(tokio_postgres::Error),
    Store(StoreError),
    /// By whom.
    TakenOver(String),
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
        Ok(Self {
            database: database.clone(),
            pool,
            last_failure,
            ownership: Ownership::default(),
            numbering: Numbering::default(),
        })
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
        self.with(migrations::READ_STATE, async |session| {
            migrations::state(&session.client, database).await.map_err(Failure::Store)
        })
        .await
    }

    /// An error that says what to do, unless the schema is the one that this program knows.
    pub async fn require_current_schema(&self) -> Result<(), StoreError> {
        self.schema_state().await?.require_current(&self.database)
    }

    /// As [`Self::require_current_schema`], for who waits no longer than this: what is known of the cause by then is the error.
    pub async fn require_current_schema_within(&self, limit: Duration) -> Result<(), StoreError> {
        let outcome = timeout(limit, self.require_current_schema()).await;
        outcome.unwrap_or_else(|_| Err(self.why_no_answer(migrations::READ_STATE, limit)))
    }

    /// An error unless the server takes writes, which a standby does not.
    pub async fn require_writable(&self) -> Result<(), StoreError> {
        self.with("write to", begin::require_writable).await
    }

    /// How the pool of connections stands.
    pub fn watch_pool(&self) -> PoolWatch {
        PoolWatch::new(self.pool.clone())
    }

    /// When the last complete run of each of these accounts ended; without those that have none.
    pub async fn last_completes(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, SystemTime)>, StoreError> {
        self.with("read the runs from", async |session| standings::last_completes(session, accounts).await)
            .await
    }

    /// When the last run of each of these accounts began, or 1970 where it was left unfinished: then the next one is
    /// overdue. Without those that have none.
    pub async fn last_begun(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, SystemTime)>, StoreError> {
        self.with("read the runs from", async |session| standings::last_begun(session, accounts).await).await
    }

    /// How many dead letters each of these accounts has, also those that have none.
    pub async fn dead_letter_counts(
        &self,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, LettersByClass>, StoreError> {
        self.with("count the dead letters in", async |session| {
            standings::dead_letter_counts(session, accounts).await
        })
        .await
    }

    /// Records that an operator at this address has paused the account; since when. One that is paused already is so since it
    /// was first.
    pub async fn pause(&self, account: &AccountId, address: &str) -> Result<SystemTime, StoreError> {
        self.with("record the pause in", async |session| pauses::pause(session, account, address).await).await
    }

    /// Records that an operator at this address has ended the account's pause.
    pub async fn resume(&self, account: &AccountId, address: &str) -> Result<(), StoreError> {
        self.with("record the end of the pause in", async |session| {
            pauses::resume(session, account, address).await
        })
        .await
    }

    /// Those of the accounts that are paused, and since when.
    pub async fn paused(&self, accounts: &[AccountId]) -> Result<HashMap<AccountId, SystemTime>, StoreError> {
        self.with("read which accounts are paused from", async |session| {
            pauses::paused(session, accounts).await
        })
        .await
    }

    /// The newest runs first; of all accounts where none is named.
    pub async fn recent_runs(&self, account: Option<&str>, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        self.runs_after(account, None, limit).await
    }

    /// As [`Self::recent_runs`], from the one after the run that began then and has this id.
    pub async fn runs_after(
        &self,
        account: Option<&str>,
        after: Option<(SystemTime, Uuid)>,
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        self.with("read the runs from", async |session| {
            reading::recent_runs(session, account, after, limit).await
        })
        .await
    }

    /// The dead letters that are meant, the newest failure first; of all accounts where none is named.
    pub async fn dead_letters(
        &self,
        account: Option<&str>,
        filter: &LetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        self.dead_letters_after(account, filter, None, limit).await
    }

    /// As [`Self::dead_letters`], from the one after that position.
    pub async fn dead_letters_after(
        &self,
        account: Option<&str>,
        filter: &LetterFilter,
        after: Option<&LetterPosition>,
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        self.with("read the dead letters from", async |session| {
            dead_letters::list(session, account, filter, after, limit).await
        })
        .await
    }

    /// Deletes these dead letters, but for those that have failed again since they were read; how many that were. The audit log
    /// has how they were chosen.
    pub async fn discard(
        &self,
        letters: &[DeadLetterRow],
        account: Option<&str>,
        filter: &LetterFilter,
    ) -> Result<u64, StoreError> {
        self.with("discard dead letters from", async |session| {
            dead_letters::discard(session, letters, account, filter).await
        })
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
        let mut is_unsure = false;
        let outcome = match timeout(OPERATION_LIMIT, work(&mut session)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::TakenOver(cause))) => Err(error::taken_over(&self.database, doing, &cause)),
            Ok(Err(Failure::Postgres(error))) => {
                // What the driver could not send may be the end of a transaction.
                is_unsure = error.as_db_error().is_none();
                Err(error::explain(&self.database, doing, &error))
            }
            Err(_) => Err(error::timed_out(&self.database, doing, OPERATION_LIMIT.as_secs())),
        };
        session.in_use = is_unsure || matches!(outcome, Err(StoreError::Unavailable(_)));
        outcome
    }

    /// Takes the account, and begins or resumes a run of it.
    async fn begin(&self, account: &AccountId, purpose: Purpose<'_>) -> Result<Run, StoreError> {
        const DOING: &str = "begin a run in";
        let held = self.ownership.take(account, &self.sessions(), DOING).await?;
        let run = self.with(DOING, async |session| begin::begin(session, account, purpose).await).await?;
        self.numbering.begin(&run);
        held.begin(&run).await;
        Ok(run)
    }

    /// Each as the error that it is to its run.
    fn explained(&self, mut disowned: Vec<Disowned>, doing: &str) -> Vec<Disowned> {
        for Disowned { cause, .. } in &mut disowned {
            *cause = error::taken_over(&self.database, doing, cause).to_string();
        }
        disowned
    }

    /// Makes connections that are not the pool's.
    fn sessions(&self) -> Sessions {
        Sessions::new(self.database.clone())
    }

    async fn checkout(&self, doing: &str) -> Result<PooledConnection<'_, Sessions>, StoreError> {
        match self.pool.get().await {
            Ok(session) => {
                self.last_failure.forget();
                Ok(session)
            }
            Err(bb8::RunError::User(error)) => Err(error),
            Err(bb8::RunError::TimedOut) => Err(self.why_no_answer(doing, CHECKOUT_LIMIT)),
        }
    }

    /// The cause, as far as it is known, of a call that was given up after this time.
    fn why_no_answer(&self, doing: &str, limit: Duration) -> StoreError {
        let (failure, pool) = (self.last_failure.within(CHECKOUT_LIMIT), self.pool.state());
        let all_in_use = pool.connections == POOL_SIZE && pool.idle_connections == 0;
        match failure {
            Some(failure) => failure,
            None if all_in_use => error::busy(&self.database, doing, POOL_SIZE, limit.as_secs()),
            None => error::timed_out(&self.database, doing, limit.as_secs()),
        }
    }
}

impl Store for PgStore {
    async fn begin_run(
        &self,
        account: &AccountId,
        resume_within: Option<Duration>,
    ) -> Result<Run, StoreError> {
        self.begin(account, Purpose::Sync { resume_within }).await
    }

    async fn begin_replay(&self, account: &AccountId, letters: &LetterFilter) -> Result<Run, StoreError> {
        self.begin(account, Purpose::Replay(letters)).await
    }

    async fn borrow_account(&self, account: &AccountId) -> Result<Run, StoreError> {
        const DOING: &str = "plan a run in";
        let held = self.ownership.take(account, &self.sessions(), DOING).await?;
        let borrowed = self.with(DOING, async |session| begin::borrow(session, account).await).await?;
        held.begin(&borrowed).await;
        Ok(borrowed)
    }

    async fn give_back(&self, borrowed: &Run) {
        self.ownership.release(borrowed).await;
    }

    async fn settled(&self, questions: &[Question]) -> Result<Vec<Vec<SettledCampaign>>, StoreError> {
        self.with("look up what the run has done in", async |session| {
            settled::settled(session, questions).await
        })
        .await
    }

    async fn commit(&self, shares: &[Share]) -> Result<Vec<Disowned>, StoreError> {
        const DOING: &str = "store a batch in";
        if shares.iter().all(|share| share.batch.is_empty()) {
            return Ok(vec![]);
        }
        // Who takes an account waits for all that is stored of it at the moment; that must come to an end.
        let mut alone = false;
        for share in shares {
            alone |= !self.ownership.keep(&share.run, &self.sessions(), DOING).await?;
        }
        let disowned = self
            .with(DOING, async |session| commit::commit(session, shares, &self.numbering, alone).await)
            .await?;
        Ok(self.explained(disowned, DOING))
    }

    async fn forget_nameless(&self, run: &Run) -> Result<u64, StoreError> {
        self.with("remove dead letters from", async |session| {
            dead_letters::forget_nameless(session, run).await
        })
        .await
    }

    async fn untried(&self, run: &Run) -> Result<(u64, Vec<CampaignId>), StoreError> {
        self.with("read the dead letters from", async |session| dead_letters::untried(session, run).await)
            .await
    }

    async fn load_spent(&self, account: &AccountId) -> Result<Spent, StoreError> {
        self.with("read what was spent of the limits", async |session| spent::load(session, account).await)
            .await
    }

    async fn save_spent(&self, records: &[(Arc<Run>, Spent)]) -> Result<Vec<Disowned>, StoreError> {
        const DOING: &str = "record what is spent of the limits";
        let disowned = self.with(DOING, async |session| spent::save(session, records).await).await?;
        Ok(self.explained(disowned, DOING))
    }

    async fn finish_run(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
        let finished =
            self.with("finish a run in", async |session| finish::finish(session, run, report).await).await;
        // Where the caller may try again, the account is still the run's.
        if !matches!(finished, Err(StoreError::Unavailable(_))) {
            self.ownership.release(run).await;
        }
        finished
    }
}

/// As PostgreSQL counts.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
