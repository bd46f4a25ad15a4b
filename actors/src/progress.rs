//! What a run is doing right now, for whoever watches it. Each actor writes the part that it knows.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::report::RequestCounts;
use crate::settings::RateLimit;

/// A snapshot.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Which run; none until it has begun.
    pub run: Option<Uuid>,
    /// Different campaigns listed so far.
    pub distinct: u64,
    /// What the platform says that there are.
    pub reported_total: Option<u64>,
    /// Whether the listing has ended.
    pub listing_ended: bool,
    /// Committed.
    pub stored: u64,
    /// Committed by the processes that the run was taken over from.
    pub stored_before: u64,
    /// Of these, what the listing has shown so far.
    pub skipped: u64,
    /// Given up on.
    pub dead_lettered: u64,
    /// With a `SyncActor`.
    pub in_flight: usize,
    /// Restarts of all actors.
    pub restarts: u32,
    /// What was sent.
    pub requests: RequestCounts,
    /// The limits that are kept, and how much of each is used; those that only the platform named come last.
    pub limits: Vec<LimitInUse>,
    /// Mean time from sending to answer.
    pub latency: Duration,
    /// Why no permit can be had at once, if so.
    pub quota: Option<QuotaWait>,
    /// Whether the platform fails so much that nothing is sent but probes.
    pub breaker_open: bool,
    /// Why nothing can be stored, if so.
    pub database_away: Option<String>,
}

/// A limit that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitInUse {
    /// Which.
    pub limit: RateLimit,
    /// Who said so.
    pub source: LimitSource,
    /// How many requests count in its window now, those on their way included.
    pub used: usize,
}

/// Who named a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// The user.
    Configured,
    /// Nobody yet: it holds until the platform states one.
    Assumed,
    /// The platform, with an answer.
    Platform,
}

/// Requests wait for the rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaWait {
    /// How many.
    pub waiting: usize,
    /// When the next permit is due; none while an answer has to come first.
    pub until: Option<Instant>,
    /// The limit that binds, or the platform's own word.
    pub because: String,
}

/// Changes what is seen, and wakes nobody: most who watch look by the clock, and to wake those who wait costs as much as
/// the rest of it.
pub(crate) fn note(sender: &ProgressSender, change: impl FnOnce(&mut Progress)) {
    sender.send_if_modified(|progress| {
        change(progress);
        false
    });
}

/// The writing end.
pub type ProgressSender = watch::Sender<Progress>;
