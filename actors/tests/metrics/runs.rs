//! Runs, campaigns, queues, batches and restarts.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use actors::metrics::AccountMetrics;
use actors::permit::Endpoint;
use actors::report::{AccountReport, Status};
use actors::settings::{BatchLimits, PipelineSettings};
use actors::testing::{
    CommitFault, MemoryStore, Play, ScriptedPlatform, in_virtual_time, limit, run_to_end,
    run_with_limiter_panics, settings, unwatched,
};
use tokio::time::sleep;

use crate::readings::{Readings, recorded};

const SECOND: Duration = Duration::from_secs(1);

fn run(platform: ScriptedPlatform, store: MemoryStore) -> (AccountReport, Readings) {
    let (platform, store) = (Rc::new(platform), Rc::new(store));
    recorded(|_| in_virtual_time(run_to_end(settings(), &platform, &store)))
}

fn campaigns(readings: &Readings) -> [f64; 3] {
    ["stored", "skipped", "dead_lettered"]
        .map(|outcome| readings.value(&format!("campaigns_total{{account=test,outcome={outcome}}}")))
}

#[test]
fn a_run_is_counted_by_how_it_ended_with_how_long_it_took() {
    let runs = |readings: &Readings, status: &str| {
        let ended = readings.value(&format!("runs_total{{account=test,status={status}}}"));
        (ended, readings.values(&format!("run_duration_seconds{{status={status}}}")).to_vec())
    };
    let (report, readings) = run(ScriptedPlatform::obliging(40), MemoryStore::default());
    assert_eq!(runs(&readings, "complete"), (1.0, vec![report.duration.as_secs_f64()]));
    assert!(report.duration > Duration::ZERO);
    let failing = ScriptedPlatform::obliging(40).playing(|call| match call.endpoint {
        Endpoint::Sync if call.subject == 7 => Play::Reject,
        _ => Play::Well,
    });
    let (report, readings) = run(failing, MemoryStore::default());
    assert_eq!(runs(&readings, "partial"), (1.0, vec![report.duration.as_secs_f64()]));
    let (_, readings) = run(ScriptedPlatform::obliging(40), MemoryStore::failing(|_| CommitFault::Broken));
    assert_eq!(runs(&readings, "failed").0, 1.0);
    assert_eq!(readings.sum("runs_total{account=test", "}"), 1.0);
}

#[test]
fn only_a_complete_run_makes_an_account_fresh() {
    let fresh = |readings: &Readings| readings.value("last_complete_timestamp_seconds{account=test}");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let (_, readings) = run(ScriptedPlatform::obliging(40), MemoryStore::default());
    assert!((fresh(&readings) - now).abs() < 3600.0, "{}", fresh(&readings));
    let failing = ScriptedPlatform::obliging(4).playing(|call| match call.endpoint {
        Endpoint::Sync => Play::Reject,
        _ => Play::Well,
    });
    let (report, readings) = run(failing, MemoryStore::default());
    assert_eq!((report.status, fresh(&readings)), (Status::Partial, 0.0));
}

#[test]
fn campaigns_are_counted_by_outcome_over_a_run_that_was_stopped_and_the_one_that_resumes_it() {
    let rejecting = || {
        ScriptedPlatform::obliging(100).playing(|call| match call.endpoint {
            Endpoint::Sync if call.subject >= 95 => Play::Reject,
            _ => Play::Well,
        })
    };
    let slow = PipelineSettings { rate_limits: vec![limit(50, 10 * SECOND)], ..settings() };
    let store = Rc::new(MemoryStore::default());
    let (reports, readings) = recorded(|_| {
        in_virtual_time(async {
            let first =
                actors::run(slow, Rc::new(rejecting()), store.clone(), unwatched(), sleep(5 * SECOND)).await;
            [first, run_to_end(settings(), &Rc::new(rejecting()), &store).await]
        })
    });
    assert_eq!([reports[0].status, reports[1].status], [Status::Interrupted, Status::Partial]);
    let both = |count: fn(&AccountReport) -> u64| reports.iter().map(count).sum::<u64>() as f64;
    let counted =
        [both(|r| r.campaigns.stored), both(|r| r.campaigns.skipped), both(|r| r.campaigns.dead_lettered)];
    assert_eq!(campaigns(&readings), counted);
    assert!(counted.iter().all(|count| *count > 0.0), "{counted:?}");
}

