//! The retry budget of a run, in virtual time: what it denies, and what it must not.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actors::permit::Endpoint;
use actors::report::{ProblemClass, Status};
use actors::settings::{BatchLimits, Concurrency, PipelineSettings};
use actors::testing::{MemoryStore, Play, ScriptedPlatform, in_virtual_time, limit, run_to_end, settings};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The program's default settings, but for the patience.
fn by_default(max_wait: Duration) -> PipelineSettings {
    PipelineSettings {
        batch: BatchLimits::new(500, Duration::from_millis(200)).expect("in range"),
        max_wait,
        rate_limits: vec![limit(10, MINUTE)],
        concurrency: Concurrency::new(16).expect("in range"),
        ..settings()
    }
}

#[test]
fn an_hours_outage_uses_up_no_retry_budget_whenever_it_begins_and_all_campaigns_are_stored() {
    for (begins, fails_by) in [(0.05, Play::Unavailable), (3.0, Play::Hang), (10.0, Play::Unavailable)] {
        let begins = MINUTE.mul_f64(begins);
        let began = Cell::new(None);
        let platform = ScriptedPlatform::obliging(100).playing(move |call| {
            let since = began.get().unwrap_or_else(Instant::now);
            began.set(Some(since));
            match since.elapsed() {
                time if (begins..begins + 60 * MINUTE).contains(&time) => fails_by,
                _ if call.number % 5 == 0 => Play::Unavailable,
                _ => Play::Well,
            }
        });
        let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
        let report = in_virtual_time(run_to_end(by_default(120 * MINUTE), &platform, &store));
        assert_eq!((report.status, &report.problems[..]), (Status::Complete, &[][..]), "{begins:?}");
        assert_eq!(report.campaigns.stored, 100);
        assert!(report.duration > 60 * MINUTE, "{:?}", report.duration);
    }
}

#[test]
fn a_platform_that_fails_at_length_costs_no_more_repeats_than_the_budget_allows() {
    // Seven of ten fail, too few for the circuit breaker.
    let platform = ScriptedPlatform::obliging(200).playing(|call| match (call.endpoint, call.number % 10) {
        (Endpoint::Sync, 3..) => Play::Unavailable,
        _ => Play::Well,
    });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(run_to_end(by_default(15 * MINUTE), &platform, &store));
    let (repeats, firsts) = (report.requests.retried, report.requests.total - report.requests.retried);
    assert_eq!(firsts, 1 + 20 + 200);
    assert!((firsts..=10 + firsts).contains(&repeats), "{repeats} repeats of {firsts} requests");
    assert_eq!(report.status, Status::Partial);
    assert_eq!(report.campaigns.stored + report.campaigns.dead_lettered, 200);
    let classes: Vec<_> = report.problems.iter().map(|problem| problem.class).collect();
    assert_eq!(classes, [ProblemClass::DeadLetters, ProblemClass::RetryBudgetExhausted]);
    let message = &report.problems[1].message;
    let numbers = format!("(10 and 1 for each of {firsts} requests) was used up after {repeats} repeats");
    assert!(message.contains(&numbers), "{message}");
    let denied = store.dead_letters().values().filter(|l| l.message.contains("retry budget")).count();
    assert!(message.starts_with(&format!("{denied} requests that failed")), "{message}");

    let boundless = PipelineSettings { retry_budget: None, ..by_default(15 * MINUTE) };
    let store = Rc::new(MemoryStore::default());
    let report = in_virtual_time(run_to_end(boundless, &platform, &store));
    assert!(report.requests.retried > firsts + 100, "{}", report.requests.retried);
    assert!(report.problems.iter().all(|problem| problem.class != ProblemClass::RetryBudgetExhausted));
}
