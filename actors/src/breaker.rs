//! The circuit breaker of an account: while the platform is down, nothing is sent but a probe now and then, so
//! that an outage costs waiting and not dead letters. Pure: outcomes and times in, verdicts out.

use std::collections::VecDeque;
use std::time::Duration;

/// The last outcomes that count. The reference platform's ordinary fifth of failures reaches 16 of 20 once in
/// 60,000 runs of a thousand requests, and twelve in a row once in 250,000 (research on rate limits, section 4).
const REMEMBERED: usize = 20;
const FAILURES_OF_REMEMBERED: usize = 16;
const FAILURES_IN_A_ROW: usize = 12;

/// From the opening to the first probe; it doubles with each probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the breaker says to the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Granted,
    /// Not before this.
    At(Duration),
    /// A probe is on its way: its outcome decides.
    AfterTheProbe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Duration,
        pause: Duration,
    },
    /// One request may go; whether it has gone.
    HalfOpen {
        probing: bool,
        pause: Duration,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Since it opened first, without having closed.
    open_since: Option<Duration>,
    /// True for a failure; the youngest last.
    outcomes: VecDeque<bool>,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self { state: State::Closed, open_since: None, outcomes: VecDeque::with_capacity(REMEMBERED) }
    }

    /// Looks, and changes nothing.
    pub(crate) fn leave(&self, now: Duration) -> Leave {
        match self.state {
            State::Open { until, .. } if now < until => Leave::At(until),
            State::HalfOpen { probing: true, .. } => Leave::AfterTheProbe,
            State::Closed | State::Open { .. } | State::HalfOpen { .. } => Leave::Granted,
        }
    }

    /// Whether it keeps requests back: but for probes, nothing is sent.
    pub(crate) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// How long nothing has been answered, as far as it has been noticed.
    pub(crate) fn open_for(&self, now: Duration) -> Duration {
        self.open_since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// A request goes. True if it is a probe.
    pub(crate) fn enter(&mut self) -> bool {
        let (State::Open { pause, .. } | State::HalfOpen { pause, .. }) = self.state else { return false };
        self.state = State::HalfOpen { probing: true, pause };
        true
    }

    /// A request that was let through was not sent after all.
    pub(crate) fn withdraw(&mut self) {
        if let State::HalfOpen { pause, .. } = self.state {
            self.state = State::HalfOpen { probing: false, pause };
        }
    }

    /// The platform answered, whatever it said: it is there. True if that closes the breaker.
    pub(crate) fn answered(&mut self) -> bool {
        let was_open = self.is_open();
        if was_open {
            self.outcomes.clear();
        }
        self.state = State::Closed;
        self.open_since = None;
        self.note(false);
        was_open
    }

    /// 5xx, no connection, no answer. True if that opens the breaker.
    pub(crate) fn failed(&mut self, now: Duration) -> bool {
        self.note(true);
        match self.state {
            State::Closed => {
                let in_a_row = self.outcomes.iter().rev().take_while(|failed| **failed).count();
                let failures = self.outcomes.iter().filter(|failed| **failed).count();
                let opens = in_a_row >= FAILURES_IN_A_ROW || failures >= FAILURES_OF_REMEMBERED;
                if opens {
                    self.state = State::Open { until: now + FIRST_PAUSE, pause: FIRST_PAUSE };
                    self.open_since = Some(now);
                }
                opens
            }
            State::HalfOpen { pause, .. } => {
                let pause = (pause * 2).min(LONGEST_PAUSE);
                self.state = State::Open { until: now + pause, pause };
                true
            }
            // The last of those that were on their way when it opened.
            State::Open { .. } => false,
        }
    }

    fn note(&mut self, failed: bool) {
        if self.outcomes.len() == REMEMBERED {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new();
        (0..12).for_each(|_| _ = breaker.failed(s(0)));
        breaker
    }

    #[test]
    fn twelve_failures_in_a_row_open_it_and_eleven_do_not() {
        let mut breaker = Breaker::new();
        assert!((0..11).all(|_| !breaker.failed(s(0))));
        assert_eq!(breaker.leave(s(0)), Leave::Granted);
        assert!(!breaker.enter(), "no probe yet");
        assert!(breaker.failed(s(5)));
        assert_eq!(breaker.leave(s(5)), Leave::At(s(35)));
        assert_eq!(breaker.leave(s(35)), Leave::Granted);
    }

    #[test]
    fn sixteen_failures_of_the_last_twenty_open_it_and_fifteen_do_not() {
        let outcomes = |failures_between: usize| {
            let mut breaker = Breaker::new();
            (0..20).any(|n| {
                let fails = n % failures_between != 0;
                if fails { breaker.failed(s(0)) } else { breaker.answered() }
            })
        };
        assert!(outcomes(5), "every fifth succeeds");
        assert!(!outcomes(4), "every fourth succeeds");
    }

    #[test]
    fn one_probe_goes_at_a_time_and_its_failure_doubles_the_pause_up_to_five_minutes() {
        let mut breaker = opened();
        let mut now = s(30);
        for pause in [60, 120, 240, 300, 300] {
            assert_eq!(breaker.leave(now), Leave::Granted);
            assert!(breaker.enter());
            assert_eq!(breaker.leave(now), Leave::AfterTheProbe);
            assert!(breaker.failed(now));
            assert_eq!(breaker.leave(now), Leave::At(now + s(pause)));
            now += s(pause);
        }
    }

    #[test]
    fn a_probe_that_is_answered_closes_it_and_what_failed_before_is_forgotten() {
        let mut breaker = opened();
        breaker.enter();
        assert!(breaker.answered());
        assert!((0..11).all(|_| !breaker.failed(s(40))));
        assert_eq!(breaker.leave(s(40)), Leave::Granted);
    }

    #[test]
    fn a_probe_that_was_not_sent_leaves_its_place_to_another() {
        let mut breaker = opened();
        breaker.enter();
        breaker.withdraw();
        assert_eq!(breaker.leave(s(30)), Leave::Granted);
    }

    #[test]
    fn failures_of_what_was_on_its_way_when_it_opened_do_not_lengthen_the_pause() {
        let mut breaker = opened();
        assert!(!breaker.failed(s(3)));
        assert_eq!(breaker.leave(s(3)), Leave::At(s(30)));
    }

    proptest! {
        #[test]
        fn it_never_stays_shut_longer_than_its_longest_pause(fates in prop::collection::vec(0..4u8, 1..200)) {
            let (mut breaker, mut now) = (Breaker::new(), s(0));
            for fate in fates {
                match breaker.leave(now) {
                    Leave::At(until) => {
                        prop_assert!(until - now <= LONGEST_PAUSE);
                        now = until;
                        prop_assert_eq!(breaker.leave(now), Leave::Granted);
                    }
                    Leave::AfterTheProbe => prop_assert!(false, "every probe here has an outcome"),
                    Leave::Granted => {}
                }
                breaker.enter();
                match fate {
                    0 => breaker.withdraw(),
                    1 => _ = breaker.answered(),
                    _ => _ = breaker.failed(now),
                }
            }
        }
    }
}
