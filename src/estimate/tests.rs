//! The estimator beside runs of the real pipeline in virtual time, and what holds whatever the numbers are.

use std::rc::Rc;

use actors::lower_bound::lower_bound;
use actors::report::{AccountReport, Status};
use actors::settings::Concurrency;
use actors::testing::{
    Play, ScriptedPlatform, TallyStore, in_virtual_time, limit, run_to_end, settings as quick_settings,
};
use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn settings(limits: &[(u32, Duration)], concurrency: usize) -> PipelineSettings {
    PipelineSettings {
        rate_limits: limits.iter().map(|&(requests, window)| limit(requests, window)).collect(),
        concurrency: Concurrency::new(concurrency).expect("in range"),
        ..quick_settings()
    }
}

/// Every request takes the same time, whether it fails or not.
fn conditions(failure_rate: f64, latency: Duration) -> Conditions {
    Conditions { failure_rate, sync_latency: latency, failure_latency: latency, list_latency: latency }
}

/// A number from 0 to 1 that looks random, different for each call and seed.
fn dice(seed: u64, call: &actors::testing::Call) -> f64 {
    let mut x = seed ^ (call.subject << 32) ^ (call.repeat << 8) ^ (call.endpoint as u64);
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x ^= x >> 29;
    }
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// A run of the real pipeline against a platform that fails so often and takes so long.
fn real_run(
    settings: &PipelineSettings,
    campaigns: u64,
    conditions: &Conditions,
    seed: u64,
) -> AccountReport {
    let (failure_rate, latency) = (conditions.failure_rate, conditions.sync_latency);
    let platform = ScriptedPlatform::obliging(campaigns)
        .answering_within(latency..=latency)
        .seeded(seed)
        .playing(move |call| if dice(seed, call) < failure_rate { Play::Unavailable } else { Play::Well });
    let (platform, store) = (Rc::new(platform), Rc::new(TallyStore::for_campaigns(campaigns)));
    let settings = PipelineSettings { seed, ..settings.clone() };
    let report = in_virtual_time(run_to_end(settings, &platform, &store));
    assert_eq!(report.status, Status::Complete);
    report
}

/// Repeats are chance, so it is the mean of so many that is compared.
const SEEDS: u64 = 12;

/// By how much the estimate is off the mean of real runs, as a share of it.
fn off(settings: &PipelineSettings, campaigns: u64, conditions: &Conditions) -> f64 {
    let seeds = if conditions.failure_rate > 0.0 { SEEDS } else { 1 };
    let took: Vec<f64> = (0..seeds)
        .map(|seed| real_run(settings, campaigns, conditions, seed).duration.as_secs_f64())
        .collect();
    let mean = took.iter().sum::<f64>() / took.len() as f64;
    let estimate = estimate(settings, campaigns, conditions);
    (estimate.duration.expected.as_secs_f64() / mean - 1.0).abs()
}

