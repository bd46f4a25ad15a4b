//! `HttpPlatform` against a server that answers with scripted bytes, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/scripted_server.rs"]
mod scripted_server;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{
    AccessToken, Campaign, CampaignId, FailureClass, IdempotencyKey, Listed, Login, Page, PageRequest,
    SyncedCampaign,
};
use actors::permit::Permit;
use actors::ports::{Platform, PlatformError};
use actors::quota_signals::{QuotaSignals, Remaining};
use actors::settings::RateLimit;
use actors::testing::overheard_permit;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings, SetupError};
use scripted_server::{Reply, ScriptedServer};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

const PASSWORD: &str = r#"pass"word: x"#;
const TOKEN: &str = "t0ken.of-the-test";
const PAGE: &str = r#"{"data":[{"id":"42","name":"Spring","status":"active","budget":10.50,"impressions":1,"clicks":2,"conversions":3,"created_at":"2024-01-02T03:04:05Z"}],"pagination":{"page":3,"limit":10,"total":21,"has_more":false}}"#;
const SYNCED: &str =
    r#"{"success":true,"campaign_id":"42","synced_at":"2024-01-02T03:04:05Z","message":"done"}"#;
const LOGIN: &str = r#"{"access_token":"abc","token_type":"Bearer","expires_in":60,"issued_at":1}"#;

fn settings(base_url: &str) -> PlatformSettings {
    PlatformSettings {
        base_url: base_url.parse().unwrap(),
        account: "acme".into(),
        email: "ann@example.com".to_owned(),
        password: SecretString::from(PASSWORD),
        // Nothing but the tests of timeouts should ever wait as long as this.
        request_timeout: Duration::from_secs(60),
    }
}

fn new(settings: PlatformSettings) -> Result<HttpPlatform, SetupError> {
    let with_tls = settings.base_url.scheme() == "https";
    HttpPlatform::new(settings, &Connections::new(4, with_tls)?)
}

/// A client of the server's that gives up soon.
fn impatient(server: &ScriptedServer) -> HttpPlatform {
    let mut settings = settings(&format!("http://{}", server.address));
    settings.request_timeout = Duration::from_millis(200);
    new(settings).unwrap()
}

async fn platform(script: impl IntoIterator<Item = Reply>) -> (ScriptedServer, HttpPlatform) {
    let server = ScriptedServer::start(script).await;
    let platform = new(settings(&format!("http://{}", server.address))).unwrap();
    (server, platform)
}

fn token() -> AccessToken {
    AccessToken { secret: SecretString::from(TOKEN), generation: 1 }
}

fn campaign(id: &str) -> Arc<Campaign> {
    Arc::new(Campaign {
        id: CampaignId::from(id),
        name: "Spring".into(),
        status: "active".into(),
        budget: "10.50".into(),
        impressions: 1,
        clicks: 2,
        conversions: 3,
        created_at: SystemTime::UNIX_EPOCH,
        payload: "{}".into(),
    })
}

async fn login(platform: &HttpPlatform) -> Result<Login, PlatformError> {
    platform.login(Permit::for_test()).await
}

async fn list(platform: &HttpPlatform) -> Result<Page, PlatformError> {
    let page = PageRequest { page: 3, limit: NonZeroU32::new(10).unwrap() };
    platform.list(Permit::for_test(), &token(), page).await
}

async fn sync(platform: &HttpPlatform, id: &str) -> Result<SyncedCampaign, PlatformError> {
    let campaign = campaign(id);
    let key = IdempotencyKey::new(Uuid::nil(), &campaign.id);
    platform.sync(Permit::for_test(), &token(), &campaign, &key).await
}

