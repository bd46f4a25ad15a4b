//! What the platform answers. Every decision is made at once, on a request's arrival, and is a value: who asks,
//! whether the limit has room, what goes wrong, what is in the answer. In that order: a 401 and a 429 spend no
//! permit; whatever is accepted has spent one, also a 400, a 404, a 503 and a hang.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::catalogue;
use crate::clients::{ClientId, Clients};
use crate::fault::Fault;
use crate::faults::{Fate, Faults};
use crate::http::{Headers, Request, Response};
use crate::listing::{Listing, PageRequest};
use crate::quota_headers::{quota_headers, whole_seconds};
use crate::settings::{RetryHint, Settings};
use crate::spoiling::spoiled;
use crate::stats::{self, Endpoint, Stats, Tally};
use crate::tokens::{Refused, Tokens};

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
    listing: Listing,
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

impl Platform {
    pub(crate) fn new(settings: Settings) -> Platform {
        Platform {
            credentials: STANDARD.encode(format!("{}:{}", settings.email, settings.password)),
            tokens: Tokens::new(settings.seed),
            clients: Clients::default(),
            faults: Faults::new(settings.seed),
            listing: Listing::new(settings.seed, settings.campaigns),
            tally: Tally::default(),
            settings,
        }
    }

    /// What it has seen so far.
    pub(crate) fn stats(&self) -> Stats {
        stats::collect(&self.tally, self.clients.tallies(), &self.settings.rate_limits)
    }

    /// Takes what goes wrong out of the settings. A token that is dying dies yet.
    pub(crate) fn calm(&mut self) {
        (self.settings.error_rate, self.settings.hang_rate) = (0.0, 0.0);
        self.settings.list_error_every = None;
        self.settings.faults.clear();
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
        if credentials(request, "Basic") != Some(&self.credentials) {
            let refusal = Response::unauthorized("the email or the password is wrong", "Basic");
            return Answer::sent(Endpoint::Auth, refusal, self.latency(self.settings.auth_latency));
        }
        let fault = self.faults.strike(Endpoint::Auth, &self.settings.faults);
        let life = self.settings.token_life;
        let issued_at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let response = Response::json(
            200,
            &json!({
                "access_token": self.tokens.issue(now, life, fault),
                "token_type": "Bearer",
                "expires_in": life.as_secs(),
                "issued_at": issued_at,
            }),
        );
        let answer = Answer::sent(Endpoint::Auth, response, self.latency(self.settings.auth_latency));
        // Those strike when the token is refused.
        let later = |fault: &Fault| matches!(fault, Fault::TokenDiesEarly | Fault::TokenKillsPredecessors);
        self.struck_by(fault.filter(|fault| !later(fault)), answer)
    }

    fn list(&mut self, query: &str) -> Answer {
        let fate = self.faults.of_listing(&self.settings);
        let request = match PageRequest::parse(query) {
            Ok(request) => request,
            Err(refusal) => return Answer::at_once(Endpoint::List, refusal),
        };
        if let Some(fault) = failure(Endpoint::List, fate) {
            return fault;
        }
        let fault = self.faults.strike(Endpoint::List, &self.settings.faults);
        let after = self.latency(self.settings.list_latency);
        let lying = fault.and_then(|fault| self.listing.lying_page(request, fault));
        // A fault of the listing strikes only where there is something to lie about.
        let fault = fault.filter(|fault| lying.is_some() || !fault.is_of_the_listing());
        let page = lying.unwrap_or_else(|| self.listing.page(request));
        let answer = Answer::sent(Endpoint::List, page.response(), after);
        self.struck_by(fault, answer)
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
        if let Some(fault) = failure(Endpoint::Sync, fate) {
            return fault;
        }
        let after = self.latency(self.settings.sync_latency);
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
        let mut answer = Answer::sent(Endpoint::Sync, response, after);
        answer.carries_out = Some((client, campaign));
        let fault = self.faults.strike(Endpoint::Sync, &self.settings.faults);
        self.struck_by(fault, answer)
    }

    fn latency(&mut self, mean: Duration) -> Duration {
        self.faults.latency(mean, self.settings.latency_jitter)
    }

    /// What becomes of a good answer.
    fn struck_by(&mut self, fault: Option<Fault>, answer: Answer) -> Answer {
        let Some(fault) = fault else { return answer };
        self.tally.struck(fault);
        spoiled(answer, fault)
    }

    /// Lets a listing or a sync in, which spends a permit, or says how to refuse it, which does not. Either way it
    /// says what is left.
    fn admit(&mut self, request: &Request<'_>, now: Instant) -> Result<(ClientId, Headers), Response> {
        let token = credentials(request, "Bearer").ok_or(Refused::Rightly);
        if let Err(refused) = token.and_then(|token| self.tokens.admit(token, now)) {
            if let Refused::Struck(fault) = refused {
                self.tally.struck(fault);
            }
            return Err(Response::unauthorized("the access token is missing, unknown or expired", "Bearer"));
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

/// The answer that a fate makes instead of the real one.
fn failure(endpoint: Endpoint, fate: Fate) -> Option<Answer> {
    match fate {
        Fate::Served => None,
        Fate::Unavailable => Some(Answer::at_once(endpoint, Response::unavailable())),
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
