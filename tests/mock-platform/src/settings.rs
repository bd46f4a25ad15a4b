//! What can be set. [`Settings::default`] is the reference platform.

use std::time::Duration;

use crate::fault::{Fault, check_faults};

/// The login that a default platform accepts, for trying things out.
pub const EMAIL: &str = "demo@example.com";
/// The password of [`EMAIL`]. It protects nothing.
pub const PASSWORD: &str = "for-trying-things-out";

/// Ten years: as good as for ever, and no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// At most `requests` accepted in any span of `window`, by client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many, at least 1.
    pub requests: u32,
    /// In which span, more than zero.
    pub window: Duration,
}

/// Where a 429 says how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryHint {
    /// `Retry-After: 60`
    HeaderSeconds,
    /// `Retry-After: Sun, 06 Nov 1994 08:49:37 GMT`
    HeaderDate,
    /// `{"retry_after": 60}`, as the reference platform does.
    Body,
    /// Nowhere.
    None,
}

/// Which headers of a listing's or a sync's answer say what is left of the client's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitHeaders {
    /// None, as the reference platform.
    None,
    /// `RateLimit-Policy: "limit0";q=10;w=60` and `RateLimit: "limit0";r=9;t=60`, as the IETF's draft has them.
    Draft,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`, in seconds since 1970.
    X,
}

/// How the platform behaves.
#[derive(Clone)]
pub struct Settings {
    /// The login that is accepted.
    pub email: String,
    /// Its password.
    pub password: String,
    /// How long a token is good for. `expires_in` is this in whole seconds, rounded down.
    pub token_life: Duration,
    /// How many campaigns there are. Nothing is held for a campaign until it is synced.
    pub campaigns: u64,
    /// Decides the campaigns' content and which requests meet a fault.
    pub seed: u64,
    /// Every one of them holds, for listings and syncs together. None: no limit.
    pub rate_limits: Vec<RateLimit>,
    /// Where a 429 says how long to wait.
    pub retry_hint: RetryHint,
    /// What answers say about the limits, 429s and other errors included.
    pub rate_limit_headers: RateLimitHeaders,
    /// The share of accepted listings and syncs that are answered 503 at once, 0 to 1.
    pub error_rate: f64,
    /// The share of accepted listings and syncs that are never answered, 0 to 1 and with `error_rate` at most 1.
    pub hang_rate: f64,
    /// Every n-th accepted listing is answered 503, besides `error_rate`.
    pub list_error_every: Option<u32>,
    /// What else goes wrong, and with which share of the requests that it concerns and that meet neither a 503 nor a
    /// hang, 0 to 1. The shares of one endpoint are at most 1 together.
    pub faults: Vec<(Fault, f64)>,
    /// From a login to its answer.
    pub auth_latency: Duration,
    /// From a listing to its page.
    pub list_latency: Duration,
    /// From a sync to its confirmation.
    pub sync_latency: Duration,
    /// How far a latency may be off, as a share of it, both ways and evenly: 0 to 1.
    pub latency_jitter: f64,
}

impl Default for Settings {
    /// The reference platform: 100 campaigns, 10 requests in 60 s, the wait in the body, every fifth listing 503,
    /// syncs of 2 s, tokens of an hour; [`EMAIL`] and [`PASSWORD`] log in.
    fn default() -> Settings {
        Settings {
            email: EMAIL.into(),
            password: PASSWORD.into(),
            token_life: Duration::from_secs(3600),
            campaigns: 100,
            seed: 1,
            rate_limits: vec![RateLimit { requests: 10, window: Duration::from_secs(60) }],
            retry_hint: RetryHint::Body,
            rate_limit_headers: RateLimitHeaders::None,
            error_rate: 0.0,
            hang_rate: 0.0,
            list_error_every: Some(5),
            faults: vec![],
            auth_latency: Duration::ZERO,
            list_latency: Duration::ZERO,
            sync_latency: Duration::from_secs(2),
            latency_jitter: 0.0,
        }
    }
}

impl Settings {
    /// Says which setting cannot be, and what it may be.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let shares = [
            ("error_rate", self.error_rate),
            ("hang_rate", self.hang_rate),
            ("error_rate and hang_rate together", self.error_rate + self.hang_rate),
            ("latency_jitter", self.latency_jitter),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("{name} is {share}; it must be between 0 and 1"));
            }
        }
        if self.rate_limits.iter().any(|limit| limit.requests == 0 || limit.window.is_zero()) {
            return Err("a rate limit needs at least 1 request and a window longer than 0".into());
        }
        let windows = self.rate_limits.iter().map(|limit| ("the window of a rate limit", limit.window));
        let durations = [
            ("token_life", self.token_life),
            ("auth_latency", self.auth_latency),
            ("list_latency", self.list_latency),
            ("sync_latency", self.sync_latency),
        ];
        for (name, duration) in windows.chain(durations) {
            if duration > LONGEST {
                return Err(format!("{name} is {} s; it must be at most ten years", duration.as_secs()));
            }
        }
        check_faults(&self.faults).map_err(|what| format!("faults must be {what}"))?;
        if self.list_error_every == Some(0) {
            return Err("list_error_every is 0; it must be at least 1, or none".into());
        }
        Ok(())
    }
}
