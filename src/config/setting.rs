//! The names of all settings: where each can be given, and what holds where it is not.
//!
//! A row here and the line that reads it are all that a setting is, for the command line (whose help a test compares), the
//! environment and the configuration file, its JSON Schema included.

use super::problem::Refusal;
use super::{api_url, bounded, ca_file, choice, listener, otlp_endpoint, rate_limit, retry, text};

/// A setting that can be shown.
#[derive(Debug)]
pub(crate) struct Setting {
    /// As on the command line.
    pub(crate) flag: &'static str,
    /// As in the environment and in `.env`.
    pub(crate) variable: Option<&'static str>,
    /// As a user would write it.
    pub(crate) default: Option<&'static str>,
    /// As in the configuration file; none: it does not stand there.
    pub(crate) in_file: Option<InFile>,
}

/// How a setting stands in the configuration file.
#[derive(Debug)]
pub(crate) struct InFile {
    /// Its name there.
    pub(crate) key: &'static str,
    pub(crate) of: Of,
    pub(crate) form: Form,
    /// Whether the text could be right, beside whatever other settings: so that it is judged where nobody reads it.
    pub(super) judge: fn(&str) -> Result<(), Refusal>,
}

/// What a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Each account can have its own; at the top level it is the default of all.
    Account,
    /// There is one for the process, at the top level.
    Process,
}

/// Which values of TOML are read as the setting's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A string.
    Text,
    /// A string: the path of a file, relative to the configuration file's folder.
    Path,
    /// A whole number, or a string.
    Whole,
    /// A number, or a string.
    Number,
    /// A string, or an array of strings, which is the same by commas.
    List,
    /// `true` or `false`.
    Switch,
}

/// A setting that is never shown. `…_FILE` names a file that holds it.
#[derive(Debug)]
pub(crate) struct Secret {
    /// What it is, for messages.
    pub(crate) name: &'static str,
    /// As on the command line, where that is allowed.
    pub(crate) flag: Option<&'static str>,
    pub(crate) variable: &'static str,
    pub(crate) file_variable: &'static str,
    /// As in the configuration file.
    pub(crate) key: &'static str,
    pub(crate) of: Of,
}

const fn setting(
    flag: &'static str,
    variable: Option<&'static str>,
    default: Option<&'static str>,
) -> Setting {
    Setting { flag, variable, default, in_file: None }
}

impl Setting {
    const fn in_file(
        self,
        key: &'static str,
        of: Of,
        form: Form,
        judge: fn(&str) -> Result<(), Refusal>,
    ) -> Self {
        Self { in_file: Some(InFile { key, of, form, judge }), ..self }
    }
}

pub(crate) const API_URL: Setting = setting("--api-url", Some("AD_PLATFORM_API_URL"), None).in_file(
    "api_url",
    Of::Account,
    Form::Text,
    |text| api_url::parse(true)(text).map(drop),
);
pub(crate) const EMAIL: Setting =
    setting("--email", Some("AD_PLATFORM_EMAIL"), None)
        .in_file("email", Of::Account, Form::Text, |text| text::email(text).map(drop));
pub(crate) const CA_FILE: Setting = setting("--ca-file", Some("AD_PLATFORM_CA_FILE"), None).in_file(
    "ca_file",
    Of::Process,
    Form::Path,
    ca_file::path,
);
pub(crate) const ALLOW_HTTP: Setting =
    setting("--allow-http", None, None).in_file("allow_http", Of::Account, Form::Switch, choice::switch);
pub(crate) const ACCOUNT: Setting = setting("--account", Some("CAMPAIGN_SYNC_ACCOUNT"), Some("default"));
/// Which file; without it the working directory's, where there is one.
pub(crate) const CONFIG: Setting = setting("--config", Some("CAMPAIGN_SYNC_CONFIG"), None);
pub(crate) const CONCURRENCY: Setting = setting(
    "--concurrency",
    Some("CAMPAIGN_SYNC_CONCURRENCY"),
    Some("16"),
)
.in_file("concurrency", Of::Account, Form::Whole, |text| bounded::concurrency(text).map(drop));
pub(crate) const PAGE_SIZE: Setting = setting("--page-size", Some("CAMPAIGN_SYNC_PAGE_SIZE"), Some("10"))
    .in_file("page_size", Of::Account, Form::Whole, |text| bounded::page_size(text).map(drop));
