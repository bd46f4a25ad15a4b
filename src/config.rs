//! Configuration: from flags, environment, `.env` and the configuration file to values that cannot be wrong, a struct per command.
//!
//! Its promise: a configuration that is returned needs no further check; else all that is wrong is reported at
//! once, each thing with its name, its source, its value (never a secret) and what is allowed. Nothing else
//! reads a setting from the environment.

mod account;
mod api_url;
mod audit;
mod bounded;
mod ca_file;
mod choice;
mod dead_letters;
pub(crate) mod duration;
#[cfg(feature = "age")]
mod encrypt;
mod environment;
mod faults;
mod file;
mod likeness;
mod listener;
mod mock_platform;
mod number;
mod otlp_endpoint;
mod plan;
mod problem;
mod rate_limit;
mod reader;
mod retry;
mod secret_command;
mod secret_file;
mod serve;
pub(crate) mod setting;
mod source;
mod text;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use actors::max_shrink::MaxShrink;
use actors::model::{AccountId, LetterFilter};
use actors::retry_budget::RetryShare;
use actors::retry_policy::RetryPolicy;
use actors::settings::{BatchLimits, Concurrency};
use secrecy::ExposeSecret;
use url::Url;

use crate::cli::{CheckArgs, DemoArgs, ListenArgs, LogArgs, MigrateArgs, RunArgs, RunsArgs, TraceArgs};
use crate::rotating_secret::RotatingSecret;
use crate::serve::schedule::Schedule;
use crate::store::DatabaseUrl;
use crate::tls::Authorities;

pub use audit::{AuditConfig, AuditPruneConfig};
pub use choice::{LogFormat, RateLimitHeaders, ReportFormat, RetryHint};
pub use dead_letters::{DiscardConfig, ListConfig};
#[cfg(feature = "age")]
pub use encrypt::EncryptConfig;
pub use environment::Environment;
pub use faults::Fault;
pub use listener::Listener;
pub use mock_platform::MockPlatformConfig;
pub use plan::{Campaigns, PlanConfig};
pub use problem::{InvalidConfig, Problem};
pub use rate_limit::RateLimits;
pub use secret_command::MAX_SECRET_BYTES;
pub use serve::ServeConfig;
pub use source::Source;

use account::{accounts, concurrency};
use reader::Reader;

/// Runs that `runs` lists at most: they are read at once.
const MAX_RUNS: u32 = 10_000;

/// What `run` needs, and `dead-letters replay`.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The accounts to sync, at least one, each id once; in the order of the file.
    pub accounts: Vec<AccountConfig>,
    /// Authorities of one's own, which are believed beside the system's.
    pub authorities: Authorities,
    /// Requests of all accounts together that are under way at once, 1 to 10,000.
    pub max_in_flight: NonZeroUsize,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard output gets.
    pub report: ReportFormat,
    /// What standard error gets.
    pub log: LogConfig,
    /// The base URL of the collector that gets the traces; none: nobody gets any.
    pub otlp_endpoint: Option<Url>,
    /// Whether to apply the migrations first.
    pub migrate: bool,
}

/// One account: how to reach its platform, and how its pipeline works.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// How to reach the platform.
    pub platform: PlatformConfig,
    /// How the pipeline works.
    pub pipeline: PipelineConfig,
    /// When `serve` syncs it.
    pub schedule: Schedule,
}

impl AccountConfig {
    /// Another one where any setting of the account is another. Only within this process.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        // Debug shows every value but the secret.
        format!("{self:?}").hash(&mut hasher);
        self.platform.password.newest().expose_secret().hash(&mut hasher);
        hasher.finish()
    }
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
    pub password: RotatingSecret,
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
    /// The accounts that a run would sync.
    pub accounts: Vec<AccountConfig>,
    /// Authorities of one's own, which are believed beside the system's.
    pub authorities: Authorities,
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
    /// The base URL of the collector that gets the traces; none: nobody gets any.
    pub otlp_endpoint: Option<Url>,
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
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let accounts = accounts(&mut reader, &args.platform, &args.pipeline, None, |pipeline| {
            PipelineConfig { fresh: args.fresh, ..pipeline }
        });
        let authorities = authorities(&mut reader, args.platform.ca_file.as_deref());
        let max_in_flight = max_in_flight(&mut reader, args.max_in_flight.as_deref());
        let database = database(&mut reader, args.database.database_url.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log(&mut reader, &args.log);
        let otlp_endpoint = otlp_endpoint(&mut reader, &args.traces);
        let migrate = !args.no_migrate;
        let config = || {
            Some(Self {
                accounts: accounts?,
                authorities,
                max_in_flight: max_in_flight?,
                database,
                report: report?,
                log: log?,
                otlp_endpoint,
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
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let accounts = accounts(&mut reader, &args.platform, &args.pipeline, None, |pipeline| pipeline);
        let authorities = authorities(&mut reader, args.platform.ca_file.as_deref());
        let database = database(&mut reader, args.database.database_url.as_deref());
        // Not needed here, but `run` and `serve` would trip over them.
        let _ = (max_in_flight(&mut reader, None), report(&mut reader, None));
        let _ = otlp_endpoint(&mut reader, &TraceArgs::default());
        let _ = listener::listener(&mut reader, &ListenArgs::default());
        let _ = serve::api_token(&mut reader);
        let _ = reader.optional(&setting::AUDIT_RETENTION, None, bounded::audit_retention);
        let log = log(&mut reader, &args.log);
        let config = || Some(Self { accounts: accounts?, authorities, database, log: log? });
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
        let otlp_endpoint = otlp_endpoint(&mut reader, &args.traces);
        let private_directory = reader.private_postgres_directory();
        let config = || {
            Some(Self {
                concurrency: concurrency?,
                private_directory,
                report: report?,
                log: log?,
                otlp_endpoint,
            })
        };
        reader.finish(config())
    }
}

impl MigrateConfig {
    /// Checks what concerns the database.
    pub fn load(args: &MigrateArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let database = database(&mut reader, args.database.database_url.as_deref());
        let log = log(&mut reader, &args.log);
        reader.finish(log.map(|log| Self { database, log }))
    }
}

impl RunsConfig {
    /// Checks what concerns the list of runs. The account is a filter here, so only its flag counts.
    pub fn load(args: &RunsArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
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

/// None of one's own where none are named, or wrong ones, which are reported.
fn authorities(reader: &mut Reader<'_>, flag: Option<&str>) -> Authorities {
    reader.optional(&setting::CA_FILE, flag, ca_file::read).unwrap_or_default()
}

fn max_in_flight(reader: &mut Reader<'_>, flag: Option<&str>) -> Option<NonZeroUsize> {
    let number = reader.optional(&setting::MAX_IN_FLIGHT, flag, bounded::max_in_flight)?;
    NonZeroUsize::try_from(number).ok()
}

fn database(reader: &mut Reader<'_>, flag: Option<&str>) -> DatabaseConfig {
    let text = reader.optional_secret(&setting::DATABASE_URL, flag, text::database_url);
    DatabaseConfig {
        url: text.and_then(|text| {
            let url: DatabaseUrl = text.newest().expose_secret().parse().ok()?;
            Some(url.read_again_from(text))
        }),
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

/// None where there is none, or a wrong one, which is reported.
fn otlp_endpoint(reader: &mut Reader<'_>, args: &TraceArgs) -> Option<Url> {
    reader.optional(&setting::OTLP_ENDPOINT, args.otlp_endpoint.as_deref(), otlp_endpoint::usable)
}

#[cfg(test)]
mod tests;