#[test]
fn the_estimate_is_within_five_percent_of_what_the_real_pipeline_takes() {
    let ms = Duration::from_millis;
    for (limits, concurrency, campaigns, failure_rate, latency) in [
        // The reference platform, well and at its usual.
        (&[(10, MINUTE)][..], 16, 100, 0.0, 2 * SECOND),
        (&[(10, MINUTE)], 16, 100, 0.2, 2 * SECOND),
        (&[(10, MINUTE)], 4, 100, 0.2, 2 * SECOND),
        (&[(10, MINUTE)], 1, 100, 0.2, 2 * SECOND),
        (&[(10, SECOND)], 16, 100, 0.2, ms(33)),
        (&[(40, SECOND)], 16, 100, 0.2, ms(33)),
        (&[(40, SECOND)], 64, 100, 0.2, ms(33)),
        (&[(40, SECOND)], 16, 1000, 0.2, ms(33)),
        // Two windows.
        (&[(5, SECOND), (60, 10 * SECOND)], 16, 300, 0.2, ms(33)),
        (&[(5, SECOND), (30, 10 * SECOND)], 16, 300, 0.2, ms(33)),
        (&[(10, MINUTE), (100, 3600 * SECOND)], 16, 300, 0.2, 2 * SECOND),
        // Windows that are short against the latency: requests are stamped at sending.
        (&[(10, SECOND)], 64, 500, 0.0, 2 * SECOND),
        (&[(10, SECOND)], 64, 500, 0.2, 2 * SECOND),
        (&[(100, 10 * SECOND)], 64, 1000, 0.2, 2 * SECOND),
        // The sync actors bind.
        (&[], 1, 100, 0.0, ms(50)),
        (&[], 10, 100, 0.0, 2 * SECOND),
        (&[], 8, 1000, 0.2, ms(200)),
        (&[(10, SECOND)], 4, 500, 0.2, 2 * SECOND),
        // And between two bursts.
        (&[(100, MINUTE)], 4, 230, 0.0, 2 * SECOND),
        (&[(100, MINUTE)], 4, 230, 0.2, 2 * SECOND),
        // The listing binds.
        (&[], 64, 1000, 0.0, 2 * SECOND),
    ] {
        let (settings, conditions) = (settings(limits, concurrency), conditions(failure_rate, latency));
        let off = off(&settings, campaigns, &conditions);
        assert!(
            off < 0.05,
            "off by {off}: {limits:?}, {concurrency} sync actors, {campaigns}, {conditions:?}"
        );
    }
}

#[test]
fn what_binds_is_named_and_the_concurrency_worth_having_is_a_burst() {
    let reference = Conditions { list_latency: Duration::ZERO, ..conditions(0.2, 2 * SECOND) };
    let plan = |limits: &[(u32, Duration)], concurrency, campaigns| {
        let estimate = estimate(&settings(limits, concurrency), campaigns, &reference);
        (estimate.bottleneck, estimate.useful_concurrency)
    };
    let minute = Bottleneck::RateLimit(limit(10, MINUTE));
    let day = (1000, 1440 * MINUTE);
    assert_eq!(plan(&[(10, MINUTE)], 16, 100), (minute, 10));
    assert_eq!(plan(&[(10, MINUTE), day], 16, 100), (minute, 10));
    assert_eq!(plan(&[(10, MINUTE), day], 16, 2000).0, Bottleneck::RateLimit(limit(1000, 1440 * MINUTE)));
    // Ten a second, for the 2 s that each takes.
    assert_eq!(plan(&[(10, SECOND)], 4, 500), (Bottleneck::Concurrency, 20));
    assert_eq!(plan(&[], 4, 3), (Bottleneck::Latency, 3));
    assert_eq!(plan(&[(10, MINUTE)], 16, 0), (Bottleneck::Latency, 1));
}

#[test]
fn a_window_costs_its_margin_and_the_answer_that_frees_its_slots() {
    let estimate = estimate(&settings(&[(10, MINUTE)], 16), 100, &conditions(0.0, 2 * SECOND));
    // 111 requests are eleven windows; login, first page and the last sync take 2 s each.
    assert_eq!(estimate.duration.expected.as_millis(), 11 * (60_000 + 61 + 2000) + 3 * 2000);
}

#[test]
fn a_schedule_fits_as_soon_as_the_limits_bear_it_and_a_run_ends_before_the_next() {
    let plan = |limits: &[(u32, Duration)], campaigns| {
        estimate(&settings(limits, 16), campaigns, &conditions(0.0, Duration::ZERO))
    };
    // One login, one page, eight syncs: a burst, and then a minute (and its margin) for the next.
    let one_window = plan(&[(10, MINUTE)], 8);
    assert_eq!(
        (one_window.duration.expected, one_window.shortest_schedule.as_millis()),
        (Duration::ZERO, 60_061)
    );
    let one_day = plan(&[(10, MINUTE), (100, 1440 * MINUTE)], 8);
    assert_eq!(one_day.shortest_schedule.as_secs(), 8648);
    let limits = [limit(10, MINUTE), limit(100, 1440 * MINUTE)];
    assert!((one_day.share_of_limits(&limits, 144 * MINUTE) - 1.0).abs() < 1e-9);
    assert!((one_day.share_of_limits(&limits, 288 * MINUTE) - 0.5).abs() < 1e-9);
    assert_eq!(one_day.share_of_limits(&[], MINUTE), 0.0);
}

