//! Configuration: from flags, environment and `.env` to values that cannot be wrong, a struct per command.
//!
//! Its promise: a configuration that is returned needs no further check; else all that is wrong is reported at
//! once, each thing with its name, its source, its value (never a secret) and what is allowed. Nothing else
//! reads a setting from the environment.

mod api_url;
mod bounded;
mod choice;
mod dead_letters;
pub(crate) mod duration;
mod environment;
mod faults;
mod mock_platform;
mod number;
mod plan;
mod problem;
mod rate_limit;
mod reader;
mod retry;
pub(crate) mod setting;
mod source;
mod text;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use actors::max_shrink::MaxShrink;
use actors::model::{AccountId, LetterFilter};
use actors::retry_budget::RetryShare;
use actors::retry_policy::RetryPolicy;
use actors::settings::{BatchLimits, Concurrency};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::cli::{CheckArgs, DemoArgs, LogArgs, MigrateArgs, PipelineArgs, PlatformArgs, RunArgs, RunsArgs};
use crate::store::DatabaseUrl;

pub use choice::{LogFormat, RateLimitHeaders, ReportFormat, RetryHint};
pub use dead_letters::{DiscardConfig, ListConfig};
pub use environment::Environment;
pub use faults::Fault;
pub use mock_platform::MockPlatformConfig;
pub use plan::{Campaigns, PlanConfig};
pub use problem::{InvalidConfig, Problem};
pub use rate_limit::RateLimits;
pub use source::Source;

use reader::Reader;

/// More campaigns than this would not fit the bound of a page's body.
const MAX_PAGE_SIZE: u32 = 10_000;
/// With backoffs of 20 s, more attempts than this would wait for half an hour.
const MAX_ATTEMPTS: u32 = 100;
/// A wait of less is what any limit makes.
const SHORTEST_MAX_WAIT: Duration = Duration::from_secs(1);
/// The longest window.
const LONGEST_MAX_WAIT: Duration = Duration::from_secs(31 * 86_400);
/// Within a shorter time not even loopback answers reliably.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// Whoever has not answered by then will not.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
/// Runs that `runs` lists at most: they are read at once.
const MAX_RUNS: u32 = 10_000;

/// What `run` needs, and `dead-letters replay`.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// How to reach the platform.
    pub platform: PlatformConfig,
    /// How the pipeline works.
    pub pipeline: PipelineConfig,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard output gets.
    pub report: ReportFormat,
    /// What standard error gets.
    pub log: LogConfig,
    /// Whether to apply the migrations first.
    pub migrate: bool,
}

/// How one account reaches its platform.
#[derive(Clone, Debug)]
pub struct PlatformConfig {
    /// https, or http where that was allowed.
    pub api_url: Url,
    /// Sent as `x-client-id`.
    pub account: AccountId,
    /// The login's name.
    pub email: String,
    /// The login's secret.
    pub password: SecretString,
    /// Of one attempt, connect to last byte: 10 ms to 10 min.
    pub request_timeout: Duration,
}

/// Where the rows are.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// None: a private PostgreSQL.
    pub url: Option<DatabaseUrl>,
    /// Of the private PostgreSQL; none where the environment names no place for a user's data.
    pub private_directory: Option<PathBuf>,
}

/// How the pipeline works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Number of sync actors.
    pub concurrency: Concurrency,
    /// Campaigns to ask for per page, 1 to 10,000.
    pub page_size: NonZeroU32,
    /// Where the limits come from.
    pub rate_limits: RateLimits,
    /// How failed requests are repeated: at most 100 attempts of one.
    pub retry: RetryPolicy,
    /// Repeats that a run may make for each of its requests, 0 to 99; none: no bound.
    pub retry_budget: Option<RetryShare>,
    /// Campaigns that one transaction stores at most, and how long it waits for them.
    pub batch: BatchLimits,
    /// The longest that a run is kept waiting, by a limit or by a platform that fails; 1 s to 31 days.
    pub max_wait: Duration,
    /// How much smaller than the last one a listing may be and still be believed.
    pub max_shrink: MaxShrink,
    /// Whether to start over rather than to resume; nothing but `run` has a choice.
    pub fresh: bool,
    /// Only these dead letters; none: everything that the platform lists.
    pub replay: Option<LetterFilter>,
}

/// What standard error gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// None: pretty on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// A filter that `EnvFilter` parses.
    pub level: String,
}

