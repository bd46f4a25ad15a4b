//! The command line: names and help, no values. What a value may be is [`crate::config`]'s to say, so that a
//! wrong flag, a wrong variable and a wrong line of a file are reported in one form, all at once.
//!
//! No type here has `Debug`: a database URL may hold a password.

#![expect(clippy::doc_markdown, reason = "clap shows these comments as they stand")]

mod dead_letters;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub use dead_letters::{DeadLettersCommand, DiscardArgs, LetterFilterArgs, ListArgs, ReplayArgs};

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

const MOCK_EMAIL_HELP: &str = "\
Login that is accepted, with the password of AD_PLATFORM_PASSWORD (else for-trying-things-out) \
[env: AD_PLATFORM_EMAIL] [default: demo@example.com]";

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
    /// Serve the reference platform's API with its limits and faults, for trying things out
    MockPlatform(MockPlatformArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}

/// Which configuration file.
#[derive(Args, Clone, Default)]
pub struct FileArgs {
    /// TOML file of accounts and defaults [env: CAMPAIGN_SYNC_CONFIG] [default: campaign-sync.toml where it exists]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub config: Option<String>,
}

/// How to reach the platform.
#[derive(Args, Clone, Default)]
pub struct PlatformArgs {
    /// Base URL of the platform; https unless loopback or --allow-http [env: AD_PLATFORM_API_URL]
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
    /// Login of the platform [env: AD_PLATFORM_EMAIL]
    #[arg(long)]
    pub email: Option<String>,
    /// Account to sync, sent as x-client-id; where the configuration file has accounts, one of those, repeatable; else all
    /// [env: CAMPAIGN_SYNC_ACCOUNT] [default: default]
    #[arg(long, value_name = "ID")]
    pub account: Vec<String>,
    /// Limit of one attempt, connect to last byte [env: CAMPAIGN_SYNC_REQUEST_TIMEOUT] [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub request_timeout: Option<String>,
    /// Allow plain http to hosts other than loopback: whoever listens sees the password
    #[arg(long)]
    pub allow_http: bool,
}

/// How the pipeline works.
#[derive(Args, Clone, Default)]
pub struct PipelineArgs {
    /// Number of sync actors [env: CAMPAIGN_SYNC_CONCURRENCY] [default: 16]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<String>,
    /// Campaigns to ask for per page [env: CAMPAIGN_SYNC_PAGE_SIZE] [default: 10]
    #[arg(long, value_name = "N")]
    pub page_size: Option<String>,
    /// Requests per window, such as 10/60s, 600/1m or 1000/1d; repeatable or comma-separated; or none; or auto, for
    /// what the platform states with its answers, and 10/60s until it does
    /// [env: CAMPAIGN_SYNC_RATE_LIMIT] [default: 10/60s]
    #[arg(long, value_name = "N/WINDOW")]
    pub rate_limit: Vec<String>,
    /// Attempts of one request; a 429 or a 401 does not count as one [env: CAMPAIGN_SYNC_MAX_ATTEMPTS]
    /// [default: 8]
    #[arg(long, value_name = "N")]
    pub max_attempts: Option<String>,
    /// Attempts that may fail in one way, and the waits after them, such as timeout=4/1s/30s or rejected=2; repeatable
    /// or comma-separated. CLASS is timeout, connection, unavailable (5xx), unparsable or rejected (4xx); the first wait
    /// is up to BASE, then twice that and so on up to CAP [env: CAMPAIGN_SYNC_RETRY]
    /// [default: as many as --max-attempts, but 1 of rejected; 250ms; 20s]
    #[arg(long, value_name = "CLASS=ATTEMPTS[/BASE[/CAP]]")]
    pub retry: Vec<String>,
    /// Repeats that a run may make for each of its requests, beside ten to begin with; or none for no bound
    /// [env: CAMPAIGN_SYNC_RETRY_BUDGET] [default: 1]
    #[arg(long, value_name = "SHARE")]
    pub retry_budget: Option<String>,
    /// Campaigns that one transaction stores at most [env: CAMPAIGN_SYNC_BATCH_SIZE] [default: 500]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<String>,
    /// Time that a batch waits for more campaigns [env: CAMPAIGN_SYNC_BATCH_LINGER] [default: 200ms]
    #[arg(long, value_name = "DURATION")]
    pub batch_linger: Option<String>,
    /// Longest that a used-up limit or a failing platform may keep the run waiting; then it ends and says so
    /// [env: CAMPAIGN_SYNC_MAX_WAIT] [default: 15min]
    #[arg(long, value_name = "DURATION")]
    pub max_wait: Option<String>,
    /// Share of the campaigns that may be gone since the last complete listing; where more are, the run ends partial and
    /// marks nothing as removed; or none for no bound [env: CAMPAIGN_SYNC_MAX_SHRINK] [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    pub max_shrink: Option<String>,
}

