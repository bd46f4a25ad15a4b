//! Who may sync an account. The truth is a value: `account_owners` counts how often an account was taken, and a process
//! whose epoch is not the highest is refused in each transaction that would store something. So nobody can store
//! anything over its successor, however long it was stopped in between.
//!
//! A lock beside it keeps others from taking an account that is at work: an advisory one of a connection that does
//! nothing else. The server releases it when that connection ends: at the end of the run, of the [`Ownership`], or of
//! the process in whatever way, so nothing is left to be cleared away. A connection that ends in mid-run, with a restart
//! of the database, takes the lock with it; the next commit takes it again, and where somebody was faster, the epoch
//! tells.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{AccountId, Run};
use actors::ports::StoreError;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement, Transaction};
use tracing::warn;

use super::begin::Purpose;
use super::session::Sessions;
use super::{Failure, begin, error};

/// The server sees the end of a process in milliseconds, and of a connection to another machine in little more:
/// whoever starts right after a run that ended or was killed need not be turned away.
const PATIENCE: &str = "3s";
/// Of all that is asked of the lock's connection: it is made, waits for [`PATIENCE`] at most twice, and the rest is
/// quick.
const LIMIT: Duration = Duration::from_secs(30);

/// The account stands in `$1`.
macro_rules! key {
    () => {
        "hashtextextended('campaign-sync run ' || $1, 0)"
    };
}
/// Who took an account last.
macro_rules! owner {
    () => {
        "format('%s since %s UTC', CASE WHEN borrowed THEN 'a plan' ELSE 'run ' || run_id END, \
                date_trunc('second', taken_at AT TIME ZONE 'UTC'))"
    };
}

const TAKE: &str = concat!("SELECT pg_advisory_lock(", key!(), ")");
/// For whoever waits in vain: the lock as a row of `pg_locks`, which shows the halves of its key.
const HOLDER: &str = concat!(
    "SELECT pid, (SELECT ",
    owner!(),
    " FROM account_owners WHERE account_id = $1) \
      FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      AND classid = ((",
    key!(),
    " >> 32) & 4294967295)::oid AND objid = (",
    key!(),
    " & 4294967295)::oid"
);
/// A connection that does nothing is what it is for; servers before 14 do not know the setting.
const STAY: &str = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";

/// For [`fence`] before rows are stored: they stand in line. Else two commits that see the same change would both write
/// its history, for each would compare with what was there before the other.
pub(super) const IN_LINE: &str =
    concat!("SELECT epoch, ", owner!(), " FROM account_owners WHERE account_id = $1 FOR NO KEY UPDATE");
/// For [`fence`] before a record of what was spent, for which requests wait: beside commits, but not beside the begin of
/// a run.
pub(super) const BESIDE_COMMITS: &str =
    concat!("SELECT epoch, ", owner!(), " FROM account_owners WHERE account_id = $1 FOR KEY SHARE");

/// Lets only the process pass that took the account last, and keeps others from taking it before the transaction is
/// over. To be the transaction's first statement: the next one's snapshot is taken when this one has its lock.
pub(super) async fn fence(
    transaction: &Transaction<'_>,
    statement: &Statement,
    run: &Run,
) -> Result<(), Failure> {
    let owner = transaction.query_opt(statement, &[&run.account.as_str()]).await?;
    match owner.map(|row| (row.get::<_, i64>(0), row.get::<_, String>(1))) {
        Some((epoch, _)) if epoch == run.epoch => Ok(()),
        Some((_, owner)) => Err(Failure::TakenOver(format!(
            "another process has taken over account {} ({owner})",
            run.account
        ))),
        None => Err(Failure::TakenOver(format!("nobody has taken account {}", run.account))),
    }
}

/// The locks of the accounts that this process has taken, by account and epoch, each held for as long as its connection
/// lasts. A clone shares them.
#[derive(Clone, Default)]
pub(super) struct Ownership(Arc<Mutex<HashMap<(AccountId, i64), Client>>>);