pub(crate) const RATE_LIMIT: Setting = setting(
    "--rate-limit",
    Some("CAMPAIGN_SYNC_RATE_LIMIT"),
    Some("10/60s"),
)
.in_file("rate_limit", Of::Account, Form::List, |text| rate_limit::parse_or_auto(text).map(drop));
pub(crate) const REQUEST_TIMEOUT: Setting = setting(
    "--request-timeout",
    Some("CAMPAIGN_SYNC_REQUEST_TIMEOUT"),
    Some("10s"),
)
.in_file("request_timeout", Of::Account, Form::Text, |text| bounded::request_timeout(text).map(drop));
pub(crate) const MAX_ATTEMPTS: Setting = setting(
    "--max-attempts",
    Some("CAMPAIGN_SYNC_MAX_ATTEMPTS"),
    Some("8"),
)
.in_file("max_attempts", Of::Account, Form::Whole, |text| bounded::max_attempts(text).map(drop));
pub(crate) const RETRY: Setting =
    setting("--retry", Some("CAMPAIGN_SYNC_RETRY"), None).in_file("retry", Of::Account, Form::List, |text| {
        retry::parse(bounded::most_attempts())(text).map(drop)
    });
pub(crate) const RETRY_BUDGET: Setting = setting(
    "--retry-budget",
    Some("CAMPAIGN_SYNC_RETRY_BUDGET"),
    Some("1"),
)
.in_file("retry_budget", Of::Account, Form::Number, |text| bounded::retry_budget(text).map(drop));
pub(crate) const BATCH_SIZE: Setting = setting("--batch-size", Some("CAMPAIGN_SYNC_BATCH_SIZE"), Some("500"))
    .in_file("batch_size", Of::Account, Form::Whole, |text| bounded::batch_size(text).map(drop));
pub(crate) const BATCH_LINGER: Setting = setting(
    "--batch-linger",
    Some("CAMPAIGN_SYNC_BATCH_LINGER"),
    Some("200ms"),
)
.in_file("batch_linger", Of::Account, Form::Text, |text| bounded::batch_linger(text).map(drop));
pub(crate) const MAX_WAIT: Setting = setting("--max-wait", Some("CAMPAIGN_SYNC_MAX_WAIT"), Some("15min"))
    .in_file("max_wait", Of::Account, Form::Text, |text| bounded::max_wait(text).map(drop));
pub(crate) const MAX_SHRINK: Setting = setting("--max-shrink", Some("CAMPAIGN_SYNC_MAX_SHRINK"), Some("0.5"))
    .in_file("max_shrink", Of::Account, Form::Number, |text| bounded::max_shrink(text).map(drop));
pub(crate) const MAX_IN_FLIGHT: Setting = setting(
    "--max-in-flight",
    Some("CAMPAIGN_SYNC_MAX_IN_FLIGHT"),
    Some("256"),
)
.in_file("max_in_flight", Of::Process, Form::Whole, |text| bounded::max_in_flight(text).map(drop));
pub(crate) const SCHEDULE: Setting = setting("--schedule", Some("CAMPAIGN_SYNC_SCHEDULE"), Some("1h"))
    .in_file("schedule", Of::Account, Form::Text, |text| text::schedule(text).map(drop));
pub(crate) const LISTEN: Setting = setting("--listen", Some("CAMPAIGN_SYNC_LISTEN"), Some("127.0.0.1:8090"))
    .in_file("listen", Of::Process, Form::Text, |text| text::address(text).map(drop));
/// With it and its key, HTTP is served over TLS.
pub(crate) const LISTEN_CERTIFICATE: Setting = setting(
    "--listen-certificate",
    Some("CAMPAIGN_SYNC_LISTEN_CERTIFICATE"),
    None,
)
.in_file("listen_certificate", Of::Process, Form::Path, listener::path);
pub(crate) const LISTEN_KEY: Setting = setting("--listen-key", Some("CAMPAIGN_SYNC_LISTEN_KEY"), None)
    .in_file("listen_key", Of::Process, Form::Path, listener::path);
