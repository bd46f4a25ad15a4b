//! Whether a failed request is sent again, and after which wait. Pure: the caller sleeps.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::FailureClass;
use crate::ports::PlatformError;
use crate::settings::{MAX_THROTTLED, MAX_UNAUTHORIZED, RateLimit};

/// How often and how patiently a request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts that may fail before the request is given up; a 429 or a 401 is not one.
    pub max_attempts: NonZeroU32,
    /// The longest wait after the first failure; it doubles with each further one.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    /// Eight attempts: where a fifth of the answers is 503, three lose something in 59 % of all runs of
    /// 112 requests, eight in 0.03 % (research on rate limits, section 4).
    fn default() -> Self {
        Self {
            max_attempts: NonZeroU32::new(8).expect("8 is not zero"),
            base: Duration::from_millis(250),
            cap: Duration::from_secs(20),
        }
    }
}

/// The shortest that the longest wait becomes by a limit: a platform that hiccups wants a moment.
const SHORTEST_CAP: Duration = Duration::from_secs(1);

impl RetryPolicy {
    /// Waits no longer than the shortest window: every attempt takes a permit, so the limit paces the repeats
    /// anyway, and a last campaign that failed a few times does not keep a whole run waiting. What protects a
    /// platform that is down is the circuit breaker.
    pub(crate) fn paced_by(self, limits: &[RateLimit]) -> Self {
        let shortest = limits.iter().map(|limit| limit.window()).min();
        let cap = shortest.map_or(self.cap, |window| self.cap.min(window.max(SHORTEST_CAP)));
        Self { cap, ..self }
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Again, after a random wait between nothing and this: full jitter.
    Again { wait_up_to: Duration },
    /// No more.
    GiveUp { class: FailureClass },
}

/// The failures of one request so far.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: RetryPolicy,
    failed: u32,
    throttled: u32,
    unauthorized: u32,
}

impl Attempts {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, failed: 0, throttled: 0, unauthorized: 0 }
    }

    /// Requests that were made and failed, of whatever kind.
    pub(crate) fn made(&self) -> u32 {
        self.failed + self.throttled + self.unauthorized
    }

    /// Takes note of a failure and judges it.
    pub(crate) fn judge(&mut self, error: &PlatformError) -> Verdict {
        let (failures, allowed, class, wait_up_to) = match error {
            PlatformError::Transient { class, .. } => {
                let doubled = 2u32.saturating_pow(self.failed.min(30));
                self.failed += 1;
                (
                    self.failed,
                    self.policy.max_attempts.get(),
                    *class,
                    self.policy.base.saturating_mul(doubled),
                )
            }
            // The limiter makes everyone wait; this request has no wait of its own.
            PlatformError::Throttled { .. } => {
                self.throttled += 1;
                (self.throttled, MAX_THROTTLED, FailureClass::Throttled, Duration::ZERO)
            }
            // The next token is the wait.
            PlatformError::Unauthorized { .. } => {
                self.unauthorized += 1;
                (self.unauthorized, MAX_UNAUTHORIZED, FailureClass::Unauthorized, Duration::ZERO)
            }
            PlatformError::Rejected { .. } => {
                self.failed += 1;
                (1, 1, FailureClass::Rejected, Duration::ZERO)
            }
        };
        if failures >= allowed {
            Verdict::GiveUp { class }
        } else {
            Verdict::Again { wait_up_to: wait_up_to.min(self.policy.cap) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> PlatformError {
        PlatformError::Transient { class: FailureClass::Unavailable, message: "503".into() }
    }

    fn waits(errors: impl IntoIterator<Item = PlatformError>) -> Vec<Verdict> {
        let mut attempts = Attempts::new(RetryPolicy::default());
        errors.into_iter().map(|error| attempts.judge(&error)).collect()
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_the_eighth_failure_is_the_last() {
        let wait = |ms| Verdict::Again { wait_up_to: Duration::from_millis(ms) };
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
                Verdict::GiveUp { class: FailureClass::Unavailable }
            ]
        );
        let patient = RetryPolicy { max_attempts: NonZeroU32::MAX, ..RetryPolicy::default() };
        let mut attempts = Attempts::new(patient);
        let last = (0..100).map(|_| attempts.judge(&unavailable())).last();
        assert_eq!(last, Some(Verdict::Again { wait_up_to: patient.cap }));
    }

    #[test]
    fn no_wait_is_longer_than_the_shortest_window_but_for_a_second() {
        let limit = |ms| RateLimit::new(10, Duration::from_millis(ms)).expect("in range");
        let cap = |limits: &[RateLimit]| RetryPolicy::default().paced_by(limits).cap.as_millis();
        assert_eq!(cap(&[]), 20_000);
        assert_eq!(cap(&[limit(60_000)]), 20_000);
        assert_eq!(cap(&[limit(86_400_000), limit(5_000)]), 5_000);
        assert_eq!(cap(&[limit(100)]), 1_000);
    }

    #[test]
    fn a_429_and_a_401_use_up_no_attempt_but_have_a_bound_of_their_own() {
        let throttled = PlatformError::Throttled { retry_after: None };
        let unauthorized = PlatformError::Unauthorized { message: "401".into() };
        let mut attempts = Attempts::new(RetryPolicy::default());
        for _ in 0..7 {
            assert_eq!(attempts.judge(&unauthorized), Verdict::Again { wait_up_to: Duration::ZERO });
        }
        for _ in 0..19 {
            assert_eq!(attempts.judge(&throttled), Verdict::Again { wait_up_to: Duration::ZERO });
        }
        for _ in 0..7 {
            assert!(matches!(attempts.judge(&unavailable()), Verdict::Again { .. }));
        }
        assert_eq!(attempts.made(), 33);
        assert_eq!(attempts.judge(&unauthorized), Verdict::GiveUp { class: FailureClass::Unauthorized });
        assert_eq!(attempts.judge(&throttled), Verdict::GiveUp { class: FailureClass::Throttled });
    }

    #[test]
    fn a_rejection_is_final_at_once() {
        assert_eq!(
            waits([PlatformError::Rejected { message: "404".into() }]),
            [Verdict::GiveUp { class: FailureClass::Rejected }]
        );
    }
}
