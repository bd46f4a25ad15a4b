//! The reference platform over HTTP: [`HttpPlatform`] is the pipeline's `Platform`.
//!
//! Its promise: one call is one request (no retry, no redirect), over when the timeout is, with every body
//! read to its end or to its bound; whatever goes wrong is a [`PlatformError`] whose message a person
//! understands and which holds no secret. Nothing outside this module knows a path, a header or a status.

mod body;
mod client;
mod endpoints;
mod exchange;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod quota_signals;
mod retry_hint;
mod scrub;
mod verdict;
mod wire;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{
    AccessToken, AccountId, Campaign, IdempotencyKey, Login, Page, PageRequest, SyncedCampaign,
};
use actors::permit::Permit;
use actors::ports::{Platform, PlatformError};
use awc::http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT,
};
use awc::http::{Method, Uri};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

use crate::rotating_secret::RotatingSecret;

pub use client::Connections;
use endpoints::Endpoints;
use exchange::{Exchange, Known};

use crate::tls::NoAuthorities;

// What a body may be, packed and once it is unpacked (tests/hostile_bodies.rs).

/// A page: 10,000 campaigns, the largest page that can be asked for, of 1.6 kB each.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;
/// Any other answer, and any error: some fields, or an error page.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Tells the platform which account a request counts for.
const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
/// The same over all attempts to sync one campaign in one run.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Who we are, for the platform's operators.
const OUR_NAME: &str = concat!("campaign-sync/", env!("CARGO_PKG_VERSION"));

/// What an account needs to reach its platform.
#[derive(Clone, Debug)]
pub struct PlatformSettings {
    /// The endpoints' paths are appended to it.
    pub base_url: Url,
    /// Sent as `x-client-id`.
    pub account: AccountId,
    /// The login's name; it must hold no colon.
    pub email: String,
    /// The login's secret.
    pub password: RotatingSecret,
    /// Of one request, connect to last byte.
    pub request_timeout: Duration,
}

/// Why a client cannot be built.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The account's id cannot be sent.
    #[error("the account id {0:?} does not fit the header x-client-id: it must be visible ASCII")]
    Account(AccountId),
    /// Nothing can be asked of it.
    #[error("the API URL {0} cannot be used: it must have a host, and a path of at most 8192 bytes")]
    BaseUrl(Url),
    /// Nobody's certificate could be trusted.
    #[error("{0}; or name an authority of your own with --ca-file")]
    NoAuthorities(#[from] NoAuthorities),
    /// The TLS library refuses its settings.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// One account's client of the reference platform. It stays on the arbiter that it was made on.
pub struct HttpPlatform {
    connections: Connections,
    endpoints: Endpoints,
    account: AccountId,
    /// Of every request.
    headers: [(HeaderName, HeaderValue); 5],
    email: String,
    password: RotatingSecret,
    credentials: RefCell<Rc<Credentials>>,
    /// A login that fails may repeat the token of the one before.
    newest_token: RefCell<Option<Rc<SecretString>>>,
    /// The authorization of the last request: a token serves for thousands.
    bearer: RefCell<Option<HeaderValue>>,
    request_timeout: Duration,
}

/// What the login sends.
struct Credentials {
    password: SecretString,
    /// `base64(email:password)`.
    basic: SecretString,
}

impl Credentials {
    fn new(email: &str, password: SecretString) -> Self {
        let plain = Zeroizing::new(format!("{email}:{}", password.expose_secret()));
        Self { password, basic: SecretString::from(BASE64_STANDARD.encode(plain.as_bytes())) }
    }
}

impl HttpPlatform {
    /// Builds the client; nothing is sent.
    pub fn new(settings: PlatformSettings, connections: &Connections) -> Result<Self, SetupError> {
        let PlatformSettings { base_url, account, email, password, request_timeout } = settings;
        let Ok(client_id) = HeaderValue::from_str(account.as_str()) else {
            return Err(SetupError::Account(account));
        };
        let Some(endpoints) = Endpoints::new(&base_url) else {
            return Err(SetupError::BaseUrl(base_url));
        };
        let Ok(host) = HeaderValue::from_str(endpoints.host()) else {
            return Err(SetupError::BaseUrl(base_url));
        };
        let headers = [
            (HOST, host),
            (CLIENT_ID, client_id),
            (USER_AGENT, HeaderValue::from_static(OUR_NAME)),
            (ACCEPT, HeaderValue::from_static("application/json")),
            // What `body.rs` unpacks.
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ];
        Ok(Self {
            connections: connections.clone(),
            endpoints,
            account,
            headers,
            credentials: RefCell::new(Rc::new(Credentials::new(&email, password.newest()))),
            email,
            password,
            newest_token: RefCell::default(),
            bearer: RefCell::default(),
            request_timeout,
        })
    }

    /// A request with the secrets that its answer could give away.
    fn exchange<'a>(
        &self,
        method: Method,
        url: Uri,
        authorization: HeaderValue,
        token: Option<&'a AccessToken>,
    ) -> Exchange<'a> {
        let mut request = self.connections.0.request(method, url);
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(AUTHORIZATION, authorization);
        let known = Known {
            credentials: self.credentials.borrow().clone(),
            token: token.map(|token| &token.secret),
            newest_token: self.newest_token.borrow().clone(),
        };
        Exchange { request, known, timeout: self.request_timeout, confidential: false }
    }

    fn bearer(&self, token: &AccessToken) -> Result<HeaderValue, PlatformError> {
        let secret = token.secret.expose_secret();
        let is_of = |value: &&HeaderValue| {
            value.as_bytes().strip_prefix(BEARER.as_bytes()) == Some(secret.as_bytes())
        };
        if let Some(bearer) = self.bearer.borrow().as_ref().filter(is_of) {
            return Ok(bearer.clone());
        }
        let bearer = confidential(&Zeroizing::new([BEARER, secret].concat())).ok_or_else(|| {
            PlatformError::Rejected {
                message: "no request can be sent with this token: it does not fit a header".to_owned(),
            }
        })?;
        self.bearer.replace(Some(bearer.clone()));
        Ok(bearer)
    }
}