impl Ownership {
    /// Takes the account, and begins or resumes a run of it.
    pub(super) async fn begin(
        &self,
        account: &AccountId,
        purpose: Purpose<'_>,
        sessions: &Sessions,
    ) -> Result<Run, StoreError> {
        let begin = async |lock: &mut Client| begin::begin(lock, account, purpose).await;
        self.take(account, sessions, "begin a run in", begin).await
    }

    /// Takes the account without a run.
    pub(super) async fn borrow(&self, account: &AccountId, sessions: &Sessions) -> Result<Run, StoreError> {
        let borrow = async |lock: &mut Client| begin::borrow(lock, account).await;
        self.take(account, sessions, "plan a run in", borrow).await
    }

    /// Takes the account's lock, and then the account on the lock's connection.
    async fn take(
        &self,
        account: &AccountId,
        sessions: &Sessions,
        doing: &str,
        take: impl AsyncFnOnce(&mut Client) -> Result<Run, tokio_postgres::Error>,
    ) -> Result<Run, StoreError> {
        let database = sessions.database();
        let take = async {
            let busy = |holder| format!("another campaign-sync is syncing account {account} here{holder}");
            let mut lock = lock(account, sessions, doing)
                .await?
                .map_err(|holder| error::broken(database, doing, &busy(holder), "wait until it has ended"))?;
            match take(&mut lock).await {
                Ok(run) => Ok((run, lock)),
                Err(error) => Err(error::explain(database, doing, &error)),
            }
        };
        let (run, lock) = within_limit(sessions, doing, take).await?;
        self.0.lock().await.insert((account.clone(), run.epoch), lock);
        Ok(run)
    }

    /// Takes the account's lock again where its connection was lost. Those that want one at the same time wait for each
    /// other.
    pub(super) async fn keep(&self, run: &Run, sessions: &Sessions, doing: &str) -> Result<(), StoreError> {
        let mut locks = self.0.lock().await;
        let key = (run.account.clone(), run.epoch);
        if locks.get(&key).is_some_and(|lock| !lock.is_closed()) {
            return Ok(());
        }
        warn!(account = %run.account, "the connection that held the account was lost");
        let taken = within_limit(sessions, doing, lock(&run.account, sessions, doing)).await?;
        let lock = taken.map_err(|holder| {
            let account = &run.account;
            let cause = format!(
                "another process has taken over account {account}{holder}, as this one's connection was lost"
            );
            error::taken_over(sessions.database(), doing, &cause)
        })?;
        locks.insert(key, lock);
        Ok(())
    }

    /// Gives the account back.
    pub(super) async fn release(&self, run: &Run) {
        self.0.lock().await.remove(&(run.account.clone(), run.epoch));
    }
}

async fn within_limit<T>(
    sessions: &Sessions,
    doing: &str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let timed_out = |_| Err(error::timed_out(sessions.database(), doing, LIMIT.as_secs()));
    timeout(LIMIT, work).await.unwrap_or_else(timed_out)
}

/// A connection that holds the account's lock; or, where another one does, what is known of that for a message.
async fn lock(
    account: &AccountId,
    sessions: &Sessions,
    doing: &str,
) -> Result<Result<Client, String>, StoreError> {
    let explain = |error| error::explain(sessions.database(), doing, &error);
    let connection = sessions.bare().await?;
    let set_up = format!("SET lock_timeout = '{PATIENCE}'; {STAY}");
    connection.batch_execute(&set_up).await.map_err(explain)?;
    match connection.execute(TAKE, &[&account.as_str()]).await {
        Ok(_) => Ok(Ok(connection)),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            let holder = connection.query_opt(HOLDER, &[&account.as_str()]).await.map_err(explain)?;
            let holder = holder.map(|row| (row.get::<_, i32>(0), row.get::<_, Option<String>>(1)));
            Ok(Err(match holder {
                Some((process, Some(run))) => format!(" ({run}, server process {process})"),
                Some((process, None)) => format!(" (server process {process})"),
                None => String::new(),
            }))
        }
        Err(error) => Err(explain(error)),
    }
}
