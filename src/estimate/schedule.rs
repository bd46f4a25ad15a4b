//! The shortest schedule: each request is sent as soon as whatever it has to wait for allows.

/// Requests that are scheduled one by one. What comes after them repeats what the slowest lane does.
const ONE_BY_ONE: f64 = 100_000.0;

/// Something that a request waits for: that an earlier one was sent so long ago. A limit of N per window is a lane,
/// and so are sync actors that are busy for a while with each campaign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// How many requests earlier, at least 1. Where it is no whole number, between two.
    pub(super) ahead: f64,
    /// How long ago, in seconds.
    pub(super) period: f64,
    /// For the first so many requests, this period.
    pub(super) until_measured: (usize, f64),
}

impl Lane {
    pub(super) fn new(ahead: f64, period: f64) -> Self {
        Self { ahead, period, until_measured: (0, period) }
    }

    /// When the last of so many would be sent if there were nothing else to wait for, in seconds.
    pub(super) fn alone(&self, requests: f64) -> f64 {
        ((requests - 1.0) / self.ahead).floor().max(0.0) * self.period
    }

    fn period_after(&self, index: usize) -> f64 {
        let (first, period) = self.until_measured;
        if index < first { period } else { self.period }
    }

    fn seconds_each(&self) -> f64 {
        self.period / self.ahead
    }
}

/// When each request is sent, in seconds from the first.
#[derive(Debug)]
pub(super) struct Schedule {
    sent: Vec<f64>,
    slowest: Lane,
}

impl Schedule {
    /// Of at least one request and up to so many. Takes time and memory for at most 100,000 of them, or two windows.
    pub(super) fn new(lanes: &[Lane], requests: f64) -> Self {
        let free = Lane::new(1.0, 0.0);
        let slowest = lanes.iter().copied().fold(free, |slowest, lane| {
            if lane.seconds_each() > slowest.seconds_each() { lane } else { slowest }
        });
        let one_by_one = requests.ceil().min(ONE_BY_ONE.max(2.0 * slowest.ahead)).max(1.0) as usize;
        let mut sent: Vec<f64> = Vec::with_capacity(one_by_one);
        let mut time = 0.0f64;
        for index in 0..one_by_one {
            for lane in lanes {
                let before = index as f64 - lane.ahead;
                if before >= 0.0 {
                    time = time.max(between(&sent, before) + lane.period_after(before as usize));
                }
            }
            sent.push(time);
        }
        Self { sent, slowest }
    }

    /// When request number so much is sent, counted from 1.
    pub(super) fn sent_at(&self, number: f64) -> f64 {
        let index = (number - 1.0).max(0.0);
        let beyond = index - (self.sent.len() - 1) as f64;
        let windows = (beyond / self.slowest.ahead).ceil().max(0.0);
        // Numbers beyond all measure are no longer exact.
        let before = (index - windows * self.slowest.ahead).clamp(0.0, (self.sent.len() - 1) as f64);
        between(&self.sent, before) + windows * self.slowest.period
    }
}

/// The times at an index that need not be whole.
fn between(sent: &[f64], index: f64) -> f64 {
    let (whole, part) = (index as usize, index.fract());
    match sent.get(whole + 1) {
        Some(next) if part > 0.0 => sent[whole] + part * (next - sent[whole]),
        _ => sent[whole],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actors::lower_bound::lower_bound;
    use actors::testing::limit;
    use proptest::collection;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_lanes_everything_is_sent_at_once() {
        assert_eq!(Schedule::new(&[], 50.0).sent_at(50.0), 0.0);
    }

    #[test]
    fn a_busy_sync_actor_holds_up_a_burst_and_a_window_the_next() {
        let lanes = [Lane::new(10.0, 60.0), Lane::new(2.0, 1.0)];
        let schedule = Schedule::new(&lanes, 30.0);
        let times = [1.0, 2.0, 3.0, 10.0, 11.0, 20.0, 21.0].map(|number| schedule.sent_at(number));
        assert_eq!(times, [0.0, 0.0, 1.0, 4.0, 60.0, 64.0, 120.0]);
    }

    #[test]
    fn the_first_windows_may_be_longer() {
        let lane = Lane { until_measured: (4, 3.0), ..Lane::new(2.0, 1.0) };
        let schedule = Schedule::new(&[lane], 10.0);
        let times = [1.0, 3.0, 5.0, 7.0, 9.0].map(|number| schedule.sent_at(number));
        assert_eq!(times, [0.0, 3.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn more_requests_than_are_scheduled_one_by_one_go_on_as_the_slowest_lane_does() {
        let lanes = [Lane::new(10.0, 60.0), Lane::new(1000.0, 86_400.0)];
        let schedule = Schedule::new(&lanes, 10_000_000.0);
        assert_eq!(schedule.sent.len(), 100_000);
        let bound = lower_bound(
            1_000_011,
            &[limit(10, Duration::from_secs(60)), limit(1000, Duration::from_secs(86_400))],
        );
        assert_eq!(schedule.sent_at(1_000_011.0), bound.as_secs_f64());
        assert!(schedule.sent_at(1e18).is_finite());
    }

    proptest! {
        #[test]
        fn where_nothing_takes_time_it_is_the_lower_bound(
            requests in 1u64..200,
            limits in collection::vec((1u32..12, 10u64..20_000), 0..4),
        ) {
            let lanes: Vec<Lane> = limits.iter().map(|&(n, ms)| Lane::new(n.into(), ms as f64 / 1000.0)).collect();
            let limits: Vec<_> = limits.iter().map(|&(n, ms)| limit(n, Duration::from_millis(ms))).collect();
            let schedule = Schedule::new(&lanes, requests as f64);
            let bound = lower_bound(requests, &limits).as_secs_f64();
            prop_assert!((schedule.sent_at(requests as f64) - bound).abs() < 1e-6);
        }
    }
}
