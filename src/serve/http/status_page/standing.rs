//! What an account is doing, in a few words for a person.

use std::time::Duration;

use actors::progress::Progress;
use jiff::Timestamp;
use tokio::time::Instant;

use super::super::accounts::time_of_day;
use crate::serve::scheduler::{AccountStatus, Because, Purpose, State};

/// A shorter wait is what a rate limit is for, and over before anybody has read of it.
const WORTH_SAYING: Duration = Duration::from_secs(2);

/// The states that the page can be narrowed to, in its order: those first that may need someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    Failing,
    Breaker,
    Database,
    Quota,
    Syncing,
    Idle,
    Paused,
}

impl Condition {
    pub(super) const ALL: [Self; 7] =
        [Self::Failing, Self::Breaker, Self::Database, Self::Quota, Self::Syncing, Self::Idle, Self::Paused];

    /// For addresses and style sheets.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Breaker => "breaker",
            Self::Database => "database",
            Self::Quota => "quota",
            Self::Syncing => "syncing",
            Self::Idle => "idle",
            Self::Paused => "paused",
        }
    }

    /// For people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Breaker => "breaker open",
            Self::Database => "waiting for the database",
            Self::Quota => "waiting for quota",
            Self::Syncing => "syncing",
            Self::Idle => "idle",
            Self::Paused => "paused",
        }
    }
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) condition: Condition,
    /// Since when it does.
    pub(super) since: Option<Timestamp>,
    /// Until when; with what comes then where that is not the end of it.
    pub(super) until: Option<(Option<&'static str>, Timestamp)>,
    /// What else there is to say; empty where that is nothing. May be a platform's own words.
    pub(super) text: String,
}

impl Standing {
    pub(super) fn of(status: &AccountStatus, progress: Option<&Progress>) -> Self {
        let mut standing = match &status.state {
            State::Running { since, purpose } => Self::at_work(*since, purpose, progress),
            State::Waiting { until, because } => Self::waiting(status, *until, *because),
            State::Paused => Self {
                condition: Condition::Paused,
                since: status.paused_since,
                until: None,
                text: String::new(),
            },
        };
        if let Some(failing) = status.failing.as_ref().filter(|_| standing.condition != Condition::Failing) {
            // Until a run gets through: an account whose attempts take long would else hardly ever be seen to fail.
            if standing.condition == Condition::Syncing {
                (standing.condition, standing.since) = (Condition::Failing, Some(failing.since));
                standing.add("another attempt is at work");
            }
            standing.add(&failing.cause);
        }
        if status.paused_since.is_some() && standing.condition != Condition::Paused {
            standing.add("nothing is begun after it: paused");
        }
        if status.leaving {
            standing.add("not in the configuration any more");
        }
        standing
    }

    fn at_work(since: Timestamp, purpose: &Purpose, progress: Option<&Progress>) -> Self {
        let what = match purpose {
            Purpose::Sync => "",
            Purpose::Replay(_) => "dead letters are tried again",
        };
        let syncing =
            Self { condition: Condition::Syncing, since: Some(since), until: None, text: what.to_owned() };
        let Some(progress) = progress else { return syncing };
        if let Some(cause) = &progress.database_away {
            return Self { condition: Condition::Database, since: None, until: None, text: cause.clone() };
        }
        let quota = progress.quota.as_ref();
        let until = quota.and_then(|quota| quota.until);
        let wait = until.map(|at| at.saturating_duration_since(Instant::now()));
        let next = until.and_then(time_of_day);
        if progress.breaker_open {
            let text = "the platform fails for everything: nothing is sent but a probe".to_owned();
            return Self {
                condition: Condition::Breaker,
                since: None,
                until: next.map(|at| (Some("next probe"), at)),
                text,
            };
        }
        match (quota, next, wait) {
            (Some(quota), Some(next), Some(wait))
                if wait >= WORTH_SAYING && quota.waiting >= progress.in_flight =>
            {
                Self {
                    condition: Condition::Quota,
                    since: None,
                    until: Some((None, next)),
                    text: quota.because.clone(),
                }
            }
            _ => syncing,
        }
    }

    fn waiting(status: &AccountStatus, until: Timestamp, because: Because) -> Self {
        let at = |next| (until < Timestamp::MAX).then_some((next, until));
        let standing =
            |condition, until, text: &str| Self { condition, since: None, until, text: text.to_owned() };
        match (&status.failing, because) {
            (_, Because::Quota) => standing(Condition::Quota, at(None), "the quota is used up"),
            (Some(failing), _) => Self {
                condition: Condition::Failing,
                since: Some(failing.since),
                until: at(Some("next attempt")),
                text: failing.cause.clone(),
            },
            (None, Because::Replay) => {
                standing(Condition::Idle, at(None), "then its dead letters are tried again")
            }
            (None, Because::Interrupted) => standing(Condition::Idle, at(None), "then its run goes on"),
            (None, Because::Schedule | Because::Retry(_) | Because::Refused) => {
                standing(Condition::Idle, at(None), "")
            }
        }
    }

