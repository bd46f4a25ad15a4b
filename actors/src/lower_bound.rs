//! The shortest time in which so many requests can be sent under a set of limits: what a run is measured against.

use std::collections::VecDeque;
use std::time::Duration;

use crate::settings::RateLimit;

/// From the first to the last sending. Sending each request as early as every window allows is the shortest
/// schedule (an exchange argument), so request k leaves one window after request k - N did, whichever limit
/// makes that the latest.
pub fn lower_bound(requests: u64, limits: &[RateLimit]) -> Duration {
    let longest_memory = limits.iter().map(|limit| limit.requests()).max().unwrap_or(0);
    let mut sent_at: VecDeque<Duration> = VecDeque::new();
    let mut last = Duration::ZERO;
    if limits.is_empty() {
        return last;
    }
    for _ in 0..requests {
        for limit in limits {
            if let Some(before) = sent_at.len().checked_sub(limit.requests()) {
                last = last.max(sent_at[before] + limit.window());
            }
        }
        if sent_at.len() == longest_memory {
            sent_at.pop_front();
        }
        sent_at.push_back(last);
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::*;

    use super::*;

    fn limit(requests: u32, seconds: u64) -> RateLimit {
        RateLimit::new(requests, Duration::from_secs(seconds)).expect("in range")
    }

    #[test]
    fn a_burst_is_free_and_each_further_one_costs_a_window() {
        let bound = |requests| lower_bound(requests, &[limit(10, 60)]).as_secs();
        assert_eq!([0, 1, 10, 11, 20, 21, 112].map(bound), [0, 0, 0, 60, 60, 120, 660]);
    }

    #[test]
    fn several_limits_bind_together() {
        let both = [limit(10, 60), limit(1000, 86_400)];
        let bound = |requests| lower_bound(requests, &both).as_secs();
        assert_eq!([1000, 1001, 1010, 1011].map(bound), [99 * 60, 86_400, 86_400, 86_460]);
    }

    /// Request by request, with a look at every window that would hold too many.
    fn naive_greedy(requests: u64, limits: &[RateLimit]) -> Duration {
        let mut sent: Vec<Duration> = Vec::new();
        let mut time = Duration::ZERO;
        for _ in 0..requests {
            while let Some(over) = limits.iter().find_map(|limit| {
                let in_window = sent.iter().filter(|at| **at + limit.window() > time);
                let oldest = in_window.clone().min().copied();
                (in_window.count() >= limit.requests()).then_some(oldest? + limit.window())
            }) {
                time = over;
            }
            sent.push(time);
        }
        time
    }

    proptest! {
        #[test]
        fn no_greedy_schedule_is_shorter_or_longer(
            requests in 0u64..80,
            limits in collection::vec((1u32..12, 10u64..20_000), 1..4),
        ) {
            let limits: Vec<RateLimit> = limits
                .into_iter()
                .map(|(n, ms)| RateLimit::new(n, Duration::from_millis(ms)).expect("in range"))
                .collect();
            prop_assert_eq!(lower_bound(requests, &limits), naive_greedy(requests, &limits));
        }
    }

    #[test]
    fn without_a_limit_nothing_takes_time() {
        assert_eq!(lower_bound(u64::MAX, &[]), Duration::ZERO);
    }
}
