//! From when on a request counts against a limit: the platform counted it at some moment between its sending
//! and its answer, and only the platform knows which. Pure: latencies in, stamps out.
//!
//! - **At completion** is safe whatever the network does: the platform counted the request before it answered.
//!   The price is that a window lasts as long as itself and a latency.
//! - **At sending plus the spread** of the latencies is as safe as long as the platform counts a request at the
//!   same point of its way each time (on arrival, say): the constant part of the way cancels out. It is taken
//!   where the first rule would cost too much: windows that are short against the latencies.

use std::collections::VecDeque;
use std::time::Duration;

use crate::permit::Endpoint;
use crate::settings::RateLimit;

/// Latencies remembered for each endpoint: enough to have seen its spread, few enough to forget a bad minute.
const REMEMBERED: usize = 64;

/// Requests to measure before the safest rule is left, and for how many windows, the second's answers included: what
/// delays the first burst as a whole (many new connections at once) shows in no difference between its latencies.
const ENOUGH: u32 = 20;
const WINDOWS_MEASURED: u32 = 2;

/// The next request may be delayed by more than any was yet: half as much again, and at least this part of a window,
/// of which the limit's own margin is a part.
const SMALLEST_SPREAD: u32 = 100;
/// However short the window is: a scheduler's slice, between the stamp and the sending.
const SHORTEST_SPREAD: Duration = Duration::from_millis(3);

/// And this where requests were measured before the safest rule was left.
const SMALLEST_SPREAD_IN_HINDSIGHT: u32 = 50;

/// Spreads are told apart by this part of a window and rounded up: each new one moves all stamps.
const SPREAD_STEP: u32 = 400;

/// The share of a window that stamping at completion may cost on average, unanswered requests included.
const TOLERATED: f64 = 0.05;

/// The two rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StampRule {
    /// When the last byte of the answer is in.
    Completion,
    /// At sending plus this, or at completion where that is earlier.
    Sending { spread: Duration },
}

/// How a request ended whose stamp depends on the rule.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// As wished, at this time.
    Answered(Duration),
    /// Nobody waits for it any more; the platform may count it until its time is over.
    Unanswered { given_up: Duration, at_the_latest: Duration },
}

impl End {
    /// How long after its sending it was over.
    pub(crate) fn after(self, sent: Duration) -> Duration {
        let (End::Answered(at) | End::Unanswered { given_up: at, .. }) = self;
        at.saturating_sub(sent)
    }
}

/// What was measured, and the rule that follows from it.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// The one with the shortest window; none means that no stamp matters.
    shortest: Option<RateLimit>,
    /// The longest that a request takes, answered or not: no spread is wider.
    request_timeout: Duration,
    /// By endpoint.
    successes: [Successes; Endpoint::ALL.len()],
    /// When the first and the last were measured.
    span: Option<(Duration, Duration)>,
    measured: u32,
    in_flight_time: Duration,
    /// Doubled with each 429: then the spread was not all that there is.
    caution: u32,
}

impl Latencies {
    pub(crate) fn new(limits: &[RateLimit], request_timeout: Duration) -> Self {
        let mut unmeasured = Self {
            shortest: None,
            request_timeout,
            successes: Default::default(),
            span: None,
            measured: 0,
            in_flight_time: Duration::ZERO,
            caution: 1,
        };
        unmeasured.limited_by(limits);
        unmeasured
    }

    /// From now on these limits hold.
    pub(crate) fn limited_by(&mut self, limits: &[RateLimit]) {
        self.shortest = limits.iter().min_by_key(|limit| limit.window()).copied();
    }

    /// An answer that was wished for. Others may come by a shorter way and say nothing about the spread.
    pub(crate) fn succeeded(&mut self, endpoint: Endpoint, latency: Duration, at: Duration) {
        self.ended(latency);
        self.span = Some((self.span.map_or(at, |(first, _)| first), at));
        self.successes[endpoint as usize].add(latency);
    }

    /// Any other end of a request: it was in flight for so long.
    pub(crate) fn ended(&mut self, latency: Duration) {
        self.measured = self.measured.saturating_add(1);
        self.in_flight_time += latency;
    }

    /// A 429 came in spite of the rule.
    pub(crate) fn throttled(&mut self) {
        self.caution = self.caution.saturating_mul(2);
    }

    /// When enough will have been measured, or was; none while too little is.
    pub(crate) fn measured_at(&self) -> Option<Duration> {
        let ((first, last), window) = (self.span?, self.shortest?.window());
        let is_enough = self.measured >= ENOUGH && last - first >= window * (WINDOWS_MEASURED - 1);
        is_enough.then(|| first + window * WINDOWS_MEASURED)
    }

