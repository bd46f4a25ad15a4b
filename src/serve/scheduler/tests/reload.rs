//! A configuration that changes while accounts run, and the end.

use actors::report::Status;

use super::super::*;
use super::support::*;

fn ids(ids: &[&str]) -> Vec<AccountId> {
    ids.iter().map(|id| AccountId::from(*id)).collect()
}

#[test]
fn accounts_come_go_and_change_and_what_runs_is_left_to_finish() {
    let plans = ["stays", "goes", "changes", "idle"].map(|id| plan(id, "15min"));
    world(
        &plans,
        |_, _, _| play(20 * MINUTE, Status::Complete),
        async |world| {
            world.scheduler.send(Pause("idle".into(), begin())).await.unwrap().unwrap();
            world.until(901).await;
            assert_eq!(world.at_work.borrow().values().sum::<u32>(), 3);
            let before = world.status("stays");
            let changed = AccountPlan { fingerprint: 2, ..plan("changes", "15min") };
            let changes = world.configure(&[plan("stays", "15min"), changed, plan("comes", "15min")]).await;
            let wanted = (ids(&["comes"]), ids(&["goes", "idle"]), ids(&["changes"]));
            assert_eq!((changes.added, changes.removed, changes.changed), wanted);
            assert_eq!(world.at_work.borrow().values().sum::<u32>(), 3, "nothing is touched");
            assert_eq!(world.status("stays"), before);
            assert!(world.status("goes").unwrap().leaving);
            assert_eq!(world.status("goes").unwrap().next_time, None);
            assert_eq!(world.status("idle"), None);
            assert_eq!(world.waits("comes").0, Because::Schedule);
            let unknown = Err(UnknownAccount("goes".into()));
            assert_eq!(world.scheduler.send(Pause("goes".into(), begin())).await.unwrap(), unknown);
            world.until(2 * 3600).await;
            assert_eq!(world.status("goes"), None);
            let of = |id: &str| world.started.borrow().iter().filter(|(_, account, _)| account == id).count();
            assert_eq!((of("goes"), of("idle")), (1, 0));
            assert!(of("stays") >= 5 && of("changes") >= 5 && of("comes") >= 4);
        },
    );
}

#[test]
fn an_account_that_comes_back_while_its_last_run_is_at_work_has_no_second_one() {
    let at = first("a", "15min");
    world(
        &[plan("a", "15min")],
        |_, _, _| play(20 * MINUTE, Status::Complete),
        async |world| {
            world.until(at + 10).await;
            world.configure(&[]).await;
            assert_eq!(world.configure(&[plan("a", "15min")]).await.added, ids(&["a"]));
            world.until(at + 1210).await;
            assert_eq!(world.starts(), [at, at + 1200], "and a time that it missed in the meantime runs");
            assert_eq!(world.configure(&[plan("a", "15min")]).await, Changes::default());
        },
    );
}

#[test]
fn an_account_that_comes_paused_stays_so_until_it_is_resumed() {
    let at = first("a", "15min");
    let paused = AccountPlan { paused_since: Some(begin() - HOUR), ..plan("a", "15min") };
    world(
        std::slice::from_ref(&paused),
        |_, _, _| well(),
        async |world| {
            world.until(at + 1000).await;
            let status = world.status("a").unwrap();
            assert_eq!((status.state, status.paused_since), (State::Paused, Some(begin() - HOUR)));
            world.scheduler.send(Pause("a".into(), begin())).await.unwrap().unwrap();
            assert_eq!(world.status("a").unwrap().paused_since, Some(begin() - HOUR), "since it was first");
            world.configure(&[plan("a", "15min")]).await;
            assert_eq!(world.state("a"), State::Paused, "nor does a reload end it");
            world.scheduler.send(Resume("a".into())).await.unwrap().unwrap();
            world.configure(std::slice::from_ref(&paused)).await;
            world.until(at + 1000 + 10).await;
            assert_eq!(world.starts(), [at + 1000], "nor does it begin one");
        },
    );
}

#[test]
fn a_changed_schedule_counts_from_the_reload_on() {
    let (slow, fast) = (first("a", "1d"), first("a", "1h"));
    world(
        &[plan("a", "1d")],
        |_, _, _| well(),
        async |world| {
            assert_eq!(world.waits("a"), (Because::Schedule, slow));
            assert_eq!(world.configure(&[plan("a", "1h")]).await.changed, ids(&["a"]));
            assert_eq!(world.waits("a"), (Because::Schedule, fast));
            world.until(2 * 3600).await;
            assert_eq!(world.starts(), [fast, fast + 3600]);
        },
    );
}

#[test]
fn a_time_that_was_missed_is_made_up_for_although_the_schedule_has_changed_since() {
    let at = first("a", "15min");
    let long = |_: &AccountId, _, _: &Purpose| play(20 * MINUTE, Status::Complete);
    world(&[plan("a", "15min")], long, async |world| {
        world.until(at + 1000).await;
        world.configure(&[plan("a", "31d")]).await;
        world.until(at + 3000).await;
        assert_eq!(world.starts(), [at, at + 1200]);
    });
}

#[test]
fn what_failed_is_tried_again_at_once_when_its_settings_have_changed_and_only_then() {
    let at = first("a", "1d");
    let script =
        |_: &AccountId, n, _: &Purpose| if n < 5 { failing(ProblemClass::LoginFailed) } else { well() };
    world(&[plan("a", "1d")], script, async |world| {
        world.until(at + 35).await;
        let waits = world.waits("a");
        world.configure(&[plan("a", "1d")]).await;
        assert_eq!(world.waits("a"), waits);
        world.configure(&[AccountPlan { fingerprint: 2, ..plan("a", "1d") }]).await;
        assert_eq!(world.starts(), [at, at + 35]);
    });
    // Dead letters are no failure of the settings.
    world(
        &[plan("a", "1d")],
        |_, _, _| partial(),
        async |world| {
            world.until(at + 35).await;
            world.configure(&[AccountPlan { fingerprint: 2, ..plan("a", "1d") }]).await;
            assert_eq!(world.starts(), [at]);
        },
    );
}

#[test]
fn at_the_end_nothing_new_is_started_and_what_runs_is_stopped_and_waited_for() {
    let plans: Vec<_> = (0..20).map(|n| plan(&format!("account-{n}"), "15min")).collect();
    world(
        &plans,
        |_, _, _| play(10 * MINUTE, Status::Complete),
        async |world| {
            world.until(450).await;
            let (started, at_work) = (world.starts().len(), world.at_work.borrow().values().sum::<u32>());
            assert!(at_work > 5 && started < 20);
            let asked = Instant::now();
            let (first, second) = (world.scheduler.send(Shutdown), world.scheduler.send(Shutdown));
            assert!(futures_util::future::join(first, second).await.0.is_ok());
            assert_eq!(asked.elapsed(), WIND_DOWN);
            assert_eq!(world.at_work.borrow().values().sum::<u32>(), 0);
            world.until(3600).await;
            let idle = world.watched.borrow().keys().next_back().cloned().unwrap();
            assert_eq!(world.scheduler.send(RunNow(idle)).await.unwrap(), Err(NotStarted::Stopping));
            assert_eq!(world.starts().len(), started);
            world
                .configure(&[AccountPlan { last_begun: Some(begin() - HOUR), ..plan("new", "15min") }])
                .await;
            assert_eq!(world.starts().len(), started);
            world.scheduler.send(Shutdown).await.unwrap();
            world.scheduler.send(Ping).await.unwrap();
        },
    );
}
