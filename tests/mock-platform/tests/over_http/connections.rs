//! Keep-alive, pipelining, refusals, hangs and the end of a platform.

use std::time::Duration;

use crate::support::{Client, limit, platform};
use mock_platform::{MockPlatform, Settings};
use tokio::time::Instant;

#[tokio::test]
async fn a_connection_carries_many_requests_one_after_the_other() {
    let platform = platform(|_| {});
    let mut client = Client::login(&platform, "c").await;
    for number in 1..=20 {
        assert_eq!(client.sync(number).await.status, 200);
    }
    assert_eq!(platform.stop().connections, 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let platform = platform(|settings| settings.sync_latency = Duration::from_millis(20));
    let mut client = Client::login(&platform, "c").await;
    client.send_sync(1).await;
    client.send_request("GET", "/health", "").await;
    client.send_sync(2).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(client.receive().await.expect("an answer").json());
    }
    assert_eq!(bodies[0]["campaign_id"], "camp_000001");
    assert_eq!(bodies[1]["status"], "ok");
    assert_eq!(bodies[2]["campaign_id"], "camp_000002");
    assert_eq!(platform.stop().most_in_flight, 1);
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_one_request() {
    let platform = platform(|_| {});
    let mut client = Client::connect(&platform).await;
    for byte in b"GET /health HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi" {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.receive().await.expect("an answer").status, 200);
    assert_eq!(platform.stop().count("health", "200"), 1);
}

#[tokio::test]
async fn a_client_that_asks_for_the_close_gets_its_answer_and_the_close() {
    let platform = platform(|_| {});
    let mut client = Client::connect(&platform).await;
    client.send("GET /health HTTP/1.1\r\nConnection: close\r\n\r\nGET /health HTTP/1.1\r\n\r\n").await;
    let reply = client.receive().await.expect("an answer");
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert_eq!(client.rest().await, b"");
    assert_eq!(platform.stop().count("health", "200"), 1);
}

#[tokio::test]
async fn a_head_gets_a_head_and_the_next_request_its_answer() {
    let platform = platform(|_| {});
    let mut client = Client::connect(&platform).await;
    client.send("HEAD /health HTTP/1.1\r\n\r\n").await;
    client.send("GET /health HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    let answers = String::from_utf8(client.rest().await).expect("text");
    let (head, next) = answers.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert!(next.starts_with("HTTP/1.1 200 "), "{next}");
}

#[tokio::test]
async fn what_is_no_http_or_too_large_is_refused_and_the_connection_closed() {
    let platform = platform(|_| {});
    // More than the platform reads of it at first: the client must not be reset while it still sends.
    let long = "x".repeat(1024 * 1024);
    for (bytes, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (format!("GET /health HTTP/1.1\r\na: {long}\r\n\r\n"), 431),
        (format!("POST /auth/token HTTP/1.1\r\ncontent-length: 65537\r\n\r\n{long}"), 413),
        ("POST /auth/token HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 411),
    ] {
        let mut client = Client::connect(&platform).await;
        client.send(bytes).await;
        let reply = client.receive().await.expect("an answer");
        assert_eq!((reply.status, reply.header("connection")), (status, Some("close")));
        assert_eq!(client.rest().await, b"");
        assert_eq!(platform.stats().count("other", &status.to_string()), 1);
    }
}

#[tokio::test]
async fn every_answer_is_json_and_bears_a_date() {
    let platform = platform(|settings| settings.error_rate = 1.0);
    let mut client = Client::login(&platform, "c").await;
    for path in ["/health", "/stats", "/nowhere", "/auth/token", "/api/campaigns"] {
        let reply = client.request("GET", path, "").await;
        assert!(httpdate::parse_http_date(reply.header("date").expect("a date")).is_ok(), "{path}");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{path}");
        assert!(reply.json().is_object(), "{path}");
    }
}

#[tokio::test]
async fn a_hung_request_holds_its_connection_and_nobody_else_s() {
    let platform = platform(|settings| (settings.hang_rate, settings.seed) = (0.5, 3));
    let mut client = Client::login(&platform, "c").await;
    loop {
        client.send_sync(1).await;
        tokio::select! {
            reply = client.receive() => assert_eq!(reply.expect("an answer").status, 200),
            () = hung(&platform) => break,
        }
    }
    // Whatever else comes over it is read and not answered.
    client.send_request("GET", "/health", "").await;
    let mut other = Client::connect(&platform).await;
    let others = async {
        for _ in 0..50 {
            assert_eq!(other.request("GET", "/health", "").await.status, 200);
        }
    };
    tokio::select! {
        _ = client.receive() => panic!("a hung request was answered, or its connection closed"),
        () = others => {}
    }
    let stats = platform.stop();
    assert_eq!((stats.count("sync", "hung"), stats.count("health", "200")), (1, 50));
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn stop_closes_hung_connections_and_ends_requests_that_wait() {
    // The limit is there for its count, which says that the sync has arrived.
    let hanging = platform(|settings| (settings.rate_limits, settings.hang_rate) = (vec![limit(1)], 1.0));
    let slow = platform(|settings| {
        (settings.rate_limits, settings.sync_latency) = (vec![limit(1)], Duration::from_secs(3600));
    });
    for platform in [hanging, slow] {
        let addr = platform.addr();
        let mut client = Client::login(&platform, "c").await;
        client.send_sync(1).await;
        while platform.stats().busiest_windows.is_empty() {
            tokio::task::yield_now().await;
        }
        let stats = platform.stop();
        assert_eq!(stats.campaigns_synced, 0);
        assert_eq!(client.rest().await, b"");
        assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "it listens no more");
    }
}

#[tokio::test]
async fn a_platform_that_is_dropped_listens_no_more() {
    let platform = platform(|_| {});
    let addr = platform.addr();
    assert_eq!(platform.url(), format!("http://{addr}"));
    drop(platform);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_sync_is_carried_out_even_if_its_client_does_not_wait_for_the_answer() {
    let platform = platform(|settings| settings.sync_latency = Duration::from_millis(50));
    let mut client = Client::login(&platform, "c").await;
    client.send_sync(1).await;
    drop(client);
    while platform.stats().campaigns_synced == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(platform.stop().count("sync", "200"), 1);
}

#[tokio::test]
async fn each_endpoint_takes_its_own_latency() {
    let latency = Duration::from_millis(50);
    let changes: [fn(&mut Settings, Duration); 3] = [
        |settings, latency| settings.auth_latency = latency,
        |settings, latency| settings.list_latency = latency,
        |settings, latency| settings.sync_latency = latency,
    ];
    for (slow, change) in changes.into_iter().enumerate() {
        let platform = platform(|settings| change(settings, latency));
        let start = Instant::now();
        let mut client = Client::login(&platform, "c").await;
        let logged_in = Instant::now();
        client.list("").await;
        let listed = Instant::now();
        client.sync(1).await;
        let took = [logged_in - start, listed - logged_in, listed.elapsed()];
        assert!(took[slow] >= latency, "{slow}: {took:?}");
    }
}

#[tokio::test]
async fn requests_of_many_connections_are_worked_on_side_by_side() {
    let platform = platform(|settings| settings.sync_latency = Duration::from_secs(3600));
    let mut clients = Vec::new();
    for number in 1..=20 {
        let mut client = Client::login(&platform, "c").await;
        client.send_sync(number).await;
        clients.push(client);
    }
    while platform.stats().most_in_flight < 20 {
        tokio::task::yield_now().await;
    }
    let stats = platform.stop();
    assert_eq!((stats.most_in_flight, stats.connections), (20, 20));
}

async fn hung(platform: &MockPlatform) {
    while platform.stats().count("sync", "hung") == 0 {
        tokio::task::yield_now().await;
    }
}
