//! The [`Scheduler`]: starts each account when it is due, and knows how each is doing. What a run is, it does not know.
//! Promises that an account has one run at a time, that the loss of one account delays no other, and that what it
//! publishes is what is.

mod account;
mod backoff;
mod handlers;
mod messages;
mod snapshot;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, ResponseFuture, SpawnHandle};
use actors::model::AccountId;
use actors::report::{AccountReport, Problem, ProblemClass};
use futures_util::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use self::account::Account;
use self::messages::RunEnded;
pub use self::messages::{
    AccountPlan, Changes, Configure, NotStarted, Pause, Ping, ReplayNow, Resume, RunNow, Shutdown,
    UnknownAccount,
};
pub use self::snapshot::{AccountStatus, Because, Ended, Failing, Purpose, Snapshot, State};

/// A timer does not see that the clock was set or that the machine slept: so often somebody looks.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Clocks that are kept right are slowed rather than set back by less than this.
const SET_BACK: SignedDuration = SignedDuration::from_secs(1);

/// A run that was started.
pub struct Running {
    /// Tells it to wind down.
    pub stop: Box<dyn FnOnce()>,
    /// Its end.
    pub done: LocalBoxFuture<'static, AccountReport>,
}

/// Starts a run. Called once for each, on the scheduler's thread; what it returns is polled there.
pub type Start = Rc<dyn Fn(AccountId, Purpose) -> Running>;

/// The time of day.
pub type Clock = Rc<dyn Fn() -> Timestamp>;

/// See the module.
pub struct Scheduler {
    start: Start,
    clock: Clock,
    rng: SmallRng,
    accounts: BTreeMap<AccountId, Account>,
    stops: BTreeMap<AccountId, Box<dyn FnOnce()>>,
    published: watch::Sender<Snapshot>,
    timer: Option<SpawnHandle>,
    last_look: (Timestamp, Instant),
    /// Who waits for the end, once it has been asked for.
    stopping: Option<Vec<oneshot::Sender<()>>>,
}

impl Scheduler {
    /// Without accounts, until it is told of some. The seed is for the jitter of what is tried again.
    pub fn new(start: Start, clock: Clock, seed: u64) -> (Self, watch::Receiver<Snapshot>) {
        let (published, watched) = watch::channel(Snapshot::new());
        let last_look = (clock(), Instant::now());
        let scheduler = Self {
            start,
            clock,
            rng: SmallRng::seed_from_u64(seed),
            accounts: BTreeMap::new(),
            stops: BTreeMap::new(),
            published,
            timer: None,
            last_look,
            stopping: None,
        };
        (scheduler, watched)
    }

    /// The time; if it has gone back, everything that waits is put right first.
    fn now(&mut self) -> Timestamp {
        let (now, instant) = ((self.clock)(), Instant::now());
        let (before, then) = std::mem::replace(&mut self.last_look, (now, instant));
        let elapsed = SignedDuration::try_from(instant - then).unwrap_or(SignedDuration::MAX);
        let by = before.duration_since(now).saturating_add(elapsed);
        if by >= SET_BACK {
            warn!(seconds = by.as_secs(), "the clock was set back");
            self.accounts.values_mut().for_each(|account| account.set_back(by, now));
            self.publish_all();
        }
        now
    }

    /// Starts what is due, and sets the timer for what comes next.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if self.stopping.is_some() {
            return;
        }
        let now = self.now();
        let due = |(id, account): (&AccountId, &Account)| Some((id.clone(), account.due(now)?));
        let due: Vec<_> = self.accounts.iter().filter_map(due).collect();
        for (id, purpose) in due {
            self.begin(&id, purpose, now, ctx);
        }
        let next = self.accounts.values().filter_map(Account::next).map(|(at, _)| at).min();
        let nap = next.map_or(LONGEST_NAP, |at| at.duration_since(now).unsigned_abs().min(LONGEST_NAP));
        self.timer = Some(ctx.run_later(nap, |scheduler, ctx| scheduler.turn(ctx)));
    }

    fn begin(&mut self, id: &AccountId, purpose: Purpose, now: Timestamp, ctx: &Context<Self>) {
        let Some(account) = self.accounts.get_mut(id) else { return };
        let (Running { stop, done }, scheduler) = ((self.start)(id.clone(), purpose.clone()), ctx.address());
        account.begin(purpose, now);
        self.stops.insert(id.clone(), stop);
        self.publish(id);
        let account = id.clone();
        // A task of its own, so that its panic is its own.
        let run = actix::spawn(done);
        actix::spawn(async move {
            let report = run.await.unwrap_or_else(|error| panicked(&account, &error.to_string()));
            scheduler.do_send(RunEnded { account, report });
        });
    }

    fn ended(&mut self, id: &AccountId, report: AccountReport) {
        let now = self.now();
        self.stops.remove(id);
        let Some(account) = self.accounts.get_mut(id) else { return };
        account.end(report, now, &mut self.rng);
        if account.is_leaving() {
            self.accounts.remove(id);
        }
        self.publish(id);
        self.end_if_nothing_runs();
    }

    fn end_if_nothing_runs(&mut self) {
        if let Some(waiting) = &mut self.stopping
            && !self.accounts.values().any(Account::is_running)
        {
            // Who does not wait any more needs no answer.
            waiting.drain(..).for_each(|waiting| waiting.send(()).unwrap_or_default());
        }
    }

    /// The account as it is, or that it is gone.
    fn publish(&self, id: &AccountId) {
        self.published.send_modify(|snapshot| match self.accounts.get(id) {
            Some(account) => drop(snapshot.insert(id.clone(), Arc::new(account.status()))),
            None => drop(snapshot.remove(id)),
        });
    }

    fn publish_all(&self) {
        let status = |(id, account): (&AccountId, &Account)| (id.clone(), Arc::new(account.status()));
        self.published.send_replace(self.accounts.iter().map(status).collect());
    }
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.turn(ctx);
    }
}

/// A run that was lost without a report: a bug, and this account's alone.
fn panicked(account: &AccountId, cause: &str) -> AccountReport {
    error!(%account, cause, "a run was lost");
    let message = format!("the run was lost: {cause}");
    AccountReport::failed(account.clone(), Problem { class: ProblemClass::PipelineFailed, message })
}

#[cfg(test)]
mod tests;
