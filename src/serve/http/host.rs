//! Against pages of somebody else's in an operator's browser. A name of theirs can be made to lead to 127.0.0.1, and a page
//! from there would then count as ours: whoever listens on loopback only is reached by these names alone. And what a page of
//! theirs loads from here, which its browser says, is not answered: links may lead here, and nothing else.

use std::net::IpAddr;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::http::uri::Authority;
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};

use super::answer::Problem;

/// Refuses what a page from elsewhere loads; and what is not addressed to this machine, where only this machine can reach us.
pub(super) async fn check<B: MessageBody + 'static>(
    on_loopback: bool,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let says = |name: &str| request.headers().get(name).map(header::HeaderValue::as_bytes);
    if says("sec-fetch-site") == Some(b"cross-site") && says("sec-fetch-mode") != Some(b"navigate") {
        let detail = "a page from elsewhere asks for this: only links may lead here";
        let refusal = Problem::new(StatusCode::FORBIDDEN, detail).error_response();
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    if !on_loopback || is_loopback(host(request.head())) {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let detail = "only localhost, 127.0.0.1 and [::1] are answered here: --listen with an address that is not loopback \
                  serves other names";
    let refusal = Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).error_response();
    Ok(request.into_response(refusal).map_into_right_body())
}

/// HTTP/1 has it in a header; HTTP/2 in its place for it, which is not the header's to contradict.
fn host(head: &RequestHead) -> &str {
    let header = || head.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    head.uri.authority().map(Authority::as_str).or_else(header).unwrap_or_default()
}

/// With or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "127.9.9.9", "[::1]", "[::1]:80"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "example.com",
            "localhost.example.com",
            "10.0.0.1:80",
            "127.0.0.1.example.com",
            "[::2]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
