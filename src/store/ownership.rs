//! Who may sync an account: a run holds the account's lock for as long as it lasts.
//! Promises that two runs of one account never commit at the same time, and that the end of a process in whatever
//! way gives its accounts back.
//!
//! The lock is an advisory one of a connection that does nothing else. The server releases it when that connection
//! ends: at the end of the run, of the [`Ownership`], or of the process. A connection that ends in mid-run, with a
//! restart of the database, takes the lock with it; the next commit notices, because it asks the server whether
//! the lock is still held, and takes it again unless another run was faster.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{AccountId, Run};
use actors::ports::StoreError;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};
use uuid::Uuid;

use super::error;
use super::session::Sessions;

/// The server sees the end of a process in milliseconds, and of a connection to another machine in little more:
/// whoever starts right after a run that ended or was killed need not be turned away.
const PATIENCE: &str = "3s";
/// Of all that is asked of the lock's connection: [`PATIENCE`] and a few look-ups.
const LIMIT: Duration = Duration::from_secs(20);

/// The account stands in `$1`. The lock of a commit is another one (`commit.rs`).
macro_rules! key {
    () => {
        "hashtextextended('campaign-sync run ' || $1, 0)"
    };
}
/// The lock as a row of `pg_locks`, which shows the halves of its key.
macro_rules! held {
    () => {
        concat!(
            "pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND classid = ((",
            key!(),
            " >> 32) & 4294967295)::oid AND objid = (",
            key!(),
            " & 4294967295)::oid"
        )
    };
}

const TAKE: &str = concat!("SELECT pg_advisory_lock(", key!(), ")");
const BACKEND: &str = "SELECT pg_backend_pid()";
const IS_HELD: &str = concat!("SELECT EXISTS (SELECT FROM ", held!(), " AND pid = $2)");
/// Where a crash has left older rows behind, the newest is the one that runs.
const HOLDER: &str = concat!(
    "SELECT pid, (SELECT format('run %s since %s UTC', id, date_trunc('second', started_at AT TIME ZONE 'UTC')) \
                  FROM sync_runs WHERE account_id = $1 AND status = 'running' \
                  ORDER BY started_at DESC LIMIT 1) \
     FROM ",
    held!()
);
/// A connection that does nothing is what it is for; servers before 14 do not know the setting.
const STAY: &str = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";

/// The server process that holds an account's lock for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder(i32);

impl Holder {
    /// Whether it still does. Asked under the lock of a commit, the answer holds until that is released: who takes
    /// the account over commits nothing before.
    pub(super) async fn holds(
        self,
        client: &impl GenericClient,
        account: &AccountId,
    ) -> Result<bool, tokio_postgres::Error> {
        Ok(client.query_one(IS_HELD, &[&account.as_str(), &self.0]).await?.get(0))
    }
}

/// The runs that this process has begun and not finished. A clone shares them.
#[derive(Clone, Default)]
pub(super) struct Ownership(Arc<Mutex<HashMap<Uuid, Open>>>);

struct Open {
    run: Run,
    /// Whether `sync_runs` has it. Until then a repeated begin goes on with the same run.
    begun: bool,
    lock: Option<Lock>,
}

struct Lock {
    holder: Holder,
    /// The lock lasts as long as this.
    _connection: Client,
}

impl Ownership {
    /// The run to begin: a new one, or the one whose begin failed in a way that can pass.
    pub(super) async fn begin(&self, account: &AccountId) -> Run {
        let mut runs = self.0.lock().await;
        if let Some(open) = runs.values().find(|open| !open.begun && open.run.account == *account) {
            return open.run.clone();
        }
        let run = Run { id: Uuid::now_v7(), account: account.clone() };
        runs.insert(run.id, Open { run: run.clone(), begun: false, lock: None });
        run
    }

    /// To be called once the run is in `sync_runs`.
    pub(super) async fn begun(&self, run: &Run) {
        if let Some(open) = self.0.lock().await.get_mut(&run.id) {
            open.begun = true;
        }
    }

    /// Takes the account's lock for the run unless it is believed to be held. Runs that want one at the same time
    /// wait for each other, for as long as a connection and [`PATIENCE`] take.
    pub(super) async fn hold(
        &self,
        run: &Run,
        sessions: &Sessions,
        doing: &str,
    ) -> Result<Holder, StoreError> {
        let mut runs = self.0.lock().await;
        let open = runs.entry(run.id).or_insert_with(|| Open { run: run.clone(), begun: true, lock: None });
        if let Some(lock) = &open.lock {
            return Ok(lock.holder);
        }
        let lock = match timeout(LIMIT, take(run, open.begun, sessions, doing)).await {
            Ok(taken) => taken?,
            Err(_) => return Err(error::timed_out(sessions.database(), doing, LIMIT.as_secs())),
        };
        Ok(open.lock.insert(lock).holder)
    }

    /// The lock is not held any more. Somebody else may have noticed before.
    pub(super) async fn lost(&self, run: &Run, holder: Holder) {
        if let Some(open) = self.0.lock().await.get_mut(&run.id) {
            open.lock.take_if(|lock| lock.holder == holder);
        }
    }

    /// Gives the account back.
    pub(super) async fn release(&self, run: &Run) {
        self.0.lock().await.remove(&run.id);
    }
}

async fn take(run: &Run, begun: bool, sessions: &Sessions, doing: &str) -> Result<Lock, StoreError> {
    let database = sessions.database();
    let explain = |error| error::explain(database, doing, &error);
    let connection = sessions.bare().await?;
    let set_up = format!("SET lock_timeout = '{PATIENCE}'; {STAY}");
    connection.batch_execute(&set_up).await.map_err(explain)?;
    let account = run.account.as_str();
    match connection.execute(TAKE, &[&account]).await {
        Ok(_) => {
            let holder = Holder(connection.query_one(BACKEND, &[]).await.map_err(explain)?.get(0));
            Ok(Lock { holder, _connection: connection })
        }
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            let holder = connection.query_opt(HOLDER, &[&account]).await.map_err(explain)?;
            let who = holder.map(|row| (row.get::<_, i32>(0), row.get::<_, Option<String>>(1)));
            let who = match who {
                Some((process, Some(run))) => format!(" ({run}, server process {process})"),
                Some((process, None)) => format!(" (server process {process})"),
                None => String::new(),
            };
            let (cause, advice) = match begun {
                false => (
                    format!("another campaign-sync is syncing account {account} here{who}"),
                    "wait until it has ended",
                ),
                true => (
                    format!(
                        "another run has taken over account {account}{who}, as this one's connection was lost"
                    ),
                    "leave the rest to it",
                ),
            };
            Err(error::broken(database, doing, &cause, advice))
        }
        Err(error) => Err(explain(error)),
    }
}
