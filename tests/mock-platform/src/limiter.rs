//! A client's rate limit: a sliding log of accepted requests. Exact: a request is accepted if and only if no
//! window would then hold more than its limit.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::settings::RateLimit;

/// The newest accepted requests, as many as the largest limit counts.
#[derive(Default)]
pub(crate) struct SlidingLog {
    stamps: VecDeque<Instant>,
}

impl SlidingLog {
    /// Accepts and stamps a request that arrives `now`, or says how long until a slot is free (more than zero).
    /// `now` must not go backwards.
    pub(crate) fn admit(&mut self, limits: &[RateLimit], now: Instant) -> Result<(), Duration> {
        let wait = limits.iter().filter_map(|limit| self.wait(limit, now)).max();
        if let Some(wait) = wait {
            return Err(wait);
        }
        let keep = limits.iter().map(|limit| limit.requests as usize).max().unwrap_or(0);
        self.stamps.push_back(now);
        if self.stamps.len() > keep {
            self.stamps.pop_front();
        }
        Ok(())
    }

    /// How much of a limit is left, and for how long no more than that.
    pub(crate) fn usage(&self, limit: &RateLimit, now: Instant) -> Usage {
        let inside = |stamp: &&Instant| now.duration_since(**stamp) < limit.window;
        let used = self.stamps.iter().rev().take_while(inside).count();
        let oldest = used.checked_sub(1).map(|back| self.stamps[self.stamps.len() - 1 - back]);
        Usage {
            left: (limit.requests as usize).saturating_sub(used),
            more_in: oldest.map_or(limit.window, |oldest| limit.window - now.duration_since(oldest)),
        }
    }

    /// A window is full while the request that is `requests` back is still in it; it leaves after exactly `window`.
    fn wait(&self, limit: &RateLimit, now: Instant) -> Option<Duration> {
        let back = self.stamps.len().checked_sub(limit.requests as usize)?;
        let left = limit.window.saturating_sub(now.duration_since(self.stamps[back]));
        (!left.is_zero()).then_some(left)
    }
}

/// What is left of a limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) left: usize,
    /// When the oldest request leaves the window.
    pub(crate) more_in: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(requests: u32, millis: u64) -> RateLimit {
        RateLimit { requests, window: Duration::from_millis(millis) }
    }

    /// All accepted stamps are kept and every window is counted anew.
    fn brute_force(limits: &[RateLimit], arrivals: &[Duration]) -> Vec<bool> {
        let mut accepted: Vec<Duration> = Vec::new();
        let decide = |now: &Duration| {
            let fits = limits.iter().all(|limit| {
                let inside = accepted.iter().filter(|stamp| **stamp + limit.window > *now).count();
                inside < limit.requests as usize
            });
            if fits {
                accepted.push(*now);
            }
            fits
        };
        arrivals.iter().map(decide).collect()
    }

    proptest! {
        #[test]
        fn it_decides_as_one_who_counts_every_window_anew(
            limits in prop::collection::vec((1u32..6, 1u64..40), 0..4),
            gaps in prop::collection::vec(0u64..12, 0..120),
        ) {
            let limits = limits.into_iter().map(|(n, millis)| limit(n, millis)).collect::<Vec<_>>();
            let arrivals = gaps.iter().scan(0, |at, gap| { *at += gap; Some(Duration::from_millis(*at)) });
            let arrivals = arrivals.collect::<Vec<_>>();
            let start = Instant::now();
            let mut log = SlidingLog::default();
            let decided = arrivals.iter().map(|at| log.admit(&limits, start + *at).is_ok());
            prop_assert_eq!(decided.collect::<Vec<_>>(), brute_force(&limits, &arrivals));
        }

        #[test]
        fn after_the_wait_that_it_names_a_slot_is_free_and_not_a_nanosecond_before(
            limits in prop::collection::vec((1u32..6, 1u64..40), 1..4),
            gaps in prop::collection::vec(0u64..12, 1..60),
        ) {
            let limits = limits.into_iter().map(|(n, millis)| limit(n, millis)).collect::<Vec<_>>();
            let mut now = Instant::now();
            let mut log = SlidingLog::default();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Err(wait) = log.admit(&limits, now) {
                    prop_assert!(log.admit(&limits, now + wait - Duration::from_nanos(1)).is_err());
                    now += wait;
                    prop_assert!(log.admit(&limits, now).is_ok());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn as_many_as_it_says_are_left_are_accepted_now_and_one_more_when_it_says_so(
            limits in prop::collection::vec((1u32..6, 1u64..40), 1..4),
            gaps in prop::collection::vec(0u64..12, 0..60),
        ) {
            let limits = limits.into_iter().map(|(n, millis)| limit(n, millis)).collect::<Vec<_>>();
            let mut now = Instant::now();
            let mut log = SlidingLog::default();
            for gap in gaps {
                now += Duration::from_millis(gap);
                let _ = log.admit(&limits, now);
            }
            let usages = limits.iter().map(|limit| log.usage(limit, now)).collect::<Vec<_>>();
            let left = usages.iter().map(|usage| usage.left).min().expect("one at least");
            for _ in 0..left {
                prop_assert!(log.admit(&limits, now).is_ok());
            }
            let wait = limits.iter().zip(&usages).filter(|(_, usage)| usage.left == left);
            let wait = wait.map(|(_, usage)| usage.more_in).max().expect("one at least");
            prop_assert!(log.admit(&limits, now).is_err());
            prop_assert!(log.admit(&limits, now + wait - Duration::from_nanos(1)).is_err());
        }
    }

    #[test]
    fn it_holds_no_more_stamps_than_the_largest_limit_counts() {
        let limits = [limit(2, 1), limit(5, 3)];
        let mut log = SlidingLog::default();
        let mut now = Instant::now();
        for _ in 0..1000 {
            now += Duration::from_millis(1);
            let _ = log.admit(&limits, now);
        }
        assert_eq!(log.stamps.len(), 5);
    }
}
