//! What the platform answers. Every decision is made at once, on a request's arrival, and is a value: who asks,
//! whether the limit has room, what goes wrong, what is in the answer. In that order: a 401 and a 429 spend no
//! permit; whatever is accepted has spent one, also a 400, a 404, a 503 and a hang.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::answer::{Answer, Delivery};
use crate::catalogue::{self, Campaign};
use crate::clients::{ClientId, Clients};
use crate::faults::{Fate, Faults};
use crate::http::{Headers, Request, Response};
use crate::quota_headers::{quota_headers, whole_seconds};
use crate::settings::{RetryHint, Settings};
use crate::stats::{self, Endpoint, Stats, Tally};
use crate::tokens::Tokens;

/// The largest `limit` of a listing: a page of some 3 MB.
const MAX_PAGE_SIZE: u64 = 10_000;
/// What a listing's `limit` is where it says none.
const PAGE_SIZE: u64 = 10;
/// Whoever sends no `x-client-id`.
const ANONYMOUS: &str = "anonymous";

/// The platform's state.
pub(crate) struct Platform {
    settings: Settings,
    /// What a right login sends after `Basic`.
    credentials: String,
    tokens: Tokens,
    clients: Clients,
    faults: Faults,
    pub(crate) tally: Tally,
}

/// The platform, for the moment that a decision takes.
pub(crate) fn lock(platform: &Mutex<Platform>) -> MutexGuard<'_, Platform> {
    platform.lock().expect("nothing panics while it holds the platform")
}

#[derive(Deserialize)]
struct SyncBody<'a> {
    #[serde(borrow)]
    campaign_id: Cow<'a, str>,
}

#[derive(Serialize)]
struct Page {
    data: Vec<Campaign>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct Pagination {
    page: u64,
    limit: u64,
    total: u64,
    has_more: bool,
}

impl Platform {
    pub(crate) fn new(settings: Settings) -> Platform {
        Platform {
            credentials: STANDARD.encode(format!("{}:{}", settings.email, settings.password)),
            tokens: Tokens::new(settings.seed),
            clients: Clients::default(),
            faults: Faults::new(settings.seed),
            tally: Tally::default(),
            settings,
        }
    }

    /// What it has seen so far.
    pub(crate) fn stats(&self) -> Stats {
        stats::collect(&self.tally, self.clients.tallies(), &self.settings.rate_limits)
    }

    /// A campaign has been synced for a client.
    pub(crate) fn carried_out(&mut self, (client, campaign): (ClientId, u64)) {
        self.clients.get_mut(client).tally.carried_out(campaign);
    }

    /// The answer to a request that arrives `now`.
    pub(crate) fn answer(&mut self, request: &Request<'_>, now: Instant) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let sync = path.strip_prefix("/api/campaigns/").and_then(|rest| rest.strip_suffix("/sync"));
        let (endpoint, method) = match (path, sync) {
            ("/auth/token", _) => (Endpoint::Auth, "POST"),
            ("/api/campaigns", _) => (Endpoint::List, "GET"),
            (_, Some(id)) if !id.contains('/') => (Endpoint::Sync, "POST"),
            ("/health", _) => (Endpoint::Health, "GET"),
            ("/stats", _) => (Endpoint::Stats, "GET"),
            _ => {
                return Answer::at_once(
                    Endpoint::Other,
                    Response::error(404, "there is nothing at this path"),
                );
            }
        };
        if request.method != method {
            let refusal = Response::error(405, "this path does not take this method");
            return Answer::at_once(endpoint, refusal.with("allow", method));
        }
        match endpoint {
            Endpoint::Auth => self.login(request, now),
            Endpoint::List | Endpoint::Sync => match self.admit(request, now) {
                Ok((client, quota)) => match sync {
                    Some(id) => self.sync(request, id, client),
                    None => self.list(query),
                }
                .stating(quota),
                Err(refusal) => Answer::at_once(endpoint, refusal),
            },
            Endpoint::Stats => Answer::at_once(endpoint, Response::json(200, &self.stats())),
            Endpoint::Health | Endpoint::Other => {
                Answer::at_once(endpoint, Response::json(200, &json!({ "status": "ok" })))
            }
        }
    }

    fn login(&mut self, request: &Request<'_>, now: Instant) -> Answer {
        let response = if credentials(request, "Basic") == Some(&self.credentials) {
            let life = self.settings.token_life;
            let issued_at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
            Response::json(
                200,
                &json!({
                    "access_token": self.tokens.issue(now, life),
                    "token_type": "Bearer",
                    "expires_in": life.as_secs(),
                    "issued_at": issued_at,
                }),
            )
        } else {
            Response::error(401, "the email or the password is wrong").with("www-authenticate", "Basic")
        };
        let after = self.faults.latency(self.settings.auth_latency, self.settings.latency_jitter);
        Answer { endpoint: Endpoint::Auth, after, delivery: Delivery::Whole(response), carries_out: None }
    }

    fn list(&mut self, query: &str) -> Answer {
        let fate = self.faults.of_listing(&self.settings);
        let (page, limit) = match page_and_limit(query) {
            Ok(asked) => asked,
            Err(refusal) => return Answer::at_once(Endpoint::List, refusal),
        };
        if let Some(fault) = fault(Endpoint::List, fate) {
            return fault;
        }
        let Settings { seed, campaigns: total, .. } = self.settings;
        let (data, has_more) = catalogue::page(seed, total, page, limit);
        let response =
            Response::json(200, &Page { data, pagination: Pagination { page, limit, total, has_more } });
        let after = self.faults.latency(self.settings.list_latency, self.settings.latency_jitter);
        Answer { endpoint: Endpoint::List, after, delivery: Delivery::Whole(response), carries_out: None }
    }

