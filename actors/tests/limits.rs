//! The rate limit as the platform sees it, in virtual time: never more than it allows, and no schedule shorter.

use std::rc::Rc;
use std::time::Duration;

use actors::report::Status;
use actors::settings::{Concurrency, PipelineSettings, RateLimit};
use actors::testing::{
    MemoryStore, Play, ScriptedPlatform, Stamping, in_virtual_time, limit, run_to_end, settings,
};

const MINUTE: Duration = Duration::from_secs(60);

fn limited(limits: Vec<RateLimit>, concurrency: usize) -> PipelineSettings {
    PipelineSettings {
        rate_limits: limits,
        concurrency: Concurrency::new(concurrency).expect("in range"),
        ..settings()
    }
}

#[test]
fn no_minute_ever_holds_more_than_ten_wherever_the_platform_counts_a_request() {
    // One login, 11 pages and 100 campaigns: 112 requests.
    for stamping in [Stamping::AtSending, Stamping::AtAnswering, Stamping::Anywhere] {
        for concurrency in [1, 10, 64] {
            for seed in 0..5 {
                let platform = ScriptedPlatform::obliging(100)
                    .answering_within(Duration::from_millis(50)..=Duration::from_secs(5))
                    .stamping(stamping)
                    .seeded(seed);
                let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
                let settings = limited(vec![limit(10, MINUTE)], concurrency);
                let report = in_virtual_time(run_to_end(settings, &platform, &store));
                assert_eq!((report.status, report.requests.total), (Status::Complete, 111));
                let most = platform.most_in_a_window(MINUTE);
                assert!(
                    most <= 10,
                    "{most} in a minute: {stamping:?}, concurrency {concurrency}, seed {seed}"
                );
                // The bound, a latency and the margin for each window, and the last answer.
                let windows = 11;
                let longest =
                    report.lower_bound + windows * Duration::from_millis(5070) + Duration::from_secs(6);
                assert!(report.duration <= longest, "{:?}", report.duration);
            }
        }
    }
}

#[test]
fn a_burst_goes_out_at_once_and_the_rest_as_soon_as_the_window_allows() {
    let platform = ScriptedPlatform::obliging(89).answering_within(Duration::ZERO..=Duration::ZERO);
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(run_to_end(limited(vec![limit(10, MINUTE)], 64), &platform, &store));
    // A login, 9 pages, 89 campaigns: 99 requests are 9 windows, each with its margin of 60 ms.
    assert_eq!((report.requests.total, report.lower_bound), (99, 9 * MINUTE));
    let late = platform.makespan() - report.lower_bound;
    assert!(late <= 9 * Duration::from_millis(62), "{late:?} later than the bound");
}

#[test]
fn several_limits_hold_together() {
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    let platform = ScriptedPlatform::obliging(300).stamping(Stamping::Anywhere);
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let limits = vec![limit(5, second), limit(100, hour)];
    let report = in_virtual_time(run_to_end(limited(limits, 16), &platform, &store));
    assert_eq!(report.status, Status::Complete);
    assert!(platform.most_in_a_window(second) <= 5 && platform.most_in_a_window(hour) <= 100);
    assert_eq!(
        report.lower_bound.as_secs(),
        3 * 3600 + 6,
        "331 requests are three hours and 31 requests of the fourth"
    );
}

#[test]
fn a_request_that_is_never_answered_counts_until_its_time_is_over() {
    let platform = ScriptedPlatform::obliging(60)
        .stamping(Stamping::Anywhere)
        .playing(|call| if call.number % 7 == 0 { Play::Hang } else { Play::Well });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(run_to_end(limited(vec![limit(10, MINUTE)], 16), &platform, &store));
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 60));
    assert!(platform.most_in_a_window(MINUTE) <= 10);
}

#[test]
fn after_a_429_nobody_sends_until_the_platforms_wait_is_over() {
    let wait = Duration::from_secs(30);
    let platform = ScriptedPlatform::obliging(50).playing(move |call| match call.number {
        20 => Play::Throttle(Some(wait)),
        _ => Play::Well,
    });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(run_to_end(limited(vec![limit(1000, MINUTE)], 4), &platform, &store));
    assert_eq!((report.status, report.requests.throttled), (Status::Complete, 1));
    assert!(
        report.duration >= wait && report.duration < wait + Duration::from_secs(3),
        "{:?}",
        report.duration
    );
    assert!(report.problems.iter().any(|problem| problem.message.contains("429")));
}

#[test]
fn a_platform_that_only_answers_429_ends_in_dead_letters_and_not_in_a_hang() {
    let platform = ScriptedPlatform::obliging(3).playing(|call| match call.endpoint {
        actors::permit::Endpoint::Sync => Play::Throttle(None),
        _ => Play::Well,
    });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(run_to_end(limited(vec![limit(10, MINUTE)], 4), &platform, &store));
    assert_eq!((report.status, report.campaigns.dead_lettered), (Status::Partial, 3));
}
