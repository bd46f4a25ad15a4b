//! Whether a failed request is sent again, and after which wait: by the class of its failure, and while the run's budget
//! lasts. Of no actor and no clock: the caller sleeps.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::FailureClass;
use crate::ports::PlatformError;
use crate::retry_budget::{OverBudget, RetryBudget};
use crate::settings::{MAX_THROTTLED, MAX_UNAUTHORIZED, RateLimit};

/// How often and how patiently a request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts that may fail, in whatever way, before the request is given up; a 429 or a 401 is not one.
    pub max_attempts: NonZeroU32,
    /// After an answer that did not come in time.
    pub timeout: ClassPolicy,
    /// After a connection that failed or broke.
    pub connection: ClassPolicy,
    /// After a 5xx, 408 or 425.
    pub unavailable: ClassPolicy,
    /// After an answer that was not what the API promises.
    pub unparsable: ClassPolicy,
    /// After a 4xx that says no.
    pub rejected: ClassPolicy,
}

/// What holds after a failure of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassPolicy {
    /// Failures of this class before the request is given up; none: only [`RetryPolicy::max_attempts`] bounds them.
    pub attempts: Option<NonZeroU32>,
    /// The longest wait where it is the first failure; it doubles with each one before it, of whatever class.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    /// Eight attempts: where a fifth of the answers is 503, three lose something in 59 % of all runs of
    /// 112 requests, eight in 0.03 % (research on rate limits, section 4). A rejection would be repeated in vain.
    fn default() -> Self {
        let class = ClassPolicy::default();
        Self {
            max_attempts: NonZeroU32::new(8).expect("8 is not zero"),
            timeout: class,
            connection: class,
            unavailable: class,
            unparsable: class,
            rejected: ClassPolicy { attempts: Some(NonZeroU32::MIN), ..class },
        }
    }
}

impl Default for ClassPolicy {
    fn default() -> Self {
        Self { attempts: None, base: Duration::from_millis(250), cap: Duration::from_secs(20) }
    }
}

/// The shortest that the longest wait becomes by a limit: a platform that hiccups wants a moment.
const SHORTEST_CAP: Duration = Duration::from_secs(1);

impl RetryPolicy {
    /// All classes, each with its name.
    pub fn classes_mut(&mut self) -> [(FailureClass, &mut ClassPolicy); 5] {
        [
            (FailureClass::Timeout, &mut self.timeout),
            (FailureClass::Connection, &mut self.connection),
            (FailureClass::Unavailable, &mut self.unavailable),
            (FailureClass::Unparsable, &mut self.unparsable),
            (FailureClass::Rejected, &mut self.rejected),
        ]
    }

    /// Waits no longer than the shortest window: every attempt takes a permit, so the limit paces the repeats
    /// anyway, and a last campaign that failed a few times does not keep a whole run waiting. What protects a
    /// platform that is down is the circuit breaker.
    pub(crate) fn paced_by(mut self, limits: &[RateLimit]) -> Self {
        let longest = longest_wait(limits.iter().copied());
        for (_, class) in self.classes_mut() {
            class.cap = class.cap.min(longest);
        }
        self
    }

    /// What a platform's client calls transient is of the first four classes.
    fn of(&self, class: FailureClass) -> ClassPolicy {
        match class {
            FailureClass::Timeout => self.timeout,
            FailureClass::Connection => self.connection,
            FailureClass::Unparsable => self.unparsable,
            FailureClass::Rejected => self.rejected,
            _ => self.unavailable,
        }
    }
}

/// Under these limits, which a run may learn on its way.
pub(crate) fn longest_wait(limits: impl Iterator<Item = RateLimit>) -> Duration {
    limits.map(|limit| limit.window().max(SHORTEST_CAP)).min().unwrap_or(Duration::MAX)
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Again, after a random wait between nothing and this: full jitter.
    Again { wait_up_to: Duration },
    /// No more, where it is not the policy that ends it, because of the run's budget.
    GiveUp { class: FailureClass, over_budget: Option<OverBudget> },
}

/// The failures of one request so far.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: RetryPolicy,
    budget: RetryBudget,
    /// The classes of those that count, at most as many as there may be attempts.
    failed: Vec<FailureClass>,
    throttled: u32,
    unauthorized: u32,
}

impl Attempts {
    pub(crate) fn new(policy: RetryPolicy, budget: RetryBudget) -> Self {
        Self { policy, budget, failed: Vec::new(), throttled: 0, unauthorized: 0 }
    }

    /// The request goes; the first time, that allows the run more repeats.
    pub(crate) fn go(&self) {
        if self.made() == 0 {
            self.budget.earn();
        }
    }

    /// Requests that were made and failed, of whatever kind.
    pub(crate) fn made(&self) -> u32 {
        self.failed() + self.throttled + self.unauthorized
    }

