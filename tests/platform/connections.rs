//! Connections that hang, break or are used again.

use actors::model::FailureClass;

use crate::scripted_server::{Reply, ScriptedServer};
use crate::support::{
    PAGE, SYNCED, gzipped_synced, impatient, list, new, platform, settings, sync, transient,
};

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
    let request = format!("GET /api/campaigns?page=3&limit=10 to {address} failed: ");
    assert!(message.starts_with(&request), "{message}");
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

#[actix::test]
async fn https_is_set_up_from_the_systems_roots_or_says_what_to_install() {
    match new(settings("https://127.0.0.1:1")) {
        // Nobody listens there: the client came as far as connecting.
        Ok(platform) => assert_eq!(transient(list(&platform).await).0, FailureClass::Connection),
        Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
    }
}
