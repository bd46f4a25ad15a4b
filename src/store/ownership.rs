//! Who may sync an account. The truth is a value: `account_owners` counts how often an account was taken, and a process
//! whose epoch is not the highest is refused in each transaction that would store something. So nobody can store
//! anything over its successor, however long it was stopped in between.
//!
//! Locks beside it keep others from taking an account that is at work: advisory ones, all on one connection that does
//! nothing else, however many accounts there are. The server releases them when that connection ends: with the
//! [`Ownership`], or with the process in whatever way, so nothing is left to be cleared away. A connection that ends in
//! mid-run, with a restart of the database, takes the locks with it; each account's next commit takes its own again, and
//! where somebody was faster, the epoch tells.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use actors::model::{AccountId, Run};
use actors::ports::{Disowned, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, GenericClient, Row, Statement, Transaction};
use tracing::warn;

use super::session::Sessions;
use super::{Failure, error};

/// The server sees the end of a process in milliseconds, and of a connection to another machine in little more:
/// whoever starts right after a run that ended or was killed need not be turned away.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a lock that another one holds is tried meanwhile. Not a wait on the server: the other accounts use the same
/// connection.
const RETRY: Duration = Duration::from_millis(100);
/// Of all that is asked of the locks' connection at a time: it is made, and the rest is quick.
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

const TAKE: &str = concat!("SELECT pg_try_advisory_lock(", key!(), ")");
const RELEASE: &str = concat!("SELECT pg_advisory_unlock(", key!(), ")");
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

/// For [`fence`] before what compares with what is there: it stands in line, behind whatever is being stored. In one
/// order, so that two that share accounts cannot wait for each other.
pub(super) const IN_LINE: &str = concat!(
    "SELECT account_id, epoch, ",
    owner!(),
    " FROM account_owners WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE"
);
/// For [`fence`] before rows are stored, by several transactions at the same time: nobody takes the accounts meanwhile.
pub(super) const TOGETHER: &str = concat!(
    "SELECT account_id, epoch, ",
    owner!(),
    " FROM account_owners WHERE account_id = ANY ($1) ORDER BY account_id FOR SHARE"
);
/// As above, without a lock.
pub(super) const OWNERS: &str =
    concat!("SELECT account_id, epoch, ", owner!(), " FROM account_owners WHERE account_id = ANY ($1)");

/// Lets only those runs pass for which their account was taken last, and keeps others from taking these before the
/// transaction is over. To be the transaction's first statement: the next one's snapshot is taken when this one has its
/// locks.
pub(super) async fn fence(
    client: &impl GenericClient,
    owners: &Statement,
    runs: &[&Run],
) -> Result<Vec<Disowned>, tokio_postgres::Error> {
    let accounts: Vec<&str> = runs.iter().map(|run| run.account.as_str()).collect();
    Ok(disowned(runs, &client.query(owners, &[&accounts]).await?))
}

/// As [`fence`], for one.
pub(super) async fn fence_one(
    transaction: &Transaction<'_>,
    in_line: &Statement,
    run: &Run,
) -> Result<(), Failure> {
    match fence(transaction, in_line, &[run]).await?.pop() {
        Some(disowned) => Err(Failure::TakenOver(disowned.cause)),
        None => Ok(()),
    }
}

/// Those whose account has another owner, by these rows.
pub(super) fn disowned(runs: &[&Run], owners: &[Row]) -> Vec<Disowned> {
    let owner = |row: &Row| (row.get::<_, String>(0), (row.get::<_, i64>(1), row.get::<_, String>(2)));
    let owners: HashMap<_, _> = owners.iter().map(owner).collect();
    let cause = |run: &Run| match owners.get(run.account.as_str()) {
        Some((epoch, _)) if *epoch == run.epoch => None,
        Some((_, owner)) => Some(format!("another process has taken over account {} ({owner})", run.account)),
        None => Some(format!("nobody has taken account {}", run.account)),
    };
    let disowned = |(index, run): (usize, &&Run)| cause(run).map(|cause| Disowned { index, cause });
    runs.iter().enumerate().filter_map(disowned).collect()
}

/// The locks of the accounts that this process has taken. A clone shares them.
#[derive(Clone, Default)]
pub(super) struct Ownership {
    locks: Arc<Mutex<Locks>>,
    /// Accounts whose lock is to be released when it is next possible.
    given_up: Arc<std::sync::Mutex<Vec<AccountId>>>,
}

#[derive(Default)]
struct Locks {
    connection: Option<Client>,
    /// By the run of this epoch; none while it is about to begin.
    held: HashMap<AccountId, Option<i64>>,
    /// The epochs of the runs at work. Lost with no connection, so it tells which locks are to be taken again.
    at_work: HashMap<AccountId, i64>,
}

/// An account whose lock is held, or is being asked for; given back unless a run is begun with it.
pub(super) struct Held {
    ownership: Ownership,
    account: AccountId,
    /// Nothing is to be given back.
    has_begun: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.has_begun {
            let mut given_up = self.ownership.given_up.lock().unwrap_or_else(PoisonError::into_inner);
            given_up.push(self.account.clone());
        }
    }
}

impl Held {
    /// From now on it is held for this run.
    pub(super) async fn begin(self, run: &Run) {
        let ownership = self.ownership.clone();
        let mut locks = ownership.locks.lock().await;
        locks.at_work.insert(run.account.clone(), run.epoch);
        self.hold(run, &mut locks);
    }

