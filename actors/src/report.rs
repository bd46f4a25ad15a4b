//! The report: what a run did, as `--report json` prints it and `sync_runs` keeps it.
//! The field names are a public contract.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::model::{AccountId, FailureClass};
use crate::progress::{LimitInUse, LimitSource};
use crate::settings::RateLimit;

/// How a run ended. Ordered from best to worst, so that the worst of several is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Every campaign of a listing that was proven complete is stored.
    Complete,
    /// Something is a dead letter, or the listing could not be proven complete.
    Partial,
    /// Stopped from outside; everything acknowledged is stored.
    Interrupted,
    /// Nothing more can be done without someone.
    Failed,
}

impl Status {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Complete, Self::Partial, Self::Interrupted, Self::Failed];

    /// The name that the report and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Complete => "complete",
            Status::Partial => "partial",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one invocation did, over all of its accounts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The worst of the accounts'.
    pub status: Status,
    /// One entry an account.
    pub accounts: Vec<AccountReport>,
}

impl From<Vec<AccountReport>> for Report {
    fn from(accounts: Vec<AccountReport>) -> Self {
        Self { status: accounts.iter().map(|a| a.status).max().unwrap_or(Status::Complete), accounts }
    }
}

/// What one run of one account did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountReport {
    /// Whose run.
    pub account: AccountId,
    /// The row of `sync_runs`; none where the run could not be opened.
    pub run_id: Option<Uuid>,
    /// How it ended.
    pub status: Status,
    /// Whether the run came to its end with a listing that was proven complete and is believed, so that what it has not
    /// listed is not on the platform any more. For the store; to readers, the status and the problems say it.
    #[serde(skip)]
    pub listing_proven: bool,
    /// Whether it took over an unfinished run.
    pub resumed: bool,
    /// What became of the campaigns.
    pub campaigns: CampaignCounts,
    /// The campaigns that were given up on, by the kind of failure; without the kinds that did not occur.
    pub dead_lettered_by_class: BTreeMap<FailureClass, u64>,
    /// What was sent.
    pub requests: RequestCounts,
    /// Which actors had to be restarted.
    pub restarts: RestartCounts,
    /// From the first request to the last committed row.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// The shortest time in which the requests that were made could have been sent under the limits.
    #[serde(rename = "lower_bound_seconds", serialize_with = "seconds")]
    pub lower_bound: Duration,
    /// Where a quota that is used up has ended the run: how long from its end until the quota allows a request again. For
    /// who starts the next one; to readers, the problem says it.
    #[serde(skip)]
    pub quota_back_in: Option<Duration>,
    /// The rate limits that were kept, and who named each.
    pub limits: Vec<LimitKept>,
    /// What a person should know, the cause of a failure first.
    pub problems: Vec<Problem>,
}

impl AccountReport {
    /// Of an account whose run came to nothing.
    pub fn failed(account: AccountId, problem: Problem) -> Self {
        Self {
            account,
            run_id: None,
            status: Status::Failed,
            listing_proven: false,
            resumed: false,
            campaigns: CampaignCounts::default(),
            dead_lettered_by_class: BTreeMap::new(),
            requests: RequestCounts::default(),
            restarts: RestartCounts::default(),
            duration: Duration::ZERO,
            lower_bound: Duration::ZERO,
            quota_back_in: None,
            limits: vec![],
            problems: vec![problem],
        }
    }
}

/// A rate limit that a run kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitKept {
    /// As settings write it, for example `10/60s`.
    #[serde(serialize_with = "as_text")]
    pub limit: RateLimit,
    /// Who named it.
    pub source: LimitSource,
}

impl From<LimitInUse> for LimitKept {
    fn from(LimitInUse { limit, source, .. }: LimitInUse) -> Self {
        Self { limit, source }
    }
}

impl fmt::Display for LimitKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            LimitSource::Configured => "as set",
            LimitSource::Assumed => "assumed, as the platform states none",
            LimitSource::Platform => "as the platform states",
        };
        write!(f, "{} ({source})", self.limit)
    }
}

/// What became of the campaigns. `distinct = stored + skipped + dead_lettered`, and what is left to
/// do where the run was cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CampaignCounts {
    /// Entries of all pages, repeats included.
    pub listed: u64,
    /// Different campaigns among them; in a replay, those that were dead letters.
    pub distinct: u64,
    /// What the platform says that there are; in a replay, how many dead letters there were to try.
    pub reported_total: Option<u64>,
    /// Committed by this process.
    pub stored: u64,
    /// Not synced again, because the run that was taken over had stored them.
    pub skipped: u64,
    /// Given up on, and kept with their cause.
    pub dead_lettered: u64,
}

/// What was sent to the platform, counted as it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// Logins.
    pub auth: u64,
    /// Pages asked for.
    pub list: u64,
    /// Sync calls.
    pub sync: u64,
    /// All three.
    pub total: u64,
    /// Of the total: repeats of a request that had failed.
    pub retried: u64,
    /// 429s received.
    pub throttled: u64,
    /// 401s received.
    pub unauthorized: u64,
    /// Never answered, or not in time.
    pub timed_out: u64,
}

/// Restarts after a panic, by kind of actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestartCounts {
    /// Of the `AuthActor`.
    pub auth: u32,
    /// Of the `PagerActor`.
    pub pager: u32,
    /// Of the `RateLimiter`.
    pub rate_limiter: u32,
    /// Of all `SyncActor`s together.
    pub sync: u32,
    /// Of the `StoreActor`.
    pub store: u32,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// For scripts: one of a few words that do not change.
    pub class: ProblemClass,
    /// For people.
    pub message: String,
}

/// The kinds of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemClass {
    /// The listing could not be proven complete.
    ListingIncomplete,
    /// The listing is proven complete, and so much smaller than the last one that it is not believed.
    ListingShrank,
    /// The platform refused the credentials.
    CredentialsRefused,
    /// No token could be had although the credentials were not refused.
    LoginFailed,
    /// Campaigns that a run which ended early has listed and not done.
    LeftToDo,
    /// Campaigns that were listed and then lost sight of: never, but for a bug.
    Unaccounted,
    /// Some campaigns were given up on.
    DeadLetters,
    /// Dead letters were to be replayed, and the platform does not list their campaigns.
    NotListed,
    /// The platform answered 429: the limit is set too high, or something else uses it.
    Throttled,
    /// The platform states a limit that the configured ones do not keep.
    RateLimitTooHigh,
    /// Requests failed so often that some were not tried again.
    RetryBudgetExhausted,
    /// An actor failed more often than it is restarted.
    RestartIntensityExceeded,
    /// The limit leaves nothing for longer than a run may be kept waiting.
    QuotaExhausted,
    /// The platform has failed for longer than that.
    PlatformUnavailable,
    /// The pipeline itself failed: a bug.
    PipelineFailed,
    /// The database needs someone.
    StoreFailed,
}

fn as_text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Milliseconds are what a reader can use; the rest is noise.
fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}