pub(crate) const LISTEN_WITHOUT_TLS: Setting = setting("--listen-without-tls", None, None).in_file(
    "listen_without_tls",
    Of::Process,
    Form::Switch,
    choice::switch,
);
pub(crate) const REPORT: Setting = setting("--report", Some("CAMPAIGN_SYNC_REPORT"), Some("table")).in_file(
    "report",
    Of::Process,
    Form::Text,
    |text| choice::report(text).map(drop),
);
/// Its default depends on the terminal.
pub(crate) const LOG_FORMAT: Setting = setting("--log-format", Some("CAMPAIGN_SYNC_LOG_FORMAT"), None)
    .in_file("log_format", Of::Process, Form::Text, |text| choice::log_format(text).map(drop));
pub(crate) const LOG_LEVEL: Setting = setting("--log-level", Some("RUST_LOG"), Some("info")).in_file(
    "log_level",
    Of::Process,
    Form::Text,
    |text| choice::log_level(text).map(drop),
);
/// Judged here as if any build could use it: not every command does.
pub(crate) const OTLP_ENDPOINT: Setting = setting(
    "--otlp-endpoint",
    Some("CAMPAIGN_SYNC_OTLP_ENDPOINT"),
    None,
)
.in_file("otlp_endpoint", Of::Process, Form::Text, |text| otlp_endpoint::parse(text).map(drop));
/// The least is what the table's trigger allows.
pub(crate) const AUDIT_RETENTION: Setting = setting(
    "--audit-retention",
    Some("CAMPAIGN_SYNC_AUDIT_RETENTION"),
    Some("400d"),
)
.in_file("audit_retention", Of::Process, Form::Text, |text| bounded::audit_retention(text).map(drop));
/// A demo's failures are what it is about; its progress shows them well enough.
pub(crate) const DEMO_LOG_LEVEL: Setting = setting("--log-level", Some("RUST_LOG"), Some("warn"));

/// All that can stand in the environment or in the configuration file and be shown.
pub(crate) static SETTINGS: [&Setting; 28] = [
    &API_URL,
    &EMAIL,
    &CA_FILE,
    &ALLOW_HTTP,
    &ACCOUNT,
    &CONFIG,
    &CONCURRENCY,
    &PAGE_SIZE,
    &RATE_LIMIT,
    &REQUEST_TIMEOUT,
    &MAX_ATTEMPTS,
    &RETRY,
    &RETRY_BUDGET,
    &BATCH_SIZE,
    &BATCH_LINGER,
    &MAX_WAIT,
    &MAX_SHRINK,
    &MAX_IN_FLIGHT,
    &SCHEDULE,
    &LISTEN,
    &LISTEN_CERTIFICATE,
    &LISTEN_KEY,
    &LISTEN_WITHOUT_TLS,
    &REPORT,
    &LOG_FORMAT,
    &LOG_LEVEL,
    &OTLP_ENDPOINT,
    &AUDIT_RETENTION,
];

/// Never a flag: flags show in process lists.
pub(crate) const PASSWORD: Secret = Secret {
    name: "password",
    flag: None,
    variable: "AD_PLATFORM_PASSWORD",
    file_variable: "AD_PLATFORM_PASSWORD_FILE",
    key: "password",
    of: Of::Account,
};
pub(crate) const DATABASE_URL: Secret = Secret {
    name: "database URL",
    flag: Some("--database-url"),
    variable: "DATABASE_URL",
    file_variable: "DATABASE_URL_FILE",
    key: "database_url",
    of: Of::Process,
};
/// What an operator has to know to change something over HTTP.
pub(crate) const API_TOKEN: Secret = Secret {
    name: "API token",
    flag: None,
    variable: "CAMPAIGN_SYNC_API_TOKEN",
    file_variable: "CAMPAIGN_SYNC_API_TOKEN_FILE",
    key: "api_token",
    of: Of::Process,
};
/// What secrets that are encrypted with age are decrypted with.
pub(crate) const AGE_IDENTITY: Secret = Secret {
    name: "age identity",
    flag: None,
    variable: "CAMPAIGN_SYNC_AGE_IDENTITY",
    file_variable: "CAMPAIGN_SYNC_AGE_IDENTITY_FILE",
    key: "age_identity",
    of: Of::Process,
};
pub(crate) static SECRETS: [&Secret; 4] = [&PASSWORD, &DATABASE_URL, &API_TOKEN, &AGE_IDENTITY];