#[test]
fn numbers_beyond_all_measure_are_no_error() {
    let limited = settings(&[(1_000_000, 31 * 1440 * MINUTE), (1, Duration::from_millis(10))], 1024);
    for campaigns in [u64::MAX, u64::MAX / 2, 1_000_000_000] {
        let worst = estimate(&limited, campaigns, &conditions(1.0, 600 * SECOND));
        assert!(
            worst.duration.expected >= worst.lower_bound && worst.requests.expected > campaigns / 2,
            "{worst:?}"
        );
    }
}

fn some_limits() -> impl Strategy<Value = Vec<(u32, Duration)>> {
    let one = (1u32..60, 10u64..120_000).prop_map(|(n, ms)| (n, Duration::from_millis(ms)));
    proptest::collection::vec(one, 0..3)
}

fn some_conditions() -> impl Strategy<Value = Conditions> {
    let latency = || (0u64..5_000).prop_map(Duration::from_millis);
    (0.0..0.9, latency(), latency(), latency()).prop_map(
        |(failure_rate, sync_latency, failure_latency, list_latency)| Conditions {
            failure_rate,
            sync_latency,
            failure_latency,
            list_latency,
        },
    )
}

proptest! {
    #[test]
    fn more_campaigns_are_never_faster_and_nothing_is_faster_than_the_limits(
        limits in some_limits(),
        concurrency in 1usize..80,
        campaigns in 0u64..400,
        more in 1u64..50,
        conditions in some_conditions(),
    ) {
        let settings = settings(&limits, concurrency);
        let [few, many] = [campaigns, campaigns + more].map(|n| estimate(&settings, n, &conditions));
        prop_assert!(few.requests.expected <= many.requests.expected);
        prop_assert!(few.duration.low <= few.duration.high);
        let at_least = lower_bound(1 + few.pages + campaigns, &settings.rate_limits);
        prop_assert!(few.duration.low + Duration::from_micros(1) >= at_least, "{:?} < {at_least:?}", few.duration.low);
        let bound = lower_bound(few.requests.expected, &settings.rate_limits);
        prop_assert!(few.lower_bound.abs_diff(bound) < Duration::from_micros(1), "{few:?} {bound:?}");
        prop_assert!(few.duration.expected <= many.duration.expected, "{few:?} {many:?}");
    }

    #[test]
    fn beyond_the_useful_concurrency_nothing_gets_faster(
        limits in some_limits(),
        campaigns in 0u64..400,
        more in 1usize..900,
        conditions in some_conditions(),
    ) {
        let with = |concurrency| estimate(&settings(&limits, concurrency), campaigns, &conditions);
        let useful = with(1).useful_concurrency;
        let [enough, plenty] = [useful, (useful + more).min(1024)].map(|c| with(c).duration.expected);
        prop_assert!(plenty.abs_diff(enough) < Duration::from_micros(1), "{enough:?} with {useful}, else {plenty:?}");
        prop_assert_eq!(with(1024).useful_concurrency, useful);
    }
}

mod time_left {
    use actors::progress::{Progress, QuotaWait};
    use actors::report::RequestCounts;
    use tokio::time::Instant;

    use super::*;

    /// So many of a hundred campaigns are stored, with nothing in flight and no failure.
    fn stored(stored: u64, latency: Duration) -> Progress {
        let requests =
            RequestCounts { auth: 1, list: 10, sync: stored, total: 11 + stored, ..RequestCounts::default() };
        Progress {
            distinct: 100,
            reported_total: Some(100),
            listing_ended: true,
            stored,
            requests,
            latency,
            ..Progress::default()
        }
    }

