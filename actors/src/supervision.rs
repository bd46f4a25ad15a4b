//! What happens when an actor panics.
//!
//! actix's own `Supervisor` restarts an actor that stops, never one that panics, and knows no backoff. So:
//! [`guard`] is for the actors of which there is one: the same value, address and mailbox go on after a caught
//! panic, and mail keeps queueing meanwhile. [`spawn_child`] is for the pool: a child that panics is gone, and
//! its parent hires a new one. Both count crashes in a sliding window; too many escalate.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll, ready};
use std::time::Duration;

use actix::dev::ContextFut;
use actix::prelude::*;
use futures_util::FutureExt;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, Sleep, sleep};
use tracing::{Instrument, Span};

use crate::metrics;
use crate::settings::RestartIntensity;

/// The kinds of actor that are supervised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ActorKind {
    Auth,
    Pager,
    RateLimiter,
    Sync,
    Store,
}

impl ActorKind {
    pub(crate) const ALL: [Self; 5] = [Self::Auth, Self::Pager, Self::RateLimiter, Self::Sync, Self::Store];

    /// The name that metrics and the report use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ActorKind::Auth => "auth",
            ActorKind::Pager => "pager",
            ActorKind::RateLimiter => "rate_limiter",
            ActorKind::Sync => "sync",
            ActorKind::Store => "store",
        }
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ActorKind::Auth => "AuthActor",
            ActorKind::Pager => "PagerActor",
            ActorKind::RateLimiter => "RateLimiter",
            ActorKind::Sync => "SyncActor",
            ActorKind::Store => "StoreActor",
        })
    }
}

/// An actor panicked; to the one that supervises.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Crashed {
    pub(crate) actor: ActorKind,
    pub(crate) cause: String,
    /// Whether it comes back; else it has done so too often.
    pub(crate) restarts: bool,
}

/// The crashes of the recent past.
#[derive(Debug)]
pub(crate) struct RestartWindow {
    intensity: RestartIntensity,
    crashes: VecDeque<Instant>,
    in_all: usize,
}

impl RestartWindow {
    pub(crate) fn new(intensity: RestartIntensity) -> Self {
        Self { intensity, crashes: VecDeque::new(), in_all: 0 }
    }

    /// Takes note of a crash: the wait before the restart, or none where it was one too many.
    pub(crate) fn crash(&mut self) -> Option<Duration> {
        let RestartIntensity { max_restarts, within, max_in_all, backoff, backoff_cap } = self.intensity;
        let now = Instant::now();
        self.in_all += 1;
        self.crashes.push_back(now);
        self.crashes.retain(|crash| now - *crash < within);
        let recent = self.crashes.len();
        let doubled = 2u32.saturating_pow(recent.saturating_sub(1).min(30) as u32);
        (recent <= max_restarts && self.in_all <= max_in_all)
            .then(|| backoff.saturating_mul(doubled).min(backoff_cap))
    }
}

/// Runs an actor that survives its panics. `Supervised::restarting` has to repair the value: futures and timers
/// of its context are lost, its fields are not. What it spawns, it has to spawn in a [`repair`].
pub(crate) fn guard<A>(
    kind: ActorKind,
    intensity: RestartIntensity,
    supervisor: Recipient<Crashed>,
    actor: A,
) -> (Addr<A>, AbortHandle)
where
    A: Supervised + Actor<Context = Context<A>>,
{
    let context = Context::new();
    let address = context.address();
    let guard = Guard {
        kind,
        context: context.into_future(actor),
        pause: None,
        window: RestartWindow::new(intensity),
        supervisor,
    };
    (address, actix::spawn(guard.in_current_span()).abort_handle())
}

struct Guard<A: Actor<Context = Context<A>>> {
    kind: ActorKind,
    context: ContextFut<A, Context<A>>,
    pause: Option<Pin<Box<Sleep>>>,
    window: RestartWindow,
    supervisor: Recipient<Crashed>,
}

impl<A: Supervised + Actor<Context = Context<A>>> Future for Guard<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let restarts = this.pause.is_some();
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(cx));
                this.pause = None;
            }
            // Also `Supervised::restarting` is the actor's own code.
            let polled = catch_unwind(AssertUnwindSafe(|| {
                if restarts && !this.context.restart() {
                    return Poll::Ready(());
                }
                Pin::new(&mut this.context).poll(cx)
            }));
            let panic = match polled {
                Ok(end_or_pending) => return end_or_pending,
                Err(panic) => panic,
            };
            let pause = this.window.crash();
            let crashed =
                Crashed { actor: this.kind, cause: panic_message(&*panic), restarts: pause.is_some() };
            this.supervisor.do_send(crashed);
            match pause {
                Some(pause) => {
                    metrics::restarted(this.kind);
                    this.pause = Some(Box::pin(sleep(pause)));
                }
                None => return Poll::Ready(()),
            }
        }
    }
}

impl<A: Actor<Context = Context<A>>> Unpin for Guard<A> {}

/// For `Supervised::restarting`: before any mail, but after actix has cleared away what was cancelled just before the
/// panic. It numbers futures anew after a restart, so one that is spawned earlier may have the number of one that was
/// cancelled, and is taken for it.
pub(crate) fn repair<A>(ctx: &mut Context<A>, repair: impl FnOnce(&mut A, &mut Context<A>) + 'static)
where
    A: Actor<Context = Context<A>>,
{
    let cleared = actix::fut::ready(());
    ctx.wait(ActorFutureExt::map(cleared, |(), actor, ctx| repair(actor, ctx)));
}

/// Runs an actor, in this span, that dies of its panics and may know its own address from birth. The handle yields the
/// panic's message, or nothing after a normal end.
pub(crate) fn spawn_child<A>(
    span: Span,
    bear: impl FnOnce(&Addr<A>) -> A,
) -> (Addr<A>, JoinHandle<Option<String>>)
where
    A: Actor<Context = Context<A>>,
{
    let context = Context::new();
    let address = context.address();
    let life = AssertUnwindSafe(context.into_future(bear(&address))).catch_unwind();
    let life = async move { life.await.err().map(|panic| panic_message(&*panic)) };
    let handle = actix::spawn(life.instrument(span));
    (address, handle)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(all(test, feature = "testing"))]
mod tests;
