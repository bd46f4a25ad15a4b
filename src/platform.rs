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
use awc::http::Method;
use awc::http::header::HeaderValue;
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
const CLIENT_ID: &str = "x-client-id";

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
    email: String,
    password: RotatingSecret,
    credentials: RefCell<Rc<Credentials>>,
    /// A login that fails may repeat the token of the one before.
    newest_token: RefCell<Option<Rc<SecretString>>>,
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
        if HeaderValue::from_str(account.as_str()).is_err() {
            return Err(SetupError::Account(account));
        }
        Ok(Self {
            connections: connections.clone(),
            endpoints: Endpoints::new(&base_url),
            account,
            credentials: RefCell::new(Rc::new(Credentials::new(&email, password.newest()))),
            email,
            password,
            newest_token: RefCell::default(),
            request_timeout,
        })
    }

    /// A request with its authorization and with the secrets that its answer could give away.
    fn exchange<'a>(
        &self,
        method: Method,
        target: endpoints::Target,
        authorization: Authorization<'a>,
    ) -> Result<Exchange<'a>, PlatformError> {
        let credentials = self.credentials.borrow().clone();
        let (scheme, secret, token) = match authorization {
            Authorization::Basic => ("Basic", &credentials.basic, None),
            Authorization::Bearer(token) => ("Bearer", &token.secret, Some(&token.secret)),
        };
        let authorization = Zeroizing::new([scheme, " ", secret.expose_secret()].concat());
        let newest_token = self.newest_token.borrow().clone();
        let known = Known { credentials, token, newest_token };
        let timeout = self.request_timeout;
        let exchange = Exchange::new(&self.connections.0, method, target, &authorization, known, timeout)?;
        Ok(exchange.header(CLIENT_ID, self.account.as_str()))
    }
}

enum Authorization<'a> {
    Basic,
    Bearer(&'a AccessToken),
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
        let login = self
            .exchange(Method::POST, self.endpoints.login(), Authorization::Basic)?
            .confidential()
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
        self.exchange(Method::GET, self.endpoints.list(page), Authorization::Bearer(token))?
            .send(permit, Vec::new(), MAX_PAGE_BYTES, wire::page)
            .await
    }

    async fn sync(
        &self,
        permit: Permit,
        token: &AccessToken,
        campaign: &Arc<Campaign>,
        key: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError> {
        let Some(target) = self.endpoints.sync(&campaign.id) else {
            return Err(PlatformError::Rejected {
                message: format!(
                    "the campaign id {} cannot stand in a URL: it must be 1 to {} bytes and neither . nor ..",
                    scrub::snippet(campaign.id.as_str()),
                    wire::MAX_ID_BYTES
                ),
            });
        };
        let synced_at = self
            .exchange(Method::POST, target, Authorization::Bearer(token))?
            .header("idempotency-key", key.as_str())
            .header("content-type", "application/json")
            .send(permit, wire::sync_request(&campaign.id), MAX_ANSWER_BYTES, |body, _| {
                wire::synced_at(body, &campaign.id)
            })
            .await?;
        Ok(SyncedCampaign { campaign: Arc::clone(campaign), synced_at })
    }
}
