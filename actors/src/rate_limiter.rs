//! `RateLimiter`: hands out permits, under every limit of the account at once.
//!
//! It is the one door through which all requests go, so it also counts them. Waiting requests are served in
//! order: token, retries, new work, and first come, first served within. What became of a permit comes back as
//! a [`PermitEvent`], also from a dropped one, so no slot leaks and none is given back too early.

mod granting;
mod handlers;
mod messages;
mod outcomes;
mod places;
mod restamping;
mod signals;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::allowances::{Allowances, Hearing};
use crate::breaker::{Breaker, Leave};
use crate::jitter::Jitter;
use crate::ledger::Ledger;
use crate::metrics::{AccountMetrics, LimitGauges};
use crate::model::Spent;
use crate::permit::{Answer, Endpoint, Fate, Permit, PermitEvent};
use crate::progress::{self, ProgressSender, QuotaWait};
use crate::quota_signals::QuotaSignals;
use crate::report::{ProblemClass, RequestCounts};
use crate::settings::{COOL_DOWN_JITTER, LEDGER_RETRY, LONGEST_COOL_DOWN, LONGEST_MEMORY, RateLimit};
use crate::sliding_log::{Availability, SlidingLog, Slot};
use crate::stamp_rule::{End, Latencies, StampRule};
use crate::supervision::repair;

use places::Places;
use restamping::Ended;

pub(crate) use messages::{
    AcquirePermit, CannotGoOn, CloseDoor, CoolDown, DoorClosed, SettleSpent, acquire_permit,
};

/// What an open breaker waits for.
const FAILING: &str = "the platform, which fails";

/// The queues, by who goes first: everyone waits for the token, and what was begun is finished before more is.
const TOKEN: usize = 0;
const RETRY: usize = 1;
const NEW: usize = 2;

struct Waiting {
    endpoint: Endpoint,
    retry: bool,
    since: Duration,
    reply: oneshot::Sender<Result<Permit, DoorClosed>>,
}

/// How long to wait without a word, and whom to tell.
struct Patience {
    max_wait: Duration,
    alarm: Recipient<CannotGoOn>,
}

struct Granted {
    endpoint: Endpoint,
    retry: bool,
    sent: Option<Sent>,
}

#[derive(Clone, Copy)]
struct Sent {
    at: Duration,
    /// How many requests had left by then, this one included.
    departed: u64,
}

/// See the module.
pub(crate) struct RateLimiter {
    origin: Instant,
    /// The limiter's time at its origin: what was spent before it lies before that, and no time is negative.
    past: Duration,
    /// Of the limits that the run began with, then of those that the platform named to an earlier process, then of
    /// those that it named to this one.
    logs: Vec<SlidingLog>,
    configured: usize,
    remembered: usize,
    /// Whether those that the run began with are only assumed, until the platform states its own.
    assumed: bool,
    /// What earlier processes have spent, the oldest first: a limit that is learned may look further back than the
    /// others.
    history: Vec<(Duration, u32)>,
    allowances: Allowances,
    breaker: Breaker,
    patience: Option<Patience>,
    request_timeout: Duration,
    latencies: Latencies,
    rule: StampRule,
    queues: [VecDeque<Waiting>; 3],
    granted: BTreeMap<Slot, Granted>,
    /// The oldest first.
    ended: VecDeque<Ended>,
    next_slot: Slot,
    /// How many requests have left, or have leave to.
    departed: u64,
    cooling_until: Option<Duration>,
    closed: bool,
    timer: Option<SpawnHandle>,
    requests: RequestCounts,
    ledger: Option<Ledger>,
    places: Places,
    /// Its own, which goes with each permit.
    address: Option<Arc<Recipient<PermitEvent>>>,
    jitter: Jitter,
    progress: Arc<ProgressSender>,
    metrics: Arc<AccountMetrics>,
    limit_gauges: LimitGauges,
}

