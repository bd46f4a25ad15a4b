//! The pipeline's settings as values that cannot be wrong, and every bound of the pipeline beside its reason.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use thiserror::Error;

use crate::max_shrink::MaxShrink;
use crate::model::{AccountId, LetterFilter};
use crate::retry_budget::RetryShare;
use crate::retry_policy::RetryPolicy;

/// A value outside of what a setting allows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{value} is not allowed: {allowed}")]
pub struct OutOfRange {
    value: String,
    allowed: &'static str,
}

impl OutOfRange {
    pub(crate) fn new(value: String, allowed: &'static str) -> Self {
        Self { value, allowed }
    }
}

/// At most so many requests in any window of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    requests: NonZeroU32,
    window: Duration,
}

impl RateLimit {
    /// Between one request and a million, in 10 ms to 31 days: what platforms state, and what a log of stamps holds.
    pub fn new(requests: u32, window: Duration) -> Result<Self, OutOfRange> {
        const ALLOWED: &str = "1 to 1000000 requests in 10ms to 31 days";
        match NonZeroU32::new(requests) {
            Some(requests)
                if requests.get() <= 1_000_000
                    && (Duration::from_millis(10)..=Duration::from_secs(31 * 86_400)).contains(&window) =>
            {
                Ok(Self { requests, window })
            }
            _ => Err(OutOfRange { value: format!("{requests}/{window:?}"), allowed: ALLOWED }),
        }
    }

    /// How many requests a window holds.
    pub fn requests(self) -> usize {
        self.requests.get() as usize
    }

    /// How long the window is.
    pub fn window(self) -> Duration {
        self.window
    }

    /// Whether whoever keeps this limit keeps the other one too, in whichever way the windows lie.
    pub(crate) fn implies(self, other: RateLimit) -> bool {
        let windows = other.window.as_nanos().div_ceil(self.window.as_nanos());
        self.requests() as u128 * windows <= other.requests() as u128
    }

    /// Several limits for a message, or `none`.
    pub(crate) fn list(limits: &[RateLimit]) -> String {
        let names: Vec<String> = limits.iter().map(RateLimit::to_string).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// What is added to the window against clocks that drift apart (1000 ppm, measured in the research on rate limits),
    /// and against a platform that reads its clock in whole milliseconds: two readings are then up to one closer to each
    /// other than what they read. Ours is finer than that.
    pub fn margin(self) -> Duration {
        self.window / 1000 + Duration::from_millis(1)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        match (self.window.subsec_millis(), seconds) {
            (0, s) if s % 86_400 == 0 => write!(f, "{}/{}d", self.requests, s / 86_400),
            (0, s) => write!(f, "{}/{s}s", self.requests),
            (_, _) => write!(f, "{}/{}ms", self.requests, self.window.as_millis()),
        }
    }
}

/// How long what was spent may matter: in the longest window that [`RateLimit::new`] takes, with its margin.
pub(crate) const LONGEST_MEMORY: Duration = Duration::from_secs(31 * 86_400 + 31 * 87);

/// How many `SyncActor`s an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency(NonZeroUsize);

impl Concurrency {
    /// 1 to 1024: each is one connection.
    pub fn new(sync_actors: usize) -> Result<Self, OutOfRange> {
        match NonZeroUsize::new(sync_actors) {
            Some(n) if n.get() <= 1024 => Ok(Self(n)),
            _ => Err(OutOfRange { value: sync_actors.to_string(), allowed: "1 to 1024 sync actors" }),
        }
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0.get()
    }
}

impl Default for BatchLimits {
    /// 500 campaigns within 200 ms: a commit costs as much as storing some hundred, and a fifth of a second nobody notices.
    fn default() -> Self {
        Self { size: const { NonZeroUsize::new(500).expect("not zero") }, linger: Duration::from_millis(200) }
    }
}

/// When a batch is committed: as soon as it is full or its oldest entry has waited long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    size: NonZeroUsize,
    linger: Duration,
}

impl BatchLimits {
    /// 1 to 10,000 entries, and at most a minute.
    pub fn new(size: usize, linger: Duration) -> Result<Self, OutOfRange> {
        match NonZeroUsize::new(size) {
            Some(n) if n.get() <= 10_000 && linger <= Duration::from_secs(60) => Ok(Self { size: n, linger }),
            _ => Err(OutOfRange {
                value: format!("{size} within {linger:?}"),
                allowed: "1 to 10000 entries within at most 60s",
            }),
        }
    }

    /// What keeps both.
    pub fn strictest(self, other: Self) -> Self {
        Self { size: self.size.min(other.size), linger: self.linger.min(other.linger) }
    }

    /// Entries that fill a batch.
    pub fn size(self) -> usize {
        self.size.get()
    }

    /// How long an entry waits for others.
    pub fn linger(self) -> Duration {
        self.linger
    }
}

/// How often an actor may be restarted before the run is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartIntensity {
    /// Restarts allowed within the window.
    pub max_restarts: usize,
    /// The sliding window.
    pub within: Duration,
    /// Restarts allowed in a whole run: under a slow limit, an actor that always panics does so rarely.
    pub max_in_all: usize,
    /// Wait before the first restart; it doubles with each further one in the window.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_cap: Duration,
}

impl RestartIntensity {
    /// For an actor of which there is one: a bug that strikes more than five times a minute will not go away.
    pub const SINGLETON: Self = Self {
        max_restarts: 5,
        within: Duration::from_secs(60),
        max_in_all: 20,
        backoff: Duration::from_millis(100),
        backoff_cap: Duration::from_secs(5),
    };