#[test]
fn a_run_is_in_progress_with_its_queues_until_it_ends_or_is_dropped() {
    let settings = PipelineSettings {
        rate_limits: vec![limit(30, 60 * SECOND)],
        batch: BatchLimits::new(50, 60 * SECOND).expect("in range"),
        ..settings()
    };
    // Each twice, because looking sets gauges to zero.
    for (stopped, looks) in [(true, true), (true, false), (false, true), (false, false)] {
        let (platform, store) = (Rc::new(ScriptedPlatform::obliging(100)), Rc::new(MemoryStore::default()));
        let (during, after) = recorded(|reader| {
            in_virtual_time(async {
                let stop = async move {
                    if !stopped {
                        std::future::pending::<()>().await;
                    }
                    sleep(30 * SECOND).await;
                };
                let run = actors::run(settings.clone(), platform, store, unwatched(), stop);
                let look = async {
                    sleep(29 * SECOND).await;
                    looks.then(|| reader.read())
                };
                if stopped {
                    let (_, during) = tokio::join!(run, look);
                    during
                } else {
                    tokio::select! {
                        _ = run => panic!("a minute's limit keeps it for longer"),
                        during = look => during,
                    }
                }
            })
        });
        let queues = |readings: &Readings| {
            ["permit", "ready", "in_flight", "uncommitted"]
                .map(|queue| readings.value(&format!("queue_length{{account=test,queue={queue}}}")))
        };
        let in_progress = |readings: &Readings| readings.value("run_in_progress{account=test}");
        if let Some(during) = during {
            // 30 requests went out: a login, a few pages, the others syncs that wait for their batch to fill.
            let [permit, ready, in_flight, uncommitted] = queues(&during);
            assert_eq!((in_progress(&during), in_flight), (1.0, 8.0));
            assert!(permit >= 8.0 && ready > 0.0 && uncommitted > 20.0, "{:?}", queues(&during));
        } else {
            assert_eq!((in_progress(&after), queues(&after)), (0.0, [0.0; 4]));
        }
    }
}

#[test]
fn a_run_that_begins_has_no_plan_yet_whatever_the_last_one_had() {
    let ((), readings) = recorded(|_| {
        AccountMetrics::new(&"test".into()).planned_to_end(SystemTime::now());
        let (platform, store) = (Rc::new(ScriptedPlatform::obliging(40)), Rc::new(MemoryStore::default()));
        in_virtual_time(run_to_end(settings(), &platform, &store));
    });
    assert_eq!(readings.value("run_planned_end_timestamp_seconds{account=test}"), 0.0);
}

#[test]
fn batches_are_counted_with_their_entries_and_what_the_database_took_for_them() {
    let faults = |n| match n {
        0 => CommitFault::Unavailable,
        _ => CommitFault::None,
    };
    let (report, readings) = run(ScriptedPlatform::obliging(120), MemoryStore::failing(faults));
    assert_eq!(report.status, Status::Complete);
    let entries = readings.values("batch_entries{}");
    assert_eq!(entries.iter().sum::<f64>(), 120.0);
    let commits =
        |outcome: &str| readings.values(&format!("commit_duration_seconds{{outcome={outcome}}}")).len();
    assert_eq!((commits("committed"), commits("unavailable")), (entries.len(), 1));
    let refusing = MemoryStore::refusing(|id| id.as_str() == "c7");
    let (_, readings) = run(ScriptedPlatform::obliging(40), refusing);
    assert!(!readings.values("commit_duration_seconds{outcome=refused}").is_empty());
    let (_, readings) = run(ScriptedPlatform::obliging(40), MemoryStore::failing(|_| CommitFault::Broken));
    assert_eq!(readings.values("commit_duration_seconds{outcome=broken}").len(), 1);
}

#[test]
fn an_actor_that_is_restarted_is_counted_by_its_kind_as_in_the_report() {
    let panicking = ScriptedPlatform::obliging(100).playing(|call| match (call.endpoint, call.number) {
        (Endpoint::Auth, 0) | (Endpoint::List, 1) | (Endpoint::Sync, 3 | 9) => Play::Panic,
        _ => Play::Well,
    });
    let store = MemoryStore::failing(|n| if n == 0 { CommitFault::PanicBefore } else { CommitFault::None });
    let (platform, store) = (Rc::new(panicking), Rc::new(store));
    let (report, readings) = recorded(|_| {
        let panics = vec![SECOND / 10];
        in_virtual_time(run_with_limiter_panics(settings(), &platform, &store, panics))
    });
    let restarts = ["auth", "pager", "rate_limiter", "sync", "store"]
        .map(|actor| readings.value(&format!("restarts_total{{actor={actor}}}")));
    let said = report.restarts;
    let said = [said.auth, said.pager, said.rate_limiter, said.sync, said.store].map(f64::from);
    assert_eq!((restarts, said), ([1.0, 1.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 2.0, 1.0]));
}
