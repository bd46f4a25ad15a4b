//! Requests, permits, limits, logins and the breaker.

use std::rc::Rc;
use std::time::Duration;

use actors::permit::Endpoint;
use actors::report::{AccountReport, Status};
use actors::settings::{Concurrency, PipelineSettings};
use actors::testing::{
    Call, MemoryStore, Play, ScriptedPlatform, in_virtual_time, limit, run_to_end, settings, unwatched,
};
use tokio::time::sleep;

use crate::readings::{Readings, recorded};

const SECOND: Duration = Duration::from_secs(1);

fn run(settings: PipelineSettings, platform: ScriptedPlatform) -> (AccountReport, Readings) {
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    recorded(|_| in_virtual_time(run_to_end(settings, &platform, &store)))
}

/// What is read when a run is stopped after so long.
fn read_after(wait: Duration, settings: PipelineSettings, platform: ScriptedPlatform) -> Readings {
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let (during, _) = recorded(|reader| {
        in_virtual_time(async {
            let (tell, told) = tokio::sync::oneshot::channel();
            let look = async move {
                sleep(wait).await;
                tell.send(reader.read()).expect("somebody waits for it");
            };
            actors::run(settings, platform, store, unwatched(), look).await;
            told.await.expect("the run lasts that long")
        })
    });
    during
}

fn syncs(script: impl Fn(&Call) -> Play + 'static) -> ScriptedPlatform {
    ScriptedPlatform::obliging(40).playing(move |call| match call.endpoint {
        Endpoint::Sync => script(call),
        _ => Play::Well,
    })
}