    /// The rule for now.
    pub(crate) fn rule(&self, now: Duration) -> StampRule {
        let Some(limit) = self.shortest else { return StampRule::Completion };
        let window = limit.window();
        let measured_enough = self.measured_at().is_some_and(|at| at <= now);
        if !measured_enough || self.mean() <= window.mul_f64(TOLERATED) {
            return StampRule::Completion;
        }
        let least = (window / SMALLEST_SPREAD).max(SHORTEST_SPREAD).saturating_sub(limit.margin());
        let cautious = self.cautious(self.spread()).max(least.saturating_mul(self.caution));
        let step = window / SPREAD_STEP;
        let steps = cautious.min(self.request_timeout).as_nanos().div_ceil(step.as_nanos());
        StampRule::Sending { spread: step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)) }
    }

    /// For how long after its end a request's stamp may yet depend on the rule; nothing where the rule cannot change,
    /// because no request takes long enough.
    pub(crate) fn rule_matters_for(&self) -> Duration {
        let limit = self.shortest.filter(|limit| self.request_timeout > limit.window().mul_f64(TOLERATED));
        limit.map_or(Duration::ZERO, |limit| limit.window() + limit.margin())
    }

    /// How long a request is in flight on average, answered or not.
    pub(crate) fn mean(&self) -> Duration {
        self.in_flight_time / self.measured.max(1)
    }

    /// How much later than the fastest the platform may have counted a request that took so long, at the least. More
    /// than is assumed of a request to come: the settled ones are many at once, and of the same short time.
    pub(crate) fn spread_in_hindsight(&self, endpoint: Endpoint, latency: Duration) -> Duration {
        let fastest = self.successes[endpoint as usize].fastest;
        let own = self.cautious(latency.saturating_sub(fastest.unwrap_or(latency)));
        let least =
            self.shortest.map_or(Duration::ZERO, |limit| limit.window() / SMALLEST_SPREAD_IN_HINDSIGHT);
        own.min(self.request_timeout).max(least)
    }

    fn cautious(&self, spread: Duration) -> Duration {
        (spread * 3 / 2).saturating_mul(self.caution)
    }

    fn spread(&self) -> Duration {
        self.successes.iter().map(Successes::spread).max().unwrap_or_default()
    }
}

/// The latencies of one endpoint.
#[derive(Debug, Default)]
struct Successes {
    recent: VecDeque<Duration>,
    /// Of the whole run: the way there has not become longer for good because of a slow minute.
    fastest: Option<Duration>,
}

impl Successes {
    fn add(&mut self, latency: Duration) {
        self.fastest = Some(self.fastest.map_or(latency, |fastest| fastest.min(latency)));
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(latency);
    }

    fn spread(&self) -> Duration {
        let slowest = self.recent.iter().max().copied().unwrap_or_default();
        slowest.saturating_sub(self.fastest.unwrap_or_default())
    }
}

impl StampRule {
    /// The stamp of a request on its way, where it can be told already.
    pub(crate) fn while_in_flight(self, sent: Duration) -> Option<Duration> {
        match self {
            StampRule::Completion => None,
            StampRule::Sending { spread } => Some(sent + spread),
        }
    }

    /// The same rule with no narrower a spread than this.
    pub(crate) fn at_least(self, narrowest: Duration) -> Self {
        match self {
            StampRule::Completion => self,
            StampRule::Sending { spread } => StampRule::Sending { spread: spread.max(narrowest) },
        }
    }