    fn add(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use actors::progress::QuotaWait;
    use actors::testing::in_virtual_time;

    use super::*;
    use crate::serve::scheduler::Failing;

    fn second(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    fn status(state: State) -> AccountStatus {
        AccountStatus {
            state,
            schedule: "1h".parse().expect("valid"),
            paused_since: None,
            leaving: false,
            next_time: None,
            last: None,
            failing: None,
        }
    }

    fn running() -> AccountStatus {
        status(State::Running { since: second(100), purpose: Purpose::Sync })
    }

    fn waiting(because: Because) -> AccountStatus {
        status(State::Waiting { until: second(900), because })
    }

    fn quota(wait: Option<Duration>, in_flight: usize) -> Progress {
        let until = wait.map(|wait| Instant::now() + wait);
        let quota = QuotaWait { waiting: 3, until, because: "10/60s".to_owned() };
        Progress { quota: Some(quota), in_flight, ..Progress::default() }
    }

    fn seen(status: &AccountStatus, progress: Option<Progress>) -> (Condition, Option<i64>) {
        let standing = Standing::of(status, progress.as_ref());
        (standing.condition, standing.until.map(|(_, at)| at.as_second()))
    }

    /// The same, with the time as it is from now.
    fn seen_from_now(progress: Progress) -> (Condition, Option<i64>) {
        let (condition, until) = seen(&running(), Some(progress));
        // Rounded to the nearest second, and a second may begin in between.
        let from_now = |at: i64| (at * 1_000 - Timestamp::now().as_millisecond() + 1_000) / 2_000 * 2;
        (condition, until.map(from_now))
    }

    #[test]
    fn a_run_that_waits_for_its_quota_says_until_when_unless_that_is_a_moment_or_something_is_on_its_way() {
        in_virtual_time(async {
            let long = Some(Duration::from_secs(30));
            assert_eq!(seen_from_now(quota(long, 0)), (Condition::Quota, Some(30)));
            assert_eq!(seen_from_now(quota(long, 3)), (Condition::Quota, Some(30)));
            assert_eq!(seen(&running(), Some(quota(long, 4))), (Condition::Syncing, None));
            assert_eq!(seen(&running(), Some(quota(None, 0))), (Condition::Syncing, None));
            let short = Some(Duration::from_millis(1_999));
            assert_eq!(seen(&running(), Some(quota(short, 0))), (Condition::Syncing, None));
            assert_eq!(seen(&running(), None), (Condition::Syncing, None));
        });
    }

    #[test]
    fn what_is_wrong_is_said_before_what_is_waited_for() {
        in_virtual_time(async {
            let mut progress = quota(Some(Duration::from_secs(60)), 0);
            progress.breaker_open = true;
            assert_eq!(seen_from_now(progress.clone()), (Condition::Breaker, Some(60)));
            progress.database_away = Some("connection refused".to_owned());
            assert_eq!(seen(&running(), Some(progress)), (Condition::Database, None));
        });
    }

    #[test]
    fn an_account_that_waits_is_idle_unless_it_fails_or_is_out_of_quota() {
        assert_eq!(seen(&waiting(Because::Schedule), None), (Condition::Idle, Some(900)));
        assert_eq!(seen(&waiting(Because::Interrupted), None), (Condition::Idle, Some(900)));
        assert_eq!(seen(&waiting(Because::Quota), None), (Condition::Quota, Some(900)));
        let mut failing = waiting(Because::Retry(2));
        let cause = "no route to host".to_owned();
        failing.failing = Some(Failing { since: second(300), failures: 2, cause });
        let standing = Standing::of(&failing, None);
        assert_eq!((standing.condition, standing.since), (Condition::Failing, Some(second(300))));
        assert_eq!(
            (standing.text.as_str(), standing.until),
            ("no route to host", Some((Some("next attempt"), second(900))))
        );
        failing.state = State::Waiting { until: Timestamp::MAX, because: Because::Refused };
        assert_eq!(seen(&failing, None), (Condition::Failing, None));
    }

    #[test]
    fn what_fails_is_failing_until_a_run_gets_through() {
        let mut status = running();
        let cause = "no route to host".to_owned();
        status.failing = Some(Failing { since: second(300), failures: 2, cause });
        let standing = Standing::of(&status, None);
        assert_eq!((standing.condition, standing.since), (Condition::Failing, Some(second(300))));
        assert_eq!(standing.text, "another attempt is at work; no route to host");
        status.state = State::Paused;
        let standing = Standing::of(&status, None);
        assert_eq!((standing.condition, standing.text.as_str()), (Condition::Paused, "no route to host"));
    }

    #[test]
    fn what_is_paused_or_leaves_while_it_runs_says_both() {
        let mut status = running();
        (status.paused_since, status.leaving) = (Some(second(400)), true);
        let standing = Standing::of(&status, None);
        assert_eq!(standing.condition, Condition::Syncing);
        assert_eq!(standing.text, "nothing is begun after it: paused; not in the configuration any more");
        assert_eq!(seen(&super::tests::status(State::Paused), None), (Condition::Paused, None));
    }
}
