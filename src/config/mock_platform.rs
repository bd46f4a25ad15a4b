//! The settings of `mock-platform`. Their defaults are the reference platform.

use std::net::SocketAddr;
use std::time::Duration;

use actors::settings::RateLimit;
use secrecy::SecretString;

use super::account::repeated;
use super::bounded::LONGEST_TIMEOUT;
use super::environment::Environment;
use super::problem::{InvalidConfig, Refusal};
use super::reader::Reader;
use super::setting::{self, mock as s};
use super::{
    Fault, LogConfig, RateLimitHeaders, RetryHint, choice, duration, faults, log, number, rate_limit, text,
};
use crate::cli::MockPlatformArgs;

/// The mock platform holds nothing per campaign, so this is only against slips of the pen.
const MAX_CAMPAIGNS: u64 = 1_000_000_000;
/// Tokens of the mock platform live at least as long as its `expires_in` can say.
const SHORTEST_TOKEN_LIFE: Duration = Duration::from_secs(1);
const LONGEST_TOKEN_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// The mock platform's login where the environment names none. It protects nothing.
pub(super) const MOCK_PASSWORD: &str = "for-trying-things-out";

/// What `mock-platform` needs.
#[derive(Clone, Debug)]
pub struct MockPlatformConfig {
    /// Where to listen; port 0 for a free one.
    pub listen: SocketAddr,
    /// How many there are.
    pub campaigns: u64,
    /// As in [`super::PipelineConfig`], by client.
    pub rate_limits: Vec<RateLimit>,
    /// How long a sync takes.
    pub sync_latency: Duration,
    /// How long a listing takes.
    pub list_latency: Duration,
    /// How long a login takes.
    pub auth_latency: Duration,
    /// The share of requests that are answered 503, 0 to 1.
    pub error_rate: f64,
    /// The share of requests that are never answered; with `error_rate` at most 1.
    pub hang_rate: f64,
    /// Every n-th listing is answered 503.
    pub list_error_every: Option<u32>,
    /// What else goes wrong, and with which share of the requests that it concerns.
    pub faults: Vec<(Fault, f64)>,
    /// Where a 429 says how long to wait.
    pub retry_hint: RetryHint,
    /// Which headers say what is left of the limit.
    pub rate_limit_headers: RateLimitHeaders,
    /// How long a token is good for, 1 s to 30 days.
    pub token_life: Duration,
    /// Of the campaigns and the faults.
    pub seed: u64,
    /// The login that is accepted.
    pub email: String,
    /// Its password.
    pub password: SecretString,
    /// What standard error gets.
    pub log: LogConfig,
}

impl MockPlatformConfig {
    /// Checks what concerns the mock platform.
    pub fn load(args: &MockPlatformArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(environment);
        let latency = || duration::within(Duration::ZERO..=LONGEST_TIMEOUT);
        let listen = reader.optional(&s::LISTEN, args.listen.as_deref(), listen);
        let campaigns =
            reader.optional(&s::CAMPAIGNS, args.campaigns.as_deref(), number::whole(0..=MAX_CAMPAIGNS));
        let rate_limits = repeated(&mut reader, &s::RATE_LIMIT, &args.rate_limit, rate_limit::parse);
        let sync_latency = reader.optional(&s::SYNC_LATENCY, args.sync_latency.as_deref(), latency());
        let list_latency = reader.optional(&s::LIST_LATENCY, args.list_latency.as_deref(), latency());
        let auth_latency = reader.optional(&s::AUTH_LATENCY, args.auth_latency.as_deref(), latency());
        let error_rate = reader.optional(&s::ERROR_RATE, args.error_rate.as_deref(), number::share);
        let left = 1.0 - error_rate.unwrap_or_default();
        let hang_rate = reader.optional(&s::HANG_RATE, args.hang_rate.as_deref(), |text| {
            let share = number::share(text)?;
            let fits = share <= left;
            fits.then_some(share).ok_or_else(|| Refusal::new("at most 1 together with --error-rate"))
        });
        let list_error_every =
            reader.optional(&s::LIST_ERROR_EVERY, args.list_error_every.as_deref(), number::every);
        let faults = repeated(&mut reader, &s::FAULT, &args.fault, faults::parse);
        let retry_hint = reader.optional(&s::RETRY_HINT, args.retry_hint.as_deref(), choice::retry_hint);
        let rate_limit_headers = reader.optional(
            &s::RATE_LIMIT_HEADERS,
            args.rate_limit_headers.as_deref(),
            choice::rate_limit_headers,
        );
        let life = duration::within(SHORTEST_TOKEN_LIFE..=LONGEST_TOKEN_LIFE);
        let token_life = reader.optional(&s::TOKEN_LIFE, args.token_life.as_deref(), life);
        let seed = reader.optional(&s::SEED, args.seed.as_deref(), number::whole(0..=u64::MAX));
        let email = reader.optional(&s::EMAIL, args.email.as_deref(), text::email);
        let password = reader.optional_secret(&setting::PASSWORD, None, text::password);
        let log = log(&mut reader, &args.log);
        let config = || {
            Some(Self {
                listen: listen?,
                campaigns: campaigns?,
                rate_limits: rate_limits?,
                sync_latency: sync_latency?,
                list_latency: list_latency?,
                auth_latency: auth_latency?,
                error_rate: error_rate?,
                hang_rate: hang_rate?,
                list_error_every: list_error_every?,
                faults: faults?,
                retry_hint: retry_hint?,
                rate_limit_headers: rate_limit_headers?,
                token_life: token_life?,
                seed: seed?,
                email: email?,
                password: password
                    .map_or_else(|| SecretString::from(MOCK_PASSWORD), |password| password.newest()),
                log: log?,
            })
        };
        let config = config();
        reader.finish(config)
    }
}

fn listen(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| Refusal::new("an IP address and a port, such as 127.0.0.1:8080"))
}
