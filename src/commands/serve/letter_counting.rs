//! Counts dead letters: an account's after each of its runs, and everybody's once a minute, because commands and other
//! processes change them, too. Promises one query at a time, however many runs end at once, and that no run waits for it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actors::model::AccountId;
use actors::ports::StoreError;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, warn};

use crate::metrics::Metrics;
use crate::serve::letters::LetterCounts;
use crate::store::LettersByClass;

/// Between two counts of all: as often as Prometheus looks, about.
const EVERY: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct LetterCounting {
    counts: LetterCounts,
    metrics: Arc<Metrics>,
    /// Accounts that have run since they were counted. No more than there are, whatever the database does meanwhile.
    due: RefCell<HashSet<AccountId>>,
    has_due: Notify,
}

impl LetterCounting {
    /// What is counted is kept there, and shown by the metrics of accounts that are followed.
    pub(super) fn new(counts: LetterCounts, metrics: Arc<Metrics>) -> Self {
        Self { counts, metrics, due: RefCell::default(), has_due: Notify::new() }
    }

    /// The account's are counted as soon as may be.
    pub(super) fn run_ended(&self, account: AccountId) {
        self.due.borrow_mut().insert(account);
        self.has_due.notify_one();
    }

    /// These are all accounts from now on, with these letters.
    pub(super) fn begin_with(&self, counts: HashMap<AccountId, LettersByClass>) {
        self.show(&counts);
        self.counts.replace(counts);
    }

    /// For ever. What cannot be counted has its next turn within a minute.
    pub(super) async fn keep_up(
        &self,
        count: impl AsyncFn(&[AccountId]) -> Result<HashMap<AccountId, LettersByClass>, StoreError>,
    ) {
        let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accounts: Vec<AccountId> = tokio::select! {
                _ = ticks.tick() => self.metrics.followed(),
                () = self.has_due.notified() => self.due.take().into_iter().collect(),
            };
            match count(&accounts).await {
                Ok(mut counts) => {
                    // Those that went meanwhile stay away.
                    counts.retain(|account, _| self.metrics.account(account).is_some());
                    debug!(accounts = counts.len(), "dead letters counted");
                    self.show(&counts);
                    self.counts.update(counts);
                }
                Err(cause) => warn!(%cause, "the dead letters could not be counted"),
            }
        }
    }

    fn show(&self, counts: &HashMap<AccountId, LettersByClass>) {
        for (account, by_class) in counts {
            if let Some(metrics) = self.metrics.account(account) {
                metrics.holds_dead_letters(by_class.iter().map(|(_, count)| count).sum());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use actors::model::FailureClass;
    use actors::testing::in_virtual_time;
    use tokio::time::sleep;

    use super::*;

    const QUERY: Duration = Duration::from_secs(1);

    /// Counts in virtual time, each query taking a second; the accounts that each has asked for, in order.
    fn counting(
        answers: impl Fn(usize) -> Result<LettersByClass, StoreError> + 'static,
        test: impl AsyncFnOnce(&LetterCounting, &RefCell<Vec<Vec<AccountId>>>),
    ) {
        in_virtual_time(async {
            let metrics = Arc::new(Metrics::new().expect("its buckets are right"));
            metrics.follow(["a", "b", "c"].map(AccountId::from));
            let counting = Rc::new(LetterCounting::new(LetterCounts::default(), metrics));
            let asked = Rc::new(RefCell::new(vec![]));
            let (counted, queries) = (counting.clone(), asked.clone());
            let keeping_up = actix_rt::spawn(async move {
                let count = async |accounts: &[AccountId]| {
                    let mut sorted = accounts.to_vec();
                    sorted.sort();
                    queries.borrow_mut().push(sorted);
                    let query = queries.borrow().len() - 1;
                    sleep(QUERY).await;
                    let of_each = answers(query)?;
                    Ok(accounts.iter().map(|account| (account.clone(), of_each.clone())).collect())
                };
                counted.keep_up(count).await;
            });
            test(&counting, &asked).await;
            keeping_up.abort();
        });
    }

    fn ids(ids: &[&str]) -> Vec<AccountId> {
        ids.iter().map(|id| AccountId::from(*id)).collect()
    }

    fn shown(counting: &LetterCounting, account: &str) -> String {
        let begin = format!("campaign_sync_dead_letters{{account=\"{account}\"}} ");
        let text = counting.metrics.render();
        text.lines().find_map(|line| line.strip_prefix(&begin)).expect("it is followed").to_owned()
    }

    #[test]
    fn an_account_is_counted_right_after_its_run_and_all_are_once_a_minute() {
        let letters = vec![(FailureClass::Timeout, 2), (FailureClass::Malformed, 1)];
        let answer = letters.clone();
        counting(
            move |_| Ok(answer.clone()),
            async |counting, asked| {
                counting.run_ended("a".into());
                sleep(2 * QUERY).await;
                assert_eq!(*asked.borrow(), [ids(&["a"])]);
                assert_eq!(counting.counts.of(&"a".into()), letters);
                assert_eq!(counting.counts.of(&"b".into()), []);
                assert_eq!((shown(counting, "a"), shown(counting, "b")), ("3".to_owned(), "0".to_owned()));
                sleep(EVERY).await;
                assert_eq!(*asked.borrow(), [ids(&["a"]), ids(&["a", "b", "c"])]);
                assert_eq!(counting.counts.of(&"b".into()), letters);
            },
        );
    }

    #[test]
    fn an_account_that_goes_while_it_is_counted_does_not_come_back() {
        counting(
            |_| Ok(vec![(FailureClass::Timeout, 1)]),
            async |counting, _| {
                counting.run_ended("a".into());
                sleep(QUERY / 2).await;
                counting.metrics.follow(["b", "c"].map(AccountId::from));
                counting.begin_with(HashMap::new());
                sleep(2 * QUERY).await;
                assert_eq!(counting.counts.of(&"a".into()), []);
            },
        );
    }

    #[test]
    fn however_many_runs_end_at_once_there_is_one_query_at_a_time() {
        counting(
            |_| Ok(vec![]),
            async |counting, asked| {
                counting.run_ended("a".into());
                sleep(QUERY / 2).await;
                for account in ["b", "c", "b", "a"] {
                    counting.run_ended(account.into());
                }
                assert_eq!(*asked.borrow(), [ids(&["a"])], "the first is at work");
                sleep(10 * QUERY).await;
                assert_eq!(*asked.borrow(), [ids(&["a"]), ids(&["a", "b", "c"])]);
            },
        );
    }

    #[test]
    fn what_cannot_be_counted_stays_as_it_was_until_the_next_turn() {
        let away = || StoreError::Unavailable("it is away".to_owned());
        counting(
            move |query| if query == 0 { Err(away()) } else { Ok(vec![(FailureClass::Timeout, 7)]) },
            async |counting, _| {
                let before = vec![(FailureClass::Timeout, 5)];
                counting.begin_with(HashMap::from([("a".into(), before.clone())]));
                counting.run_ended("a".into());
                sleep(2 * QUERY).await;
                assert_eq!((counting.counts.of(&"a".into()), shown(counting, "a")), (before, "5".to_owned()));
                sleep(EVERY).await;
                assert_eq!(shown(counting, "a"), "7");
                counting.begin_with(HashMap::from([("b".into(), vec![])]));
                assert_eq!(counting.counts.of(&"a".into()), [], "it is not there any more");
            },
        );
    }
}
