//! The database is away, for all accounts at once.

use actors::report::Status;
use actors::settings::DATABASE_PATIENCE;
use actors::testing::{CommitFault, in_virtual_time};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::*;

fn obliging(campaigns: u64) -> Rc<ScriptedPlatform> {
    Rc::new(ScriptedPlatform::obliging(campaigns))
}

#[test]
fn a_database_that_is_away_longer_than_the_patience_ends_every_run_and_one_that_begins_later_resumes() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        let runs: Vec<_> = (0..5).map(|n| sync(&fleet, account(n), &obliging(1000))).collect();
        sleep(SECOND).await;
        stores.set_away(true);
        let begun = Instant::now();
        for report in join_all(runs).await {
            assert_eq!((report.status, problems(&report)[0]), (Status::Failed, ProblemClass::StoreFailed));
            let message = &report.problems[0].message;
            assert!(message.starts_with("the database is away"), "{message}");
        }
        assert!(begun.elapsed() < DATABASE_PATIENCE + MINUTE, "{:?}", begun.elapsed());
        stores.set_away(false);
        let before: Vec<_> = (0..5).map(|n| stores.of(&n.to_string()).rows().len() as u64).collect();
        sleep(MINUTE).await;
        let again = join_all((0..5).map(|n| sync(&fleet, account(n), &obliging(1000)))).await;
        for (report, before) in again.iter().zip(before) {
            assert_eq!((report.status, report.resumed), (Status::Complete, true));
            assert_eq!((report.campaigns.skipped, report.campaigns.stored), (before, 1000 - before));
        }
        end(fleet, &stores).await;
    });
}

#[test]
fn what_a_run_that_ended_left_behind_is_not_stored_after_it() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        let stopped = sync_until(&fleet, account("stopped"), &obliging(1000), sleep(2 * SECOND));
        let waits = sync(&fleet, account("waits"), &obliging(1000));
        sleep(SECOND).await;
        stores.set_away(true);
        let stopped = stopped.await;
        let rows = stores.of("stopped").rows().len();
        assert_eq!((stopped.status, stopped.campaigns.stored), (Status::Interrupted, rows as u64));
        sleep(MINUTE).await;
        stores.set_away(false);
        assert_eq!(waits.await.status, Status::Complete);
        assert_eq!(stores.of("stopped").rows().len(), rows);
        end(fleet, &stores).await;
    });
}

#[test]
fn an_absence_that_nobody_waited_out_is_not_held_against_the_next_run() {
    in_virtual_time(async {
        // The commit that the later run begins with meets a restart of the database.
        let hiccup = Rc::new(std::cell::Cell::new(u64::MAX));
        let fate = hiccup.clone();
        let stores = MemoryStores::failing(move |n| match n == fate.get() {
            true => CommitFault::Unavailable,
            false => CommitFault::None,
        });
        let stores = Rc::new(stores);
        let fleet = fleet(&stores, 256);
        let stopped = sync_until(&fleet, account("stopped"), &obliging(1000), sleep(2 * SECOND));
        sleep(SECOND).await;
        stores.set_away(true);
        assert_eq!(stopped.await.status, Status::Interrupted);
        sleep(MINUTE).await;
        stores.set_away(false);
        sleep(2 * DATABASE_PATIENCE).await;
        hiccup.set(stores.attempts());
        let later = sync(&fleet, account("later"), &obliging(100)).await;
        assert_eq!((later.status, later.problems), (Status::Complete, vec![]));
        assert!(stores.attempts() > hiccup.get() + 1, "it met with the hiccup");
        end(fleet, &stores).await;
    });
}

#[test]
fn what_all_runs_together_have_uncommitted_is_bounded_while_the_database_is_away() {
    for (sync_actors, most) in [
        // Three batches of 50, split among ten.
        (2, 10 * (15 + 2)),
        // Each as much as it has in flight, where that is more.
        (20, 10 * (20 + 20)),
    ] {
        in_virtual_time(async {
            let stores = Rc::new(MemoryStores::default());
            let fleet = fleet(&stores, 1000);
            let of = |n: u64| PipelineSettings { concurrency: concurrency(sync_actors), ..account(n) };
            let platforms: Vec<_> = (0..10).map(|_| obliging(100_000)).collect();
            let runs: Vec<_> =
                (0..).zip(&platforms).map(|(n, platform)| sync(&fleet, of(n), platform)).collect();
            sleep(SECOND).await;
            stores.set_away(true);
            let synced = || platforms.iter().map(|platform| platform.synced().len()).sum::<usize>();
            let stored = || (0..10).map(|n: u64| stores.of(&n.to_string()).rows().len()).sum::<usize>();
            sleep(10 * MINUTE).await;
            let uncommitted = synced() - stored();
            assert!((most / 4..=most).contains(&uncommitted), "{uncommitted} instead of {most}");
            assert!(join_all(runs).await.iter().all(|report| report.status == Status::Failed));
            end(fleet, &stores).await;
        });
    }
}

#[test]
fn runs_that_are_stopped_while_the_database_is_away_do_not_wait_for_each_other() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 1000);
        let stop = Instant::now() + 2 * SECOND;
        let runs: Vec<_> = (0..100)
            .map(|n| sync_until(&fleet, account(n), &obliging(1000), tokio::time::sleep_until(stop)))
            .collect();
        sleep(SECOND).await;
        stores.set_away(true);
        let reports = join_all(runs).await;
        assert!(reports.iter().all(|report| report.status == Status::Interrupted));
        // In-flight requests get five seconds, the report ten.
        assert!(stop.elapsed() < 30 * SECOND, "{:?} until the last one has ended", stop.elapsed());
        end(fleet, &stores).await;
    });
}

#[test]
fn an_account_whose_report_cannot_be_stored_is_given_back() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        let stopped = sync_until(&fleet, account("stopped"), &obliging(1000), sleep(2 * SECOND));
        sleep(SECOND).await;
        stores.set_away(true);
        let report = stopped.await;
        assert_eq!(problems(&report).last(), Some(&ProblemClass::StoreFailed));
        assert_eq!(stores.given_back(), ["stopped".into()]);
        stores.set_away(false);
        assert_eq!(sync(&fleet, account("well"), &obliging(10)).await.status, Status::Complete);
        assert_eq!(stores.given_back().len(), 1, "a report that is stored gives it back");
        end(fleet, &stores).await;
    });
}
