//! Who may change something: whoever has the bearer token.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, web};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use tracing::warn;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify};

use super::Api;
use super::answer::Problem;
use super::guesses::Guesses;

/// As an argument of a handler: the request is an operator's.
pub(super) struct Operator {
    /// Where it came from, for the audit log: the other end of the connection, which may be a proxy's. What a header says of
    /// who is behind it is not believed.
    pub(super) address: String,
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let peer = request.peer_addr();
        let address = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        ready(authorize(request, from).map(|()| Self { address }))
    }
}

/// Also a right token is not heard from where too many wrong ones came: else each guess would be told whether it is right.
fn authorize(request: &HttpRequest, from: IpAddr) -> Result<(), Problem> {
    let api = request.app_data::<web::Data<Api>>();
    let Some(token) = api.and_then(|api| api.token.as_ref()) else {
        let detail = "nothing can be changed over HTTP as long as no api_token is set: name one in the configuration file, \
                      such as api_token = { env = \"CAMPAIGN_SYNC_API_TOKEN\" }";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    };
    let header = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let given = header.and_then(|header| match header.split_at_checked(7) {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(given),
        _ => None,
    });
    let guesses = request.app_data::<web::Data<Guesses>>();
    let now = Instant::now();
    if given.is_some() && guesses.is_some_and(|guesses| guesses.are_barred(from, now)) {
        let detail = "too many wrong tokens came from there; try again in a minute";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
    }
    match given {
        // How long it takes does not depend on how much of it is right.
        Some(given) if given.ct_eq(token.newest().expose_secret().as_bytes()).into() => Ok(()),
        Some(_) => {
            if let Some(guesses) = guesses {
                guesses.add(from, now);
            }
            warn!(%from, "a wrong token of an operator");
            Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not the one that api_token names"))
        }
        None => {
            let detail = "this needs the token that api_token names, as Authorization: Bearer TOKEN";
            Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
        }
    }
}

/// How whoever is none is answered, for the description.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the answers are made elsewhere")]
pub(super) enum NotAnOperator {
    /// Not an operator.
    #[response(status = UNAUTHORIZED, content_type = "application/problem+json")]
    WrongToken(Problem),
    /// No token is set.
    #[response(status = FORBIDDEN, content_type = "application/problem+json")]
    NoToken(Problem),
    /// Too many wrong tokens came from there.
    #[response(status = TOO_MANY_REQUESTS, content_type = "application/problem+json")]
    TooMany(Problem),
}

/// The token in the description.
pub(super) struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("operator", scheme);
    }
}
