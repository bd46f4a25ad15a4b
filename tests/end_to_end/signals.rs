//! The rate limit is set too high, and the platform says so, or does not.

use std::time::Duration;

use mock_platform::{RateLimit, RateLimitHeaders, Settings, Stats};
use serde_json::{Value, json};

use crate::support::{Postgres, quick_platform, run, start, ten_a_second};

/// A run at 20 requests a second of a platform that takes ten: exit code, the account's report, what was seen.
fn too_fast(headers: RateLimitHeaders) -> (i32, Value, Stats) {
    let platform = start(Settings {
        rate_limits: ten_a_second(),
        rate_limit_headers: headers,
        sync_latency: Duration::from_millis(33),
        ..quick_platform(40)
    });
    let database = Postgres::start();
    let (code, mut report) = run(&platform, &database, &["--rate-limit", "20/1s"]);
    assert_eq!(database.count("campaigns"), 40);
    (code, report["accounts"][0].take(), platform.stop())
}

fn problems(account: &Value) -> Vec<(&str, &str)> {
    let problems = account["problems"].as_array().expect("a list").iter();
    problems.map(|p| (p["class"].as_str().expect("a word"), p["message"].as_str().expect("a text"))).collect()
}

#[test]
fn a_platform_that_states_its_limit_is_kept_to_it_from_its_first_answer_on() {
    let (code, account, seen) = too_fast(RateLimitHeaders::Draft);
    // Not even in the first burst: the first page of the listing is asked for alone, and its head says it all.
    assert_eq!(
        (code, seen.throttled, &account["requests"]["throttled"]),
        (0, 0, &Value::from(0)),
        "{account}"
    );
    let problems = problems(&account);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].0, "rate_limit_too_high");
    assert!(problems[0].1.contains("10/1s") && problems[0].1.contains("20/1s"), "{}", problems[0].1);
    // What could have been at the limit that was set: 45 requests are three windows of twenty.
    assert_eq!(account["lower_bound_seconds"], 2.0);
}

#[test]
fn a_platform_that_states_nothing_answers_429_and_everything_is_stored_after_it() {
    let (code, account, seen) = too_fast(RateLimitHeaders::None);
    assert_eq!(code, 0, "{account}");
    assert!(seen.throttled > 0, "{seen:?}");
    assert_eq!(account["requests"]["throttled"], seen.throttled);
    assert_eq!(problems(&account).iter().map(|problem| problem.0).collect::<Vec<_>>(), ["throttled"]);
}

#[test]
fn a_platform_that_states_what_is_left_and_no_window_is_believed_about_that() {
    let (code, account, seen) = too_fast(RateLimitHeaders::X);
    assert_eq!(code, 0, "{account}");
    // No window, so nothing is learned for good: each time what was left has been renewed, our own limit decides
    // until the next answer. How many 429s that costs depends on the machine.
    assert_eq!(account["requests"]["throttled"], seen.throttled);
    assert!(problems(&account).iter().all(|problem| problem.0 == "throttled"), "{account}");
}

#[test]
fn a_limit_that_is_set_right_is_kept_without_a_429_and_without_a_complaint() {
    for headers in [RateLimitHeaders::Draft, RateLimitHeaders::X] {
        let settings =
            Settings { rate_limits: ten_a_second(), rate_limit_headers: headers, ..quick_platform(20) };
        let (platform, database) = (start(settings), Postgres::start());
        let (code, report) = run(&platform, &database, &["--rate-limit", "10/1s"]);
        let account = &report["accounts"][0];
        assert_eq!((code, platform.stop().throttled), (0, 0), "{account}");
        assert_eq!(problems(account), []);
    }
}

#[test]
fn with_auto_the_limit_is_what_the_platform_states_and_the_report_says_so() {
    let limits = vec![RateLimit { requests: 40, window: Duration::from_secs(1) }];
    let settings =
        Settings { rate_limits: limits, rate_limit_headers: RateLimitHeaders::Draft, ..quick_platform(60) };
    let (platform, database) = (start(settings), Postgres::start());
    let (code, report) = run(&platform, &database, &["--rate-limit", "auto"]);
    let account = &report["accounts"][0];
    assert_eq!((code, platform.stop().throttled), (0, 0), "{account}");
    assert_eq!(account["limits"], json!([{"limit": "40/1s", "source": "platform"}]));
    assert_eq!(account["lower_bound_seconds"], 1.0);
}