    /// The stamp of a request that is over.
    pub(crate) fn stamp(self, sent: Duration, end: End) -> Duration {
        match (self.while_in_flight(sent), end) {
            (Some(stamp), End::Answered(completed)) => stamp.min(completed),
            (None, End::Answered(completed)) => completed,
            (Some(stamp), End::Unanswered { .. }) => stamp,
            (None, End::Unanswered { given_up, at_the_latest }) => given_up.max(at_the_latest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LATER: Duration = Duration::from_secs(3600);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn limit(window: Duration) -> RateLimit {
        RateLimit::new(10, window).expect("in range")
    }

    fn after(window: Duration, latencies: impl IntoIterator<Item = Duration>) -> Latencies {
        let mut measured = Latencies::new(&[limit(window)], 10 * SECOND);
        let mut at = Duration::ZERO;
        for latency in latencies {
            measured.succeeded(Endpoint::Sync, latency, at);
            at += window / 10;
        }
        measured
    }

    #[test]
    fn completion_is_the_rule_until_enough_is_measured_and_where_windows_are_long_against_latencies() {
        assert_eq!(after(SECOND, [ms(500); 19]).rule(LATER), StampRule::Completion);
        assert_eq!(after(SECOND, [ms(49); 1000]).rule(LATER), StampRule::Completion);
        assert_eq!(after(60 * SECOND, [2 * SECOND; 1000]).rule(LATER), StampRule::Completion);
        assert_eq!(Latencies::new(&[], SECOND).rule(LATER), StampRule::Completion);
    }

    #[test]
    fn short_windows_are_stamped_at_sending_plus_the_spread_of_the_endpoint_that_has_the_largest() {
        let mut measured = after(SECOND, [ms(500), ms(530)].repeat(20));
        measured.succeeded(Endpoint::List, ms(3), LATER);
        measured.succeeded(Endpoint::List, ms(43), LATER);
        assert_eq!(measured.rule(LATER), StampRule::Sending { spread: ms(60) });
    }

    #[test]
    fn requests_that_were_never_answered_weigh_in_the_choice_but_not_in_the_spread() {
        let mut measured = after(SECOND, [ms(30), ms(35)].repeat(50));
        assert_eq!(measured.rule(LATER), StampRule::Completion);
        (0..5).for_each(|_| measured.ended(SECOND));
        assert_eq!(measured.rule(LATER), StampRule::Sending { spread: ms(10) });
    }

    #[test]
    fn a_first_burst_that_was_delayed_as_a_whole_does_not_end_the_measuring() {
        let mut measured = Latencies::new(&[limit(SECOND)], 10 * SECOND);
        (0..64).for_each(|_| measured.succeeded(Endpoint::Sync, ms(510), ms(100)));
        assert_eq!(measured.rule(LATER), StampRule::Completion);
        measured.succeeded(Endpoint::Sync, ms(500), ms(2100));
        assert_eq!(measured.rule(LATER), StampRule::Sending { spread: ms(15) });
    }

    #[test]
    fn once_a_second_window_has_answered_the_safest_rule_is_left_by_the_clock() {
        let mut measured = Latencies::new(&[limit(SECOND)], 10 * SECOND);
        (0..20).for_each(|_| measured.succeeded(Endpoint::Sync, ms(500), ms(100)));
        // Only the first window has, however long ago.
        assert_eq!((measured.measured_at(), measured.rule(LATER)), (None, StampRule::Completion));
        measured.succeeded(Endpoint::Sync, ms(500), ms(1100));
        assert_eq!(measured.measured_at(), Some(ms(2100)));
        assert_eq!(measured.rule(ms(2099)), StampRule::Completion);
        assert!(matches!(measured.rule(ms(2100)), StampRule::Sending { .. }));
    }

    #[test]
    fn a_429_doubles_the_spread_and_an_old_outlier_is_forgotten() {
        let mut measured = after(SECOND, [ms(500), ms(510)].repeat(20));
        measured.throttled();
        assert_eq!(measured.rule(LATER), StampRule::Sending { spread: ms(30) });
        measured.succeeded(Endpoint::Sync, ms(900), LATER);
        assert_eq!(measured.rule(LATER), StampRule::Sending { spread: ms(1200) });
        (0..REMEMBERED).for_each(|_| measured.succeeded(Endpoint::Sync, ms(505), LATER));
        assert_eq!(measured.rule(LATER), StampRule::Sending { spread: Duration::from_micros(17_500) });
    }

    #[test]
    fn however_many_429s_there_were_the_spread_is_no_wider_than_a_request_can_take() {
        let mut measured = after(SECOND, [ms(500), ms(510)].repeat(20));
        (0..100).for_each(|_| measured.throttled());
        assert_eq!(measured.rule(LATER), StampRule::Sending { spread: 10 * SECOND });
        // Nor is one that was never answered.
        assert_eq!(measured.spread_in_hindsight(Endpoint::Sync, 10 * SECOND), 10 * SECOND);
    }

    #[test]
    fn no_rule_stamps_an_answered_request_later_than_its_answer() {
        let spread = StampRule::Sending { spread: ms(100) };
        assert_eq!(spread.stamp(ms(1000), End::Answered(ms(1030))), ms(1030));
        assert_eq!(spread.stamp(ms(1000), End::Answered(ms(2000))), ms(1100));
        assert_eq!(StampRule::Completion.stamp(ms(1000), End::Answered(ms(2000))), ms(2000));
    }

    #[test]
    fn an_unanswered_request_counts_until_its_time_is_over_or_from_its_stamp_at_sending() {
        let given_up = |at| End::Unanswered { given_up: at, at_the_latest: SECOND };
        assert_eq!(StampRule::Completion.stamp(ms(0), given_up(ms(20))), SECOND);
        assert_eq!(StampRule::Completion.stamp(ms(0), given_up(ms(1500))), ms(1500));
        assert_eq!(StampRule::Sending { spread: ms(7) }.stamp(ms(0), given_up(ms(20))), ms(7));
    }

    #[test]
    fn the_spread_is_rounded_up_and_with_the_margin_never_below_a_hundredth_of_a_window() {
        let spread = |window: Duration, longer: Duration| {
            let latency = window / 2;
            let rule = after(window, [latency, latency + longer].repeat(20)).rule(LATER);
            let StampRule::Sending { spread } = rule else { panic!("{rule:?}") };
            spread
        };
        assert_eq!(spread(SECOND, ms(0)), ms(10));
        assert_eq!(spread(SECOND, ms(6)), ms(10));
        // The margin of a short window is nearly half of it, and of a long one a tenth.
        assert_eq!(spread(ms(300), ms(0)), Duration::from_micros(2_250));
        assert_eq!(spread(10 * SECOND, ms(0)), ms(100));
    }

    #[test]
    fn the_rule_matters_for_as_long_as_a_request_counts_where_one_can_take_long_enough_to_change_it() {
        let matters = |window| Latencies::new(&[limit(window)], 10 * SECOND).rule_matters_for();
        assert_eq!(matters(SECOND), ms(1002));
        assert_eq!(matters(200 * SECOND), Duration::ZERO);
        assert_eq!(Latencies::new(&[], 10 * SECOND).rule_matters_for(), Duration::ZERO);
    }
}