/// The names that the program reads from the environment.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    let secrets = SECRETS.iter().flat_map(|secret| [secret.variable, secret.file_variable]);
    SETTINGS.iter().filter_map(|setting| setting.variable).chain(secrets)
}

/// Whose rows to show: not the account of the environment, which is the one to sync.
pub(crate) const ACCOUNT_FILTER: Setting = setting("--account", None, None);
/// `runs` only.
pub(crate) const LIMIT: Setting = setting("--limit", None, Some("20"));

/// What only `dead-letters` takes.
pub(crate) mod dead_letters {
    use super::{Setting, setting};

    pub(crate) const CAMPAIGN: Setting = setting("--campaign", None, None);
    pub(crate) const CLASS: Setting = setting("--class", None, None);
    pub(crate) const LIMIT: Setting = setting("--limit", None, Some("100"));
}

/// What only `audit` takes.
pub(crate) mod audit {
    use super::{Setting, setting};

    pub(crate) const RUN: Setting = setting("--run", None, None);
    pub(crate) const WHAT: Setting = setting("--what", None, None);
    pub(crate) const SINCE: Setting = setting("--since", None, None);
    pub(crate) const UNTIL: Setting = setting("--until", None, None);
    pub(crate) const BEFORE: Setting = setting("--before", None, None);
    pub(crate) const LIMIT: Setting = setting("--limit", None, Some("100"));
}

/// What only `plan` takes. The defaults are the reference platform, and the estimator's.
pub(crate) mod plan {
    use super::{Setting, setting};

    pub(crate) const CAMPAIGNS: Setting = setting("--campaigns", None, None);
    pub(crate) const LATENCY: Setting = setting("--latency", None, Some("2s"));
    pub(crate) const FAILURE_RATE: Setting = setting("--failure-rate", None, Some("0.3"));
    pub(crate) const EVERY: Setting = setting("--every", None, None);
}

/// The settings of `mock-platform`; the defaults are the reference platform.
pub(crate) mod mock {
    use super::{Setting, setting};

    pub(crate) const LISTEN: Setting = setting("--listen", None, Some("127.0.0.1:8080"));
    pub(crate) const CAMPAIGNS: Setting = setting("--campaigns", None, Some("100"));
    pub(crate) const RATE_LIMIT: Setting = setting("--rate-limit", None, Some("10/60s"));
    pub(crate) const SYNC_LATENCY: Setting = setting("--sync-latency", None, Some("2s"));
    pub(crate) const LIST_LATENCY: Setting = setting("--list-latency", None, Some("0s"));
    pub(crate) const AUTH_LATENCY: Setting = setting("--auth-latency", None, Some("0s"));
    pub(crate) const ERROR_RATE: Setting = setting("--error-rate", None, Some("0"));
    pub(crate) const HANG_RATE: Setting = setting("--hang-rate", None, Some("0"));
    pub(crate) const LIST_ERROR_EVERY: Setting = setting("--list-error-every", None, Some("5"));
    pub(crate) const FAULT: Setting = setting("--fault", None, Some("none"));
    pub(crate) const RETRY_HINT: Setting = setting("--retry-hint", None, Some("body"));
    pub(crate) const RATE_LIMIT_HEADERS: Setting = setting("--rate-limit-headers", None, Some("none"));
    pub(crate) const TOKEN_LIFE: Setting = setting("--token-life", None, Some("1h"));
    pub(crate) const SEED: Setting = setting("--seed", None, Some("1"));
    pub(crate) const EMAIL: Setting = setting("--email", Some("AD_PLATFORM_EMAIL"), Some("demo@example.com"));
}
