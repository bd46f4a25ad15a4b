//! Each fault that can be switched on does what its name says, to the requests that it concerns, and is counted.

use std::io::{ErrorKind, Read};

use crate::support::{Client, Reply, limit, platform};
use flate2::read::GzDecoder;
use mock_platform::{Fault, MockPlatform, Settings};
use serde_json::Value;

/// A platform where this fault strikes each request that it concerns.
fn faulty(fault: Fault) -> MockPlatform {
    platform(|settings| settings.faults = vec![(fault, 1.0)])
}

/// Not logged in: where each login meets the fault, its answer is the one to look at.
async fn connected(fault: Fault) -> (MockPlatform, Client) {
    let platform = faulty(fault);
    let client = Client::connect(&platform).await;
    (platform, client)
}

async fn logged_in(fault: Fault) -> (MockPlatform, Client) {
    let platform = faulty(fault);
    let client = Client::login(&platform, "c").await;
    (platform, client)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

async fn login(client: &mut Client) -> Reply {
    client.authenticate(mock_platform::EMAIL, mock_platform::PASSWORD).await
}

async fn send_login(client: &mut Client) {
    let credentials = "ZGVtb0BleGFtcGxlLmNvbTpmb3ItdHJ5aW5nLXRoaW5ncy1vdXQ=";
    client.send(format!("POST /auth/token HTTP/1.1\r\nauthorization: Basic {credentials}\r\n\r\n")).await;
}

/// The length of the body that a head announces.
fn announced(head: &str) -> usize {
    let line = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    line.expect("a length").parse().expect("a number")
}

/// Logged in, however often that takes.
async fn logged_in_despite_all(platform: &MockPlatform) -> Client {
    loop {
        let mut client = Client::connect(platform).await;
        send_login(&mut client).await;
        let Ok(reply) = client.receive().await else { continue };
        if let Some(token) = reply.json()["access_token"].as_str() {
            client.headers = vec![("authorization", format!("Bearer {token}"))];
            return client;
        }
    }
}

#[tokio::test]
async fn a_body_that_is_cut_ends_before_its_announced_length_and_so_does_the_connection() {
    let (platform, mut client) = connected(Fault::BodyCut).await;
    send_login(&mut client).await;
    let answer = client.rest().await;
    let (head, body) = text(&answer).split_once("\r\n\r\n").expect("a head");
    let announced = announced(head);
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("connection: close"), "{head}");
    assert!(body.starts_with("{\"access_token\":") && body.len() == announced / 2, "{head} {body}");
    assert_eq!(platform.stop().struck(Fault::BodyCut), 1);
}

#[tokio::test]
async fn a_body_that_drips_comes_byte_by_byte_and_its_head_does_not() {
    let (platform, mut client) = connected(Fault::BodyDrips).await;
    send_login(&mut client).await;
    let mut answer = Vec::new();
    let (announced, come) = loop {
        answer.extend(client.beginning(1).await);
        match text(&answer).split_once("\r\n\r\n") {
            Some((head, body)) if body.len() >= 3 => break (announced(head), body.len()),
            _ => {}
        }
    };
    assert!(come < announced / 2, "{come} of {announced} at once");
    assert_eq!(platform.stop().struck(Fault::BodyDrips), 1);
}

#[tokio::test]
async fn an_endless_body_goes_on_as_long_as_somebody_reads_it() {
    let (platform, mut client) = connected(Fault::BodyEndless).await;
    send_login(&mut client).await;
    let answer = client.beginning(3_000_000).await;
    let beginning = text(&answer);
    assert!(beginning.contains("transfer-encoding: chunked\r\n") && !beginning.contains("content-length"));
    assert!(beginning.contains("{\"access_token\":") && !beginning.contains('}'), "it is not finished");
    assert_eq!(platform.stop().struck(Fault::BodyEndless), 1);
}

#[tokio::test]
async fn what_should_be_json_can_be_text_html_or_of_the_wrong_types() {
    let (_platform, mut client) = connected(Fault::NotJson).await;
    let reply = login(&mut client).await;
    assert_eq!((reply.status, text(&reply.body)), (200, "OK"));

    let (_platform, mut client) = connected(Fault::Html).await;
    let reply = login(&mut client).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html")));
    assert!(text(&reply.body).starts_with("<!DOCTYPE html>"));

    let (_platform, mut client) = connected(Fault::WrongTypes).await;
    let login = login(&mut client).await.json();
    assert!(login["access_token"].is_array() && login["expires_in"] == "3600", "{login}");
}

