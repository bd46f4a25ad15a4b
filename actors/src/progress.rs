//! What a run is doing right now, for whoever watches it. Each actor writes the part that it knows.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::report::RequestCounts;
use crate::settings::RateLimit;

/// A snapshot.
#[derive(Clone, Debug, Default)]
pub struct Progress {
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
    /// Limits that only the platform named.
    pub learned_limits: Vec<RateLimit>,
    /// Mean time from sending to answer.
    pub latency: Duration,
    /// Why no permit can be had at once, if so.
    pub quota: Option<QuotaWait>,
    /// Why nothing can be stored, if so.
    pub database_away: Option<String>,
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

/// The writing end.
pub type ProgressSender = watch::Sender<Progress>;
