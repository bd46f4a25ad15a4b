//! How much of its rate limit an account used in each of the last sixty minutes. Of a limit by the second that is the
//! requests that were sent in the minute; of one whose window is a minute or longer, the most that counted in the window.

use std::time::Duration;

use actors::progress::{LimitInUse, Progress};

/// Minutes that are kept.
pub const HOUR: usize = 60;
/// By minute, the oldest first and the current one last: 0 is nothing, 1 all that the limit allows.
pub type Hour = [f32; HOUR];

const MINUTE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Usage {
    /// The newest first.
    minutes: [Minute; HOUR],
    /// The current one.
    newest: usize,
    /// Requests of the run that have been counted.
    counted: u64,
    limits: Vec<LimitInUse>,
    /// When requests were last seen: they stay in a window for as long as it is.
    sent: Option<Duration>,
}

impl Default for Usage {
    fn default() -> Self {
        Self { minutes: [Minute::default(); HOUR], newest: 0, counted: 0, limits: vec![], sent: None }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    requests: u64,
    /// Of the windows of a minute and longer.
    share: f32,
    /// What the short windows allow in a minute; 0 where there are none.
    allowed: f64,
}

impl Minute {
    fn used(self) -> f32 {
        let requests = if self.allowed > 0.0 { self.requests as f64 / self.allowed } else { 0.0 };
        self.share.max(requests as f32).min(1.0)
    }
}

impl Usage {
    /// The next progress counts from nothing.
    pub(super) fn run_begins(&mut self) {
        self.counted = 0;
    }

    /// Takes what was sent since the last look. It is so long since the begin of all.
    pub(super) fn look(&mut self, progress: Option<&Progress>, at_work: bool, now: Duration) {
        self.begin_minute(minute_of(now));
        let minute = &mut self.minutes[0];
        if let Some(progress) = progress {
            let sent = progress.requests.total.saturating_sub(self.counted);
            minute.requests += sent;
            self.counted = progress.requests.total;
            self.sent = if sent > 0 { Some(now) } else { self.sent };
            self.limits.clone_from(&progress.limits);
        }
        let idle = self.sent.map_or(Duration::MAX, |at| now.saturating_sub(at));
        for LimitInUse { limit, used, .. } in &self.limits {
            let window = limit.window();
            if window < MINUTE {
                let allowed = limit.requests() as f64 * MINUTE.as_secs_f64() / window.as_secs_f64();
                minute.allowed = if minute.allowed > 0.0 { minute.allowed.min(allowed) } else { allowed };
            } else if at_work || idle < window {
                minute.share = minute.share.max(*used as f32 / limit.requests() as f32);
            }
        }
    }

    fn begin_minute(&mut self, minute: usize) {
        let passed = minute.saturating_sub(self.newest).min(HOUR);
        self.minutes.copy_within(..HOUR - passed, passed);
        self.minutes[..passed].fill(Minute::default());
        self.newest = minute;
    }

    /// The last hour up to now.
    pub(super) fn hour(&self, now: Duration) -> Hour {
        let past = minute_of(now).saturating_sub(self.newest);
        let mut hour = [0.0; HOUR];
        for (used, minute) in hour.iter_mut().rev().skip(past).zip(&self.minutes) {
            *used = minute.used();
        }
        hour
    }
}

fn minute_of(now: Duration) -> usize {
    usize::try_from(now.as_secs() / MINUTE.as_secs()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use actors::progress::LimitSource;
    use actors::settings::RateLimit;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(86_400);

    /// Limits with what is used of them.
    fn progress(requests: u64, limits: &[(u32, Duration, usize)]) -> Progress {
        let kept = |(allowed, window, used): &(u32, Duration, usize)| {
            let limit = RateLimit::new(*allowed, *window).expect("valid");
            LimitInUse { limit, source: LimitSource::Configured, used: *used }
        };
        let mut progress = Progress { limits: limits.iter().map(kept).collect(), ..Progress::default() };
        progress.requests.total = requests;
        progress
    }

    #[derive(Default)]
    struct Watch(Usage);

    impl Watch {
        fn look(&mut self, second: u64, progress: Option<&Progress>, at_work: bool) {
            self.0.look(progress, at_work, Duration::from_secs(second));
        }

        /// The last minutes, the newest first, in per cent.
        fn last<const N: usize>(&self, second: u64) -> [u32; N] {
            let hour = self.0.hour(Duration::from_secs(second));
            std::array::from_fn(|n| (hour[HOUR - 1 - n] * 100.0).round() as u32)
        }
    }

    #[test]
    fn under_a_limit_by_the_second_it_is_the_requests_of_each_minute() {
        let mut watch = Watch::default();
        watch.look(5, Some(&progress(600, &[(40, SECOND, 1)])), true);
        watch.look(30, Some(&progress(1_200, &[(40, SECOND, 40)])), true);
        watch.look(61, Some(&progress(1_800, &[(40, SECOND, 1)])), true);
        assert_eq!(watch.last(70), [25, 50, 0]);
        assert_eq!(watch.last(130), [0, 25, 50]);
    }

    #[test]
    fn requests_of_the_next_run_are_counted_from_nothing_and_those_of_a_run_that_ended_are_not_lost() {
        let mut watch = Watch::default();
        watch.look(5, Some(&progress(600, &[(40, SECOND, 1)])), true);
        watch.look(10, Some(&progress(1_200, &[(40, SECOND, 1)])), false);
        watch.0.run_begins();
        watch.look(15, Some(&progress(240, &[(40, SECOND, 1)])), true);
        assert_eq!(watch.last(20), [60]);
    }

    #[test]
    fn under_a_limit_by_the_day_it_is_what_counts_in_its_window_for_as_long_as_that_is() {
        let mut watch = Watch::default();
        watch.look(5, Some(&progress(500, &[(1_000, DAY, 500)])), false);
        for minute in 1..=1_500 {
            watch.look(minute * 60, Some(&progress(500, &[(1_000, DAY, 500)])), false);
        }
        assert_eq!(watch.last(1_500 * 60), [0; HOUR]);
        let mut watch = Watch::default();
        watch.look(5, Some(&progress(500, &[(1_000, DAY, 500)])), true);
        watch.look(3_600 * 30, Some(&progress(500, &[(1_000, DAY, 250)])), true);
        assert_eq!(watch.last(3_600 * 30), [25, 0]);
    }

    #[test]
    fn of_several_limits_it_is_the_one_that_is_used_most() {
        let mut watch = Watch::default();
        watch.look(5, Some(&progress(30, &[(10, SECOND, 3), (60, MINUTE, 30), (1_000, DAY, 100)])), true);
        assert_eq!(watch.last(5), [50]);
    }

    #[test]
    fn without_a_limit_nothing_is_used() {
        let mut watch = Watch::default();
        watch.look(5, Some(&progress(1_000_000, &[])), true);
        assert_eq!(watch.last(5), [0]);
    }

    #[test]
    fn what_is_older_than_an_hour_is_gone() {
        let mut watch = Watch::default();
        watch.look(0, Some(&progress(2_400, &[(40, SECOND, 1)])), true);
        let mut oldest = [0; HOUR];
        oldest[HOUR - 1] = 100;
        assert_eq!(watch.last(59 * 60), oldest);
        assert_eq!(watch.last(60 * 60), [0; HOUR]);
        watch.look(60 * 60, Some(&progress(3_600, &[(40, SECOND, 1)])), true);
        assert_eq!(watch.last(60 * 60), [50, 0]);
        watch.look(60 * 60 * 24, None, false);
        assert_eq!(watch.last(60 * 60 * 24), [0; HOUR]);
    }
}