#[tokio::test]
async fn pages_and_syncs_are_spoiled_as_logins_are() {
    let platform = platform(|settings| settings.faults = vec![(Fault::WrongTypes, 0.6)]);
    let mut client = logged_in_despite_all(&platform).await;
    let logins = platform.stats().struck(Fault::WrongTypes);
    let mut spoiled = [0, 0];
    for _ in 0..40 {
        let page = client.list("").await.json();
        spoiled[0] += u64::from(page["data"].is_string() && page["pagination"].is_string());
        let synced = client.sync(1).await.json();
        spoiled[1] += u64::from(synced["success"] == "true" && synced["campaign_id"].is_array());
    }
    assert!(spoiled.iter().all(|count| (10..=35).contains(count)), "{spoiled:?}");
    assert_eq!(platform.stop().struck(Fault::WrongTypes), logins + spoiled[0] + spoiled[1]);
}

#[tokio::test]
async fn a_connection_is_reset_or_closed_instead_of_an_answer() {
    for (fault, end) in [
        (Fault::ConnectionReset, ErrorKind::ConnectionReset),
        (Fault::ConnectionClosed, ErrorKind::UnexpectedEof),
    ] {
        let (platform, mut client) = connected(fault).await;
        send_login(&mut client).await;
        assert_eq!(client.read().await.expect_err("no answer").kind(), end, "{fault:?}");
        let stats = platform.stop();
        assert_eq!((stats.count("auth", "closed"), stats.struck(fault)), (1, 1));
    }
}

#[tokio::test]
async fn what_is_not_answered_has_been_carried_out() {
    let platform = platform(|settings| settings.faults = vec![(Fault::ConnectionClosed, 0.5)]);
    let mut client = logged_in_despite_all(&platform).await;
    let mut number = 0;
    loop {
        number += 1;
        client.send_sync(number).await;
        if client.receive().await.is_err() {
            break;
        }
    }
    let stats = platform.stop();
    assert_eq!((stats.count("sync", "closed"), stats.campaigns_synced), (1, number));
}

#[tokio::test]
async fn a_stale_connection_answers_once_and_is_gone_when_it_is_used_again() {
    let (platform, mut client) = connected(Fault::StaleKeepAlive).await;
    let reply = login(&mut client).await;
    assert_eq!((reply.status, reply.header("connection")), (200, None));
    let mut other = Client::connect(&platform).await;
    let others = async {
        for _ in 0..50 {
            assert_eq!(other.request("GET", "/health", "").await.status, 200);
        }
    };
    tokio::select! {
        _ = client.read() => panic!("nobody has used it yet"),
        () = others => {}
    }
    send_login(&mut client).await;
    let end = client.read().await.expect_err("no second answer").kind();
    assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{end}");
    let stats = platform.stop();
    assert_eq!((stats.count("auth", "200"), stats.struck(Fault::StaleKeepAlive)), (1, 1));
}

#[tokio::test]
async fn a_redirect_points_to_where_nothing_is_and_who_follows_it_shows() {
    let (platform, mut client) = connected(Fault::Redirect).await;
    let reply = login(&mut client).await;
    assert_eq!((reply.status, reply.header("location")), (302, Some("/elsewhere")));
    assert_eq!(platform.stats().count("other", "404"), 0);
    client.request("GET", "/elsewhere", "").await;
    let stats = platform.stop();
    assert_eq!((stats.count("other", "404"), stats.count("auth", "302")), (1, 1));
}

#[tokio::test]
async fn a_sync_that_is_redirected_is_not_carried_out() {
    let platform = platform(|settings| settings.faults = vec![(Fault::Redirect, 0.5)]);
    let mut client = logged_in_despite_all(&platform).await;
    while client.sync(1).await.status != 302 {}
    let stats = platform.stop();
    assert_eq!(
        (stats.count("sync", "302"), stats.count("sync", "200")),
        (1, stats.most_syncs_of_one_campaign)
    );
}

#[tokio::test]
async fn a_compressed_answer_is_the_answer() {
    let (_platform, mut client) = connected(Fault::Gzip).await;
    let reply = login(&mut client).await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let mut body = String::new();
    GzDecoder::new(&reply.body[..]).read_to_string(&mut body).expect("it is gzip, and whole");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["token_type"], "Bearer");
}

