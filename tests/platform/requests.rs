//! What is sent.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use actors::model::{AccessToken, IdempotencyKey, Listed, PageRequest};
use actors::permit::Permit;
use actors::ports::{Platform, PlatformError};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::scripted_server::{Reply, ScriptedServer};
use crate::support::{
    LOGIN, PAGE, PASSWORD, SYNCED, TOKEN, campaign, list, login, new, platform, settings, sync,
};

#[actix::test]
async fn a_login_sends_basic_authorization_and_yields_the_token() {
    let (server, platform) = platform([Reply::json(200, LOGIN)]).await;
    let login = login(&platform).await.unwrap();
    assert_eq!(login.token.expose_secret(), "abc");
    assert_eq!(login.expires_in, Duration::from_secs(60));
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /auth/token HTTP/1.1");
    let basic = BASE64_STANDARD.encode(format!("ann@example.com:{PASSWORD}"));
    assert_eq!(request.header("authorization"), Some(format!("Basic {basic}").as_str()));
    assert_eq!(request.header("idempotency-key"), None);
}

#[actix::test]
async fn every_request_names_its_account_its_program_and_what_it_accepts() {
    let (server, platform) =
        platform([Reply::json(200, LOGIN), Reply::json(200, PAGE), Reply::json(200, SYNCED)]).await;
    login(&platform).await.unwrap();
    list(&platform).await.unwrap();
    sync(&platform, "42").await.unwrap();
    for request in server.requests() {
        assert_eq!(request.header("x-client-id"), Some("acme"));
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.header("user-agent"), Some(concat!("campaign-sync/", env!("CARGO_PKG_VERSION"))));
        assert!(request.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip")));
        assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
    }
}

#[actix::test]
async fn a_page_is_asked_for_by_number_and_limit_and_read() {
    let (server, platform) = platform([Reply::json(200, PAGE)]).await;
    let page = list(&platform).await.unwrap();
    assert_eq!((page.has_more, page.total), (false, Some(21)));
    assert!(matches!(&page.entries[..], [Listed::Campaign(campaign)] if &*campaign.budget == "10.50"));
    let request = &server.requests()[0];
    assert_eq!(request.line, "GET /api/campaigns?page=3&limit=10 HTTP/1.1");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(request.body, "");
}

#[actix::test]
async fn a_sync_sends_its_campaign_and_its_idempotency_key() {
    let (server, platform) = platform([Reply::json(200, SYNCED), Reply::json(200, SYNCED)]).await;
    let synced = sync(&platform, "42").await.unwrap();
    assert_eq!(synced.campaign, campaign("42"));
    assert_eq!(synced.synced_at, SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_164_645));
    sync(&platform, "42").await.unwrap();
    let [first, second] = &server.requests()[..] else { panic!() };
    assert_eq!(first.line, "POST /api/campaigns/42/sync HTTP/1.1");
    assert_eq!(first.body, r#"{"campaign_id":"42"}"#);
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    let key = IdempotencyKey::new(Uuid::nil(), &"42".into());
    assert_eq!(first.header("idempotency-key"), Some(key.as_str()));
    assert_eq!(second.header("idempotency-key"), Some(key.as_str()));
}

#[actix::test]
async fn an_id_is_percent_encoded_below_the_prefix() {
    let id = "a/../b?c=d#e%2f é";
    let body = SYNCED.replace("42", id);
    let server = ScriptedServer::start([Reply::json(200, &body)]).await;
    let platform = new(settings(&format!("http://{}/v2/", server.address))).unwrap();
    sync(&platform, id).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v2/api/campaigns/a%2F..%2Fb%3Fc%3Dd%23e%252f%20%C3%A9/sync HTTP/1.1");
}

#[actix::test]
async fn an_id_that_cannot_stand_in_a_url_is_rejected_and_nothing_is_sent() {
    let (server, platform) = platform([]).await;
    for id in ["", ".", "..", &"x".repeat(513)] {
        assert!(matches!(sync(&platform, id).await, Err(PlatformError::Rejected { .. })), "{id}");
    }
    assert_eq!(server.connections(), 0);
}

#[actix::test]
async fn a_token_that_fits_no_header_is_rejected_and_nothing_is_sent() {
    let (server, platform) = platform([]).await;
    let token = AccessToken { secret: SecretString::from("two\r\nlines"), generation: 1 };
    let page = PageRequest { page: 1, limit: NonZeroU32::MIN };
    let error = platform.list(Permit::for_test(), &token, page).await.unwrap_err();
    assert!(matches!(&error, PlatformError::Rejected { message } if !message.contains("two")), "{error}");
    assert_eq!(server.connections(), 0);
}

#[actix::test]
async fn an_account_that_fits_no_header_is_refused_at_once() {
    let mut settings = settings("http://127.0.0.1:1");
    settings.account = "a\nb".into();
    let error = new(settings).unwrap_err();
    assert!(error.to_string().contains("x-client-id"), "{error}");
}