    fn left(progress: &Progress, settings: &PipelineSettings) -> f64 {
        super::super::time_left(progress, settings, Instant::now()).expect("the total is known").as_secs_f64()
    }

    #[test]
    fn nothing_is_said_before_the_platform_has_said_how_many_there_are() {
        let progress = Progress { distinct: 50, ..Progress::default() };
        assert_eq!(super::super::time_left(&progress, &settings(&[], 8), Instant::now()), None);
    }

    #[test]
    fn before_anything_is_measured_it_is_the_plan() {
        let settings = settings(&[(10, MINUTE)], 16);
        let reference = Conditions {
            failure_latency: Duration::ZERO,
            list_latency: Duration::ZERO,
            ..conditions(ASSUMED_FAILURE_RATE, ASSUMED_LATENCY)
        };
        let plan = estimate(&settings, 100, &reference).duration.expected.as_secs_f64();
        // The login is done, the first page is on its way.
        let progress = Progress {
            reported_total: Some(100),
            requests: RequestCounts { auth: 1, total: 1, ..RequestCounts::default() },
            ..Progress::default()
        };
        let left = left(&progress, &settings);
        assert!((left / plan - 1.0).abs() < 0.03, "{left} of {plan}");
    }

    #[test]
    fn failures_and_latencies_that_were_measured_take_the_place_of_what_was_assumed() {
        let limited = settings(&[(10, MINUTE)], 16);
        let quick = stored(50, SECOND);
        let failing = RequestCounts { total: 111, sync: 100, retried: 50, ..quick.requests };
        let failing = Progress { requests: failing, ..quick.clone() };
        assert!(left(&failing, &limited) > 1.3 * left(&quick, &limited));
        let bound_by_actors = settings(&[], 4);
        assert!(left(&stored(50, 4 * SECOND), &bound_by_actors) > 3.0 * left(&quick, &bound_by_actors));
    }

    #[test]
    fn the_wait_for_the_next_permit_comes_first_and_what_is_on_its_way_needs_none() {
        let limited = settings(&[(10, MINUTE)], 16);
        let idle = stored(90, SECOND);
        let until = Some(Instant::now() + 40 * SECOND);
        let waits = QuotaWait { waiting: 10, until, because: "10/60s".to_owned() };
        let waiting = Progress { quota: Some(waits), in_flight: 10, ..idle.clone() };
        let more = left(&waiting, &limited) - left(&idle, &limited);
        assert!((39.0..=40.0).contains(&more), "{more}");
        let half = stored(50, SECOND);
        let under_way = Progress { in_flight: 20, ..half.clone() };
        assert!(left(&half, &limited) - left(&under_way, &limited) > 100.0, "two windows less");
        assert!(left(&stored(100, SECOND), &limited) < 2.0);
    }

    #[test]
    fn what_the_run_had_stored_before_it_was_resumed_takes_no_time() {
        let limited = settings(&[(10, MINUTE)], 16);
        let resumed = Progress { stored: 0, stored_before: 60, ..stored(60, SECOND) };
        // Nothing is measured yet, but the same is left to do.
        assert!(left(&resumed, &limited) < left(&stored(50, SECOND), &limited));
    }

    #[test]
    fn it_shrinks_as_the_run_gets_on() {
        for settings in
            [settings(&[(10, MINUTE)], 16), settings(&[], 4), settings(&[(10, SECOND), (100, MINUTE)], 8)]
        {
            let lefts: Vec<f64> = (1..=100).rev().map(|n| left(&stored(n, 2 * SECOND), &settings)).collect();
            assert!(lefts.windows(2).all(|pair| pair[0] <= pair[1] + 0.05 * lefts[99]), "{lefts:?}");
            assert!(lefts[0] < 0.1 * lefts[99], "{lefts:?}");
        }
    }
}
