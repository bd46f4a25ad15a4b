//! What an operator can measure of the pipeline: the table of its metrics, and who counts. The pipeline talks to the
//! `metrics` facade, which does nothing until a program installs a recorder and opens no socket of its own.
//!
//! Labels are bounded: accounts are those of the configuration, and every other label has a list of values here, but for
//! the limits of an account, of which there are as many as it keeps. Series without an account are shared by all.

mod account;
mod kind;
mod limits;
mod request_class;
mod shared;

pub use ::metrics::Unit;
pub use account::AccountMetrics;
pub use kind::{Kind, Metric, counter, gauge, histogram};
pub use shared::SharedMetrics;

pub(crate) use limits::LimitGauges;
pub(crate) use request_class::RequestClass;
pub(crate) use shared::{batch_ended, restarted, retried};

/// From a request that a cache answers to one that takes its whole timeout.
const LATENCIES: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];
/// Permits come at once, with the next second's, minute's or day's window.
const WAITS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
/// Runs take seconds for a small account, and days under the limit of a day.
const DURATIONS: &[f64] =
    &[1.0, 5.0, 15.0, 60.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0];
/// A batch of the default size is 500.
const BATCHES: &[f64] =
    &[1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0];
/// Of a few rows in a millisecond to a call that is cut off after a minute.
const COMMITS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// Runs that ended.
pub const RUNS: Metric = counter(
    "campaign_sync_runs_total",
    &["account", "status"],
    "Runs that ended, by status: complete, partial, interrupted or failed.",
);
/// How long runs took.
pub const RUN_DURATION: Metric = histogram(
    "campaign_sync_run_duration_seconds",
    Unit::Seconds,
    &["status"],
    DURATIONS,
    "How long runs took, by status.",
);
/// Whether a run is at work.
pub const RUN_IN_PROGRESS: Metric =
    gauge("campaign_sync_run_in_progress", Unit::Count, &["account"], "1 while a run is at work, else 0.");
/// When it should end.
pub const RUN_PLANNED_END: Metric = gauge(
    "campaign_sync_run_planned_end_timestamp_seconds",
    Unit::Seconds,
    &["account"],
    "When the current or last run was to end, as estimated at its begin (Unix time); 0 until it is estimated.",
);
/// 429s of one run.
pub const RUN_THROTTLED: Metric = gauge(
    "campaign_sync_run_throttled_requests",
    Unit::Count,
    &["account"],
    "Answers 429 in the current or last run. Each is an incident: the limit is set too high, or somebody shares it.",
);
/// Freshness.
pub const LAST_COMPLETE: Metric = gauge(
    "campaign_sync_last_complete_timestamp_seconds",
    Unit::Seconds,
    &["account"],
    "When the last run ended that was complete (Unix time); 0 where there was none yet.",
);
/// From when an account can be fresh.
pub const FOLLOWED_SINCE: Metric = gauge(
    "campaign_sync_followed_since_timestamp_seconds",
    Unit::Seconds,
    &["account"],
    "Since when this process has had the account in its configuration (Unix time).",
);
/// How often an account is to be synced.
pub const SCHEDULE_INTERVAL: Metric = gauge(
    "campaign_sync_schedule_interval_seconds",
    Unit::Seconds,
    &["account"],
    "The longest time between two scheduled runs; 0 where none is scheduled.",
);
/// What became of campaigns.
pub const CAMPAIGNS: Metric = counter(
    "campaign_sync_campaigns_total",
    &["account", "outcome"],
    "Campaigns by outcome: stored (committed), skipped (the run that was resumed had stored them), dead_lettered.",
);
/// What is given up on now.
pub const DEAD_LETTERS: Metric = gauge(
    "campaign_sync_dead_letters",
    Unit::Count,
    &["account"],
    "Dead letters in the database: campaigns that were given up on and not stored since.",
);
/// What was sent, and answered how.
pub const REQUESTS: Metric = counter(
    "campaign_sync_requests_total",
    &["account", "endpoint", "class"],
    "Requests that ended, by endpoint (auth, list, sync) and class: succeeded (2xx), unavailable (5xx, 408, 425), \
     rejected (other 4xx), unparsable (2xx, but with a body that is cut off or none), throttled (429), unauthorized (401), timeout, \
     connection, abandoned (nobody waited for the answer any more).",
);
/// How long requests took.
pub const REQUEST_DURATION: Metric = histogram(
    "campaign_sync_request_duration_seconds",
    Unit::Seconds,
    &["endpoint"],
    LATENCIES,
    "From sending a request to its end, whatever that was.",
);
/// What is tried again.
pub const RETRIES: Metric =
    counter("campaign_sync_retries_total", &["class"], "Requests that are tried again, by what had failed.");