    /// As [`Self::begin`], unless the run has ended meanwhile.
    async fn go_on(self, run: &Run) {
        let ownership = self.ownership.clone();
        let mut locks = ownership.locks.lock().await;
        if locks.is_at_work(run) {
            self.hold(run, &mut locks);
        }
    }

    fn hold(mut self, run: &Run, locks: &mut Locks) {
        self.has_begun = true;
        locks.held.insert(run.account.clone(), Some(run.epoch));
    }
}

impl Ownership {
    /// Takes the account's lock; waits a little for who is about to let go of it.
    pub(super) async fn take(
        &self,
        account: &AccountId,
        sessions: &Sessions,
        doing: &str,
    ) -> Result<Held, StoreError> {
        let begun = Instant::now();
        loop {
            if let Some(held) = within_limit(sessions, doing, self.try_take(account, sessions, doing)).await?
            {
                return Ok(held);
            }
            if begun.elapsed() >= PATIENCE {
                let holder = within_limit(sessions, doing, self.holder(account, sessions, doing)).await?;
                let busy = format!("another campaign-sync is syncing account {account} here{holder}");
                return Err(error::broken(sessions.database(), doing, &busy, "wait until it has ended"));
            }
            sleep(RETRY).await;
        }
    }

    /// Takes the account's lock again where the connection was lost. Where somebody else has it by now, the fence tells
    /// whether the account is theirs, too. Not for a run that has ended: nobody would give it back. Says whether nobody else
    /// can be about to take it.
    pub(super) async fn keep(&self, run: &Run, sessions: &Sessions, doing: &str) -> Result<bool, StoreError> {
        let is_held = async {
            let mut locks = self.locks.lock().await;
            locks.forget_lost();
            !locks.is_at_work(run) || locks.held.get(&run.account) == Some(&Some(run.epoch))
        };
        let is_held = is_held.await;
        if !is_held {
            warn!(account = %run.account, run = %run.id, "the connection that held the account was lost");
            if let Some(held) =
                within_limit(sessions, doing, self.try_take(&run.account, sessions, doing)).await?
            {
                held.go_on(run).await;
            }
        }
        Ok(is_held)
    }

    /// Gives the account back.
    pub(super) async fn release(&self, run: &Run) {
        let mut locks = self.locks.lock().await;
        self.release_given_up(&mut locks).await;
        // Not what a later run of the account holds.
        if locks.is_at_work(run) {
            locks.at_work.remove(&run.account);
        }
        if locks.held.get(&run.account) == Some(&Some(run.epoch)) {
            locks.release(&run.account).await;
        }
    }

    async fn try_take(
        &self,
        account: &AccountId,
        sessions: &Sessions,
        doing: &str,
    ) -> Result<Option<Held>, StoreError> {
        let mut locks = self.locks.lock().await;
        locks.forget_lost();
        self.release_given_up(&mut locks).await;
        // The server would give it to its connection once more.
        if locks.held.contains_key(account) {
            return Ok(None);
        }
        let connection = locks.connection(sessions, doing).await?;
        // From here on: whoever is cut off does not know whether the server has given it.
        let mut held = Held { ownership: self.clone(), account: account.clone(), has_begun: false };
        let taken = connection.query_one(TAKE, &[&account.as_str()]).await;
        if taken.map_err(|error| error::explain(sessions.database(), doing, &error))?.get(0) {
            locks.held.insert(account.clone(), None);
            return Ok(Some(held));
        }
        held.has_begun = true;
        Ok(None)
    }

    async fn release_given_up(&self, locks: &mut Locks) {
        let given_up = std::mem::take(&mut *self.given_up.lock().unwrap_or_else(PoisonError::into_inner));
        for account in given_up {
            locks.release(&account).await;
        }
    }

    /// What is known of who holds the lock, for a message.
    async fn holder(
        &self,
        account: &AccountId,
        sessions: &Sessions,
        doing: &str,
    ) -> Result<String, StoreError> {
        let mut locks = self.locks.lock().await;
        let connection = locks.connection(sessions, doing).await?;
        let holder = connection.query_opt(HOLDER, &[&account.as_str()]).await;
        let holder = holder.map_err(|error| error::explain(sessions.database(), doing, &error))?;
        Ok(match holder.map(|row| (row.get::<_, i32>(0), row.get::<_, Option<String>>(1))) {
            Some((process, Some(run))) => format!(" ({run}, server process {process})"),
            Some((process, None)) => format!(" (server process {process})"),
            None => String::new(),
        })
    }
}

impl Locks {
    /// With the connection, all that it held is lost.
    fn forget_lost(&mut self) {
        if self.connection.as_ref().is_some_and(Client::is_closed) {
            self.connection = None;
            self.held.clear();
        }
    }

    fn is_at_work(&self, run: &Run) -> bool {
        self.at_work.get(&run.account) == Some(&run.epoch)
    }

    async fn connection(&mut self, sessions: &Sessions, doing: &str) -> Result<&Client, StoreError> {
        self.forget_lost();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = sessions.bare().await?;
                let stay = connection.batch_execute(STAY).await;
                stay.map_err(|error| error::explain(sessions.database(), doing, &error))?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    async fn release(&mut self, account: &AccountId) {
        self.held.remove(account);
        if self.held.is_empty() {
            // What is left of it is nobody's, and whoever starts next makes another.
            self.connection = None;
        } else if let Some(connection) = &self.connection {
            let released = timeout(LIMIT, connection.execute(RELEASE, &[&account.as_str()])).await;
            if !matches!(released, Ok(Ok(_))) {
                // Then it is lost, and with it the locks.
                self.connection = None;
                self.held.clear();
            }
        }
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
