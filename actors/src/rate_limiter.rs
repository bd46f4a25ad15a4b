//! `RateLimiter`: hands out permits, under every limit of the account at once.
//!
//! It is the one door through which all requests go, so it also counts them. Waiting requests are served in
//! order: token, retries, new work, and first come, first served within. What became of a permit comes back as
//! a [`PermitEvent`], also from a dropped one, so no slot leaks and none is given back too early.

mod handlers;
mod messages;
mod signals;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::allowances::{Allowances, Hearing};
use crate::breaker::{Breaker, Leave};
use crate::jitter::Jitter;
use crate::ledger::Ledger;
use crate::model::Spent;
use crate::permit::{Answer, Endpoint, Fate, Permit, PermitEvent};
use crate::progress::{ProgressSender, QuotaWait};
use crate::quota_signals::QuotaSignals;
use crate::report::{ProblemClass, RequestCounts};
use crate::settings::{COOL_DOWN_JITTER, LEDGER_RETRY, LONGEST_COOL_DOWN, RateLimit};
use crate::sliding_log::{Availability, SlidingLog, Slot};
use crate::stamp_rule::{Latencies, StampRule};

pub(crate) use messages::{
    AcquirePermit, CloseDoor, CoolDown, DoorClosed, SettleSpent, WaitIsTooLong, acquire_permit,
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
    reply: oneshot::Sender<Result<Permit, DoorClosed>>,
}

/// How long to wait without a word, and whom to tell.
struct Patience {
    max_wait: Duration,
    alarm: Recipient<WaitIsTooLong>,
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
    /// Of the configured limits, then of those that the platform named.
    logs: Vec<SlidingLog>,
    configured: usize,
    allowances: Allowances,
    breaker: Breaker,
    patience: Option<Patience>,
    request_timeout: Duration,
    latencies: Latencies,
    rule: StampRule,
    queues: [VecDeque<Waiting>; 3],
    granted: HashMap<Slot, Granted>,
    next_slot: Slot,
    /// How many requests have left, or have leave to.
    departed: u64,
    cooling_until: Option<Duration>,
    closed: bool,
    timer: Option<SpawnHandle>,
    requests: RequestCounts,
    ledger: Option<Ledger>,
    jitter: Jitter,
    progress: Rc<ProgressSender>,
}

impl RateLimiter {
    pub(crate) fn new(
        limits: &[RateLimit],
        request_timeout: Duration,
        jitter: Jitter,
        progress: Rc<ProgressSender>,
    ) -> Self {
        Self {
            origin: Instant::now(),
            past: limits.iter().map(|limit| limit.window() + limit.margin()).max().unwrap_or_default(),
            logs: limits.iter().copied().map(SlidingLog::new).collect(),
            configured: limits.len(),
            allowances: Allowances::default(),
            breaker: Breaker::new(),
            patience: None,
            request_timeout,
            latencies: Latencies::new(limits.iter().map(|limit| limit.window()).min(), request_timeout),
            rule: StampRule::Completion,
            queues: Default::default(),
            granted: HashMap::new(),
            next_slot: 0,
            departed: 0,
            cooling_until: None,
            closed: false,
            timer: None,
            requests: RequestCounts::default(),
            ledger: None,
            jitter,
            progress,
        }
    }

    /// Goes on from what was spent before, and keeps a record for who comes after.
    pub(crate) fn with_ledger(mut self, ledger: Option<Ledger>, spent: &Spent) -> Self {
        self.ledger = ledger;
        let counted =
            spent.counted.iter().filter_map(|(ago, count)| Some((self.past.checked_sub(*ago)?, *count)));
        let leased = (self.past + spent.leased.0, spent.leased.1);
        let most = self.logs.iter().map(|log| log.limit().requests()).max().unwrap_or(0);
        for (at, count) in counted.chain([leased]).collect::<Vec<_>>() {
            for _ in 0..most.min(count as usize) {
                let slot = self.next_slot;
                self.next_slot += 1;
                self.count_at(slot, at);
            }
        }
        self
    }

    /// Raises an alarm instead of waiting longer than this.
    pub(crate) fn with_patience(mut self, max_wait: Duration, alarm: Recipient<WaitIsTooLong>) -> Self {
        self.patience = Some(Patience { max_wait, alarm });
        self
    }

    fn now(&self) -> Duration {
        self.past + self.origin.elapsed()
    }

    fn count_at(&mut self, slot: Slot, stamp: Duration) {
        for log in &mut self.logs {
            log.stamp(slot, stamp);
            log.settle(slot);
        }
    }

