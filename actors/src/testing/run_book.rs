//! The runs of one account, as a store has to keep them: who owns the account, and what the newest run has stored.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::model::{AccountId, Replay, Run};
use crate::ports::{Disowned, StoreError};
use crate::report::{AccountReport, Status};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RunBook {
    epoch: Cell<i64>,
    begun: Cell<u128>,
    newest: RefCell<Option<Newest>>,
    /// In the last listing that was proven.
    listed: Cell<Option<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    id: Uuid,
    status: Option<Status>,
    stored: u64,
    progressed_at: Instant,
}

impl RunBook {
    pub(super) fn begin(&self, account: &AccountId, resume_within: Option<Duration>) -> Run {
        self.epoch.set(self.epoch.get() + 1);
        let is_unfinished = |run: &Newest| !matches!(run.status, Some(Status::Complete | Status::Partial));
        let rested = |run: &Newest| run.progressed_at.elapsed();
        let mut newest = self.newest.borrow_mut();
        let unfinished =
            newest.filter(|run| is_unfinished(run) && resume_within.is_some_and(|most| rested(run) <= most));
        let run = unfinished.unwrap_or_else(|| {
            self.begun.set(self.begun.get() + 1);
            let id = Uuid::from_u128(self.begun.get());
            Newest { id, status: None, stored: 0, progressed_at: Instant::now() }
        });
        *newest = Some(Newest { status: None, ..run });
        Run {
            id: run.id,
            account: account.clone(),
            epoch: self.epoch.get(),
            resumed: unfinished.is_some(),
            stored_before: run.stored,
            numbered_below: 3 * run.stored,
            listed_before: self.listed.get(),
            replay: None,
        }
    }

    /// The newest run that is no replay stays what can be resumed.
    pub(super) fn begin_replay(&self, account: &AccountId, replay: Replay) -> Run {
        self.epoch.set(self.epoch.get() + 1);
        self.begun.set(self.begun.get() + 1);
        Run {
            id: Uuid::from_u128(self.begun.get()),
            account: account.clone(),
            epoch: self.epoch.get(),
            resumed: false,
            stored_before: 0,
            numbered_below: 0,
            listed_before: None,
            replay: Some(replay),
        }
    }

    pub(super) fn borrow(&self, account: &AccountId) -> Run {
        self.epoch.set(self.epoch.get() + 1);
        let (account, epoch) = (account.clone(), self.epoch.get());
        Run {
            id: Uuid::nil(),
            account,
            epoch,
            resumed: false,
            stored_before: 0,
            numbered_below: 0,
            listed_before: None,
            replay: None,
        }
    }

    /// The places of those runs whose account is still theirs, and the others.
    pub(super) fn fence<'a>(&self, runs: impl Iterator<Item = &'a Run>) -> (Vec<usize>, Vec<Disowned>) {
        let (mut owned, mut disowned) = (vec![], vec![]);
        for (index, run) in runs.enumerate() {
            if run.epoch == self.epoch.get() {
                owned.push(index);
            } else {
                let cause = format!("another process has taken over account {}", run.account);
                disowned.push(Disowned { index, cause });
            }
        }
        (owned, disowned)
    }

    /// The number of one more campaign that the run has stored.
    pub(super) fn count(&self) -> u64 {
        let mut newest = self.newest.borrow_mut();
        let run = newest.as_mut().expect("only a run stores");
        run.progressed_at = Instant::now();
        run.stored += 1;
        run.stored - 1
    }

    pub(super) fn finish(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
        if let Some(disowned) = self.fence([run].into_iter()).1.pop() {
            return Err(StoreError::Broken(disowned.cause));
        }
        if run.replay.is_some() {
            return Ok(());
        }
        if let Some(newest) = self.newest.borrow_mut().as_mut() {
            newest.status = Some(report.status);
        }
        if report.listing_proven {
            self.listed.set(Some(report.campaigns.distinct));
        }
        Ok(())
    }
}