fn transient<T: std::fmt::Debug>(result: Result<T, PlatformError>) -> (FailureClass, String) {
    match result.unwrap_err() {
        PlatformError::Transient { class, message } => (class, message),
        other => panic!("{other:?}"),
    }
}

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
async fn every_status_has_its_error_and_the_connection_is_kept() {
    let unavailable = [302, 303, 307, 408, 425, 500, 502, 503, 504];
    let rejected = [301, 304, 308, 400, 403, 404, 409, 410, 422, 501];
    let statuses: Vec<u16> = unavailable.into_iter().chain(rejected).chain([401, 429]).collect();
    let (server, platform) = platform(statuses.iter().map(|&status| match status {
        304 => Reply::raw("HTTP/1.1 304 X\r\n\r\n"),
        _ => Reply::json(status, r#"{"error":"because"}"#),
    }))
    .await;
    for status in statuses {
        match sync(&platform, "42").await.unwrap_err() {
            PlatformError::Transient { class: FailureClass::Unavailable, message } => {
                assert!(unavailable.contains(&status), "{status}");
                assert!(message.contains("POST /api/campaigns/42/sync"), "{message}");
                assert!(message.contains(&status.to_string()) && message.contains("because"), "{message}");
            }
            PlatformError::Rejected { message } => {
                assert!(rejected.contains(&status), "{status}");
                assert!(message.contains(&status.to_string()), "{message}");
            }
            PlatformError::Unauthorized { message } => {
                assert_eq!(status, 401);
                assert!(message.contains("because"), "{message}");
            }
            PlatformError::Throttled { retry_after } => assert_eq!((status, retry_after), (429, None)),
            other => panic!("{status}: {other:?}"),
        }
    }
    assert_eq!(server.connections(), 1, "a body was left unread");
}

#[actix::test]
async fn a_redirect_is_not_followed() {
    let to_elsewhere = |status| Reply::with(status, &[("location", "/elsewhere")], b"");
    let (server, platform) = platform([to_elsewhere(301), to_elsewhere(302), Reply::json(200, PAGE)]).await;
    assert!(matches!(list(&platform).await, Err(PlatformError::Rejected { .. })), "for good");
    assert_eq!(transient(list(&platform).await).0, FailureClass::Unavailable, "for now");
    assert!(server.requests().iter().all(|request| request.line.starts_with("GET /api/campaigns?")));
    assert_eq!(server.requests().len(), 2);
}

#[actix::test]
async fn a_429_carries_the_wait_from_each_of_its_sources() {
    let (_server, platform) = platform([
        Reply::with(429, &[("retry-after", "7")], b""),
        Reply::with(
            429,
            &[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")],
            b"",
        ),
        Reply::json(429, r#"{"retry_after": 60}"#),
        Reply::json(429, "slow down"),
    ])
    .await;
    for wanted in [Some(7), Some(30), Some(60), None] {
        let retry_after = wanted.map(Duration::from_secs);
        assert_eq!(list(&platform).await, Err(PlatformError::Throttled { retry_after }));
    }
}

#[actix::test]
async fn a_status_that_matters_is_heard_even_where_its_body_never_ends() {
    let endless = |status: u16| {
        Reply::raw(format!("HTTP/1.1 {status} X\r\nretry-after: 3\r\ncontent-length: 99\r\n\r\n{{"))
            .then_hang()
    };
    let server = ScriptedServer::start([endless(429), endless(401)]).await;
    let platform = impatient(&server);
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(list(&platform).await, Err(PlatformError::Throttled { retry_after }));
    assert!(matches!(list(&platform).await, Err(PlatformError::Unauthorized { .. })));
}

#[actix::test]
async fn a_wrong_answer_with_200_is_unparsable_and_says_what_is_wrong() {
    let (server, platform) = platform([
        Reply::json(200, "<html>Maintenance</html>"),
        Reply::json(200, ""),
        Reply::json(200, &SYNCED.replace("true", "false")),
        Reply::json(200, &SYNCED.replace("42", "43")),
        Reply::with(204, &[], b""),
    ])
    .await;
    for says in ["Maintenance", "EOF", "`success` is false", "another campaign", "204"] {
        let (class, message) = transient(sync(&platform, "42").await);
        assert_eq!(class, FailureClass::Unparsable);
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(server.connections(), 1);
}

#[actix::test]
async fn a_page_that_is_not_utf_8_is_unparsable() {
    let (_server, platform) = platform([Reply::with(
        200,
        &[],
        &PAGE
            .replace("Spring", "\u{e9}")
            .into_bytes()
            .into_iter()
            .filter(|&byte| byte != 0xa9)
            .collect::<Vec<u8>>(),
    )])
    .await;
    assert_eq!(transient(list(&platform).await).0, FailureClass::Unparsable);
}

#[actix::test]
async fn a_body_beyond_its_bound_is_refused_with_or_without_a_length() {
    const MIB: usize = 1024 * 1024;
    let chunked = |bytes: usize| {
        let mut reply =
            format!("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n").into_bytes();
        reply.extend(vec![b' '; bytes]);
        reply.extend(b"\r\n0\r\n\r\n");
        Reply::raw(reply)
    };
    let padded = |text: &str, bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    let (_server, platform) = platform([
        Reply::json(200, &padded(SYNCED, MIB)),
        Reply::json(200, &padded(SYNCED, MIB + 1)),
        chunked(MIB + 1),
        Reply::json(200, &padded(PAGE, 16 * MIB)),
        chunked(16 * MIB + 1),
        Reply::json(503, &padded("", 2 * MIB)),
        Reply::json(200, SYNCED),
    ])
    .await;
    sync(&platform, "42").await.unwrap();
    for _ in 0..2 {
        let (class, message) = transient(sync(&platform, "42").await);
        assert_eq!(class, FailureClass::Unparsable);
        assert!(message.contains("larger than 1048576 bytes"), "{message}");
    }
    list(&platform).await.unwrap();
    assert_eq!(transient(list(&platform).await).0, FailureClass::Unparsable);
    assert_eq!(transient(sync(&platform, "42").await).0, FailureClass::Unavailable);
    sync(&platform, "42").await.unwrap();
}

#[actix::test]
async fn silence_before_the_head_in_it_and_in_the_body_is_a_timeout() {
    let server = ScriptedServer::start([
        Reply::raw("").then_hang(),
        Reply::raw("HTTP/1.1 200 X\r\ncontent-le").then_hang(),
        Reply::raw("HTTP/1.1 200 X\r\ncontent-length: 9999\r\n\r\n{").then_hang(),
        Reply::raw("HTTP/1.1 200 X\r\ncontent-length: 999999999\r\n\r\n").then_drip(),
        Reply::raw("HTTP/1.1 200 X\r\ncontent-length: 999999\r\n\r\n").then_drip(),
        Reply::json(200, SYNCED),
    ])
    .await;
    let platform = impatient(&server);
    for _ in 0..3 {
        let (class, message) = transient(sync(&platform, "42").await);
        assert_eq!(class, FailureClass::Timeout);
        assert!(message.contains("not answered within 200ms"), "{message}");
    }
    // Beyond the bound already by its head: no need to wait for the end.
    assert_eq!(transient(sync(&platform, "42").await).0, FailureClass::Unparsable);
    assert_eq!(transient(sync(&platform, "42").await).0, FailureClass::Timeout);
    sync(&platform, "42").await.unwrap();
}

#[actix::test]
async fn a_connection_that_breaks_is_transient_wherever_it_breaks() {
    let (_server, platform) = platform([
        Reply::raw("").then_close(),
        Reply::raw("HTTP/1.1 200 X\r\ncont").then_close(),
        Reply::raw(format!("HTTP/1.1 200 X\r\ncontent-length: 999\r\n\r\n{SYNCED}")).then_close(),
        Reply::raw("this is not HTTP\r\n\r\n").then_close(),
        Reply::raw("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"su").then_close(),
        Reply::with(200, &[("content-encoding", "gzip")], &gzipped_synced()[..40]).then_close(),
    ])
    .await;
    for step in 0..4 {
        let (class, message) = transient(sync(&platform, "42").await);
        assert_eq!(class, FailureClass::Connection, "step {step}: {message}");
    }
    // Without a length that holds, it is the content that shows the cut.
    for step in 4..6 {
        let (class, message) = transient(sync(&platform, "42").await);
        assert!(
            matches!(class, FailureClass::Unparsable | FailureClass::Connection),
            "step {step}: {message}"
        );
    }
}

#[actix::test]
async fn a_refused_connection_is_transient_and_names_the_request() {
    let address = ScriptedServer::start([]).await.address; // dropped: nobody listens there
    let platform = new(settings(&format!("http://{address}"))).unwrap();
    let (class, message) = transient(list(&platform).await);
    assert_eq!(class, FailureClass::Connection);
    assert!(message.starts_with("GET /api/campaigns?page=3&limit=10 failed: "), "{message}");
}

#[actix::test]
async fn a_kept_alive_connection_that_the_server_closes_on_reuse_is_transient() {
    let (server, platform) =
        platform([Reply::json(200, PAGE), Reply::raw("").then_close(), Reply::json(200, PAGE)]).await;
    list(&platform).await.unwrap();
    assert_eq!(transient(list(&platform).await).0, FailureClass::Connection);
    list(&platform).await.unwrap();
    let connections: Vec<usize> = server.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1, 2]);
}

#[actix::test]
async fn a_request_does_not_wait_for_those_that_hang() {
    let hang = || Reply::raw("").then_hang();
    let server = ScriptedServer::start([hang(), hang(), hang(), Reply::json(200, PAGE)]).await;
    let platform = impatient(&server);
    let pages = futures_util::future::join_all((0..4).map(|_| list(&platform))).await;
    assert_eq!(pages.iter().filter(|page| page.is_ok()).count(), 1);
}

#[actix::test]
async fn calls_at_once_use_a_connection_each_and_later_ones_reuse_them() {
    let replies = || (0..4).map(|_| Reply::json(200, PAGE));
    let (server, platform) = platform(replies().chain(replies())).await;
    for _ in 0..2 {
        let pages = futures_util::future::join_all((0..4).map(|_| list(&platform))).await;
        assert!(pages.iter().all(Result::is_ok));
    }
    assert_eq!(server.requests().len(), 8);
    assert!(server.connections() <= 4, "{}", server.connections());
}

/// [`SYNCED`] by `gzip -9n`.
fn gzipped_synced() -> Vec<u8> {
    BASE64_STANDARD
        .decode("H4sIAAAAAAACAw3MMQ6AIAxA0bt0hqRWXDiHkwtpoCEMoLEwGOPdZf15+S/oiFFUwfd7iIHI9eKSWygJPDgCA/q0KClwn4GQnMXFIu24enQet2OSOg+cZYJ0NoHvB3gMNuFXAAAA")
        .unwrap()
}

#[actix::test]
async fn a_gzipped_answer_is_read() {
    let (_server, platform) = platform([
        Reply::with(200, &[("content-encoding", "gzip")], &gzipped_synced()),
        Reply::with(200, &[("content-encoding", "gzip")], b"not gzip at all"),
    ])
    .await;
    sync(&platform, "42").await.unwrap();
    transient(sync(&platform, "42").await);
}

#[actix::test]
async fn no_secret_is_in_any_error_or_debug_output() {
    let basic = BASE64_STANDARD.encode(format!("ann@example.com:{PASSWORD}"));
    let to_login = serde_json::json!({"echo": [basic, PASSWORD], "access_token": ["abcdef"]}).to_string();
    let to_others = serde_json::json!({"echo": [format!("Bearer {TOKEN}"), basic, PASSWORD]}).to_string();
    let statuses = [200, 302, 400, 401, 403, 429, 500, 503];
    let bodies = [&to_login, &to_others, &to_others];
    let script = statuses.iter().flat_map(|&status| bodies.map(|body| Reply::json(status, body)));
    let (_server, platform) = platform(script).await;
    let mut shown = vec![format!("{platform:?} {:?}", settings("http://127.0.0.1"))];
    for _ in statuses {
        let errors = [
            login(&platform).await.unwrap_err(),
            list(&platform).await.unwrap_err(),
            sync(&platform, "42").await.unwrap_err(),
        ];
        shown.extend(errors.iter().map(|error| format!("{error} {error:?}")));
    }
    for text in shown {
        for secret in [TOKEN, PASSWORD, "word: x", &basic] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        // Where a login succeeded, whatever else is in its body could be a token.
        assert!(!text.contains("answered 200") || !text.contains("abcdef"), "{text}");
    }
}

#[actix::test]
async fn what_the_platform_says_is_quoted_short_and_without_control_characters() {
    let body = format!("\u{1b}[2J\r\nfirst{}", "x".repeat(100_000));
    let (_server, platform) = platform([Reply::json(503, &body)]).await;
    let (_, message) = transient(sync(&platform, "42").await);
    assert!(message.contains("first"), "{message}");
    assert!(message.len() < 400 && !message.contains(char::is_control), "{message:?}");
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

#[actix::test]
async fn https_is_set_up_from_the_systems_roots_or_says_what_to_install() {
    match new(settings("https://127.0.0.1:1")) {
        // Nobody listens there: the client came as far as connecting.
        Ok(platform) => assert_eq!(transient(list(&platform).await).0, FailureClass::Connection),
        Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
    }
}

#[actix::test]
async fn what_an_answers_head_says_about_the_limits_is_heard_whatever_the_answer_is() {
    let signals = [("ratelimit-policy", r#""m";q=100;w=60"#), ("ratelimit", r#""m";r=50;t=30"#)];
    let with = |status, body: &str| Reply::with(status, &signals, body.as_bytes());
    let raw = |rest: &str| {
        let head = signals.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
        Reply::raw(format!("HTTP/1.1 200 X\r\n{head}{rest}"))
    };
    let replies = [
        with(200, PAGE),
        with(200, "not JSON"),
        with(302, ""),
        with(401, "{}"),
        with(404, "{}"),
        with(429, r#"{"retry_after": 3}"#),
        with(503, "<html>"),
        raw("content-length: 100\r\n\r\n{").then_close(),
        raw("content-length: 100000000\r\n\r\n{").then_hang(),
        Reply::json(200, PAGE),
    ];
    let server = ScriptedServer::start(replies).await;
    let platform = impatient(&server);
    let page = PageRequest { page: 3, limit: NonZeroU32::new(10).unwrap() };
    for answer in 0..10 {
        let (permit, heard) = overheard_permit();
        let outcome = platform.list(permit, &token(), page).await;
        // What the permit said is in the mail.
        tokio::task::yield_now().await;
        let heard = heard.take();
        if answer == 9 {
            assert_eq!(heard, [], "nothing was said");
            continue;
        }
        let [QuotaSignals { remaining, policies }] = &heard[..] else { panic!("{answer}: {heard:?}") };
        assert_eq!(remaining[..], [Remaining::new("m", 50, Duration::from_secs(30)).unwrap()]);
        assert_eq!(policies[..], [RateLimit::new(100, Duration::from_secs(60)).unwrap()]);
        // A 429's own wait stays what it is.
        if answer == 5 {
            let retry_after = Some(Duration::from_secs(3));
            assert_eq!(outcome, Err(PlatformError::Throttled { retry_after }));
        }
    }
}