    /// Grants what can be granted, and sets the timer for the next.
    fn serve(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let mut quota_wait = None;
        while let Some(queue) = self.first_in_line() {
            let now = self.now();
            match self.availability(now) {
                (Availability::Now, _) if self.ledger.as_ref().is_some_and(|ledger| !ledger.allows(now)) => {
                    quota_wait = Some(self.quota_wait(None, "the record of what was spent".to_owned()));
                    break;
                }
                (Availability::Now, _) => self.grant(queue, now, ctx),
                (Availability::At(due), because) => {
                    let wait = due.saturating_sub(now);
                    self.complain(now, wait, &because);
                    self.timer = Some(ctx.run_later(wait, |limiter, ctx| limiter.serve(ctx)));
                    quota_wait = Some(self.quota_wait(Some(due), because));
                    break;
                }
                (Availability::AfterAnAnswer, because) => {
                    quota_wait = Some(self.quota_wait(None, because));
                    break;
                }
            }
        }
        self.extend_lease(ctx);
        let requests = self.requests;
        let latency = self.latencies.mean();
        self.progress.send_modify(|progress| {
            if progress.learned_limits.len() + self.configured < self.logs.len() {
                progress.learned_limits = self.learned();
            }
            progress.requests = requests;
            progress.latency = latency;
            progress.quota = quota_wait;
        });
    }

    /// A wait that nobody wants to sit through is not waited for.
    fn complain(&mut self, now: Duration, wait: Duration, because: &str) {
        let failing_for = self.breaker.open_for(now);
        let Some(Patience { max_wait, alarm }) = &self.patience else { return };
        if failing_for > *max_wait {
            let message =
                format!("the platform has failed for {} min without a break", failing_for.as_secs() / 60);
            alarm.do_send(WaitIsTooLong { class: ProblemClass::PlatformUnavailable, message });
        } else if wait > *max_wait {
            let (minutes, most) = (wait.as_secs().div_ceil(60), max_wait.as_secs() / 60);
            let message = format!(
                "under {because} the next request may be sent in {minutes} min, and no wait may be longer than {most} min; \
                 run it again then"
            );
            alarm.do_send(WaitIsTooLong { class: ProblemClass::QuotaExhausted, message });
        } else {
            return;
        }
        // Said once.
        self.patience = None;
    }

    /// Records what may be sent next, before it is needed.
    fn extend_lease(&mut self, ctx: &mut Context<Self>) {
        let (now, waiting) = (self.now(), self.waiting());
        if waiting == 0 {
            return;
        }
        let allowed = self.allowances.left(now, self.departed).unwrap_or(u64::MAX);
        let grantable = self.room(waiting).min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let Some(more) = self.ledger.as_ref().and_then(|ledger| ledger.due(now, grantable)) else { return };
        let (counted, in_flight) = (self.counted(), self.granted.len());
        let Some(ledger) = &mut self.ledger else { return };
        let (record, lease) = ledger.extend(now, more, counted.into_iter(), in_flight);
        ctx.spawn(record.into_actor(self).map(move |kept, limiter, ctx| {
            let kept = matches!(kept, Ok(Ok(())));
            if let Some(ledger) = &mut limiter.ledger {
                ledger.conclude(kept.then_some(lease));
            }
            if kept {
                limiter.serve(ctx);
            } else {
                // Its keeper panicked and comes back, or has told the pipeline why it cannot go on.
                ctx.run_later(LEDGER_RETRY, |limiter, ctx| limiter.serve(ctx));
            }
        }));
    }

    /// The stamps of the longest window: they hold those of all others.
    fn counted(&self) -> Vec<Duration> {
        self.logs.iter().max_by_key(|log| log.limit().window()).map(SlidingLog::settled).unwrap_or_default()
    }