#[test]
fn every_request_is_counted_once_by_its_endpoint_and_what_became_of_it() {
    let platform = syncs(|call| match call.number {
        1 | 2 => Play::Unavailable,
        3 => Play::Garble,
        4 => Play::Hang,
        5 => Play::Disconnect,
        6 => Play::Throttle(Some(SECOND)),
        7 => Play::Unauthorized,
        8 => Play::Reject,
        _ => Play::Well,
    });
    let (report, readings) = run(settings(), platform);
    let of = |endpoint: &str, class: &str| {
        readings.value(&format!("requests_total{{account=test,endpoint={endpoint},class={class}}}"))
    };
    let sent = report.requests;
    let classes =
        ["unavailable", "unparsable", "timeout", "connection", "throttled", "unauthorized", "rejected"];
    assert_eq!(classes.map(|class| of("sync", class)), [2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    for (endpoint, sent) in [("auth", sent.auth), ("list", sent.list), ("sync", sent.sync)] {
        let ended = readings.sum(&format!("requests_total{{account=test,endpoint={endpoint},"), "}");
        assert_eq!(ended, sent as f64, "{endpoint}");
        let took = readings.values(&format!("request_duration_seconds{{endpoint={endpoint}}}"));
        assert_eq!(took.len() as u64, sent, "{endpoint}");
    }
    assert_eq!((of("auth", "succeeded"), of("list", "succeeded")), (2.0, sent.list as f64));
    let longest =
        readings.values("request_duration_seconds{endpoint=sync}").iter().copied().fold(0.0, f64::max);
    assert_eq!(longest, 10.0, "the one that was never answered, until its time was over");
}

#[test]
fn a_request_whose_answer_nobody_waits_for_any_more_is_abandoned() {
    let platform = syncs(|call| if call.number == 3 { Play::Panic } else { Play::Well });
    let (_, readings) = run(settings(), platform);
    assert_eq!(readings.value("requests_total{account=test,endpoint=sync,class=abandoned}"), 1.0);
}

#[test]
fn a_429_is_counted_for_its_account_and_for_its_run() {
    let throttling = || syncs(|call| if call.number < 3 { Play::Throttle(Some(SECOND)) } else { Play::Well });
    let run = async |account: &str, platform: ScriptedPlatform| {
        let settings = PipelineSettings { account: account.into(), ..settings() };
        run_to_end(settings, &Rc::new(platform), &Rc::new(MemoryStore::default())).await;
    };
    let ((), readings) = recorded(|_| {
        in_virtual_time(async {
            run("north", throttling()).await;
            run("south", syncs(|_| Play::Well)).await;
            run("west", throttling()).await;
            run("west", syncs(|_| Play::Well)).await;
        });
    });
    let counted = |account: &str| {
        let all =
            readings.value(&format!("requests_total{{account={account},endpoint=sync,class=throttled}}"));
        (all, readings.value(&format!("run_throttled_requests{{account={account}}}")))
    };
    assert_eq!((counted("north"), counted("south")), ((3.0, 3.0), (0.0, 0.0)));
    assert_eq!(counted("west"), (3.0, 0.0), "the next run counts anew");
}

#[test]
fn what_is_tried_again_is_counted_by_what_had_failed() {
    let platform = ScriptedPlatform::obliging(40).playing(|call| match (call.endpoint, call.number) {
        (Endpoint::Auth | Endpoint::Sync, 0) => Play::Unavailable,
        (Endpoint::Sync, 1) => Play::Garble,
        (Endpoint::Sync, 2) => Play::Hang,
        (Endpoint::Sync, 3) => Play::Disconnect,
        (Endpoint::Sync, 4) => Play::Throttle(Some(SECOND)),
        (Endpoint::Sync, 5) => Play::Unauthorized,
        (Endpoint::Sync, 6) => Play::Reject,
        _ => Play::Well,
    });
    let (report, readings) = run(settings(), platform);
    let classes = ["unavailable", "unparsable", "timeout", "connection", "throttled", "unauthorized"];
    let retries = classes.map(|class| readings.value(&format!("retries_total{{class={class}}}")));
    assert_eq!(retries, [2.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(report.requests.retried, 7);
    assert!(!readings.has("retries_total{class=rejected}"), "a rejection is not tried again");
}

#[test]
fn a_permit_is_counted_when_it_is_granted_with_what_it_was_waited_for() {
    let settings = PipelineSettings {
        rate_limits: vec![limit(10, 60 * SECOND)],
        concurrency: Concurrency::new(1).expect("in range"),
        ..settings()
    };
    // A login, a page and 13 campaigns: 10 requests in the first minute and 5 in the second.
    let platform = ScriptedPlatform::obliging(10).answering_within(SECOND..=SECOND);
    let (report, readings) = run(settings, platform);
    let waits = |endpoint: &str| readings.values(&format!("permit_wait_seconds{{endpoint={endpoint}}}"));
    let granted = [waits("auth").len(), waits("list").len(), waits("sync").len()];
    let RequestsSent { auth, list, sync } = RequestsSent::of(&report);
    assert_eq!(granted, [auth, list, sync]);
    let (long, short): (Vec<f64>, Vec<f64>) = waits("sync").iter().partition(|wait| **wait > 1.0);
    assert_eq!((long.len(), short.len()), (1, 9), "{:?}", waits("sync"));
    assert!((45.0..=60.0).contains(&long[0]), "until the first request leaves the window: {long:?}");
    assert!(short.iter().all(|wait| *wait < 0.01), "{short:?}");
}

struct RequestsSent {
    auth: usize,
    list: usize,
    sync: usize,
}

impl RequestsSent {
    fn of(report: &AccountReport) -> Self {
        let number = |sent: u64| usize::try_from(sent).expect("few");
        let sent = report.requests;
        Self { auth: number(sent.auth), list: number(sent.list), sync: number(sent.sync) }
    }
}

#[test]
fn the_share_of_each_limit_is_shown_while_it_is_used() {
    let limits = vec![limit(10, 60 * SECOND), limit(1000, 3600 * SECOND)];
    let limited = PipelineSettings { rate_limits: limits, ..settings() };
    let during = read_after(30 * SECOND, limited, ScriptedPlatform::obliging(40));
    assert_eq!(during.value("limit_used_ratio{account=test,limit=10/60s}"), 1.0);
    assert_eq!(during.value("limit_used_ratio{account=test,limit=1000/3600s}"), 0.01);
}

#[test]
fn a_limit_that_only_the_platform_names_has_its_share_too_and_takes_the_assumed_ones_place() {
    let limited = PipelineSettings {
        rate_limits: vec![limit(100, 60 * SECOND)],
        adopt_stated_limits: true,
        ..settings()
    };
    let platform = ScriptedPlatform::obliging(40).stating(&[limit(5, 60 * SECOND)]);
    let during = read_after(30 * SECOND, limited, platform);
    assert!(during.value("limit_used_ratio{account=test,limit=5/60s}") >= 1.0);
    let assumed = during.value("limit_used_ratio{account=test,limit=100/60s}");
    assert!(assumed <= 0.1, "as it was when the platform named its own: {assumed}");
}

#[test]
fn an_open_breaker_is_seen_while_it_is_open_and_not_after_the_run() {
    let down = || syncs(|_| Play::Unavailable);
    let during = read_after(20 * SECOND, settings(), down());
    assert_eq!(during.value("breaker_open{account=test}"), 1.0);
    // A run that nobody looks at, because looking sets gauges to zero.
    let (platform, store) = (Rc::new(down()), Rc::new(MemoryStore::default()));
    let (_, after) = recorded(|_| {
        in_virtual_time(async {
            actors::run(settings(), platform, store, unwatched(), sleep(20 * SECOND)).await
        })
    });
    assert_eq!(after.value("breaker_open{account=test}"), 0.0);
    let during = read_after(SECOND / 10, settings(), syncs(|_| Play::Well));
    assert_eq!(during.value("breaker_open{account=test}"), 0.0);
}

#[test]
fn each_login_counts_whether_it_yields_a_token_is_refused_or_given_up() {
    let logins = |readings: &Readings| {
        let failures = ["refused", "failed"]
            .map(|reason| readings.value(&format!("login_failures_total{{account=test,reason={reason}}}")));
        (readings.value("logins_total{account=test}"), failures)
    };
    let (_, readings) =
        run(settings(), syncs(|call| if call.token == 1 { Play::Unauthorized } else { Play::Well }));
    assert_eq!(logins(&readings), (2.0, [0.0, 0.0]), "the token was renewed");
    for (play, failures) in [(Play::Unauthorized, [1.0, 0.0]), (Play::Reject, [0.0, 1.0])] {
        let platform = ScriptedPlatform::obliging(40).playing(move |call| match call.endpoint {
            Endpoint::Auth => play,
            _ => Play::Well,
        });
        let (report, readings) = run(settings(), platform);
        assert_eq!((report.status, logins(&readings)), (Status::Failed, (0.0, failures)));
    }
}

#[test]
fn a_renewal_that_fails_counts_although_the_token_still_works() {
    // A login, three pages and 25 campaigns: the last window is the third, after nine tenths of the token's life.
    let limited = PipelineSettings { rate_limits: vec![limit(10, 60 * SECOND)], ..settings() };
    let platform = ScriptedPlatform::obliging(25).token_life(130 * SECOND).playing(|call| {
        match (call.endpoint, call.number) {
            (Endpoint::Auth, 1..) => Play::Reject,
            _ => Play::Well,
        }
    });
    let (report, readings) = run(limited, platform);
    assert_eq!((report.status, report.requests.auth), (Status::Complete, 2));
    assert_eq!(readings.value("login_failures_total{account=test,reason=failed}"), 1.0);
}
