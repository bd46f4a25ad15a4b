//! The parsers of what a platform sends, opened to `fuzz/` and to the tests that share its properties.

use std::time::SystemTime;

use actors::model::{CampaignId, Login, Page};
use actors::ports::PlatformError;
use actors::quota_signals::QuotaSignals;
use awc::http::StatusCode;
use awc::http::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use super::scrub::Secrets;
use super::verdict::Verdict;
use super::{exchange, quota_signals, wire};

const WHAT: &str = "GET /fuzzed";

/// One field of an answer's head.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// The answer to a login.
pub fn login(body: &[u8]) -> Result<Login, String> {
    wire::login(body)
}

/// A page of the listing.
pub fn page(body: &[u8]) -> Result<Page, String> {
    wire::page(body, &Secrets::new([]))
}

/// The answer to the sync of `wanted`.
pub fn synced_at(body: &[u8], wanted: &CampaignId) -> Result<SystemTime, String> {
    wire::synced_at(body, wanted)
}

/// What a head says about the limits.
pub fn quota_signals(head: &[Field<'_>]) -> QuotaSignals {
    quota_signals::quota_signals(&headers(head))
}

/// The message where a success is none by its body, or by `error`.
pub fn unpromised(error: &str, body: &[u8], secrets: &[&str]) -> String {
    let secrets = of(secrets);
    exchange::unpromised(&WHAT, StatusCode::OK, error, Some(body), &Secrets::new(&secrets))
}

/// An answer whose status is no success, or is to be taken for none.
pub fn refusal(status: u16, head: &[Field<'_>], body: &[u8], secrets: &[&str]) -> PlatformError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let secrets = of(secrets);
    exchange::refusal(Verdict::of(status), &WHAT, status, &headers(head), body, &Secrets::new(&secrets))
}

fn of(secrets: &[&str]) -> Vec<SecretString> {
    secrets.iter().map(|secret| SecretString::from(*secret)).collect()
}

/// Without what HTTP cannot carry.
fn headers(head: &[Field<'_>]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in head {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}
