//! One rate limit as the platform itself keeps it: the log of the last N requests.
//!
//! governor decides, with a quota of one request per window, against the one stamp that stands in the way: the
//! N-th youngest. N slots of one per window are the sliding log itself, so no schedule is shorter and none that
//! is granted can put N + 1 requests into the platform's window (its default, a burst of N that refills
//! steadily, lets nearly 2 N through). Pure: time is an argument, counted from an origin that the caller chose.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use crate::settings::RateLimit;

/// The stamp of a request that the platform may count at any time from now on.
const NOT_YET: Duration = Duration::MAX;

/// Names one granted request, in every log that it counts in.
pub(crate) type Slot = u64;

/// When a request can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    Now,
    At(Duration),
    /// Every slot is in flight: an answer has to come first.
    AfterAnAnswer,
}

/// The quota of one [`RateLimit`].
pub(crate) struct SlidingLog {
    limit: RateLimit,
    governor: RateLimiter<NotKeyed, Stamps, DecisionTime, NoOpMiddleware<Duration>>,
    stamps: Stamps,
    decision_time: DecisionTime,
}

impl SlidingLog {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let period = limit.window() + limit.margin();
        let stamps = Stamps(Rc::new(RefCell::new(Log {
            capacity: limit.requests(),
            period,
            intent: Intent::Look,
            by_stamp: BTreeSet::new(),
            in_flight: HashMap::new(),
        })));
        let decision_time = DecisionTime(Rc::new(Cell::new(Duration::ZERO)));
        let quota = Quota::with_period(period).expect("a window is at least 10 ms long");
        let governor = RateLimiter::new(quota, stamps.clone(), decision_time.clone());
        Self { limit, governor, stamps, decision_time }
    }

    /// With what this other log, of an equally long or a longer window, knows of the same requests.
    pub(crate) fn with_history(limit: RateLimit, known: Option<&SlidingLog>, now: Duration) -> Self {
        let new = Self::new(limit);
        if let Some(known) = known {
            known.stamps.0.borrow_mut().forget_what_left(now);
            let (mut log, known) = (new.stamps.0.borrow_mut(), known.stamps.0.borrow());
            log.by_stamp.clone_from(&known.by_stamp);
            log.in_flight.clone_from(&known.in_flight);
            log.forget_what_left(now);
        }
        new
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Looks, and takes nothing.
    pub(crate) fn availability(&self, now: Duration) -> Availability {
        if self.ask(now, Intent::Look) {
            return Availability::Now;
        }
        let log = self.stamps.0.borrow();
        match log.in_the_way() {
            Some(NOT_YET) | None => Availability::AfterAnAnswer,
            Some(stamp) => Availability::At(stamp + log.period),
        }
    }

    /// Takes a slot if one is free. The request counts from now on, until [`Self::stamp`] says since when.
    pub(crate) fn take(&mut self, now: Duration, slot: Slot) -> bool {
        let granted = self.ask(now, Intent::Take(slot));
        if granted {
            self.stamps.0.borrow_mut().forget_what_left(now);
        }
        granted
    }

    /// Takes a slot whether or not one is free, as [`Self::take`] does.
    pub(crate) fn occupy(&mut self, slot: Slot) {
        self.stamp(slot, NOT_YET);
    }

    /// How many of the requests that it remembers are such.
    pub(crate) fn count(&self, such: impl Fn(Slot) -> bool) -> usize {
        self.stamps.0.borrow().by_stamp.iter().filter(|(_, slot)| such(*slot)).count()
    }

    /// How many requests count now.
    pub(crate) fn used(&self, now: Duration) -> usize {
        self.limit.requests().saturating_sub(self.room(now, usize::MAX))
    }

    /// Whether a stamp of that time does not count any more.
    pub(crate) fn has_left(&self, stamp: Duration, now: Duration) -> bool {
        stamp.saturating_add(self.limit.window() + self.limit.margin()) <= now
    }

    /// The platform has counted the request at this time, or will have by then.
    pub(crate) fn stamp(&mut self, slot: Slot, at: Duration) {
        self.stamps.0.borrow_mut().restamp(slot, at);
    }

    /// Nothing will change the slot's stamp any more.
    pub(crate) fn settle(&mut self, slot: Slot) {
        self.stamps.0.borrow_mut().in_flight.remove(&slot);
    }

    /// Corrects the stamp of a settled request; one that has left the window by the old stamp is back by a later one.
    pub(crate) fn move_settled(&mut self, slot: Slot, before: Duration, after: Duration) {
        let mut log = self.stamps.0.borrow_mut();
        if log.by_stamp.remove(&(before, slot)) || after > before {
            log.by_stamp.insert((after, slot));
        }
    }

    /// The request was never sent.
    pub(crate) fn give_back(&mut self, slot: Slot) {
        self.stamps.0.borrow_mut().remove(slot);
    }

    /// How many requests could be granted at once now, of so many that are asked for.
    pub(crate) fn room(&self, now: Duration, asked: usize) -> usize {
        let log = self.stamps.0.borrow();
        let unused = log.capacity.saturating_sub(log.by_stamp.len());
        let expired = log.by_stamp.iter().take_while(|&&(stamp, _)| stamp.saturating_add(log.period) <= now);
        (unused + expired.take(asked).count()).min(asked)
    }

    /// The stamps of such requests that count and are not in flight, in ascending order.
    pub(crate) fn settled(&self, now: Duration, such: impl Fn(Slot) -> bool) -> Vec<Duration> {
        self.stamps.0.borrow_mut().forget_what_left(now);
        let log = self.stamps.0.borrow();
        let settled =
            log.by_stamp.iter().filter(|(_, slot)| such(*slot) && !log.in_flight.contains_key(slot));
        settled.map(|&(stamp, _)| stamp).collect()
    }

    fn ask(&self, now: Duration, intent: Intent) -> bool {
        self.decision_time.0.set(now);
        self.stamps.0.borrow_mut().intent = intent;
        self.governor.check().is_ok()
    }
}

