//! The requests in flight that they share, and what one account cannot do to another.

use actors::permit::Endpoint;
use actors::report::Status;
use actors::settings::BatchLimits;
use actors::testing::{Play, Stamping, in_virtual_time, limit};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::*;

fn obliging(campaigns: u64) -> Rc<ScriptedPlatform> {
    Rc::new(ScriptedPlatform::obliging(campaigns))
}

/// How long a run of these settings takes when it is alone, with as many places as it wants.
async fn alone(settings: PipelineSettings, platform: ScriptedPlatform) -> Duration {
    let stores = Rc::new(MemoryStores::default());
    let fleet = fleet(&stores, usize::MAX);
    let report = sync(&fleet, settings, &Rc::new(platform)).await;
    end(fleet, &stores).await;
    report.duration
}

#[test]
fn an_account_that_waits_for_its_quota_holds_no_place_among_the_requests_in_flight() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 1);
        let used_up = PipelineSettings { rate_limits: vec![limit(3, 10 * MINUTE)], ..account("used up") };
        let waits = sync_until(&fleet, used_up, &obliging(100), sleep(5 * MINUTE));
        sleep(SECOND).await;
        let one = PipelineSettings { concurrency: concurrency(1), ..account("free") };
        let alone = alone(one.clone(), ScriptedPlatform::obliging(100)).await;
        let free = sync(&fleet, one, &obliging(100)).await;
        assert_eq!(free.status, Status::Complete);
        // With one place, its pages and its syncs take turns.
        assert!(free.duration <= alone + SECOND, "{:?}, alone {alone:?}", free.duration);
        let waits = waits.await;
        assert_eq!((waits.status, waits.requests.total), (Status::Interrupted, 3));
        end(fleet, &stores).await;
    });
}

#[test]
fn no_more_requests_are_in_flight_than_there_are_places_whoever_makes_them() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 5);
        let platform = obliging(50);
        // All of them on one platform, which counts.
        let runs = (0..8).map(|n| sync(&fleet, account(n), &platform));
        assert!(join_all(runs).await.iter().all(|report| report.status == Status::Complete));
        assert_eq!(platform.most_in_flight(), 5);
        end(fleet, &stores).await;
    });
}

#[test]
fn a_small_account_gets_its_turn_beside_a_large_one() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 2);
        let large = PipelineSettings { concurrency: concurrency(64), ..account("large") };
        let small = PipelineSettings { concurrency: concurrency(1), ..account("small") };
        let theirs = obliging(100_000);
        let mine = obliging(200);
        let large = sync_until(&fleet, large, &theirs, sleep(MINUTE));
        sleep(SECOND).await;
        let before = theirs.calls().len();
        let report = sync(&fleet, small, &mine).await;
        let (mine, theirs) = (mine.calls().len(), theirs.calls().len() - before);
        assert_eq!(report.status, Status::Complete);
        // Who waits is served in order, and the large one waits for one place at a time: after each request of the small
        // one, the place goes to the other, and the next but one that is freed is the small one's again.
        assert!(mine * 3 >= theirs, "{mine} requests beside {theirs}");
        large.await;
        end(fleet, &stores).await;
    });
}

#[test]
fn an_account_whose_platform_never_answers_delays_no_other() {
    in_virtual_time(async {
        let alone = alone(account("healthy"), ScriptedPlatform::obliging(300)).await;
        for silent in [Endpoint::Auth, Endpoint::List, Endpoint::Sync] {
            let stores = Rc::new(MemoryStores::default());
            let fleet = fleet(&stores, 64);
            let hanging = ScriptedPlatform::obliging(300).playing(move |call| match call.endpoint {
                endpoint if endpoint == silent => Play::Hang,
                _ => Play::Well,
            });
            let hanging = sync_until(&fleet, account("silent"), &Rc::new(hanging), sleep(MINUTE));
            sleep(SECOND).await;
            let healthy = sync(&fleet, account("healthy"), &obliging(300)).await;
            assert_eq!((healthy.status, healthy.duration), (Status::Complete, alone), "beside {silent:?}");
            assert_ne!(hanging.await.status, Status::Complete);
            end(fleet, &stores).await;
        }
    });
}

#[test]
fn two_hundred_accounts_under_limits_get_no_429_and_each_takes_as_long_as_alone() {
    let (bound, window) = (40, SECOND);
    let platform = || {
        ScriptedPlatform::obliging(100)
            .answering_within(Duration::from_millis(20)..=Duration::from_millis(80))
            .stamping(Stamping::Anywhere)
    };
    let limited = |n| PipelineSettings { rate_limits: vec![limit(bound, window)], seed: n, ..account(n) };
    in_virtual_time(async {
        let alone = alone(limited(0), platform()).await;
        let stores = Rc::new(MemoryStores::default());
        // Batches as large as they are by default: 8,000 campaigns a second would saturate a store with smaller ones.
        let fleet = Rc::new(Fleet::new(stores.clone(), BatchLimits::default(), usize::MAX));
        let platforms: Vec<_> = (0..200).map(|n| Rc::new(platform().seeded(n))).collect();
        let begun = Instant::now();
        let runs = (0..).zip(&platforms).map(|(n, platform)| sync(&fleet, limited(n), platform));
        let reports = join_all(runs.collect::<Vec<_>>()).await;
        for (report, platform) in reports.iter().zip(&platforms) {
            assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 100));
            let most = platform.most_in_a_window(window);
            assert!(most <= bound as usize, "{most} in a window of account {}", report.account);
            assert!(report.duration <= alone + alone / 10, "{:?}, alone {alone:?}", report.duration);
        }
        assert!(begun.elapsed() <= alone + alone / 5, "{:?}, alone {alone:?}", begun.elapsed());
        end(fleet, &stores).await;
    });
}