    /// For the one that all accounts share, which lives as long as the process: only what happens often counts. What always
    /// strikes does so often, because it repeats at once what it was at.
    pub const SHARED: Self = Self { max_in_all: usize::MAX, ..Self::SINGLETON };

    /// For the pool: a single campaign can take two down, and all may be hit by one bug at once.
    pub fn pool(concurrency: Concurrency) -> Self {
        let max_restarts = 10.max(2 * concurrency.get());
        Self { max_restarts, max_in_all: 10 * max_restarts, ..Self::SINGLETON }
    }
}

/// All that a pipeline needs to know.
#[derive(Clone, Debug)]
pub struct PipelineSettings {
    /// Whose campaigns are synced.
    pub account: AccountId,
    /// All of them hold at once; none means no limit.
    pub rate_limits: Vec<RateLimit>,
    /// Whether those are only assumed, and the platform's own, once it states them, take their place.
    pub adopt_stated_limits: bool,
    /// How many campaigns are in flight at the most.
    pub concurrency: Concurrency,
    /// Entries asked for with each page.
    pub page_size: NonZeroU32,
    /// How failed requests are repeated.
    pub retry: RetryPolicy,
    /// How many repeats a run may make for each of its requests; none: no bound but each request's own.
    pub retry_budget: Option<RetryShare>,
    /// How the store batches.
    pub batch: BatchLimits,
    /// The longest that one attempt takes, connect to last byte. A request that was dropped in flight counts
    /// against the limit as if it had been answered only then.
    pub request_timeout: Duration,
    /// The longest that a run is kept waiting, by a limit that is used up or by a platform that fails; then it ends
    /// `interrupted` or `failed`, and says so.
    pub max_wait: Duration,
    /// How much smaller than the last one a listing may be and still be believed.
    pub max_shrink: MaxShrink,
    /// Whether to begin a new run although one is unfinished.
    pub fresh: bool,
    /// Only the campaigns of these dead letters, in a run of their own; none: all that the platform lists.
    pub replay: Option<LetterFilter>,
    /// Makes a run's random waits repeatable.
    pub seed: u64,
}

impl PipelineSettings {
    /// How long ago an unfinished run may have stored something for the next one to take it over; none where a new
    /// one is wanted. One that has used up the limit of a day goes on only the next day, or where that is missed, the
    /// day after; so also under one that only the platform stated to the run before.
    pub fn resume_within(&self, stated: &[RateLimit]) -> Option<Duration> {
        let limits = self.rate_limits.iter().chain(stated);
        let longest_window = limits.map(|limit| limit.window()).max().unwrap_or_default();
        (!self.fresh).then(|| LONGEST_PAUSE + 2 * longest_window)
    }
}

/// How long a run may have rested to be taken over: it skips what it had stored, and older rows had better be synced
/// again. Less than a day, so that a daily run starts over.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3600);

/// How long a run that ends early waits for what is in flight: what operators allow a process after SIGTERM,
/// less a reserve for the last commit.
pub const WIND_DOWN: Duration = Duration::from_secs(5);

/// Batches that are committed at the same time: one waits for the disk or the network while the server works on the
/// other. A third would need a third core of the server's, and memory here.
pub const MOST_COMMITTING: usize = 2;

/// How long the database may be away before the run ends `failed`: a failover or a restart with recovery fits in.
pub const DATABASE_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The longest wait that a platform's hint is believed: until a day's quota is renewed.
pub const LONGEST_COOL_DOWN: Duration = Duration::from_secs(86_400);

/// Jitter after a cool-down, so that several processes do not come back in one moment.
pub const COOL_DOWN_JITTER: Duration = Duration::from_secs(1);

/// 429s that one request is patient with. With a cool-down each, that is hours: somebody else uses the limit.
pub const MAX_THROTTLED: u32 = 20;

/// 401s that one request answers with a new token; more, and it is not the token. As many as a request has attempts:
/// where a fifth of the answers is a 401 for a good token, three lose something in 59 % of all runs of 112 requests.
pub const MAX_UNAUTHORIZED: u32 = 8;

/// Tokens in a row that may expire, or be refused to others, before one request can be sent. Then it is sent with the last of them: either
/// the platform's `expires_in` is wrong and the token works, or the 401 comes that the request is given up for.
pub const MAX_EXPIRED: u32 = 3;

/// Pages without a campaign that is new, after which a listing is given up as endless.
pub const MAX_BARREN_PAGES: u32 = 3;

/// Readings of a listing that shifts or hides pages, from the first page to the last. After the second only while each
/// finds something new. Where a fifth of the pages is hidden at random, one of ten is in two passes in 34 % of all runs,
/// and in five in 0.3 %. With pages of ten, a pass costs a tenth of what the syncs cost.
pub const MAX_PASSES: u32 = 5;

/// Campaigns that are kept ready for each `SyncActor`. A page may have to be asked for several times, and waits for
/// its permit behind what is ready; meanwhile nobody should be idle.
pub const READY_PER_SYNC_ACTOR: usize = 4;

/// Campaigns that a replay passes over and remembers, to tell whether a listing repeats itself: 16 MB. A larger account
/// has its dead letters tried by every run.
pub const MOST_PASSED_OVER: usize = 1_000_000;

/// How soon a record of what was spent is tried again where its keeper has just panicked.
pub const LEDGER_RETRY: Duration = Duration::from_millis(100);
