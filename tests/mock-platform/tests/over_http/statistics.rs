//! The statistics tell the truth, and the same truth over HTTP as from the handle.

use crate::support::{Client, limit, platform};
use serde_json::json;

#[tokio::test]
async fn what_was_seen_is_what_is_told() {
    let platform = platform(|settings| settings.rate_limits = vec![limit(8)]);
    let mut client = Client::login(&platform, "c").await;
    client.list("").await;
    for (number, key) in [(1, "a"), (1, "a"), (2, "b"), (2, "c"), (3, "d"), (101, "e"), (4, "d"), (5, "f")] {
        client.headers.truncate(2);
        client.headers.push(("Idempotency-Key", key.to_owned()));
        client.sync(number).await;
    }
    let over_http = client.request("GET", "/stats", "").await.json();
    let expected = json!({
        "requests": {
            "auth": { "200": 1 },
            "list": { "200": 1 },
            "sync": { "200": 6, "404": 1, "429": 1 },
        },
        "throttled": 1,
        "faults": {},
        "busiest_windows": [{ "client": "c", "limit": 8, "window_seconds": 3600.0, "most_accepted": 8 }],
        "campaigns_synced": 4,
        "most_syncs_of_one_campaign": 2,
        "syncs_carried_out": 6,
        "idempotency_keys": 4,
        "campaigns_under_several_keys": 1,
        "keys_of_several_campaigns": 1,
        "connections": 1,
        // The one that asks.
        "in_flight": 1,
        "most_in_flight": 1,
    });
    assert_eq!(over_http, expected);
    let mut at_the_end = expected;
    at_the_end["requests"]["stats"] = json!({ "200": 1 });
    at_the_end["in_flight"] = json!(0);
    assert_eq!(json!(platform.stop()), at_the_end);
}

#[tokio::test]
async fn a_platform_that_is_calmed_fails_no_more() {
    let platform = platform(|settings| {
        settings.error_rate = 1.0;
        settings.list_error_every = Some(1);
    });
    let mut client = Client::login(&platform, "c").await;
    assert_eq!((client.list("").await.status, client.sync(1).await.status), (503, 503));
    platform.calm();
    assert_eq!((client.list("").await.status, client.sync(1).await.status), (200, 200));
}

#[tokio::test]
async fn a_503_carries_nothing_out_but_its_key_is_remembered() {
    let platform = platform(|settings| settings.error_rate = 1.0);
    let mut client = Client::login(&platform, "c").await;
    client.headers.push(("idempotency-key", "a".into()));
    assert_eq!(client.sync(1).await.status, 503);
    client.headers[2].1 = "b".into();
    assert_eq!(client.sync(1).await.status, 503);
    let stats = platform.stop();
    assert_eq!((stats.campaigns_synced, stats.most_syncs_of_one_campaign), (0, 0));
    assert_eq!((stats.idempotency_keys, stats.campaigns_under_several_keys), (2, 1));
}
