//! The flags of `mock-platform`.

use clap::Args;

use super::LogArgs;

const MOCK_EMAIL_HELP: &str = "\
Login that is accepted, with the password of AD_PLATFORM_PASSWORD (else for-trying-things-out) \
[env: AD_PLATFORM_EMAIL] [default: demo@example.com]";

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
