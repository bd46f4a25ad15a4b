//! What is made of an answer.

use std::num::NonZeroU32;
use std::time::Duration;

use actors::model::{FailureClass, PageRequest};
use actors::ports::{Platform, PlatformError};
use actors::quota_signals::{QuotaSignals, Remaining};
use actors::settings::RateLimit;
use actors::testing::overheard_permit;

use crate::scripted_server::{Reply, ScriptedServer};
use crate::support::{
    PAGE, SYNCED, gzipped_synced, impatient, list, login, platform, sync, token, transient,
};

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
async fn no_redirect_takes_a_request_or_a_credential_to_another_host() {
    let elsewhere = ScriptedServer::start([]).await;
    // By its name and by its address it is another host as well as another port.
    for host in ["localhost", "127.0.0.1"] {
        for status in [301, 302, 303, 307, 308] {
            let location = format!("http://{host}:{}/api/campaigns", elsewhere.address.port());
            let script = (0..3).map(|_| Reply::with(status, &[("location", &location)], b""));
            let (server, platform) = platform(script).await;
            assert!(login(&platform).await.is_err(), "{status}");
            assert!(list(&platform).await.is_err(), "{status}");
            assert!(sync(&platform, "42").await.is_err(), "{status}");
            assert_eq!(server.requests().len(), 3, "{status}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
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
