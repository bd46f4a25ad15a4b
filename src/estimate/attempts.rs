//! How often a request has to be made, and how long is waited in between. Each attempt fails with the same chance, and
//! as the platform being unavailable. What the run's retry budget denies is left out: where it denies anything, the
//! estimate is that of a run without it.

use actors::retry_policy::RetryPolicy;

/// Of one request.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    pub(super) mean: f64,
    pub(super) variance: f64,
    /// Seconds of backoff in all, on average.
    pub(super) backoff: f64,
    /// The chance that there is a first, a second, a further failure to be waited for, and the wait.
    waits: Vec<(f64, f64)>,
}

impl Attempts {
    pub(super) fn new(failure_rate: f64, policy: RetryPolicy) -> Self {
        let class = policy.unavailable;
        let most = class.attempts.map_or(policy.max_attempts, |most| most.min(policy.max_attempts)).get();
        // Attempt k + 1 is made where k failed: the sums over P(more than k attempts).
        let reached = |k: u32| failure_rate.powi(k.try_into().unwrap_or(i32::MAX));
        let mean: f64 = (0..most).map(reached).sum();
        let mean_of_squares: f64 = (0..most).map(|k| f64::from(2 * k + 1) * reached(k)).sum();
        // Full jitter: half the longest wait.
        let wait = |k: u32| {
            let doubled = class.base.as_secs_f64() * 2f64.powi((k - 1).try_into().unwrap_or(i32::MAX));
            doubled.min(class.cap.as_secs_f64()) / 2.0
        };
        let waits: Vec<(f64, f64)> = (1..most).map(|k| (reached(k), wait(k))).collect();
        Self {
            mean,
            variance: (mean_of_squares - mean * mean).max(0.0),
            backoff: waits.iter().map(|(chance, wait)| chance * wait).sum(),
            waits,
        }
    }

    /// Seconds of backoff of the one of so many requests that fails most often.
    pub(super) fn longest_backoff_of(&self, requests: u64) -> f64 {
        let any = |chance: f64| 1.0 - (1.0 - chance).powf(requests as f64);
        self.waits.iter().map(|(chance, wait)| any(*chance) * wait).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use actors::retry_policy::ClassPolicy;

    use super::*;

    #[test]
    fn a_fifth_of_failures_costs_a_quarter_more_requests_and_the_policys_backoffs() {
        let fifth = Attempts::new(0.2, RetryPolicy::default());
        assert!((fifth.mean - 1.25).abs() < 1e-4 && (fifth.variance - 0.3125).abs() < 1e-3, "{fifth:?}");
        assert!((fifth.backoff - 0.125 * 0.2 / 0.6).abs() < 1e-4, "{fifth:?}");
        assert!((fifth.longest_backoff_of(1) - fifth.backoff).abs() < 1e-9);
    }

    #[test]
    fn what_never_fails_is_made_once_and_what_always_fails_as_often_as_is_allowed() {
        let never = Attempts::new(0.0, RetryPolicy::default());
        assert_eq!((never.mean, never.variance, never.backoff), (1.0, 0.0, 0.0));
        let always = Attempts::new(1.0, RetryPolicy::default());
        assert_eq!((always.mean, always.variance), (8.0, 0.0));
        assert_eq!(always.backoff, (0.25 + 0.5 + 1.0 + 2.0 + 4.0 + 8.0 + 16.0) / 2.0);
    }

    #[test]
    fn a_failure_is_one_of_a_platform_that_is_unavailable() {
        let seconds = Duration::from_secs;
        let class = |attempts, base, cap| ClassPolicy {
            attempts: NonZeroU32::new(attempts),
            base: seconds(base),
            cap: seconds(cap),
        };
        let always = |unavailable| Attempts::new(1.0, RetryPolicy { unavailable, ..RetryPolicy::default() });
        let bounded = always(class(4, 2, 5));
        assert_eq!((bounded.mean, bounded.backoff), (4.0, (2.0 + 4.0 + 5.0) / 2.0));
        assert_eq!(always(class(9, 1, 1)).mean, 8.0, "the request's own bound");
    }

    #[test]
    fn the_unluckiest_of_many_waits_longer_than_one() {
        let half = Attempts::new(0.5, RetryPolicy::default());
        let waits = [0, 1, 10, 1000].map(|requests| half.longest_backoff_of(requests));
        assert!(waits.is_sorted() && waits[0] == 0.0 && waits[3] > 15.0, "{waits:?}");
    }
}