/// What `check` needs: all that `run` would, validated the same way.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// How to reach the platform.
    pub platform: PlatformConfig,
    /// How the pipeline would work.
    pub pipeline: PipelineConfig,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard error gets.
    pub log: LogConfig,
}

/// What `demo` needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoConfig {
    /// Number of sync actors.
    pub concurrency: Concurrency,
    /// Of the private PostgreSQL; none where the environment names no place for a user's data.
    pub private_directory: Option<PathBuf>,
    /// What standard output gets.
    pub report: ReportFormat,
    /// What standard error gets.
    pub log: LogConfig,
}

/// What `migrate` needs.
#[derive(Clone, Debug)]
pub struct MigrateConfig {
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard error gets.
    pub log: LogConfig,
}

/// What `runs` needs.
#[derive(Clone, Debug)]
pub struct RunsConfig {
    /// None: the runs of all accounts.
    pub account: Option<AccountId>,
    /// How many runs at most.
    pub limit: u32,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard output gets.
    pub report: ReportFormat,
    /// What standard error gets.
    pub log: LogConfig,
}

impl RunConfig {
    /// Checks everything, sends nothing.
    pub fn load(args: &RunArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(environment);
        let platform = platform(&mut reader, &args.platform);
        let pipeline = pipeline(&mut reader, &args.pipeline);
        let pipeline = pipeline.map(|pipeline| PipelineConfig { fresh: args.fresh, ..pipeline });
        let database = database(&mut reader, args.database.database_url.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log(&mut reader, &args.log);
        let migrate = !args.no_migrate;
        let config = || {
            Some(Self {
                platform: platform?,
                pipeline: pipeline?,
                database,
                report: report?,
                log: log?,
                migrate,
            })
        };
        let config = config();
        reader.finish(config)
    }
}

impl CheckConfig {
    /// Checks everything, sends nothing.
    pub fn load(args: &CheckArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(environment);
        let platform = platform(&mut reader, &args.platform);
        let pipeline = pipeline(&mut reader, &args.pipeline);
        let database = database(&mut reader, args.database.database_url.as_deref());
        // Not needed here, but `run` would trip over it.
        let _ = report(&mut reader, None);
        let log = log(&mut reader, &args.log);
        let config = || Some(Self { platform: platform?, pipeline: pipeline?, database, log: log? });
        let config = config();
        reader.finish(config)
    }
}

impl DemoConfig {
    /// Checks what concerns the demo.
    pub fn load(args: &DemoArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(environment);
        let concurrency = concurrency(&mut reader, args.concurrency.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log_from(&setting::DEMO_LOG_LEVEL, &mut reader, &args.log);
        let private_directory = reader.private_postgres_directory();
        let config =
            || Some(Self { concurrency: concurrency?, private_directory, report: report?, log: log? });
        reader.finish(config())
    }
}

impl MigrateConfig {
    /// Checks what concerns the database.
    pub fn load(args: &MigrateArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(environment);
        let database = database(&mut reader, args.database.database_url.as_deref());
        let log = log(&mut reader, &args.log);
        reader.finish(log.map(|log| Self { database, log }))
    }
}

impl RunsConfig {
    /// Checks what concerns the list of runs. The account is a filter here, so only its flag counts.
    pub fn load(args: &RunsArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(environment);
        let account = reader.optional(&setting::ACCOUNT_FILTER, args.account.as_deref(), text::account);
        let limit = reader.optional(&setting::LIMIT, args.limit.as_deref(), number::whole_u32(1..=MAX_RUNS));
        let database = database(&mut reader, args.database.database_url.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log(&mut reader, &args.log);
        let config = || Some(Self { account, limit: limit?, database, report: report?, log: log? });
        let config = config();
        reader.finish(config)
    }
}

fn platform(reader: &mut Reader<'_>, args: &PlatformArgs) -> Option<PlatformConfig> {
    let api_url =
        reader.required(&setting::API_URL, args.api_url.as_deref(), api_url::parse(args.allow_http));
    let email = reader.required(&setting::EMAIL, args.email.as_deref(), text::email);
    let password = reader.required_secret(&setting::PASSWORD, text::password);
    let account = account(reader, args);
    let request_timeout = request_timeout(reader, args);
    Some(PlatformConfig {
        api_url: api_url?,
        account: account?,
        email: email?,
        password: password?,
        request_timeout: request_timeout?,
    })
}

fn account(reader: &mut Reader<'_>, args: &PlatformArgs) -> Option<AccountId> {
    reader.optional(&setting::ACCOUNT, args.account.as_deref(), text::account)
}

fn request_timeout(reader: &mut Reader<'_>, args: &PlatformArgs) -> Option<Duration> {
    let timeout = duration::within(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT);
    reader.optional(&setting::REQUEST_TIMEOUT, args.request_timeout.as_deref(), timeout)
}

fn pipeline(reader: &mut Reader<'_>, args: &PipelineArgs) -> Option<PipelineConfig> {
    let concurrency = concurrency(reader, args.concurrency.as_deref());
    let page_size = number::from_one_to(MAX_PAGE_SIZE);
    let page_size = reader.optional(&setting::PAGE_SIZE, args.page_size.as_deref(), page_size);
    let rate_limits = rate_limits(reader, &setting::RATE_LIMIT, &args.rate_limit, rate_limit::parse_or_auto);
    let max_attempts = number::from_one_to(MAX_ATTEMPTS);
    let max_attempts = reader.optional(&setting::MAX_ATTEMPTS, args.max_attempts.as_deref(), max_attempts);
    let retry = retry(reader, &args.retry, max_attempts);
    let retry_budget =
        reader.optional(&setting::RETRY_BUDGET, args.retry_budget.as_deref(), bounded::retry_budget);
    let batch_size = reader.optional(&setting::BATCH_SIZE, args.batch_size.as_deref(), bounded::batch_size);
    let batch_linger =
        reader.optional(&setting::BATCH_LINGER, args.batch_linger.as_deref(), bounded::batch_linger);
    let max_wait = duration::within(SHORTEST_MAX_WAIT..=LONGEST_MAX_WAIT);
    let max_wait = reader.optional(&setting::MAX_WAIT, args.max_wait.as_deref(), max_wait);
    let max_shrink = reader.optional(&setting::MAX_SHRINK, args.max_shrink.as_deref(), bounded::max_shrink);
    Some(PipelineConfig {
        concurrency: concurrency?,
        page_size: page_size?,
        rate_limits: rate_limits?,
        retry: retry?,
        retry_budget: retry_budget?,
        batch: bounded::batch(batch_size?, batch_linger?),
        max_wait: max_wait?,
        max_shrink: max_shrink?,
        fresh: false,
        replay: None,
    })
}

fn concurrency(reader: &mut Reader<'_>, flag: Option<&str>) -> Option<Concurrency> {
    reader.optional(&setting::CONCURRENCY, flag, bounded::concurrency)
}

/// The flag may be repeated: the same as by commas.
fn rate_limits<T>(
    reader: &mut Reader<'_>,
    setting: &setting::Setting,
    flags: &[String],
    parse: impl Fn(&str) -> Result<T, problem::Refusal>,
) -> Option<T> {
    let joined = (!flags.is_empty()).then(|| flags.join(","));
    reader.optional(setting, joined.as_deref(), parse)
}

/// The flag may be repeated: the same as by commas.
fn retry(reader: &mut Reader<'_>, flags: &[String], max_attempts: Option<NonZeroU32>) -> Option<RetryPolicy> {
    // Beside a bound that is wrong itself, whatever any bound could allow is right.
    let max_attempts = max_attempts.or(NonZeroU32::new(MAX_ATTEMPTS))?;
    let joined = (!flags.is_empty()).then(|| flags.join(","));
    let policy = reader.optional(&setting::RETRY, joined.as_deref(), retry::parse(max_attempts));
    Some(policy.unwrap_or(RetryPolicy { max_attempts, ..RetryPolicy::default() }))
}

fn database(reader: &mut Reader<'_>, flag: Option<&str>) -> DatabaseConfig {
    let text = reader.optional_secret(&setting::DATABASE_URL, flag, text::database_url);
    DatabaseConfig {
        url: text.and_then(|text| text.expose_secret().parse().ok()),
        private_directory: reader.private_postgres_directory(),
    }
}

fn report(reader: &mut Reader<'_>, flag: Option<&str>) -> Option<ReportFormat> {
    reader.optional(&setting::REPORT, flag, choice::report)
}

fn log(reader: &mut Reader<'_>, args: &LogArgs) -> Option<LogConfig> {
    log_from(&setting::LOG_LEVEL, reader, args)
}

fn log_from(level: &setting::Setting, reader: &mut Reader<'_>, args: &LogArgs) -> Option<LogConfig> {
    let format = reader.optional(&setting::LOG_FORMAT, args.log_format.as_deref(), choice::log_format);
    let level = reader.optional(level, args.log_level.as_deref(), choice::log_level)?;
    Some(LogConfig { format, level })
}

#[cfg(test)]
mod tests;
