use proptest::prelude::*;
use tokio::time::sleep;

use super::*;
use crate::model::Spent;
use crate::report::Status;
use crate::settings::RateLimit;
use crate::testing::{
    MemoryStore, Play, ScriptedPlatform, Stamping, in_virtual_time, limit, run_to_end, settings,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Where there is no store.
async fn unrecorded(settings: &PipelineSettings, platform: &Rc<ScriptedPlatform>) -> Result<Probe, String> {
    probe(settings, platform.clone(), None::<(Rc<MemoryStore>, Run)>).await
}

/// As `plan` does it.
async fn recorded(
    settings: &PipelineSettings,
    platform: &Rc<ScriptedPlatform>,
    store: &Rc<MemoryStore>,
) -> Result<Probe, String> {
    let run = store.borrow_account(&settings.account).await.expect("it is there");
    probe(settings, platform.clone(), Some((store.clone(), run))).await
}

async fn spent(store: &MemoryStore) -> Spent {
    store.load_spent(&settings().account).await.expect("it is there")
}

fn counted(spent: &Spent) -> u32 {
    spent.counted.iter().map(|(_, count)| count).sum()
}

fn limited(limits: Vec<RateLimit>) -> PipelineSettings {
    PipelineSettings { rate_limits: limits, ..settings() }
}

#[test]
fn a_probe_is_one_login_and_one_page_and_knows_how_many_there_are() {
    let platform = Rc::new(ScriptedPlatform::obliging(123));
    let probe = in_virtual_time(unrecorded(&settings(), &platform)).expect("it obliges");
    let latency = Duration::from_millis(50);
    assert_eq!(probe, Probe { total: Some(123), latency, requests: 2, limits: vec![] });
    let calls: Vec<_> = platform.calls().iter().map(|call| call.endpoint).collect();
    assert_eq!(calls, [Endpoint::Auth, Endpoint::List]);
}

#[test]
fn what_fails_is_repeated_under_the_limit_and_is_not_part_of_the_latency() {
    let flaky = ScriptedPlatform::obliging(5).playing(|call| match (call.endpoint, call.number) {
        (Endpoint::List, 0..2) => Play::Unavailable,
        _ => Play::Well,
    });
    let platform = Rc::new(flaky);
    let limited = limited(vec![limit(2, Duration::from_secs(10))]);
    let probe = in_virtual_time(unrecorded(&limited, &platform)).expect("it obliges in the end");
    assert_eq!((probe.total, probe.requests, probe.latency.as_millis()), (Some(5), 4, 50));
    assert_eq!(platform.most_in_a_window(Duration::from_secs(10)), 2);
}

#[test]
fn a_platform_that_refuses_is_quoted() {
    let says_401 = |endpoint| {
        let platform = ScriptedPlatform::obliging(5).playing(move |call| match call.endpoint {
            at if at == endpoint => Play::Unauthorized,
            _ => Play::Well,
        });
        in_virtual_time(unrecorded(&settings(), &Rc::new(platform))).expect_err("it refuses")
    };
    assert!(says_401(Endpoint::Auth).contains("refused the credentials: it said 401"));
    assert_eq!(says_401(Endpoint::List), "the first page could not be had: it said 401");
}

#[test]
fn without_a_total_the_only_page_is_all_there_is_and_one_of_many_says_nothing() {
    let listing = |has_more| {
        let platform = ScriptedPlatform::obliging(7).listing(move |request| crate::model::Page {
            has_more,
            total: None,
            ..crate::testing::honest_page(7, request)
        });
        in_virtual_time(unrecorded(&settings(), &Rc::new(platform))).expect("it obliges").total
    };
    assert_eq!((listing(false), listing(true)), (Some(7), None));
}

#[test]
fn a_probe_right_after_a_run_waits_for_the_window_that_the_run_has_used_up() {
    let settings = limited(vec![limit(10, MINUTE)]);
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(8)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        let report = run_to_end(settings.clone(), &platform, &store).await;
        assert_eq!((report.status, report.requests.total), (Status::Complete, 10));
        let begun = Instant::now();
        let probe = recorded(&settings, &platform, &store).await.expect("it obliges");
        assert_eq!((probe.total, probe.requests), (Some(8), 2));
        assert!(begun.elapsed() > MINUTE / 2 && begun.elapsed() < 2 * MINUTE, "{:?}", begun.elapsed());
    });
    assert_eq!(platform.most_in_a_window(MINUTE), 10);
}

#[test]
fn a_run_right_after_a_probe_counts_what_that_has_sent_and_waits_for_nothing_more() {
    let settings = limited(vec![limit(10, MINUTE)]);
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(7)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        recorded(&settings, &platform, &store).await.expect("it obliges");
        let spent = spent(&store).await;
        assert_eq!((counted(&spent), spent.leased.1), (2, 0), "nothing that was not sent is left leased");
        let begun = Instant::now();
        let report = run_to_end(settings, &platform, &store).await;
        assert_eq!((report.status, report.requests.total), (Status::Complete, 9));
        assert!(begun.elapsed() > MINUTE / 2 && begun.elapsed() < 2 * MINUTE, "{:?}", begun.elapsed());
    });
    assert_eq!(platform.most_in_a_window(MINUTE), 10);
}

