//! The rate limit as the platform sees it, in virtual time: never more than it allows, and no schedule shorter.

use std::rc::Rc;
use std::time::Duration;

use actors::report::{ProblemClass, Status};
use actors::settings::{Concurrency, PipelineSettings, RateLimit};
use actors::testing::{
    MemoryStore, Play, ScriptedPlatform, Stamping, in_virtual_time, limit, run_to_end, settings,
};

use tokio::time::Instant;

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
    // A login, 9 pages, 89 campaigns: 99 requests are 9 windows, each with its margin of 61 ms.
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

#[test]
fn runs_that_are_killed_at_any_moment_and_followed_at_once_never_exceed_the_limit_together() {
    let window = Duration::from_secs(1);
    for stamping in [Stamping::AtSending, Stamping::Anywhere] {
        let platform = ScriptedPlatform::obliging(5_000)
            .answering_within(Duration::from_millis(5)..=Duration::from_millis(50))
            .stamping(stamping);
        let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
        in_virtual_time(async {
            for run in 0..40_u64 {
                let until_killed = Duration::from_millis(1 + run * 739 % 2500);
                let killed = run_to_end(limited(vec![limit(40, window)], 16), &platform, &store);
                let _ = tokio::time::timeout(until_killed, killed).await;
            }
        });
        let most = platform.most_in_a_window(window);
        assert!(most <= 40, "{most} in a second");
        assert!(platform.calls().len() > 300, "it did not only wait: {} requests", platform.calls().len());
    }
}

#[test]
fn what_was_spent_is_recorded_ten_times_a_window_and_not_for_each_request() {
    let platform = ScriptedPlatform::obliging(2_000)
        .answering_within(Duration::from_millis(5)..=Duration::from_millis(10));
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report =
        in_virtual_time(run_to_end(limited(vec![limit(400, Duration::from_secs(1))], 16), &platform, &store));
    assert_eq!(report.status, Status::Complete);
    assert!(store.records() <= 20 * report.lower_bound.as_secs() + 20, "{} records", store.records());
    let windows = report.lower_bound.as_secs_f64() / 1.0;
    assert!(report.duration.as_secs_f64() < windows * 1.03 + 0.2, "{:?}", report.duration);
}

#[test]
fn a_run_that_ended_well_makes_the_next_wait_no_longer_than_its_requests_did() {
    let platform =
        ScriptedPlatform::obliging(7).answering_within(Duration::from_millis(5)..=Duration::from_millis(5));
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        let limits = || limited(vec![limit(10, MINUTE)], 8);
        // A login, a page and 7 campaigns: one permit of the window is left over.
        assert!(run_to_end(limits(), &platform, &store).await.duration < Duration::from_secs(1));
        let second = run_to_end(limits(), &platform, &store).await;
        assert!(second.duration > MINUTE - Duration::from_secs(1), "{:?}", second.duration);
        assert!(second.duration < MINUTE + Duration::from_secs(1), "{:?}", second.duration);
    });
    assert_eq!(platform.most_in_a_window(MINUTE), 10);
}

#[test]
fn a_platform_that_is_down_for_ten_minutes_costs_waiting_and_no_dead_letter() {
    let down = MINUTE..11 * MINUTE;
    let began = std::cell::Cell::new(None);
    let platform = ScriptedPlatform::obliging(5_000).playing(move |_| {
        let since = began.get().unwrap_or_else(Instant::now);
        began.set(Some(since));
        if down.contains(&since.elapsed()) { Play::Unavailable } else { Play::Well }
    });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report =
        in_virtual_time(run_to_end(limited(vec![limit(20, Duration::from_secs(1))], 8), &platform, &store));
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 5_000));
    let failed = report.requests.retried;
    assert!(failed < 60, "{failed} requests into a platform that was down");
}

#[test]
fn a_platform_that_stays_down_ends_the_run_once_nobody_wants_to_wait_longer() {
    let platform = ScriptedPlatform::obliging(1_000).playing(|call| match call.number {
        0..50 => Play::Well,
        _ => Play::Unavailable,
    });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let settings = PipelineSettings { max_wait: 15 * MINUTE, ..limited(vec![], 8) };
    let report = in_virtual_time(run_to_end(settings, &platform, &store));
    assert_eq!(
        (report.status, report.problems[0].class),
        (Status::Failed, ProblemClass::PlatformUnavailable)
    );
    assert!((15 * MINUTE..25 * MINUTE).contains(&report.duration), "{:?}", report.duration);
    assert_eq!(report.campaigns.stored, store.rows().len() as u64);
}

#[test]
fn a_days_quota_that_is_used_up_ends_the_run_interrupted_and_says_when_it_can_go_on() {
    let day = Duration::from_secs(86_400);
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(300)), Rc::new(MemoryStore::default()));
    let settings =
        PipelineSettings { max_wait: 15 * MINUTE, ..limited(vec![limit(10, MINUTE), limit(100, day)], 8) };
    let report = in_virtual_time(run_to_end(settings, &platform, &store));
    assert_eq!(
        (report.status, report.problems[0].class),
        (Status::Interrupted, ProblemClass::QuotaExhausted)
    );
    let message = &report.problems[0].message;
    assert!(message.contains("100/1d") && message.contains("min"), "{message}");
    let back_in = report.quota_back_in.expect("it is known");
    assert!(back_in > 23 * 60 * MINUTE && back_in <= day, "{back_in:?}");
    assert_eq!((report.requests.total, report.campaigns.stored), (100, store.rows().len() as u64));
    assert!(report.campaigns.stored > 80, "what was synced is stored: {}", report.campaigns.stored);
}