/// Permits, and what they cost.
pub const PERMIT_WAIT: Metric = histogram(
    "campaign_sync_permit_wait_seconds",
    Unit::Seconds,
    &["endpoint"],
    WAITS,
    "How long each permit that was granted had been waited for: its count is the permits, its sum the waiting.",
);
/// How much of the limits is used.
pub const LIMIT_USED: Metric = gauge(
    "campaign_sync_limit_used_ratio",
    Unit::Percent,
    &["account", "limit"],
    "Share of a rate limit that is used, 0 to 1, as of the account's last request or wait; gone soon after the run.",
);
/// Tokens.
pub const LOGINS: Metric = counter(
    "campaign_sync_logins_total",
    &["account"],
    "Logins that yielded a token: the first of a run, and renewals.",
);
/// No tokens.
pub const LOGIN_FAILURES: Metric = counter(
    "campaign_sync_login_failures_total",
    &["account", "reason"],
    "Logins that were given up, renewals included: refused (the credentials), failed (after all attempts).",
);
/// Whether the platform fails for everyone.
pub const BREAKER_OPEN: Metric = gauge(
    "campaign_sync_breaker_open",
    Unit::Count,
    &["account"],
    "1 while the platform fails so much that nothing is sent but probes, else 0.",
);
/// What waits, and where.
pub const QUEUE_LENGTH: Metric = gauge(
    "campaign_sync_queue_length",
    Unit::Count,
    &["account", "queue"],
    "Requests that wait for a permit (permit), campaigns that wait for a sync actor (ready), are with one (in_flight), \
     or wait for their commit (uncommitted).",
);
/// Panics that were survived.
pub const RESTARTS: Metric = counter(
    "campaign_sync_restarts_total",
    &["actor"],
    "Actors that panicked and were restarted: auth, pager, rate_limiter, sync or store. Each is a bug.",
);
/// How full batches are.
pub const BATCH_ENTRIES: Metric = histogram(
    "campaign_sync_batch_entries",
    Unit::Count,
    &[],
    BATCHES,
    "Campaigns and dead letters in each batch that was committed.",
);
/// How long a commit takes.
pub const COMMIT_DURATION: Metric = histogram(
    "campaign_sync_commit_duration_seconds",
    Unit::Seconds,
    &["outcome"],
    COMMITS,
    "How long the database took for a batch, by outcome: committed, unavailable (tried again), refused (halved), broken.",
);

/// All of the above.
pub const ALL: [Metric; 22] = [
    RUNS,
    RUN_DURATION,
    RUN_IN_PROGRESS,
    RUN_PLANNED_END,
    RUN_THROTTLED,
    LAST_COMPLETE,
    FOLLOWED_SINCE,
    SCHEDULE_INTERVAL,
    CAMPAIGNS,
    DEAD_LETTERS,
    REQUESTS,
    REQUEST_DURATION,
    RETRIES,
    PERMIT_WAIT,
    LIMIT_USED,
    LOGINS,
    LOGIN_FAILURES,
    BREAKER_OPEN,
    QUEUE_LENGTH,
    RESTARTS,
    BATCH_ENTRIES,
    COMMIT_DURATION,
];