    fn failed(&self) -> u32 {
        u32::try_from(self.failed.len()).unwrap_or(u32::MAX)
    }

    /// Takes note of a failure, of a probe or not, and judges it.
    pub(crate) fn judge(&mut self, error: &PlatformError, probe: bool) -> Verdict {
        match error {
            PlatformError::Transient { class, .. } => self.judge_failure(*class, probe),
            PlatformError::Rejected { .. } => self.judge_failure(FailureClass::Rejected, probe),
            // The limiter makes everyone wait; this request has no wait of its own.
            PlatformError::Throttled { .. } => {
                self.throttled += 1;
                at_once(self.throttled < MAX_THROTTLED, FailureClass::Throttled)
            }
            // The next token is the wait.
            PlatformError::Unauthorized { .. } => {
                self.unauthorized += 1;
                at_once(self.unauthorized < MAX_UNAUTHORIZED, FailureClass::Unauthorized)
            }
        }
    }

    fn judge_failure(&mut self, class: FailureClass, probe: bool) -> Verdict {
        let ClassPolicy { attempts, base, cap } = self.policy.of(class);
        let wait = base.saturating_mul(2u32.saturating_pow(self.failed().min(30)));
        self.failed.push(class);
        let of_class = self.failed.iter().filter(|failed| **failed == class).count();
        let too_many_of_class = attempts.is_some_and(|attempts| of_class >= attempts.get() as usize);
        if too_many_of_class || self.failed() >= self.policy.max_attempts.get() {
            return Verdict::GiveUp { class, over_budget: None };
        }
        match if probe { Ok(()) } else { self.budget.spend() } {
            Ok(()) => Verdict::Again { wait_up_to: wait.min(cap) },
            Err(over) => Verdict::GiveUp { class, over_budget: Some(over) },
        }
    }
}

