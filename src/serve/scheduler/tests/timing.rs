//! When accounts are started.

use actors::report::Status;

use super::super::*;
use super::support::*;

#[test]
fn an_account_runs_at_each_of_its_times_and_at_no_other() {
    let at = first("a", "15min");
    world(
        &[plan("a", "15min")],
        |_, _, _| well(),
        async |world| {
            world.until(3 * 3600).await;
            let wanted: Vec<u64> = (0..12).map(|n| at + n * 900).collect();
            assert_eq!(world.starts(), wanted);
            assert_eq!(world.waits("a"), (Because::Schedule, at + 12 * 900));
            let own = plan("a", "15min").schedule.of(&"a".into());
            assert_eq!(world.status("a").unwrap().next_time, Some(own.next_after(begin() + 3 * HOUR)));
        },
    );
}

#[test]
fn a_thousand_accounts_do_not_start_in_one_second() {
    let plans: Vec<_> = (0..1000).map(|n| plan(&format!("account-{n}"), "15min")).collect();
    world(
        &plans,
        |_, _, _| well(),
        async |world| {
            world.until(900).await;
            let starts = world.starts();
            assert_eq!(starts.len(), 1000);
            let most = (0..=900).map(|second| starts.iter().filter(|at| **at == second).count()).max();
            assert!(most < Some(8), "{most:?}");
        },
    );
}

#[test]
fn times_that_a_long_run_missed_are_one_run_at_once() {
    let at = first("a", "15min");
    let long =
        |_: &AccountId, n, _: &Purpose| if n == 0 { play(40 * MINUTE, Status::Complete) } else { well() };
    world(&[plan("a", "15min")], long, async |world| {
        world.until(at + 4000).await;
        assert_eq!(world.starts(), [at, at + 2400, at + 2700, at + 3600]);
    });
}

#[test]
fn times_that_passed_while_the_machine_slept_are_one_run_within_a_minute() {
    let at = first("a", "6h");
    world(
        &[plan("a", "6h")],
        |_, _, _| well(),
        async |world| {
            world.until(at + 600).await;
            world.shift.set(SignedDuration::from_hours(20));
            world.until(at + 700).await;
            let starts = world.starts();
            assert_eq!(starts.len(), 2);
            assert!((at + 600..=at + 660).contains(&starts[1]), "{starts:?}");
            // And the next is where it would have been: 24 hours after the first, of which 20 were slept.
            world.until(at + 4 * 3600 + 10).await;
            assert_eq!(world.starts()[2..], [at + 4 * 3600]);
        },
    );
}

#[test]
fn a_clock_that_is_set_back_delays_nothing_by_the_difference() {
    let at = first("a", "15min");
    let script =
        |_: &AccountId, n, _: &Purpose| if n == 1 { failing(ProblemClass::LoginFailed) } else { well() };
    world(&[plan("a", "15min")], script, async |world| {
        world.until(at + 600).await;
        world.shift.set(SignedDuration::from_hours(-10));
        world.until(at + 940).await;
        assert_eq!(world.starts(), [at, at + 900]);
        // While a retry is due.
        world.shift.set(SignedDuration::from_hours(-20));
        world.until(at + 1100).await;
        assert_eq!(world.starts().len(), 3, "{:?}", world.starts());
    });
}

#[test]
fn a_time_that_passed_since_the_last_run_of_another_process_was_missed() {
    let missed = AccountPlan { last_begun: Some(begin() - 2 * HOUR), ..plan("a", "1h") };
    let future = AccountPlan { last_begun: Some(begin() + 100 * HOUR), ..plan("b", "1h") };
    let just = AccountPlan { last_begun: Some(begin() - SignedDuration::from_millis(1)), ..plan("c", "1h") };
    world(
        &[missed, future, just],
        |_, _, _| well(),
        async |world| {
            tokio::task::yield_now().await;
            assert_eq!(world.starts(), [0]);
            assert_eq!(world.waits("b"), (Because::Schedule, first("b", "1h")));
            assert_eq!(world.waits("c"), (Because::Schedule, first("c", "1h")));
        },
    );
}

#[test]
fn a_run_that_is_asked_for_starts_at_once_and_leaves_the_schedule_as_it_is() {
    let at = first("a", "1h");
    world(
        &[plan("a", "1h")],
        |_, _, _| well(),
        async |world| {
            world.until(at - 120).await;
            assert_eq!(world.scheduler.send(RunNow("a".into())).await.unwrap(), Ok(()));
            let State::Running { since, purpose: Purpose::Sync } = world.state("a") else {
                panic!("it runs")
            };
            assert_eq!(since, begin() + Duration::from_secs(at - 120));
            let running = Err(NotStarted::Running("a".into()));
            assert_eq!(world.scheduler.send(RunNow("a".into())).await.unwrap(), running);
            let letters = actors::model::LetterFilter::default();
            assert_eq!(world.scheduler.send(ReplayNow("a".into(), letters.clone())).await.unwrap(), running);
            let unknown = Err(UnknownAccount("b".into()).into());
            assert_eq!(world.scheduler.send(RunNow("b".into())).await.unwrap(), unknown);
            world.until(at + 60).await;
            assert_eq!(world.starts(), [at - 120, at]);
            assert_eq!(world.scheduler.send(ReplayNow("a".into(), letters.clone())).await.unwrap(), Ok(()));
            assert_eq!(world.started.borrow()[2], (at + 60, "a".to_owned(), Purpose::Replay(letters)));
        },
    );
}

#[test]
fn a_paused_account_finishes_what_it_runs_and_starts_nothing_until_it_is_resumed() {
    let at = first("a", "15min");
    world(
        &[plan("a", "15min")],
        |_, _, _| well(),
        async |world| {
            world.until(at + 10).await;
            assert_eq!(world.scheduler.send(Pause("a".into(), begin())).await.unwrap(), Ok(()));
            assert!(
                matches!(world.state("a"), State::Running { .. })
                    && world.status("a").unwrap().paused_since == Some(begin())
            );
            world.until(at + 4000).await;
            assert_eq!(world.state("a"), State::Paused);
            assert_eq!(world.status("a").unwrap().next_time, None);
            assert_eq!(
                world.status("a").unwrap().last.unwrap().report.status,
                Status::Complete,
                "not stopped"
            );
            let paused = Err(NotStarted::Paused("a".into()));
            assert_eq!(world.scheduler.send(RunNow("a".into())).await.unwrap(), paused);
            assert_eq!(world.scheduler.send(Resume("a".into())).await.unwrap(), Ok(()));
            world.until(at + 4510).await;
            assert_eq!(world.starts(), [at, at + 4000, at + 4500]);
            let unknown = Err(UnknownAccount("b".into()));
            assert_eq!(world.scheduler.send(Pause("b".into(), begin())).await.unwrap(), unknown);
            assert_eq!(world.scheduler.send(Resume("b".into())).await.unwrap(), unknown);
        },
    );
}