/// Where the rows go.
#[derive(Args, Clone, Default)]
pub struct DatabaseArgs {
    /// PostgreSQL to use, libpq URL or key/value form; a password is safer in the variable
    /// [env: DATABASE_URL] [default: a private PostgreSQL]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
}

/// What standard output gets.
#[derive(Args, Default)]
pub struct ReportArgs {
    /// Form of the report on standard output, table or json [env: CAMPAIGN_SYNC_REPORT] [default: table]
    #[arg(long, value_name = "FORMAT")]
    pub report: Option<String>,
}

/// What standard error gets.
#[derive(Args, Clone, Default)]
pub struct LogArgs {
    /// Form of the log on standard error, pretty or json [env: CAMPAIGN_SYNC_LOG_FORMAT]
    /// [default: pretty on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Level or filter of the log, such as debug or warn,campaign_sync=debug [env: RUST_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// Where the traces go.
#[derive(Args, Clone, Default)]
pub struct TraceArgs {
    /// Collector that gets the traces of the runs, as OTLP over HTTP: its base URL, such as http://127.0.0.1:4318; in a build
    /// with the feature otlp [env: CAMPAIGN_SYNC_OTLP_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
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
    /// Address of the HTTP server [env: CAMPAIGN_SYNC_LISTEN] [default: 127.0.0.1:8090]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
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

/// Flags of `mock-platform`.
#[derive(Args, Default)]
pub struct MockPlatformArgs {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Number of campaigns [default: 100]
    #[arg(long, value_name = "N")]
    pub campaigns: Option<String>,
    /// Requests accepted per window and client; repeatable or comma-separated; or none [default: 10/60s]
    #[arg(long, value_name = "N/WINDOW")]
    pub rate_limit: Vec<String>,
    /// Time that a sync takes [default: 2s]
    #[arg(long, value_name = "DURATION")]
    pub sync_latency: Option<String>,
    /// Time that a listing takes [default: 0s]
    #[arg(long, value_name = "DURATION")]
    pub list_latency: Option<String>,
    /// Time that a login takes [default: 0s]
    #[arg(long, value_name = "DURATION")]
    pub auth_latency: Option<String>,
    /// Share of requests that are answered 503 [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub error_rate: Option<String>,
    /// Share of requests that are never answered [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub hang_rate: Option<String>,
    /// Every n-th listing is answered 503; or none [default: 5]
    #[arg(long, value_name = "N")]
    pub list_error_every: Option<String>,
    /// Another fault and the share of requests that it strikes, such as html=0.2; repeatable or comma-separated; or none
    /// [default: none]. The names: body-cut, body-drips, body-endless, not-json, html, wrong-types, connection-reset,
    /// connection-closed, stale-keep-alive, redirect, gzip, gzip-bomb, chunked; of syncs: wrong-campaign, success-false;
    /// of tokens: unauthorized, token-dies-early, token-kills-predecessors, login-fails, login-hangs; of the listing:
    /// malformed-entry, repeated-page, shifted-page, overlapping-page, endless-listing, shrinking-listing, lying-total,
    /// lying-has-more
    #[arg(long, value_name = "NAME=SHARE")]
    pub fault: Vec<String>,
    /// Where a 429 names its wait: header-seconds, header-date, body or none [default: body]
    #[arg(long, value_name = "PLACE")]
    pub retry_hint: Option<String>,
    /// Headers of every answer that say what is left of the limit: none, draft or x [default: none]
    #[arg(long, value_name = "STYLE")]
    pub rate_limit_headers: Option<String>,
    /// Life of a token [default: 1h]
    #[arg(long, value_name = "DURATION")]
    pub token_life: Option<String>,
    /// Seed of the campaigns and the faults [default: 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// The login that is accepted. (Its help is an attribute: rustdoc takes the default for a link.)
    #[arg(long, help = MOCK_EMAIL_HELP)]
    pub email: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub log: LogArgs,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;
    use crate::config::setting::{self, Setting};

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    fn assert_help_tells(command: &str, settings: &[&Setting]) {
        let cli = Cli::command();
        let command = command.split(' ').fold(&cli, |above, name| above.find_subcommand(name).unwrap());
        for setting in settings {
            let flag = setting.flag.trim_start_matches("--");
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
            let help = arg.unwrap_or_else(|| panic!("no {flag}")).get_help().unwrap().to_string();
            for (kind, told) in [("env", setting.variable), ("default", setting.default)] {
                if let Some(told) = told {
                    assert!(help.contains(&format!("[{kind}: {told}]")), "{flag}: {help}");
                }
            }
        }
    }

