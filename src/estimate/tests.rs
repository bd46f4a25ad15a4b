//! The estimator beside runs of the real pipeline in virtual time, and what holds whatever the numbers are.

use std::num::NonZeroU32;
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
    let (platform, store) = (Rc::new(platform), Rc::new(TallyStore::default()));
    let settings = PipelineSettings { seed, ..settings.clone() };
    let report = in_virtual_time(run_to_end(settings, &platform, &store));
    assert_eq!(report.status, Status::Complete);
    report
}

/// By how much the estimate is off the mean of real runs, as a share of it.
fn off(settings: &PipelineSettings, campaigns: u64, conditions: &Conditions) -> f64 {
    let seeds = if conditions.failure_rate > 0.0 { 40 } else { 1 };
    let took: Vec<f64> = (0..seeds)
        .map(|seed| real_run(settings, campaigns, conditions, seed).duration.as_secs_f64())
        .collect();
    let mean = took.iter().sum::<f64>() / took.len() as f64;
    let estimate = estimate(settings, campaigns, conditions);
    let within = took
        .iter()
        .filter(|t| {
            **t >= estimate.duration.low.as_secs_f64() - 0.3
                && **t <= estimate.duration.high.as_secs_f64() + 0.3
        })
        .count();
    eprintln!(
        "{:?} c={} J={campaigns} {conditions:?}: mean {mean:.2} estimate {:.2} ({:.2} to {:.2}; {within}/{seeds}) off {:+.3} binds {:?} useful {}",
        settings.rate_limits.iter().map(ToString::to_string).collect::<Vec<_>>(),
        settings.concurrency.get(),
        estimate.duration.expected.as_secs_f64(),
        estimate.duration.low.as_secs_f64(),
        estimate.duration.high.as_secs_f64(),
        estimate.duration.expected.as_secs_f64() / mean - 1.0,
        estimate.bottleneck,
        estimate.useful_concurrency
    );
    (estimate.duration.expected.as_secs_f64() / mean - 1.0).abs()
}

#[test]
fn the_estimate_is_within_five_percent_of_what_the_real_pipeline_takes() {
    let ms = Duration::from_millis;
    let mut worst = 0.0f64;
    for (limits, concurrency, campaigns, failure_rate, latency) in [
        // The reference platform, well and at its usual.
        (&[(10, MINUTE)][..], 16, 100, 0.0, 2 * SECOND),
        (&[(10, MINUTE)], 16, 100, 0.2, 2 * SECOND),
        (&[(10, MINUTE)], 4, 100, 0.2, 2 * SECOND),
        (&[(10, MINUTE)], 1, 100, 0.2, 2 * SECOND),
        (&[(10, SECOND)], 16, 100, 0.2, ms(33)),
        (&[(40, SECOND)], 16, 100, 0.2, ms(33)),
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
        worst = worst.max(off(&settings(limits, concurrency), campaigns, &conditions(failure_rate, latency)));
    }
    assert!(worst < 0.05, "{worst}");
}
