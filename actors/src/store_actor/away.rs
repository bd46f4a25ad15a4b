//! A database that is away, and how patient one is with it.

use std::time::Duration;

use tracing::warn;

use super::*;

/// Waits between attempts to reach it: doubling from the first to the last.
pub(super) const BACKOFF: Duration = Duration::from_millis(250);
pub(super) const BACKOFF_CAP: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
pub(super) struct Away {
    since: Instant,
    next_wait: Duration,
}

impl Away {
    pub(super) fn begin() -> Self {
        Self::since(Instant::now())
    }

    /// It has been waited for since then.
    pub(super) fn since(since: Instant) -> Self {
        Self { since, next_wait: BACKOFF }
    }

    /// Whether it has been waited for long enough.
    pub(super) fn is_over(self) -> bool {
        self.since.elapsed() >= DATABASE_PATIENCE
    }

    /// How long to wait before the next attempt.
    pub(super) fn wait(&mut self, cause: &str) -> Duration {
        let wait = self.next_wait;
        warn!(%cause, wait_ms = wait.as_millis() as u64, "the database is away, waiting for it");
        self.next_wait = (wait * 2).min(BACKOFF_CAP);
        wait
    }
}

impl<S: Store> StoreActor<S> {
    /// The runs that wait for a commit.
    fn waiting(&self) -> Vec<Arc<Member>> {
        let batches = self.committing.values().chain(&self.again).flatten();
        members(batches.chain(&self.buffer))
    }

    /// It answered, if only to refuse: another absence has its own patience. But where another batch still waits, it has to be
    /// stored first: it may be the only one that cannot.
    pub(super) fn is_back(&mut self, ctx: &mut Context<Self>) {
        if let Some(retry) = self.retry.take() {
            ctx.cancel_future(retry);
        }
        if self.again.is_empty() {
            self.forget_absence();
        }
    }

    fn forget_absence(&mut self) {
        if self.away.take().is_some() {
            self.waiting().iter().for_each(|member| member.show(None));
        }
    }

    /// Those that were under way with it come back one after another; the first of them begins the wait.
    pub(super) fn wait_for_database(&mut self, number: u64, cause: &str, ctx: &mut Context<Self>) {
        self.committing.remove(&number).into_iter().for_each(|batch| self.again.push_front(batch));
        if self.retry.is_some() {
            return;
        }
        let away = self.away.get_or_insert_with(Away::begin);
        if away.is_over() {
            let cause = format!("{cause} (waited for {} s)", DATABASE_PATIENCE.as_secs());
            self.waiting().iter().for_each(|member| member.alarm(&cause));
            (self.buffer, self.again, self.away) = Default::default();
            return;
        }
        let wait = away.wait(cause);
        self.waiting().iter().for_each(|member| member.show(Some(cause)));
        self.retry = Some(ctx.run_later(wait, Self::try_again));
    }

    pub(super) fn try_again(&mut self, ctx: &mut Context<Self>) {
        self.retry = None;
        self.commit_next(ctx);
        if self.committing.is_empty() {
            // Nobody waits any more: whoever comes next has a patience of their own.
            self.forget_absence();
        }
    }
}
