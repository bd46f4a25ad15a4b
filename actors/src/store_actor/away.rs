//! A database that is away, and how patient one is with it.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::settings::DATABASE_PATIENCE;

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