    fn waiting(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// The first queue in which somebody still waits.
    fn first_in_line(&mut self) -> Option<usize> {
        for queue in &mut self.queues {
            while queue.front().is_some_and(|waiting| waiting.reply.is_closed()) {
                queue.pop_front();
            }
        }
        self.queues.iter().position(|queue| !queue.is_empty())
    }

    /// When the next permit is due under all limits, and because of which.
    fn availability(&self, now: Duration) -> (Availability, String) {
        match self.breaker.leave(now) {
            Leave::Granted => {}
            Leave::At(until) => return (Availability::At(until), FAILING.to_owned()),
            Leave::AfterTheProbe => return (Availability::AfterAnAnswer, FAILING.to_owned()),
        }
        if let Some(until) = self.cooling_until.filter(|until| *until > now) {
            return (Availability::At(until), "the platform's 429".to_owned());
        }
        let mut latest = match self.allowances.availability(now, self.departed) {
            Availability::Now => (Availability::Now, String::new()),
            later => (later, "what the platform says is left".to_owned()),
        };
        for log in &self.logs {
            let because = || log.limit().to_string();
            latest = match (latest, log.availability(now)) {
                (latest, Availability::Now) => latest,
                ((Availability::At(a), _), Availability::At(b)) if b > a => (Availability::At(b), because()),
                ((Availability::Now, _), at @ Availability::At(_)) => (at, because()),
                (_, Availability::AfterAnAnswer) => return (Availability::AfterAnAnswer, because()),
                (latest, _) => latest,
            };
        }
        latest
    }

    /// Every log has room: takes one slot of each.
    fn grant(&mut self, queue: usize, now: Duration, ctx: &mut Context<Self>) {
        let Some(waiting) = self.queues[queue].pop_front() else { return };
        let slot = self.next_slot;
        self.next_slot += 1;
        for log in &mut self.logs {
            let taken = log.take(now, slot);
            debug_assert!(taken, "a log that had room a moment ago has it still");
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.spend();
        }
        let probe = self.breaker.enter();
        self.granted.insert(slot, Granted { endpoint: waiting.endpoint, retry: waiting.retry, sent: None });
        self.departed += 1;
        let permit = Permit::new(slot, probe, ctx.address().recipient());
        // Refused, the permit is dropped, and so given back.
        let _ = waiting.reply.send(Ok(permit));
    }

    fn quota_wait(&self, due: Option<Duration>, because: String) -> QuotaWait {
        QuotaWait {
            waiting: self.waiting(),
            until: due.map(|due| self.origin + due.saturating_sub(self.past)),
            because,
        }
    }

    fn note(&mut self, PermitEvent { slot, at, fate }: PermitEvent) {
        let at = self.past + at.saturating_duration_since(self.origin);
        match &fate {
            Fate::Sent => return self.note_sent(slot, at),
            Fate::Heard(signals) => return self.hear(slot, at, signals),
            _ => {}
        }
        let is_answer = !matches!(fate, Fate::Returned | Fate::Abandoned);
        if is_answer && self.granted.get(&slot).is_some_and(|granted| granted.sent.is_none()) {
            // Nobody said that it was sent, and yet there is an answer: it counts.
            self.note_sent(slot, at);
        }
        let Some(granted) = self.granted.remove(&slot) else { return };
        let Some(Sent { at: sent, .. }) = granted.sent else {
            self.departed -= 1;
            self.breaker.withdraw();
            return self.logs.iter_mut().for_each(|log| log.give_back(slot));
        };
        if let Fate::Answered(Answer::Succeeded) = fate {
            self.latencies.succeeded(granted.endpoint, at - sent, at);
        } else {
            self.latencies.ended(at - sent);
        }
        match fate {
            Fate::TimedOut => self.requests.timed_out += 1,
            Fate::Answered(Answer::Unauthorized) => self.requests.unauthorized += 1,
            Fate::Answered(Answer::Throttled) => {
                self.requests.throttled += 1;
                self.latencies.throttled();
            }
            _ => {}
        }
        self.judge_platform(&fate, at);
        let rule = self.latencies.rule();
        self.restamp_in_flight(rule);
        let stamp = match fate {
            Fate::Answered(Answer::Succeeded) => rule.once_answered(sent, at),
            // Quick refusals are stamped at completion: safe, and they cost little.
            Fate::Answered(_) => at,
            _ => rule.unanswered(sent, at, self.request_timeout),
        };
        self.count_at(slot, stamp);
    }

    fn judge_platform(&mut self, fate: &Fate, at: Duration) {
        match fate {
            Fate::TimedOut | Fate::Disconnected | Fate::Answered(Answer::Unavailable) => {
                if self.breaker.failed(at) {
                    let Leave::At(until) = self.breaker.leave(at) else { return };
                    warn!(
                        pause_s = (until - at).as_secs(),
                        "the platform fails: nothing is sent for a while but a probe"
                    );
                }
            }
            // Our own doing: it says nothing about the platform.
            Fate::Abandoned => self.breaker.withdraw(),
            _ => {
                if self.breaker.answered() {
                    info!("the platform answers again");
                }
            }
        }
    }

    /// What has just been learned about the spread holds for what is on its way, too: what delays one request
    /// often delays all.
    fn restamp_in_flight(&mut self, rule: StampRule) {
        if rule == self.rule {
            return;
        }
        self.rule = rule;
        for (slot, granted) in &self.granted {
            if let Some(stamp) = granted.sent.and_then(|sent| rule.while_in_flight(sent.at)) {
                self.logs.iter_mut().for_each(|log| log.stamp(*slot, stamp));
            }
        }
    }

    fn note_sent(&mut self, slot: Slot, at: Duration) {
        let Some(granted) = self.granted.get_mut(&slot) else { return };
        granted.sent = Some(Sent { at, departed: self.requests.total + 1 });
        let count = match granted.endpoint {
            Endpoint::Auth => &mut self.requests.auth,
            Endpoint::List => &mut self.requests.list,
            Endpoint::Sync => &mut self.requests.sync,
        };
        *count += 1;
        self.requests.total += 1;
        self.requests.retried += u64::from(granted.retry);
        if let Some(stamp) = self.rule.while_in_flight(at) {
            self.logs.iter_mut().for_each(|log| log.stamp(slot, stamp));
        }
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
        self.serve(ctx);
    }
}

#[cfg(all(test, feature = "testing"))]
pub(crate) mod tests;
