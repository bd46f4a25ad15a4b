//! The contract's endpoints, over real HTTP.

use std::time::Duration;

use crate::support::{Client, local, platform};
use mock_platform::{EMAIL, MockPlatform, PASSWORD, Settings, campaign};
use serde_json::json;

#[tokio::test]
async fn a_login_yields_a_token_as_the_contract_says() {
    let platform = platform(|settings| settings.token_life = Duration::from_millis(90_500));
    let reply = Client::connect(&platform).await.authenticate(EMAIL, PASSWORD).await;
    assert_eq!(reply.status, 200);
    let token = reply.json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(90)));
    assert!(token["issued_at"].as_u64().is_some_and(|seconds| seconds > 1_700_000_000));
    assert!(token["access_token"].is_string());
}

#[tokio::test]
async fn a_wrong_login_is_401() {
    let platform = platform(|settings| settings.password = "a:b".into());
    let mut client = Client::connect(&platform).await;
    assert_eq!(client.authenticate(EMAIL, "wrong").await.status, 401);
    assert_eq!(client.authenticate("someone@example.com", "a:b").await.status, 401);
    assert_eq!(client.request("POST", "/auth/token", "").await.status, 401);
    assert_eq!(client.authenticate(EMAIL, "a:b").await.status, 200);
}

#[tokio::test]
async fn a_missing_or_unknown_token_is_401_and_an_earlier_login_s_is_not() {
    let platform = platform(|_| {});
    let mut client = Client::connect(&platform).await;
    let first = client.token().await;
    client.token().await;
    assert_eq!(client.list("").await.status, 401);
    for (authorization, status) in [
        (format!("Bearer {first}x"), 401),
        (format!("Basic {first}"), 401),
        (first.clone(), 401),
        (format!("Bearer {first}"), 200),
        (format!("bearer {first}"), 200),
    ] {
        client.headers = vec![("authorization", authorization)];
        assert_eq!(client.list("").await.status, status, "{:?}", client.headers);
        assert_eq!(client.sync(1).await.status, status, "{:?}", client.headers);
    }
}

#[tokio::test]
async fn a_token_without_life_has_expired_when_it_comes_back() {
    let platform = platform(|settings| settings.token_life = Duration::ZERO);
    let mut client = Client::login(&platform, "c").await;
    assert_eq!(client.list("").await.status, 401);
}

#[tokio::test]
async fn a_page_holds_the_campaigns_of_the_catalogue_and_says_where_it_stands() {
    let platform = platform(|settings| (settings.campaigns, settings.seed) = (25, 9));
    let mut client = Client::login(&platform, "c").await;
    let page = client.list("?page=2&limit=10").await.json();
    let expected = (11..=20).map(|number| campaign(9, number)).collect::<Vec<_>>();
    assert_eq!(page["data"], json!(expected));
    assert_eq!(page["pagination"], json!({ "page": 2, "limit": 10, "total": 25, "has_more": true }));
    let last = client.list("?limit=10&page=3").await.json();
    assert_eq!(last["data"].as_array().map(Vec::len), Some(5));
    assert_eq!(last["pagination"]["has_more"], json!(false));
    let beyond = client.list("?page=18446744073709551615&limit=10000").await.json();
    assert_eq!((&beyond["data"], &beyond["pagination"]["has_more"]), (&json!([]), &json!(false)));
    assert_eq!(client.list("").await.json(), client.list("?page=1&limit=10").await.json());
}

#[tokio::test]
async fn ten_million_campaigns_are_served_from_their_far_end() {
    let platform = platform(|settings| settings.campaigns = 10_000_000);
    let mut client = Client::login(&platform, "c").await;
    let page = client.list("?page=1000&limit=10000").await.json();
    assert_eq!(page["data"][9_999]["id"], json!("camp_10000000"));
}

