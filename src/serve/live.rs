//! What runs are doing right now, and how much of its limit each account has used in the last hour: written by who starts
//! runs, read from the thread that answers HTTP. Nothing of it outlives the process.

mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::model::AccountId;
use actors::progress::Progress;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::usage::Usage;
pub use self::usage::{HOUR, Hour};

/// How often somebody looks at what is used. Requests are counted, so none is missed in between; what is looked at so
/// often are the windows of a minute and longer.
const LOOK: Duration = Duration::from_secs(5);

/// See the module. A clone is the same.
#[derive(Clone, Debug)]
pub struct Live {
    /// Minutes are counted from here: the time of day may be set.
    begun: Instant,
    entries: Arc<Mutex<HashMap<AccountId, Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    run: Option<watch::Receiver<Progress>>,
    usage: Usage,
}

impl Default for Live {
    fn default() -> Self {
        Self { begun: Instant::now(), entries: Arc::default() }
    }
}

impl Live {
    /// A run of the account begins, and ends when the sender of its progress is dropped.
    pub fn watch(&self, account: &AccountId, run: watch::Receiver<Progress>) {
        let mut entries = self.entries();
        let entry = entries.entry(account.clone()).or_default();
        entry.look(self.begun.elapsed());
        entry.usage.run_begins();
        entry.run = Some(run);
    }

    /// What the run of the account is doing; none where none is at work.
    pub fn progress(&self, account: &AccountId) -> Option<Progress> {
        let entries = self.entries();
        let run = entries.get(account)?.run.as_ref()?;
        run.has_changed().is_ok().then(|| run.borrow().clone())
    }

    /// The last hour of the account.
    pub fn hour(&self, account: &AccountId) -> Hour {
        self.entries().get(account).map_or([0.0; HOUR], |entry| entry.usage.hour(self.begun.elapsed()))
    }

    /// Forgets the accounts that are not of these.
    pub fn keep(&self, is_known: impl Fn(&AccountId) -> bool) {
        self.entries().retain(|account, entry| is_known(account) || entry.is_at_work());
    }

    /// Follows what is used, until it is dropped.
    pub async fn follow(self) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let now = self.begun.elapsed();
            self.entries().values_mut().for_each(|entry| entry.look(now));
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<AccountId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn look(&mut self, now: Duration) {
        // Also after the run's end: what it sent last is still there.
        let progress = self.run.as_ref().map(|run| run.borrow().clone());
        self.usage.look(progress.as_ref(), self.is_at_work(), now);
    }

    fn is_at_work(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.has_changed().is_ok())
    }
}
