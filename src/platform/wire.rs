//! The platform's JSON, straight into the model. Nothing here trusts a type, a length or an encoding:
//! an answer is what the API promises, or it is an error with a sentence that says what is wrong with it.

mod entry;
mod value;

use std::borrow::Cow;
use std::time::Duration;

use actors::model::{CampaignId, Login, Page};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::scrub::Secrets;

pub(super) use value::MAX_ID_BYTES;

/// The life of a token whose answer names none: what OAuth 2 servers mean by silence.
const DEFAULT_TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// A shorter life would mean a login for every request.
const SHORTEST_TOKEN_LIFE: Duration = Duration::from_secs(1);
/// A longer life is not worth trusting, and would overflow somebody's clock.
const LONGEST_TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A token travels in a header; servers refuse heads of 8 KiB and more.
const MAX_TOKEN_BYTES: usize = 7 * 1024;

/// The answer to a login. Its errors never quote the body: a body of nearly the right form holds a token.
pub(super) fn login(body: &[u8]) -> Result<Login, String> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        access_token: Option<&'a RawValue>,
        #[serde(borrow)]
        expires_in: Option<&'a RawValue>,
    }
    let text = std::str::from_utf8(body).map_err(|_| "not a JSON object in UTF-8")?;
    let Body { access_token, expires_in } = object(text)
        .map_err(|error| format!("not a JSON object (line {}, column {})", error.line(), error.column()))?;
    let token = access_token.ok_or("`access_token` is missing")?;
    let token: String = serde_json::from_str(token.get()).map_err(|_| "`access_token` is not a string")?;
    if token.is_empty() {
        return Err("`access_token` is empty".to_owned());
    }
    if token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("`access_token` does not fit a header".to_owned());
    }
    let expires_in = match expires_in {
        None => DEFAULT_TOKEN_LIFE,
        Some(life) => token_life(life.get()).ok_or("`expires_in` is not a positive number of seconds")?,
    };
    Ok(Login { token: SecretString::from(token), expires_in })
}

fn token_life(json: &str) -> Option<Duration> {
    let seconds = match serde_json::from_str::<String>(json) {
        Ok(string) => string.trim().parse::<f64>().ok()?,
        Err(_) => json.parse::<f64>().ok()?,
    };
    let clamped = seconds.clamp(SHORTEST_TOKEN_LIFE.as_secs_f64(), LONGEST_TOKEN_LIFE.as_secs_f64());
    (seconds > 0.0).then(|| Duration::from_secs_f64(clamped))
}

/// One page of the listing. An entry that is no campaign spoils itself, not the page; what is said of it holds none of the
/// secrets, while its payload is the platform's own data and stays as it is.
pub(super) fn page(body: &[u8], secrets: &Secrets<'_>) -> Result<Page, String> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
        #[serde(borrow)]
        pagination: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Pagination {
        has_more: bool,
        total: Option<u64>,
    }
    // Read as text first: serde_json looks at the encoding of the strings that it unpacks, not of the rest.
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let Body { data, pagination } = object(text).map_err(|error| error.to_string())?;
    let pagination: Pagination =
        object(pagination.get()).map_err(|error| format!("`pagination`: {error}"))?;
    Ok(Page {
        entries: data.into_iter().map(|entry| entry::listed(entry, secrets)).collect(),
        has_more: pagination.has_more,
        total: pagination.total,
    })
}

/// The body of a sync request.
pub(super) fn sync_request(id: &CampaignId) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        campaign_id: &'a str,
    }
    serde_json::to_vec(&Body { campaign_id: id.as_str() }).expect("a struct of one string is always JSON")
}

/// The answer to a sync request for `wanted`: when the platform synced it.
pub(super) fn synced_at(body: &[u8], wanted: &CampaignId) -> Result<std::time::SystemTime, String> {
    #[derive(Deserialize)]
    struct Usual<'a> {
        success: bool,
        #[serde(borrow)]
        campaign_id: Cow<'a, str>,
        #[serde(borrow)]
        synced_at: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Body<'a> {
        success: bool,
        #[serde(borrow)]
        campaign_id: Option<&'a RawValue>,
        #[serde(borrow)]
        synced_at: Option<&'a RawValue>,
    }
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    if let Ok(Usual { success: true, campaign_id, synced_at }) = object(text)
        && campaign_id == wanted.as_str()
        && value::can_be_id(&campaign_id)
        && let Some(moment) = value::moment(&synced_at)
    {
        return Ok(moment);
    }
    // Something is unusual, or wrong: which.
    let body: Body<'_> = object(text).map_err(|error| error.to_string())?;
    if !body.success {
        return Err("`success` is false".to_owned());
    }
    let id = value::id("campaign_id", body.campaign_id)?;
    if id != *wanted {
        return Err(format!("`campaign_id` is that of another campaign, {:?}", id.as_str()));
    }
    value::time("synced_at", body.synced_at)
}

/// The fields of an object. serde alone reads a list, too, as the fields in their order.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a str) -> serde_json::Result<T> {
    if !json.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        // What is no JSON at all is said first.
        return serde_json::from_str::<&RawValue>(json)
            .and_then(|_| Err(serde::de::Error::custom("it is not a JSON object")));
    }
    serde_json::from_str(json)
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
