//! The names of all settings: where each can be given, and what holds where it is not.

/// A setting that can be shown.
#[derive(Debug)]
pub(crate) struct Setting {
    /// As on the command line.
    pub(crate) flag: &'static str,
    /// As in the environment and in `.env`.
    pub(crate) variable: Option<&'static str>,
    /// As a user would write it.
    pub(crate) default: Option<&'static str>,
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
}

const fn setting(
    flag: &'static str,
    variable: Option<&'static str>,
    default: Option<&'static str>,
) -> Setting {
    Setting { flag, variable, default }
}

pub(crate) const API_URL: Setting = setting("--api-url", Some("AD_PLATFORM_API_URL"), None);
pub(crate) const EMAIL: Setting = setting("--email", Some("AD_PLATFORM_EMAIL"), None);
pub(crate) const ACCOUNT: Setting = setting("--account", Some("CAMPAIGN_SYNC_ACCOUNT"), Some("default"));
pub(crate) const CONCURRENCY: Setting =
    setting("--concurrency", Some("CAMPAIGN_SYNC_CONCURRENCY"), Some("16"));
pub(crate) const PAGE_SIZE: Setting = setting("--page-size", Some("CAMPAIGN_SYNC_PAGE_SIZE"), Some("10"));
pub(crate) const RATE_LIMIT: Setting =
    setting("--rate-limit", Some("CAMPAIGN_SYNC_RATE_LIMIT"), Some("10/60s"));
pub(crate) const REQUEST_TIMEOUT: Setting =
    setting("--request-timeout", Some("CAMPAIGN_SYNC_REQUEST_TIMEOUT"), Some("10s"));
pub(crate) const MAX_ATTEMPTS: Setting =
    setting("--max-attempts", Some("CAMPAIGN_SYNC_MAX_ATTEMPTS"), Some("8"));
pub(crate) const RETRY: Setting = setting("--retry", Some("CAMPAIGN_SYNC_RETRY"), None);
pub(crate) const RETRY_BUDGET: Setting =
    setting("--retry-budget", Some("CAMPAIGN_SYNC_RETRY_BUDGET"), Some("1"));
pub(crate) const BATCH_SIZE: Setting = setting("--batch-size", Some("CAMPAIGN_SYNC_BATCH_SIZE"), Some("500"));
pub(crate) const BATCH_LINGER: Setting =
    setting("--batch-linger", Some("CAMPAIGN_SYNC_BATCH_LINGER"), Some("200ms"));
pub(crate) const MAX_WAIT: Setting = setting("--max-wait", Some("CAMPAIGN_SYNC_MAX_WAIT"), Some("15min"));
pub(crate) const MAX_SHRINK: Setting = setting("--max-shrink", Some("CAMPAIGN_SYNC_MAX_SHRINK"), Some("0.5"));
pub(crate) const MAX_IN_FLIGHT: Setting =
    setting("--max-in-flight", Some("CAMPAIGN_SYNC_MAX_IN_FLIGHT"), Some("256"));
pub(crate) const REPORT: Setting = setting("--report", Some("CAMPAIGN_SYNC_REPORT"), Some("table"));
/// Its default depends on the terminal.
pub(crate) const LOG_FORMAT: Setting = setting("--log-format", Some("CAMPAIGN_SYNC_LOG_FORMAT"), None);
pub(crate) const LOG_LEVEL: Setting = setting("--log-level", Some("RUST_LOG"), Some("info"));
/// A demo's failures are what it is about; its progress shows them well enough.
pub(crate) const DEMO_LOG_LEVEL: Setting = setting("--log-level", Some("RUST_LOG"), Some("warn"));

/// All that can stand in the environment and be shown.
pub(crate) const SETTINGS: [&Setting; 18] = [
    &API_URL,
    &EMAIL,
    &ACCOUNT,
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
    &REPORT,
    &LOG_FORMAT,
    &LOG_LEVEL,
];

/// Never a flag: flags show in process lists.
pub(crate) const PASSWORD: Secret = Secret {
    name: "password",
    flag: None,
    variable: "AD_PLATFORM_PASSWORD",
    file_variable: "AD_PLATFORM_PASSWORD_FILE",
};
pub(crate) const DATABASE_URL: Secret = Secret {
    name: "database URL",
    flag: Some("--database-url"),
    variable: "DATABASE_URL",
    file_variable: "DATABASE_URL_FILE",
};

/// The names that the program reads from the environment.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    let secrets =
        [&PASSWORD, &DATABASE_URL].into_iter().flat_map(|secret| [secret.variable, secret.file_variable]);
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
