//! Flags that several commands have in common.

use clap::{Args, ValueHint};

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
    /// PEM file with the certificates of authorities that may have issued a platform's, beside those of the system
    /// [env: AD_PLATFORM_CA_FILE]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<String>,
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

/// How `serve` is reached.
#[derive(Args, Clone, Default)]
pub struct ListenArgs {
    /// Address of the HTTP server; one that is not loopback needs a certificate, or --listen-without-tls
    /// [env: CAMPAIGN_SYNC_LISTEN] [default: 127.0.0.1:8090]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// PEM file of the certificate that the HTTP server shows, and of those between it and its authority
    /// [env: CAMPAIGN_SYNC_LISTEN_CERTIFICATE]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub listen_certificate: Option<String>,
    /// PEM file of its key, which nobody else can read [env: CAMPAIGN_SYNC_LISTEN_KEY]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub listen_key: Option<String>,
    /// Listen on an address that is not loopback without TLS: whoever is on the way can read what is sent, the token included
    #[arg(long)]
    pub listen_without_tls: bool,
}