    fn sync(&mut self, request: &Request<'_>, id: &str, client: ClientId) -> Answer {
        let fate = self.faults.of_sync(&self.settings);
        let (id, campaign) = match self.campaign(request, id) {
            Ok(found) => found,
            Err(refusal) => return Answer::at_once(Endpoint::Sync, refusal),
        };
        if let Some(key) = request.idempotency_key {
            self.clients.get_mut(client).tally.keyed(campaign, key);
        }
        if let Some(fault) = fault(Endpoint::Sync, fate) {
            return fault;
        }
        let after = self.faults.latency(self.settings.sync_latency, self.settings.latency_jitter);
        let synced_at = jiff::Timestamp::try_from(SystemTime::now() + after)
            .expect("a clock that is set to a year of four digits");
        let response = Response::json(
            200,
            &json!({
                "success": true,
                "campaign_id": id,
                "synced_at": format!("{synced_at:.3}"),
                "message": "Campaign data synced successfully",
            }),
        );
        let carries_out = Some((client, campaign));
        Answer { endpoint: Endpoint::Sync, after, delivery: Delivery::Whole(response), carries_out }
    }

    /// Lets a listing or a sync in, which spends a permit, or says how to refuse it, which does not. Either way it
    /// says what is left.
    fn admit(&mut self, request: &Request<'_>, now: Instant) -> Result<(ClientId, Headers), Response> {
        if !credentials(request, "Bearer").is_some_and(|token| self.tokens.is_valid(token, now)) {
            let refusal = Response::error(401, "the access token is missing, unknown or expired");
            return Err(refusal.with("www-authenticate", "Bearer"));
        }
        let name = request.client_id.filter(|name| !name.is_empty()).unwrap_or(ANONYMOUS);
        let Some(id) = self.clients.find(name) else {
            return Err(Response::error(400, "this platform has seen too many different x-client-ids"));
        };
        let client = self.clients.get_mut(id);
        let limits = &self.settings.rate_limits;
        let admitted = client.log.admit(limits, now);
        let quota = quota_headers(self.settings.rate_limit_headers, limits, &client.log, now);
        match admitted {
            Ok(()) => {
                client.tally.accepted(limits, now);
                Ok((id, quota))
            }
            Err(wait) => Err(throttled(self.settings.retry_hint, wait).with_all(quota)),
        }
    }

    /// The campaign that a sync is about, by id and number.
    fn campaign(&self, request: &Request<'_>, id: &str) -> Result<(String, u64), Response> {
        let known = percent_decode_str(id).decode_utf8().ok().and_then(|id| {
            let number = catalogue::number(&id, self.settings.campaigns)?;
            Some((id.into_owned(), number))
        });
        let (id, number) = known.ok_or_else(|| Response::error(404, "there is no campaign with this id"))?;
        let body = serde_json::from_slice::<SyncBody<'_>>(request.body)
            .map_err(|_| Response::error(400, "the body must be JSON with a campaign_id"))?;
        if body.campaign_id != id {
            return Err(Response::error(400, "the campaign_id of the body is not the one of the path"));
        }
        Ok((id, number))
    }
}

/// What follows the scheme in the request's `Authorization`.
fn credentials<'a>(request: &Request<'a>, scheme: &str) -> Option<&'a str> {
    let (found, credentials) = request.authorization?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
}

/// `page` and `limit` of a listing's query. Parameters that it does not know are ignored.
fn page_and_limit(query: &str) -> Result<(u64, u64), Response> {
    let (mut page, mut limit) = (1, PAGE_SIZE);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "page" => page = value.parse().unwrap_or(0),
            "limit" => limit = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    if page == 0 || !(1..=MAX_PAGE_SIZE).contains(&limit) {
        let message = format!("page must be a number from 1 on, and limit one from 1 to {MAX_PAGE_SIZE}");
        return Err(Response::error(400, &message));
    }
    Ok((page, limit))
}

/// The answer that a fate makes instead of the real one.
fn fault(endpoint: Endpoint, fate: Fate) -> Option<Answer> {
    match fate {
        Fate::Served => None,
        Fate::Unavailable => {
            Some(Answer::at_once(endpoint, Response::error(503, "the service is temporarily unavailable")))
        }
        Fate::Hung => Some(Answer::never(endpoint)),
    }
}

/// A 429, with the time until a slot is free where the setting wants it, in seconds, rounded up.
fn throttled(hint: RetryHint, wait: Duration) -> Response {
    let message = "the rate limit is exceeded";
    match hint {
        RetryHint::HeaderSeconds => {
            Response::error(429, message).with("retry-after", whole_seconds(wait).to_string())
        }
        RetryHint::HeaderDate => {
            let free = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default() + wait;
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(whole_seconds(free));
            Response::error(429, message).with("retry-after", httpdate::fmt_http_date(date))
        }
        RetryHint::Body => {
            Response::json(429, &json!({ "error": message, "retry_after": whole_seconds(wait) }))
        }
        RetryHint::None => Response::error(429, message),
    }
}