const BEARER: &str = "Bearer ";

/// A header that nobody prints; none where the text fits no header.
fn confidential(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for HttpPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPlatform")
            .field("endpoints", &self.endpoints)
            .field("account", &self.account)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}

impl Platform for HttpPlatform {
    async fn renew_credentials(&self) -> Result<bool, String> {
        let refused = self.credentials.borrow().password.clone();
        let Some(password) = self.password.after(&refused).await? else { return Ok(false) };
        self.credentials.replace(Rc::new(Credentials::new(&self.email, password)));
        Ok(true)
    }

    async fn login(&self, permit: Permit) -> Result<Login, PlatformError> {
        let basic = Zeroizing::new(["Basic ", self.credentials.borrow().basic.expose_secret()].concat());
        let authorization = confidential(&basic).expect("base64 fits a header");
        let exchange = self.exchange(Method::POST, self.endpoints.login(), authorization, None);
        let login = Exchange { confidential: true, ..exchange }
            .send(permit, Vec::new(), MAX_ANSWER_BYTES, |body, _| wire::login(body))
            .await?;
        self.newest_token.replace(Some(Rc::new(login.token.clone())));
        Ok(login)
    }

    async fn list(
        &self,
        permit: Permit,
        token: &AccessToken,
        page: PageRequest,
    ) -> Result<Page, PlatformError> {
        let authorization = self.bearer(token)?;
        self.exchange(Method::GET, self.endpoints.list(page), authorization, Some(token))
            .send(permit, Vec::new(), MAX_PAGE_BYTES, |body, known| wire::page(body, &known.secrets()))
            .await
    }

    async fn sync(
        &self,
        permit: Permit,
        token: &AccessToken,
        campaign: &Arc<Campaign>,
        key: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError> {
        let Some(url) = self.endpoints.sync(&campaign.id) else {
            return Err(PlatformError::Rejected {
                message: format!(
                    "the campaign id {} cannot stand in a URL: it must be 1 to {} bytes and neither . nor ..",
                    scrub::snippet(campaign.id.as_str()),
                    wire::MAX_ID_BYTES
                ),
            });
        };
        let authorization = self.bearer(token)?;
        let sync = {
            let mut exchange = self.exchange(Method::POST, url, authorization, Some(token));
            let headers = exchange.request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let key = HeaderValue::from_str(key.as_str()).expect("a UUID fits a header");
            headers.insert(IDEMPOTENCY_KEY, key);
            let body = wire::sync_request(&campaign.id);
            exchange.send(permit, body, MAX_ANSWER_BYTES, |body, _| wire::synced_at(body, &campaign.id))
        };
        let synced_at = sync.await?;
        Ok(SyncedCampaign { campaign: Arc::clone(campaign), synced_at })
    }
}