#[test]
fn a_probe_that_is_killed_leaves_what_it_has_sent_counted() {
    let settings = limited(vec![limit(10, MINUTE)]);
    for (killed_after, sent) in [(20, 1), (80, 2)] {
        let (platform, store) = (Rc::new(ScriptedPlatform::obliging(7)), Rc::new(MemoryStore::default()));
        in_virtual_time(async {
            let killed_after = Duration::from_millis(killed_after);
            timeout(killed_after, recorded(&settings, &platform, &store)).await.expect_err("it is killed");
            assert_eq!(platform.calls().len(), sent);
            let spent = spent(&store).await;
            assert!((counted(&spent) + spent.leased.1) as usize >= sent, "{spent:?}");
            sleep(MINUTE).await;
            assert_eq!(platform.calls().len(), sent, "a dead process sends nothing");
        });
    }
}

#[test]
fn an_unfinished_run_is_resumed_although_somebody_has_probed_in_between() {
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(300)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        let killed = run_to_end(settings(), &platform, &store);
        timeout(Duration::from_secs(1), killed).await.expect_err("it takes longer");
        assert!(!store.rows().is_empty());
        recorded(&settings(), &platform, &store).await.expect("it obliges");
        let report = run_to_end(settings(), &platform, &store).await;
        assert_eq!((report.status, report.resumed), (Status::Complete, true));
    });
}

#[test]
fn a_wait_that_is_too_long_ends_a_probe_at_once_and_nothing_is_sent() {
    let settings = PipelineSettings { max_wait: 15 * MINUTE, ..limited(vec![limit(2, DAY)]) };
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(7)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        recorded(&settings, &platform, &store).await.expect("it obliges");
        let begun = Instant::now();
        let cause = recorded(&settings, &platform, &store).await.expect_err("it would take a day");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert!(cause.contains("under 2/1d the next request may be sent in 14"), "{cause}");
        assert!(cause.contains("no wait may be longer than 15 min"), "{cause}");
        let spent = spent(&store).await;
        assert_eq!((platform.calls().len(), counted(&spent), spent.leased.1), (2, 2, 0));
    });
}

#[test]
fn a_platform_that_asks_for_a_day_is_not_waited_for_where_there_is_no_record_either() {
    let platform = ScriptedPlatform::obliging(7).playing(|call| match call.endpoint {
        Endpoint::List => Play::Throttle(Some(DAY / 2)),
        _ => Play::Well,
    });
    let settings = PipelineSettings { max_wait: 15 * MINUTE, ..limited(vec![limit(10, MINUTE)]) };
    let cause = in_virtual_time(unrecorded(&settings, &Rc::new(platform))).expect_err("it would take long");
    assert!(cause.contains("under the platform's 429 the next request may be sent in"), "{cause}");
}

#[test]
fn nothing_is_sent_that_cannot_be_recorded() {
    let settings = limited(vec![limit(10, MINUTE)]);
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(7)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        let run = store.borrow_account(&settings.account).await.expect("it is there");
        store.borrow_account(&settings.account).await.expect("somebody else is faster");
        let cause = probe(&settings, platform.clone(), Some((store.clone(), run))).await;
        let cause = cause.expect_err("the account is somebody else's");
        assert!(cause.contains("cannot be recorded: another process has taken over"), "{cause}");
    });
    assert!(platform.calls().is_empty());
}

#[test]
fn what_the_platform_states_to_a_probe_the_next_one_knows() {
    let stated = limit(3, 10 * MINUTE);
    let settings = limited(vec![limit(10, MINUTE)]);
    let platform = Rc::new(ScriptedPlatform::obliging(7).stating(&[stated]));
    let store = Rc::new(MemoryStore::default());
    in_virtual_time(async {
        recorded(&settings, &platform, &store).await.expect("it obliges");
        assert_eq!(spent(&store).await.stated, [stated]);
        recorded(&settings, &platform, &store).await.expect("it obliges");
    });
    assert_eq!(platform.most_in_a_window(stated.window()), 3);
}

/// A process on the account, and after how long it is killed.
#[derive(Clone, Copy, Debug)]
enum Process {
    Run(Duration),
    Probe(Duration),
}

fn a_process() -> impl Strategy<Value = Process> {
    (1..20_000_u64, any::<bool>()).prop_map(|(life, probes)| {
        let life = Duration::from_millis(life);
        if probes { Process::Probe(life) } else { Process::Run(life) }
    })
}

/// In shorter windows, latencies of up to 300 ms are more than stamps at completion may cost: requests count from their
/// sending there, which is promised only of a platform that counts them on arrival.
const ANYWHERE: Duration = Duration::from_secs(4);

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn probes_and_runs_that_follow_each_other_at_once_never_exceed_a_limit_together(
        processes in proptest::collection::vec(a_process(), 2..12),
        few in 1..12_u32,
        more in 1..30_u32,
        window in 1..30_u64,
        fails in 2..9_u64,
    ) {
        let window = Duration::from_secs(window);
        let limits = vec![limit(few, window), limit(few + more, 4 * window)];
        let settings = limited(limits.clone());
        let platform = ScriptedPlatform::obliging(500)
            .answering_within(Duration::from_millis(5)..=Duration::from_millis(300))
            .stamping(if window < ANYWHERE { Stamping::AtSending } else { Stamping::Anywhere })
            .playing(move |call| if call.number % fails == 1 { Play::Unavailable } else { Play::Well });
        let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
        in_virtual_time(async {
            for process in processes {
                let _ = match process {
                    Process::Run(life) => {
                        timeout(life, run_to_end(settings.clone(), &platform, &store)).await.map(drop)
                    }
                    Process::Probe(life) => {
                        timeout(life, recorded(&settings, &platform, &store)).await.map(drop)
                    }
                };
            }
        });
        for limit in limits {
            prop_assert!(platform.most_in_a_window(limit.window()) <= limit.requests());
        }
    }
}