fn at_once(again: bool, class: FailureClass) -> Verdict {
    match again {
        true => Verdict::Again { wait_up_to: Duration::ZERO },
        false => Verdict::GiveUp { class, over_budget: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry_budget::RetryShare;

    fn transient(class: FailureClass) -> PlatformError {
        PlatformError::Transient { class, message: "it failed".into() }
    }

    fn unavailable() -> PlatformError {
        transient(FailureClass::Unavailable)
    }

    fn rejected() -> PlatformError {
        PlatformError::Rejected { message: "404".into() }
    }

    fn wait(ms: u64) -> Verdict {
        Verdict::Again { wait_up_to: Duration::from_millis(ms) }
    }

    fn attempts(policy: RetryPolicy) -> Attempts {
        Attempts::new(policy, RetryBudget::new(None))
    }

    fn give_up(class: FailureClass) -> Verdict {
        Verdict::GiveUp { class, over_budget: None }
    }

    fn verdicts(policy: RetryPolicy, errors: impl IntoIterator<Item = PlatformError>) -> Vec<Verdict> {
        let mut attempts = attempts(policy);
        errors.into_iter().map(|error| attempts.judge(&error, false)).collect()
    }

    fn waits(errors: impl IntoIterator<Item = PlatformError>) -> Vec<Verdict> {
        verdicts(RetryPolicy::default(), errors)
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_the_eighth_failure_is_the_last() {
        assert_eq!(
            waits((0..8).map(|_| unavailable())),
            [
                wait(250),
                wait(500),
                wait(1000),
                wait(2000),
                wait(4000),
                wait(8000),
                wait(16000),
                give_up(FailureClass::Unavailable)
            ]
        );
        let patient = RetryPolicy { max_attempts: NonZeroU32::MAX, ..RetryPolicy::default() };
        let mut attempts = attempts(patient);
        let last = (0..100).map(|_| attempts.judge(&unavailable(), false)).last();
        assert_eq!(last, Some(Verdict::Again { wait_up_to: patient.unavailable.cap }));
    }

    #[test]
    fn no_wait_is_longer_than_the_shortest_window_but_for_a_second() {
        let limit = |ms| RateLimit::new(10, Duration::from_millis(ms)).expect("in range");
        let cap = |limits: &[RateLimit]| {
            let caps = RetryPolicy::default().paced_by(limits).classes_mut().map(|(_, class)| class.cap);
            assert!(caps.iter().all(|cap| *cap == caps[0]), "of every class");
            caps[0].as_millis()
        };
        assert_eq!(cap(&[]), 20_000);
        assert_eq!(cap(&[limit(60_000)]), 20_000);
        assert_eq!(cap(&[limit(86_400_000), limit(5_000)]), 5_000);
        assert_eq!(cap(&[limit(100)]), 1_000);
    }

    #[test]
    fn a_429_and_a_401_use_up_no_attempt_but_have_a_bound_of_their_own() {
        let throttled = PlatformError::Throttled { retry_after: None };
        let unauthorized = PlatformError::Unauthorized { message: "401".into() };
        let mut attempts = attempts(RetryPolicy::default());
        for _ in 0..7 {
            assert_eq!(attempts.judge(&unauthorized, false), Verdict::Again { wait_up_to: Duration::ZERO });
        }
        for _ in 0..19 {
            assert_eq!(attempts.judge(&throttled, false), Verdict::Again { wait_up_to: Duration::ZERO });
        }
        for _ in 0..7 {
            assert!(matches!(attempts.judge(&unavailable(), false), Verdict::Again { .. }));
        }
        assert_eq!(attempts.made(), 33);
        assert_eq!(attempts.judge(&unauthorized, false), give_up(FailureClass::Unauthorized));
        assert_eq!(attempts.judge(&throttled, false), give_up(FailureClass::Throttled));
    }

    #[test]
    fn a_rejection_is_final_at_once() {
        assert_eq!(waits([rejected()]), [give_up(FailureClass::Rejected)]);
    }

    #[test]
    fn each_class_has_its_own_bound_and_all_together_that_of_the_request() {
        let twice = ClassPolicy { attempts: NonZeroU32::new(2), ..ClassPolicy::default() };
        let policy = RetryPolicy { timeout: twice, rejected: twice, ..RetryPolicy::default() };
        let (timeout, connection) = (FailureClass::Timeout, FailureClass::Connection);
        let one_of_each = [timeout, connection, FailureClass::Unparsable].map(transient).into_iter();
        let errors = one_of_each.chain([rejected(), unavailable(), transient(timeout)]);
        let verdicts_of = verdicts(policy, errors);
        assert!(verdicts_of[..5].iter().all(|verdict| matches!(verdict, Verdict::Again { .. })));
        assert_eq!(verdicts_of[5], give_up(timeout));
        assert_eq!(verdicts(policy, [rejected(), rejected()])[1], give_up(FailureClass::Rejected));
        let mixed = (0..8).map(|n| if n == 3 { transient(timeout) } else { transient(connection) });
        assert_eq!(verdicts(policy, mixed).iter().position(|v| *v == give_up(connection)), Some(7));
    }

    #[test]
    fn the_wait_is_the_base_of_the_class_that_failed_doubled_by_all_failures_before_up_to_its_cap() {
        let class = |base, cap| ClassPolicy {
            attempts: None,
            base: Duration::from_millis(base),
            cap: Duration::from_millis(cap),
        };
        let policy = RetryPolicy {
            timeout: class(1000, 30_000),
            connection: class(10, 50),
            unparsable: class(3, 1000),
            rejected: class(5, 1000),
            ..RetryPolicy::default()
        };
        let (timeout, connection) = (transient(FailureClass::Timeout), transient(FailureClass::Connection));
        let errors = [timeout.clone(), connection.clone(), timeout, connection, unavailable()];
        assert_eq!(verdicts(policy, errors), [1000, 20, 4000, 50, 4000].map(wait));
        let errors = [transient(FailureClass::Unparsable), rejected()];
        assert_eq!(verdicts(policy, errors), [wait(3), wait(10)]);
    }

    /// A budget of which the next request finds only what it brings.
    fn used_up() -> RetryBudget {
        let budget = RetryBudget::new(Some(RetryShare::default()));
        while budget.spend().is_ok() {}
        budget
    }

    #[test]
    fn when_the_budget_is_used_up_a_failure_is_final_whatever_its_class_allows() {
        let mut attempts = Attempts::new(RetryPolicy::default(), used_up());
        attempts.go();
        assert_eq!(attempts.judge(&unavailable(), false), wait(250), "it has brought one");
        attempts.go();
        let verdict = attempts.judge(&unavailable(), false);
        let Verdict::GiveUp { class: FailureClass::Unavailable, over_budget: Some(over) } = verdict else {
            panic!("{verdict:?}")
        };
        assert!(over.to_string().contains("budget of 11 repeats"), "{over}");
    }

    #[test]
    fn a_429_a_401_a_probe_and_what_is_final_anyway_draw_on_no_budget() {
        let budget = RetryBudget::new(Some(RetryShare::new(0.0).expect("in range")));
        let mut attempts = Attempts::new(RetryPolicy::default(), budget.clone());
        attempts.judge(&PlatformError::Throttled { retry_after: None }, false);
        attempts.judge(&PlatformError::Unauthorized { message: "401".into() }, false);
        (0..6).for_each(|_| _ = attempts.judge(&unavailable(), true));
        attempts.judge(&rejected(), false);
        assert_eq!((0..100).take_while(|_| budget.spend().is_ok()).count(), 10);
        let throttled = PlatformError::Throttled { retry_after: None };
        assert_eq!(attempts.judge(&throttled, false), wait(0), "nor do they need any");
        let mut attempts = Attempts::new(RetryPolicy::default(), budget);
        assert_eq!(attempts.judge(&unavailable(), true), wait(250), "nor does a probe");
    }
}