impl RateLimiter {
    pub(crate) fn new(
        limits: &[RateLimit],
        request_timeout: Duration,
        jitter: Jitter,
        progress: Arc<ProgressSender>,
    ) -> Self {
        Self {
            origin: Instant::now(),
            past: limits.iter().map(|limit| limit.window() + limit.margin()).max().unwrap_or_default(),
            logs: limits.iter().copied().map(SlidingLog::new).collect(),
            configured: limits.len(),
            remembered: 0,
            assumed: false,
            history: Vec::new(),
            allowances: Allowances::default(),
            breaker: Breaker::new(),
            patience: None,
            request_timeout,
            latencies: Latencies::new(limits, request_timeout),
            rule: StampRule::Completion,
            queues: Default::default(),
            granted: BTreeMap::new(),
            ended: VecDeque::new(),
            next_slot: 0,
            departed: 0,
            cooling_until: None,
            closed: false,
            timer: None,
            requests: RequestCounts::default(),
            ledger: None,
            places: Places::default(),
            address: None,
            jitter,
            progress,
            metrics: Arc::new(AccountMetrics::of_nobody()),
            limit_gauges: LimitGauges::default(),
        }
    }

    /// Counts for this account.
    pub(crate) fn with_metrics(mut self, metrics: Arc<AccountMetrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Takes the limits that the platform states for its own as soon as it does; those of [`Self::new`] hold until then.
    pub(crate) fn until_stated(mut self, assumed: bool) -> Self {
        self.assumed = assumed;
        self
    }

    /// Goes on from what was spent before, and keeps a record for who comes after.
    pub(crate) fn with_ledger(mut self, ledger: Ledger, spent: &Spent) -> Self {
        self.ledger = Some(ledger);
        let oldest = spent.counted.iter().map(|(ago, _)| *ago).max().unwrap_or_default();
        self.past = self.past.max(oldest);
        let counted = spent.counted.iter().map(|(ago, count)| (self.past - *ago, *count));
        let leased = (self.past + spent.leased.0, spent.leased.1);
        let matters = |(at, count): &(Duration, u32)| *count > 0 && *at + LONGEST_MEMORY > self.past;
        self.history = counted.chain([leased]).filter(matters).collect();
        self.history.sort_unstable();
        self.logs.iter_mut().for_each(|log| count_history(log, &self.history, self.past));
        self.keep_remembered(&spent.stated);
        self
    }

    /// Raises an alarm instead of waiting longer than this.
    pub(crate) fn with_patience(mut self, max_wait: Duration, alarm: Recipient<CannotGoOn>) -> Self {
        self.patience = Some(Patience { max_wait, alarm });
        self
    }

    fn now(&self) -> Duration {
        self.past + self.origin.elapsed()
    }

    fn new_slot(&mut self) -> Slot {
        self.next_slot += 1;
        self.next_slot - 1
    }

    /// The log that remembers most.
    fn longest(&self) -> Option<&SlidingLog> {
        self.logs.iter().max_by_key(|log| log.limit().window())
    }

    fn count_at(&mut self, slot: Slot, stamp: Duration) {
        self.logs.iter_mut().for_each(|log| count_at(log, slot, stamp));
    }
}

fn count_at(log: &mut SlidingLog, slot: Slot, stamp: Duration) {
    log.stamp(slot, stamp);
    log.settle(slot);
}

/// Counts what earlier processes have spent, as far as it can fill this log. Its slots go down from the end, and a
/// request has the same in every log: what one log has from another is not counted twice.
fn count_history(log: &mut SlidingLog, history: &[(Duration, u32)], now: Duration) {
    let mut first = Slot::MAX;
    for &(at, count) in history {
        if !log.has_left(at, now) {
            let counts = log.limit().requests().min(count as usize) as Slot;
            (0..counts).for_each(|n| count_at(log, first - n, at));
        }
        first -= Slot::from(count);
    }
}

impl Actor for RateLimiter {
    type Context = Context<Self>;
}

impl Supervised for RateLimiter {
    /// Who waits is part of the value; the timer was lost, and the word on a record that may have been kept.
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        self.timer = None;
        if let Some(ledger) = &mut self.ledger {
            ledger.conclude(None);
        }
        self.forget_question();
        repair(ctx, Self::serve);
    }
}

#[cfg(all(test, feature = "testing"))]
pub(crate) mod tests;