#[tokio::test]
async fn a_bomb_is_a_thousand_times_as_large_when_it_is_unpacked() {
    let (_platform, mut client) = connected(Fault::GzipBomb).await;
    send_login(&mut client).await;
    let answer = client.beginning(80_000).await;
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    assert!(text(&answer[..head]).contains("content-encoding: gzip\r\n"));
    let packed = dechunked(&answer[head..]);
    let (mut decoder, mut piece, mut unpacked) = (GzDecoder::new(&packed[..]), [0; 65_536], 0);
    // It never ends: what was read of it breaks off.
    while let Ok(length @ 1..) = decoder.read(&mut piece) {
        assert_eq!((piece[0], piece[length - 1]), (b' ', b' '));
        unpacked += length;
    }
    assert!(unpacked > packed.len() * 900, "{unpacked} bytes of {}", packed.len());
}

#[tokio::test]
async fn an_answer_in_chunks_is_the_answer() {
    let (platform, mut client) = connected(Fault::Chunked).await;
    send_login(&mut client).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n0\r\n\r\n") {
        answer.extend(client.beginning(1).await);
    }
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    assert!(!text(&answer[..head]).contains("content-length"));
    assert!(text(&answer[head..]).starts_with("7\r\n{\"acces\r\n7\r\n"), "{}", text(&answer[head..]));
    let body: Value = serde_json::from_slice(&dechunked(&answer[head..])).expect("JSON");
    assert_eq!(body["token_type"], "Bearer");
    // The connection goes on.
    assert_eq!(client.request("GET", "/health", "").await.status, 200);
    assert_eq!(platform.stop().connections, 1);
}

#[tokio::test]
async fn a_sync_answers_for_another_campaign_or_that_it_did_not_succeed() {
    let (platform, mut client) = logged_in(Fault::WrongCampaign).await;
    let reply = client.sync(1).await.json();
    assert_eq!((&reply["success"], &reply["campaign_id"]), (&true.into(), &"camp_000002".into()));
    assert_eq!(platform.stop().campaigns_synced, 1, "it was the right one");

    let (platform, mut client) = logged_in(Fault::SuccessFalse).await;
    let reply = client.sync(1).await;
    assert_eq!((reply.status, reply.json()["success"].clone()), (200, false.into()));
    assert_eq!(platform.stop().campaigns_synced, 0);
}

#[tokio::test]
async fn a_good_token_is_refused_and_that_spends_a_permit() {
    let platform = platform(|settings| {
        (settings.faults, settings.rate_limits) = (vec![(Fault::Unauthorized, 1.0)], vec![limit(2)]);
    });
    let mut client = Client::login(&platform, "c").await;
    assert_eq!(
        [client.list("").await.status, client.sync(1).await.status, client.sync(1).await.status],
        [401, 401, 429]
    );
    let stats = platform.stop();
    assert_eq!((stats.struck(Fault::Unauthorized), stats.campaigns_synced), (2, 0));
}

#[tokio::test]
async fn a_token_dies_after_ten_requests_and_a_new_one_is_good() {
    let (platform, mut client) = logged_in(Fault::TokenDiesEarly).await;
    for _ in 0..5 {
        assert_eq!([client.list("").await.status, client.sync(1).await.status], [200, 200]);
    }
    assert_eq!(platform.stats().struck(Fault::TokenDiesEarly), 0, "it has not been felt yet");
    assert_eq!([client.list("").await.status, client.sync(1).await.status], [401, 401]);
    assert_eq!(Client::login(&platform, "c").await.list("").await.status, 200);
    assert_eq!(platform.stop().struck(Fault::TokenDiesEarly), 2);
}

#[tokio::test]
async fn a_login_kills_the_tokens_before_it() {
    let (platform, mut first) = logged_in(Fault::TokenKillsPredecessors).await;
    assert_eq!(first.list("").await.status, 200);
    let mut second = Client::login(&platform, "c").await;
    assert_eq!([first.list("").await.status, second.list("").await.status], [401, 200]);
    assert_eq!(platform.stop().struck(Fault::TokenKillsPredecessors), 1);
}

