//! Against a reference that counts, for every question, all requests that were ever granted.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::{collection, prop_oneof};

use super::*;

const NANO: Duration = Duration::from_nanos(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn log_of(requests: u32, window: Duration) -> SlidingLog {
    SlidingLog::new(RateLimit::new(requests, window).expect("in range"))
}

struct Granted {
    slot: Slot,
    /// None while the platform may still count it at any time.
    stamp: Option<Duration>,
    in_flight: bool,
}

struct Reference {
    requests: usize,
    period: Duration,
    granted: Vec<Granted>,
}

impl Reference {
    fn counted_at(&self, now: Duration) -> usize {
        self.granted.iter().filter(|it| it.stamp.is_none_or(|stamp| stamp + self.period > now)).count()
    }

    fn has_room(&self, now: Duration) -> bool {
        self.counted_at(now) < self.requests
    }

    fn availability(&self, now: Duration) -> Availability {
        let ends = self.granted.iter().filter_map(|it| it.stamp).map(|stamp| stamp + self.period);
        let mut ends: Vec<Duration> = ends.filter(|end| *end > now).collect();
        ends.sort();
        if self.has_room(now) {
            return Availability::Now;
        }
        ends.into_iter().find(|end| self.has_room(*end)).map_or(Availability::AfterAnAnswer, Availability::At)
    }

    fn in_flight(&mut self, which: Index) -> Option<&mut Granted> {
        let mut flying: Vec<&mut Granted> = self.granted.iter_mut().filter(|it| it.in_flight).collect();
        (!flying.is_empty()).then(|| flying.swap_remove(which.index(flying.len())))
    }
}

/// Times in thousandths of a window.
#[derive(Clone, Debug)]
enum Step {
    Pass(u32),
    Take,
    /// A first guess, in the past or in the future.
    Stamp(Index, i32),
    /// The last word, now or in the future.
    Settle(Index, u32),
    GiveBack(Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0u32..700).prop_map(Step::Pass),
        5 => Just(Step::Take),
        2 => (any::<Index>(), -1500i32..1500).prop_map(|(which, at)| Step::Stamp(which, at)),
        3 => (any::<Index>(), prop_oneof![Just(0), 0u32..500]).prop_map(|(which, at)| Step::Settle(which, at)),
        1 => any::<Index>().prop_map(Step::GiveBack),
    ];
    collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn it_grants_exactly_when_counting_all_requests_would(
        requests in 1u32..=20,
        window in 10u64..=60_000,
        steps in steps(),
    ) {
        let mut log = log_of(requests, ms(window));
        let limit = log.limit();
        let mut reference =
            Reference { requests: limit.requests(), period: limit.window() + limit.margin(), granted: vec![] };
        let part = |thousandths: u32| limit.window() * thousandths / 1000;
        let mut now = Duration::ZERO;
        for (slot, step) in (0..).zip(steps) {
            match step {
                Step::Pass(part_of_window) => now += part(part_of_window),
                Step::Take => {
                    let granted = log.take(now, slot);
                    prop_assert_eq!(granted, reference.has_room(now));
                    if granted {
                        reference.granted.push(Granted { slot, stamp: None, in_flight: true });
                        // Memory is for what still counts, and for what may come back.
                        let log = log.stamps.0.borrow();
                        prop_assert_eq!(log.by_stamp.len(), reference.counted_at(now));
                        prop_assert_eq!(
                            log.in_flight.len(),
                            reference.granted.iter().filter(|it| it.in_flight).count()
                        );
                    }
                }
                Step::Stamp(which, at) => {
                    let at = (now + part(2000) + part(at.max(0) as u32))
                        .saturating_sub(part(2000) + part(at.min(0).unsigned_abs()));
                    if let Some(granted) = reference.in_flight(which) {
                        granted.stamp = Some(at);
                        log.stamp(granted.slot, at);
                    }
                }
                Step::Settle(which, ahead) => {
                    if let Some(granted) = reference.in_flight(which) {
                        granted.stamp = Some(now + part(ahead));
                        granted.in_flight = false;
                        log.stamp(granted.slot, now + part(ahead));
                        log.settle(granted.slot);
                    }
                }
                Step::GiveBack(which) => {
                    if let Some(slot) = reference.in_flight(which).map(|granted| granted.slot) {
                        reference.granted.retain(|granted| granted.slot != slot);
                        log.give_back(slot);
                    }
                }
            }
            let availability = log.availability(now);
            prop_assert_eq!(availability, reference.availability(now));
            if let Availability::At(due) = availability {
                prop_assert_ne!(log.availability(due - NANO), Availability::Now);
                prop_assert_eq!(log.availability(due), Availability::Now);
            }
        }
    }

    #[test]
    fn no_window_of_the_platform_holds_too_many_wherever_it_counts_a_request(
        requests in 1u32..=20,
        window in 10u64..=60_000,
        // Each request's latency, and where on its way the platform counts it.
        ways in collection::vec((0u32..3000, 0u32..=1000), 1..100),
    ) {
        let mut log = log_of(requests, ms(window));
        let window = ms(window);
        let mut flying: Vec<(Duration, Slot)> = vec![];
        let mut counted: Vec<Duration> = vec![];
        let mut now = Duration::ZERO;
        for (slot, (latency, way)) in (0..).zip(ways) {
            // As early as it lets us, and no earlier.
            while !log.take(now, slot) {
                let next_answer = flying.iter().min().copied();
                now = match (log.availability(now), next_answer) {
                    (Availability::At(due), Some((at, _))) => due.min(at.max(now)),
                    (Availability::At(due), None) => due,
                    (_, at) => at.expect("slots are in flight").0.max(now),
                };
                for (at, slot) in flying.extract_if(.., |(at, _)| *at <= now) {
                    log.stamp(slot, at);
                    log.settle(slot);
                }
            }
            let latency = window * latency / 1000;
            flying.push((now + latency, slot));
            counted.push(now + latency * way / 1000);
        }
        counted.sort();
        for (first, last) in counted.iter().zip(counted.iter().skip(requests as usize)) {
            prop_assert!(*last - *first >= window, "{requests} and one more in {:?}", *last - *first);
        }
    }

    #[test]
    fn a_platform_whose_clock_drifts_and_is_read_in_whole_milliseconds_counts_a_window_between_them(
        window in 10u64..=3_600_000,
        answered_at_micros in 0u64..1_000_000_000,
        ppm in -1000i64..=1000,
    ) {
        let mut log = log_of(1, ms(window));
        let answered = Duration::from_micros(answered_at_micros);
        prop_assert!(log.take(Duration::ZERO, 0));
        log.stamp(0, answered);
        let Availability::At(next) = log.availability(answered) else { panic!("one is in the way") };
        // Ours is faster by so much.
        let read = |at: Duration| at.as_nanos() as i128 / i128::from(1_000_000 + ppm);
        let between = read(next) - read(answered);
        prop_assert!(between >= i128::from(window), "{between} ms");
        // One that counts its window's first moment, too, has a clock that keeps time.
        prop_assert!(ppm != 0 || between > i128::from(window), "{between} ms");
    }
}

