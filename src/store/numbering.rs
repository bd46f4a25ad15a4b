//! `Numbering`: which numbers the campaigns of each run get, so that transactions of one run need not wait for each other
//! to know. Promises that no two get the same, and that all are above those of what the run's earlier processes stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::model::{AccountId, Run};

/// See the module. A clone shares it. It remembers a run for each account, the one that owns it.
#[derive(Clone, Default)]
pub(super) struct Numbering(Arc<Mutex<HashMap<AccountId, Next>>>);

struct Next {
    epoch: i64,
    number: i64,
}

impl Numbering {
    /// The first of so many. Those of a batch that is not stored are never given again. For a run whose account another
    /// one has taken since they mean nothing, because nothing of it is stored.
    pub(super) fn take(&self, run: &Run, campaigns: usize) -> i64 {
        let mut runs = self.runs();
        let next = runs.entry(run.account.clone()).or_insert_with(|| Next::of(run));
        let taken = next.number;
        if next.epoch == run.epoch {
            next.number += super::count(campaigns as u64);
        }
        taken
    }

    /// From now on the account's numbers are this run's. Not only where its epoch is higher: a database that was restored
    /// counts from an earlier one.
    pub(super) fn begin(&self, run: &Run) {
        self.runs().insert(run.account.clone(), Next::of(run));
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<AccountId, Next>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Next {
    fn of(run: &Run) -> Self {
        Self { epoch: run.epoch, number: super::count(run.numbered_below) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(account: &str, epoch: i64, numbered_below: u64) -> Run {
        Run {
            id: uuid::Uuid::nil(),
            account: account.into(),
            epoch,
            resumed: numbered_below > 0,
            stored_before: 0,
            numbered_below,
            listed_before: None,
            replay: None,
        }
    }

    #[test]
    fn no_number_is_given_twice_and_each_account_has_its_own() {
        let numbering = Numbering::default();
        let (a, b) = (run("a", 1, 0), run("b", 7, 1_000));
        let clone = numbering.clone();
        assert_eq!([numbering.take(&a, 3), clone.take(&a, 0), numbering.take(&a, 1)], [0, 3, 3]);
        assert_eq!([numbering.take(&b, 5), numbering.take(&a, 1), clone.take(&b, 1)], [1_000, 4, 1_005]);
    }

    #[test]
    fn a_later_run_of_the_account_begins_above_what_it_took_over_and_the_earlier_one_takes_nothing_from_it() {
        let numbering = Numbering::default();
        let (earlier, later) = (run("a", 1, 0), run("a", 2, 500));
        assert_eq!(numbering.take(&earlier, 800), 0);
        numbering.begin(&later);
        assert_eq!(numbering.take(&later, 10), 500);
        numbering.take(&earlier, 800);
        assert_eq!(numbering.take(&later, 10), 510);
        // Of a database that was restored.
        let restored = run("a", 1, 20);
        numbering.begin(&restored);
        assert_eq!([numbering.take(&restored, 10), numbering.take(&restored, 1)], [20, 30]);
    }
}
