//! The command line: names and help, no values. What a value may be is [`crate::config`]'s to say, so that a
//! wrong flag, a wrong variable and a wrong line of a file are reported in one form, all at once.
//!
//! No type here has `Debug`: a database URL may hold a password.

#![expect(clippy::doc_markdown, reason = "clap shows these comments as they stand")]

mod audit;
mod dead_letters;
mod mock_platform;
#[cfg(feature = "age")]
mod secrets;
mod shared;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub use audit::{AuditArgs, AuditCommand, AuditListArgs, AuditPruneArgs};
pub use dead_letters::{DeadLettersCommand, DiscardArgs, LetterFilterArgs, ListArgs, ReplayArgs};
pub use mock_platform::MockPlatformArgs;
#[cfg(feature = "age")]
pub use secrets::{EncryptArgs, SecretsCommand};
pub use shared::{
    DatabaseArgs, FileArgs, ListenArgs, LogArgs, PipelineArgs, PlatformArgs, ReportArgs, TraceArgs,
};

/// Syncs advertising campaigns from a rate-limited platform into PostgreSQL.
#[derive(Parser)]
#[command(name = "campaign-sync", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Settings come from the flag, then the environment, then a .env file in the working directory, then the configuration
file, then the default.
Secrets are never flags, because flags show in process lists:
  AD_PLATFORM_PASSWORD or AD_PLATFORM_PASSWORD_FILE   the platform's password, or a file that holds it
  DATABASE_URL or DATABASE_URL_FILE                   the database, or a file that holds its URL

Exit codes of run, demo and dead-letters replay:
  0    every listed campaign is stored
  1    failed; nothing more can be done without someone
  2    wrong usage or configuration
  3    partial: a campaign was given up on, or the listing could not be proven complete
  130  interrupted; what was acknowledged is stored, and the next run resumes
Of plan: 0, 1 where the platform could not be asked, and 2.";

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Show the main job with nothing to set up: a mock platform, a private PostgreSQL, a run
    Demo(DemoArgs),
    /// Sync the account's campaigns once
    Run(RunArgs),
    /// Sync every account on its schedule until stopped; health, metrics and an API over HTTP
    Serve(ServeArgs),
    /// Say what a run would cost: requests, what binds, the time, the concurrency worth having
    Plan(PlanArgs),
    /// Validate configuration, credentials, database and schema; change nothing
    Check(CheckArgs),
    /// Apply the database migrations
    Migrate(MigrateArgs),
    /// List recent runs and their outcome
    Runs(RunsArgs),
    /// List, replay or discard the campaigns that were given up on
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Encrypt secrets that the configuration file names
    #[cfg(feature = "age")]
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// List what was done in the database, by whom and when, the newest first
    Audit(AuditArgs),
    /// Serve the reference platform's API with its limits and faults, for trying things out
    MockPlatform(MockPlatformArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}

impl Command {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Demo(_) => "demo",
            Command::Run(_) => "run",
            Command::Serve(_) => "serve",
            Command::Plan(_) => "plan",
            Command::Check(_) => "check",
            Command::Migrate(_) => "migrate",
            Command::Runs(_) => "runs",
            Command::DeadLetters(DeadLettersCommand::List(_)) => "dead-letters list",
            Command::DeadLetters(DeadLettersCommand::Replay(_)) => "dead-letters replay",
            Command::DeadLetters(DeadLettersCommand::Discard(_)) => "dead-letters discard",
            Command::Audit(AuditArgs { command: None, .. }) => "audit",
            Command::Audit(AuditArgs { command: Some(AuditCommand::Prune(_)), .. }) => "audit prune",
            #[cfg(feature = "age")]
            Command::Secrets(SecretsCommand::Encrypt(_)) => "secrets encrypt",
            Command::MockPlatform(_) => "mock-platform",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }
}

/// Flags of `run`.
#[derive(Args, Default)]
pub struct RunArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub platform: PlatformArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub report: ReportArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub traces: TraceArgs,
    /// Start over rather than resume a run that was left unfinished
    #[arg(long)]
    pub fresh: bool,
    /// Requests of all accounts together that are under way at once [env: CAMPAIGN_SYNC_MAX_IN_FLIGHT] [default: 256]
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<String>,
    /// Do not apply the database migrations first
    #[arg(long)]
    pub no_migrate: bool,
}

/// Flags of `serve`.
#[derive(Args, Clone, Default)]
pub struct ServeArgs {
    /// When each account is synced: an interval such as 15min, or a cron expression and a time zone such as
    /// "0 6 * * 1-5 Europe/Berlin"; each account is a little later, always by the same
    /// [env: CAMPAIGN_SYNC_SCHEDULE] [default: 1h]
    #[arg(long, value_name = "SCHEDULE")]
    pub schedule: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub listen: ListenArgs,
    /// Requests of all accounts together that are under way at once [env: CAMPAIGN_SYNC_MAX_IN_FLIGHT] [default: 256]
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub platform: PlatformArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub traces: TraceArgs,
    /// Do not apply the database migrations first
    #[arg(long)]
    pub no_migrate: bool,
}

/// Flags of `plan`.
#[derive(Args, Default)]
pub struct PlanArgs {
    /// Number of campaigns; nothing is sent then, and neither login nor database is needed [default: what the platform says]
    #[arg(long, value_name = "N")]
    pub campaigns: Option<String>,
    /// Time that a sync is assumed to take [default: 2s]
    #[arg(long, value_name = "DURATION")]
    pub latency: Option<String>,
    /// Share of requests that are assumed to fail and be repeated [default: 0.3]
    #[arg(long, value_name = "SHARE")]
    pub failure_rate: Option<String>,
    /// Schedule to check: whether a run every so often fits under the limits
    #[arg(long, value_name = "DURATION")]
    pub every: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub platform: PlatformArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub report: ReportArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
}

/// Flags of `check`.
#[derive(Args, Default)]
pub struct CheckArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub platform: PlatformArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
}

/// Flags of `demo`.
#[derive(Args, Default)]
pub struct DemoArgs {
    /// Number of sync actors [env: CAMPAIGN_SYNC_CONCURRENCY] [default: 16]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub report: ReportArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub traces: TraceArgs,
}

/// Flags of `migrate`.
#[derive(Args, Default)]
pub struct MigrateArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
}

/// Flags of `runs`.
#[derive(Args, Default)]
pub struct RunsArgs {
    /// Only the runs of this account
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// How many runs, the latest first [default: 20]
    #[arg(long, value_name = "N")]
    pub limit: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub report: ReportArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
}

/// What `completions` takes.
#[derive(Args)]
pub struct CompletionsArgs {
    /// Shell to complete commands and flags in
    pub shell: Shell,
}

/// Flags of `man`.
#[derive(Args, Default)]
pub struct ManArgs {
    /// Folder for a page for each command [default: the program's own page, to standard output]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<String>,
}

#[cfg(test)]
mod tests;