#[test]
fn the_margin_is_part_of_the_wait() {
    let mut log = log_of(1, ms(60_000));
    assert!(log.take(ms(500), 0));
    assert_eq!(log.availability(ms(600)), Availability::AfterAnAnswer);
    log.stamp(0, ms(1000));
    assert_eq!(log.availability(ms(1000)), Availability::At(ms(61_061)));
    assert!(!log.take(ms(61_061) - NANO, 1), "one nanosecond too early");
    assert!(log.take(ms(61_061), 1));
}

#[test]
fn what_was_never_sent_leaves_the_schedule_as_it_was() {
    let mut log = log_of(2, ms(1000));
    assert!(log.take(ms(0), 0));
    log.stamp(0, ms(0));
    log.settle(0);
    for slot in 1..100 {
        assert!(log.take(ms(slot), slot));
        log.give_back(slot);
    }
    assert!(log.take(ms(100), 100));
    log.stamp(100, ms(100));
    assert_eq!(log.availability(ms(100)), Availability::At(ms(1002)));
    // Twice, or after its last word, it changes nothing.
    log.settle(100);
    log.give_back(100);
    log.give_back(5);
    assert_eq!(log.availability(ms(100)), Availability::At(ms(1002)));
}

#[test]
fn a_slot_that_had_left_the_window_and_is_stamped_late_counts_again() {
    let mut log = log_of(1, ms(1000));
    assert!(log.take(ms(0), 0));
    log.stamp(0, ms(10));
    assert!(log.take(ms(1015), 1), "the first guess has left the window");
    log.stamp(1, ms(1020));
    log.stamp(0, ms(1500));
    log.settle(0);
    assert_eq!(log.availability(ms(1500)), Availability::At(ms(2502)), "the younger one is in the way");
    log.settle(1);
    assert!(!log.take(ms(2501), 2) && log.take(ms(2502), 2));
}

#[test]
fn a_long_run_keeps_no_more_stamps_than_a_window_holds() {
    let mut log = log_of(5, ms(1000));
    let mut now = Duration::ZERO;
    for slot in 0..10_000 {
        while !log.take(now, slot) {
            let Availability::At(due) = log.availability(now) else { panic!("all are settled") };
            now = due;
        }
        log.stamp(slot, now);
        log.settle(slot);
        let log = log.stamps.0.borrow();
        assert!(log.by_stamp.len() <= 5 && log.in_flight.is_empty());
    }
}
