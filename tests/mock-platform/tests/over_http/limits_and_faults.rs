//! What spends a permit and what does not, how a 429 names its wait, and which requests meet a fault.

use std::time::{Duration, SystemTime};

use crate::support::{Client, Reply, limit, platform};
use mock_platform::{MockPlatform, RateLimit, RateLimitHeaders, RetryHint};

#[tokio::test]
async fn listings_and_syncs_share_the_limit_and_each_client_has_its_own() {
    let platform = platform(|settings| settings.rate_limits = vec![limit(4)]);
    let mut one = Client::login(&platform, "one").await;
    let mut statuses = Vec::new();
    for number in 1..=3 {
        statuses.push(one.list("").await.status);
        statuses.push(one.sync(number).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    assert_eq!(Client::login(&platform, "other").await.list("").await.status, 200);
    let mut nameless = Client::login(&platform, "").await;
    assert_eq!(nameless.list("").await.status, 200);
    nameless.headers.pop();
    assert_eq!(nameless.list("").await.status, 200);
    let stats = platform.stop();
    let windows = stats.busiest_windows.iter().map(|window| (window.client.as_str(), window.most_accepted));
    assert_eq!(windows.collect::<Vec<_>>(), [("one", 4), ("other", 1), ("anonymous", 2)]);
    assert_eq!(stats.throttled, 2);
}

#[tokio::test]
async fn every_limit_holds_whichever_is_tighter() {
    let loose = RateLimit { requests: 3, window: Duration::from_secs(1800) };
    let platform = platform(|settings| settings.rate_limits = vec![limit(2), loose]);
    let mut client = Client::login(&platform, "c").await;
    let statuses = [client.list("").await.status, client.list("").await.status, client.list("").await.status];
    assert_eq!(statuses, [200, 200, 429]);
    let windows = platform.stop().busiest_windows;
    let seen = windows.iter().map(|window| (window.limit, window.window_seconds, window.most_accepted));
    assert_eq!(seen.collect::<Vec<_>>(), [(2, 3600.0, 2), (3, 1800.0, 2)]);
}

#[tokio::test]
async fn a_503_spends_a_permit() {
    let platform = platform(|settings| {
        settings.rate_limits = vec![limit(2)];
        settings.error_rate = 1.0;
    });
    let mut client = Client::login(&platform, "c").await;
    let statuses = [client.list("").await.status, client.sync(1).await.status, client.sync(1).await.status];
    assert_eq!(statuses, [503, 503, 429]);
}

#[tokio::test]
async fn a_hang_spends_a_permit() {
    let platform = platform(|settings| {
        settings.rate_limits = vec![limit(1)];
        settings.hang_rate = 1.0;
    });
    let mut hung = Client::login(&platform, "c").await;
    hung.send_sync(1).await;
    hung_requests(&platform, 1).await;
    assert_eq!(Client::login(&platform, "c").await.list("").await.status, 429);
}

#[tokio::test]
async fn a_request_that_cannot_be_carried_out_spends_a_permit() {
    let platform = platform(|settings| settings.rate_limits = vec![limit(2)]);
    let mut client = Client::login(&platform, "c").await;
    let statuses =
        [client.sync(101).await.status, client.list("?page=0").await.status, client.list("").await.status];
    assert_eq!(statuses, [404, 400, 429]);
}

#[tokio::test]
async fn a_401_a_429_and_a_login_spend_none() {
    // A slot that frees itself in the middle of the test would show in the count of the busiest window.
    let platform = platform(|settings| settings.rate_limits = vec![limit(2)]);
    let mut stranger = Client::connect(&platform).await;
    stranger.headers = vec![("x-client-id", "c".into())];
    for _ in 0..5 {
        assert_eq!(stranger.list("").await.status, 401);
        assert_eq!(stranger.sync(1).await.status, 401);
    }
    let mut client = Client::login(&platform, "c").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.list("").await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    let stats = platform.stop();
    assert_eq!(stats.busiest_windows[0].most_accepted, 2);
    assert_eq!((stats.count("list", "401"), stats.count("sync", "401")), (5, 5));
}

#[tokio::test]
async fn a_429_does_not_put_off_the_slot_that_it_waits_for() {
    let window = Duration::from_millis(50);
    let platform = platform(|settings| settings.rate_limits = vec![RateLimit { requests: 1, window }]);
    let mut client = Client::login(&platform, "c").await;
    assert_eq!(client.list("").await.status, 200);
    // Asks without a pause: were a 429 stamped, this would never end.
    while client.list("").await.status == 429 {}
    assert_eq!(platform.stop().busiest_windows[0].most_accepted, 1);
}

#[tokio::test]
async fn a_429_names_its_wait_in_the_form_that_is_set_and_in_no_other() {
    let reply = throttled(RetryHint::HeaderSeconds).await;
    assert!(is_the_window(reply.header("retry-after").expect("a wait").parse().expect("seconds")));
    assert_eq!(reply.json().get("retry_after"), None);

    let reply = throttled(RetryHint::HeaderDate).await;
    let date = |name| httpdate::parse_http_date(reply.header(name).expect("a date")).expect("an HTTP date");
    let wait = date("retry-after").duration_since(date("date")).expect("a time to come");
    assert!(is_the_window(wait.as_secs()) || wait.as_secs() == 3601, "{wait:?}");
    assert_eq!(reply.json().get("retry_after"), None);

    let reply = throttled(RetryHint::Body).await;
    assert!(is_the_window(reply.json()["retry_after"].as_u64().expect("seconds")));
    assert_eq!(reply.header("retry-after"), None);

    let reply = throttled(RetryHint::None).await;
    assert_eq!(reply.header("retry-after"), None);
    assert_eq!(reply.json().get("retry_after"), None);
    assert!(reply.json()["error"].is_string());
}

#[tokio::test]
async fn every_answer_that_the_limit_had_a_say_in_states_it_in_the_form_that_is_set() {
    for (style, name, values) in [
        (RateLimitHeaders::None, "ratelimit", [None, None, None, None]),
        (RateLimitHeaders::Draft, "x-ratelimit-remaining", [None, None, None, None]),
        (RateLimitHeaders::X, "x-ratelimit-remaining", [Some("2"), Some("1"), Some("0"), Some("0")]),
        (RateLimitHeaders::X, "x-ratelimit-limit", [Some("3"), Some("3"), Some("3"), Some("3")]),
        (RateLimitHeaders::X, "ratelimit", [None, None, None, None]),
        (RateLimitHeaders::Draft, "ratelimit-policy", [Some("\"limit0\";q=3;w=3600"); 4]),
    ] {
        let platform = platform(|settings| {
            (settings.rate_limits, settings.rate_limit_headers) = (vec![limit(3)], style);
            settings.list_error_every = Some(1);
        });
        let mut client = Client::login(&platform, "c").await;
        let replies =
            [client.list("").await, client.sync(1).await, client.sync(101).await, client.sync(2).await];
        assert_eq!(replies.each_ref().map(|reply| reply.status), [503, 200, 404, 429]);
        assert_eq!(replies.each_ref().map(|reply| reply.header(name)), values, "{style:?} {name}");
        if style == RateLimitHeaders::Draft {
            for (reply, left) in replies.iter().zip(["2", "1", "0", "0"]) {
                let field = reply.header("ratelimit").expect("it is stated");
                let seconds = field.strip_prefix(&format!("\"limit0\";r={left};t=")).expect(field);
                assert!(is_the_window(seconds.parse().expect("seconds")), "{field}");
            }
        }
    }
}

#[tokio::test]
async fn every_fifth_listing_of_the_reference_platform_is_503() {
    let platform = platform(|settings| settings.list_error_every = Some(5));
    let mut client = Client::login(&platform, "c").await;
    let mut statuses = Vec::new();
    for _ in 0..10 {
        assert_eq!(client.sync(1).await.status, 200);
        statuses.push(client.list("").await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 503, 200, 200, 200, 200, 503]);
}

#[tokio::test]
async fn a_seed_repeats_its_faults() {
    assert_eq!(fates(1).await, fates(1).await);
    assert_ne!(fates(1).await, fates(2).await);
}

#[tokio::test]
async fn a_date_that_a_429_names_is_not_before_the_slot_is_free() {
    let window = Duration::from_millis(300);
    let platform = platform(|settings| {
        settings.rate_limits = vec![RateLimit { requests: 1, window }];
        settings.retry_hint = RetryHint::HeaderDate;
    });
    let mut client = Client::login(&platform, "c").await;
    let accepted_after = SystemTime::now();
    let reply = loop {
        let reply = client.list("").await;
        if reply.status == 429 {
            break reply;
        }
    };
    let date = httpdate::parse_http_date(reply.header("retry-after").expect("a date")).expect("an HTTP date");
    assert!(date >= accepted_after + window);
}

/// What happens to 40 requests, one after the other; 0 is hung.
async fn fates(seed: u64) -> Vec<u16> {
    let platform = platform(|settings| {
        (settings.seed, settings.error_rate, settings.hang_rate) = (seed, 0.3, 0.2);
    });
    let mut client = Client::login(&platform, "c").await;
    let mut fates = Vec::new();
    let mut hung = 0;
    for number in 1..=40 {
        client.send_sync(number).await;
        tokio::select! {
            reply = client.receive() => fates.push(reply.expect("an answer").status),
            () = hung_requests(&platform, hung + 1) => {
                hung += 1;
                fates.push(0);
                client = Client::login(&platform, "c").await;
            }
        }
    }
    fates
}

/// Waits until so many requests hang.
async fn hung_requests(platform: &MockPlatform, count: u64) {
    while platform.stats().count("sync", "hung") < count {
        tokio::task::yield_now().await;
    }
}

async fn throttled(hint: RetryHint) -> Reply {
    let platform = platform(|settings| {
        (settings.rate_limits, settings.retry_hint) = (vec![limit(1)], hint);
    });
    let mut client = Client::login(&platform, "c").await;
    assert_eq!(client.list("").await.status, 200);
    let reply = client.list("").await;
    assert_eq!(reply.status, 429);
    reply
}

/// The wait is the window of [`limit`], less what the test took so far, rounded up.
fn is_the_window(seconds: u64) -> bool {
    (3540..=3600).contains(&seconds)
}