#[tokio::test]
async fn a_page_that_cannot_be_is_400() {
    let platform = platform(|_| {});
    let mut client = Client::login(&platform, "c").await;
    for query in ["?page=0", "?page=x", "?page=-1", "?limit=0", "?limit=10001", "?limit="] {
        assert_eq!(client.list(query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_sync_confirms_its_campaign() {
    let platform = platform(|_| {});
    let mut client = Client::login(&platform, "c").await;
    let reply = client.sync(7).await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    assert_eq!((&body["success"], &body["campaign_id"]), (&json!(true), &json!("camp_000007")));
    assert!(body["message"].is_string());
    let synced_at = body["synced_at"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339");
    let date = httpdate::parse_http_date(reply.header("date").expect("a date")).expect("an HTTP date");
    let date = jiff::Timestamp::try_from(date).expect("a time");
    assert!((synced_at.as_second() - date.as_second()).abs() <= 1, "{synced_at} {date}");
}

#[tokio::test]
async fn a_sync_s_id_may_be_percent_encoded() {
    let platform = platform(|_| {});
    let mut client = Client::login(&platform, "c").await;
    let body = r#"{"campaign_id":"\u0063amp_000001"}"#;
    assert_eq!(client.request("POST", "/api/campaigns/%63amp%5F000001/sync", body).await.status, 200);
}

#[tokio::test]
async fn a_sync_of_an_unknown_campaign_is_404_and_one_whose_body_does_not_match_is_400() {
    let platform = platform(|_| {});
    let mut client = Client::login(&platform, "c").await;
    let path = "/api/campaigns/camp_000001/sync";
    assert_eq!(client.sync(101).await.status, 404);
    assert_eq!(client.request("POST", "/api/campaigns/%ff/sync", "{}").await.status, 404);
    for body in ["", "{}", "[]", "{\"campaign_id\":1}", "{\"campaign_id\":\"camp_000002\"}"] {
        assert_eq!(client.request("POST", path, body).await.status, 400, "{body}");
    }
    assert_eq!(platform.stats().campaigns_synced, 0);
}

#[tokio::test]
async fn health_and_statistics_need_no_token() {
    let platform = platform(|_| {});
    let mut client = Client::connect(&platform).await;
    assert_eq!(client.request("GET", "/health", "").await.json(), json!({ "status": "ok" }));
    let stats = client.request("GET", "/stats", "").await.json();
    assert_eq!(stats["requests"], json!({ "health": { "200": 1 } }));
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_405_that_names_the_right_one() {
    let platform = platform(|_| {});
    let mut client = Client::connect(&platform).await;
    for path in ["/", "/api/campaigns/", "/api/campaigns/a/b/sync", "/api/campaigns/camp_000001", "/healthy"]
    {
        assert_eq!(client.request("GET", path, "").await.status, 404, "{path}");
    }
    for (method, path, allow) in [
        ("GET", "/auth/token", "POST"),
        ("DELETE", "/api/campaigns?page=1", "GET"),
        ("GET", "/api/campaigns/camp_000001/sync", "POST"),
        ("POST", "/health", "GET"),
        ("PUT", "/stats", "GET"),
    ] {
        let reply = client.request(method, path, "").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{path}");
    }
}

#[test]
fn a_setting_that_cannot_be_is_refused_by_name() {
    let refused = |name: &str, change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        match MockPlatform::start(settings, local()) {
            Ok(_) => panic!("it started with a wrong {name}"),
            Err(error) => assert!(error.to_string().contains(name), "{name}: {error}"),
        }
    };
    refused("error_rate", |settings| settings.error_rate = 1.1);
    refused("hang_rate", |settings| settings.hang_rate = f64::NAN);
    refused("together", |settings| (settings.error_rate, settings.hang_rate) = (0.6, 0.6));
    refused("latency_jitter", |settings| settings.latency_jitter = -0.1);
    refused("list_error_every", |settings| settings.list_error_every = Some(0));
    refused("rate limit", |settings| settings.rate_limits[0].requests = 0);
    refused("rate limit", |settings| settings.rate_limits[0].window = Duration::ZERO);
    refused("window", |settings| settings.rate_limits[0].window = Duration::MAX);
    refused("token_life", |settings| settings.token_life = Duration::MAX);
    refused("sync_latency", |settings| settings.sync_latency = Duration::MAX);
}