    #[test]
    fn the_help_tells_each_settings_variable_and_default() {
        let of_serve = ["--schedule", "--listen"];
        let (of_serve, of_run): (Vec<&Setting>, Vec<&Setting>) =
            setting::SETTINGS.iter().partition(|setting| of_serve.contains(&setting.flag));
        assert_help_tells("run", &of_run);
        assert_help_tells("serve", &of_serve);
        assert_help_tells("serve", &[&setting::MAX_IN_FLIGHT, &setting::RATE_LIMIT, &setting::LOG_LEVEL]);
        assert_help_tells("demo", &[&setting::CONCURRENCY, &setting::REPORT, &setting::LOG_LEVEL]);
        use setting::plan;
        assert_help_tells("plan", &[&plan::LATENCY, &plan::FAILURE_RATE, &setting::RATE_LIMIT]);
        assert_help_tells("runs", &[&setting::LIMIT, &setting::REPORT]);
        let letters = [&setting::dead_letters::CAMPAIGN, &setting::dead_letters::CLASS];
        assert_help_tells("dead-letters list", &[&letters[..], &[&setting::dead_letters::LIMIT]].concat());
        assert_help_tells("dead-letters replay", &[&letters[..], &of_run].concat());
        assert_help_tells("dead-letters discard", &letters);
        use setting::mock::*;
        assert_help_tells(
            "mock-platform",
            &[
                &LISTEN,
                &CAMPAIGNS,
                &RATE_LIMIT,
                &SYNC_LATENCY,
                &LIST_LATENCY,
                &AUTH_LATENCY,
                &ERROR_RATE,
                &HANG_RATE,
                &LIST_ERROR_EVERY,
                &FAULT,
                &RETRY_HINT,
                &RATE_LIMIT_HEADERS,
                &TOKEN_LIFE,
                &SEED,
                &EMAIL,
            ],
        );
    }

    #[test]
    fn the_help_of_dead_letters_names_each_class() {
        let cli = Cli::command();
        let list = cli.find_subcommand("dead-letters").unwrap().find_subcommand("list").unwrap();
        let arg = list.get_arguments().find(|arg| arg.get_long() == Some("class")).unwrap();
        let help = arg.get_help().unwrap().to_string();
        let words: Vec<&str> = help.split([' ', ',', ';', '\n']).collect();
        for class in actors::model::FailureClass::ALL {
            assert!(words.contains(&class.as_str()), "{class} is not in: {help}");
        }
    }

    #[test]
    fn the_help_of_the_mock_platform_names_each_of_its_faults() {
        let cli = Cli::command();
        let command = cli.find_subcommand("mock-platform").unwrap();
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some("fault")).unwrap();
        let help = arg.get_help().unwrap().to_string();
        let words: Vec<&str> = help.split([' ', ',', ';']).collect();
        for fault in mock_platform::Fault::ALL {
            assert!(words.contains(&fault.name()), "{} is not in: {help}", fault.name());
        }
    }

    #[test]
    fn no_flag_takes_a_password_and_no_flag_is_read_from_the_environment_by_clap() {
        for command in Cli::command().get_subcommands() {
            for arg in command.get_arguments() {
                assert!(!arg.get_long().unwrap_or_default().contains("password"), "{arg}");
            }
        }
    }

    #[test]
    fn wrong_usage_is_exit_code_2() {
        for line in ["", "sync", "run --password x", "run --concurrency", "run --email a --email b"] {
            let words = ["campaign-sync"].into_iter().chain(line.split_whitespace());
            let error = Cli::try_parse_from(words).err().unwrap();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