#[tokio::test]
async fn a_login_fails_or_hangs_but_a_wrong_password_is_refused() {
    let (platform, mut client) = connected(Fault::LoginFails).await;
    assert_eq!(login(&mut client).await.status, 503);
    assert_eq!(client.authenticate(mock_platform::EMAIL, "wrong").await.status, 401);
    assert_eq!(platform.stop().struck(Fault::LoginFails), 1);

    let (platform, mut client) = connected(Fault::LoginHangs).await;
    send_login(&mut client).await;
    while platform.stats().count("auth", "hung") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(platform.stop().struck(Fault::LoginHangs), 1);
    assert_eq!(client.rest().await, b"");
}

/// What each of the listing's faults does to which page is shown in `listing.rs`; here, that it reaches the wire.
#[tokio::test]
async fn a_lying_page_is_what_is_answered_and_an_honest_one_is_not_counted() {
    let ids = |page: &Value| {
        let data = page["data"].as_array().expect("a list").clone();
        data.iter()
            .map(|entry| entry["id"].as_str().expect("an id")[9..].to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let small = |settings: &mut Settings| settings.campaigns = 7;
    for (fault, second, (total, has_more)) in [
        (Fault::RepeatedPage, "01 02 03", (7, true)),
        (Fault::ShiftedPage, "05 06 07", (7, true)),
        (Fault::OverlappingPage, "03 04 05 06", (7, true)),
        (Fault::EndlessListing, "04 05 06", (7, true)),
        (Fault::ShrinkingListing, "06 07", (5, false)),
        (Fault::LyingTotal, "04 05 06", (8, true)),
        (Fault::LyingHasMore, "04 05 06", (7, false)),
        (Fault::MalformedEntry, "04 05 06", (7, true)),
    ] {
        let platform = platform(|settings| {
            small(settings);
            settings.faults = vec![(fault, 1.0)];
        });
        let mut client = Client::login(&platform, "c").await;
        client.list("?page=1&limit=3").await;
        let page = client.list("?page=2&limit=3").await.json();
        assert_eq!(ids(&page), second, "{fault:?}");
        let pagination = &page["pagination"];
        assert_eq!(
            (&pagination["total"], &pagination["has_more"]),
            (&total.into(), &has_more.into()),
            "{fault:?}"
        );
        assert_eq!(page["data"][0]["impressions"] == "many", fault == Fault::MalformedEntry);
        let has_no_first = matches!(fault, Fault::RepeatedPage | Fault::OverlappingPage);
        assert_eq!(platform.stop().struck(fault), if has_no_first { 1 } else { 2 }, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_refused_for_its_own_sake_or_fails_already_meets_no_further_fault() {
    let platform = platform(|settings| {
        (settings.faults, settings.list_error_every) =
            (vec![(Fault::SuccessFalse, 1.0), (Fault::LyingTotal, 1.0)], Some(1));
    });
    let mut client = Client::login(&platform, "c").await;
    assert_eq!([client.sync(101).await.status, client.list("?page=0").await.status], [404, 400]);
    assert_eq!([client.list("").await.status, client.request("GET", "/health", "").await.status], [503, 200]);
    assert_eq!(platform.stop().faults.len(), 0);
}

#[tokio::test]
async fn several_faults_share_an_endpoint_and_are_counted_apart() {
    let faults = vec![(Fault::SuccessFalse, 0.3), (Fault::WrongCampaign, 0.7)];
    let platform = platform(|settings| settings.faults = faults);
    let mut client = Client::login(&platform, "c").await;
    for number in 1..=40 {
        client.sync(number).await;
    }
    let over_http = client.request("GET", "/stats", "").await.json();
    let stats = platform.stop();
    let struck = [Fault::SuccessFalse, Fault::WrongCampaign].map(|fault| stats.struck(fault));
    assert_eq!(struck[0] + struck[1], 40);
    assert!((4..=20).contains(&struck[0]), "{struck:?}");
    assert_eq!(over_http["faults"]["success-false"], struck[0]);
}

#[test]
fn shares_that_cannot_be_are_refused_at_the_start() {
    let settings = Settings { faults: vec![(Fault::Html, 1.5)], ..Settings::default() };
    let error = MockPlatform::start(settings, crate::support::local()).err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("faults must be a share from 0"), "{error}");
}

/// The body of an answer in chunks, as far as it is whole.
fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = bytes.windows(2).position(|end| end == b"\r\n") {
        let length = usize::from_str_radix(text(&bytes[..line]), 16).expect("a length");
        let Some(piece) = bytes.get(line + 2..line + 2 + length) else { break };
        body.extend_from_slice(piece);
        bytes = bytes.get(line + 4 + length..).unwrap_or_default();
    }
    body
}