/// governor's clock: the moment that the question is about.
#[derive(Clone)]
struct DecisionTime(Rc<Cell<Duration>>);

impl Clock for DecisionTime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

#[derive(Clone, Copy)]
enum Intent {
    Look,
    Take(Slot),
}

/// governor's state store: the log.
#[derive(Clone)]
struct Stamps(Rc<RefCell<Log>>);

impl StateStore for Stamps {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut log = self.0.borrow_mut();
        let conforms_from = log.in_the_way().map(|stamp| match stamp {
            NOT_YET => Nanos::new(u64::MAX),
            stamp => Nanos::from(stamp + log.period),
        });
        let (outcome, _) = decide(conforms_from)?;
        if let Intent::Take(slot) = log.intent {
            log.restamp(slot, NOT_YET);
        }
        Ok(outcome)
    }
}

struct Log {
    capacity: usize,
    /// Window and margin.
    period: Duration,
    intent: Intent,
    by_stamp: BTreeSet<(Duration, Slot)>,
    /// The stamps that may still change.
    in_flight: HashMap<Slot, Duration>,
}

impl Log {
    /// The stamp that has to leave the window before another request fits; none while there is room.
    fn in_the_way(&self) -> Option<Duration> {
        let surplus = self.by_stamp.len().checked_sub(self.capacity)?;
        // Almost always the first: there is a surplus only where a late answer brought back an evicted slot.
        self.by_stamp.iter().nth(surplus).map(|&(stamp, _)| stamp)
    }

    fn restamp(&mut self, slot: Slot, at: Duration) {
        if let Some(before) = self.in_flight.insert(slot, at) {
            self.by_stamp.remove(&(before, slot));
        }
        self.by_stamp.insert((at, slot));
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(stamp) = self.in_flight.remove(&slot) {
            self.by_stamp.remove(&(stamp, slot));
        }
    }

    /// Memory is for what can still be in a window.
    fn forget_what_left(&mut self, now: Duration) {
        let Some(horizon) = now.checked_sub(self.period) else { return };
        while self.by_stamp.first().is_some_and(|&(stamp, _)| stamp <= horizon) {
            self.by_stamp.pop_first();
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
