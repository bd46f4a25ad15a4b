//! What follows from how a run ended.

use actors::model::{FailureClass, LetterFilter};
use actors::report::Status;

use super::super::*;
use super::support::*;

#[test]
fn a_failed_run_is_tried_again_before_its_next_time_and_ever_later() {
    let at = first("a", "1d");
    let script = |_: &AccountId, n, _: &Purpose| {
        if n < 12 { failing(ProblemClass::PlatformUnavailable) } else { well() }
    };
    world(&[plan("a", "1d")], script, async |world| {
        world.until(at + 40).await;
        let State::Waiting { because: Because::Retry(1), .. } = world.state("a") else {
            panic!("it is tried again")
        };
        world.until(at + 86_000).await;
        let starts = world.starts();
        assert_eq!(starts[0], at);
        let pauses: Vec<u64> = starts.windows(2).map(|pair| pair[1] - pair[0] - 30).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let due = (60 << n.min(10)).min(3600);
            assert!((due / 2..=due + 1).contains(pause), "{n}: {pause} of {due}");
        }
        assert_eq!(pauses.len(), 12, "and then no more: it got through");
        let status = world.status("a").unwrap();
        assert_eq!((status.failing, world.waits("a")), (None, (Because::Schedule, at + 86_400)));
    });
}

#[test]
fn a_failed_run_is_tried_again_no_later_than_its_next_time() {
    let at = first("a", "2min");
    world(
        &[plan("a", "2min")],
        |_, _, _| failing(ProblemClass::StoreFailed),
        async |world| {
            world.until(at + 3600).await;
            let starts = world.starts();
            for n in 0..30 {
                assert!(starts.contains(&(at + n * 120)), "{n}: {starts:?}");
            }
            let failing = world.status("a").unwrap().failing.unwrap();
            assert_eq!(
                (failing.failures as usize, failing.cause.as_str()),
                (starts.len() - 1, "the platform is down")
            );
            assert_eq!(failing.since.duration_since(begin()).unsigned_abs().as_secs(), at + 29);
        },
    );
}

#[test]
fn refused_credentials_are_tried_once_an_hour_whatever_the_schedule_says() {
    let at = first("a", "1min");
    world(
        &[plan("a", "1min")],
        |_, _, _| failing(ProblemClass::CredentialsRefused),
        async |world| {
            world.until(at + 3 * 3630 + 10).await;
            assert_eq!(world.starts(), [at, at + 3630, at + 2 * 3630, at + 3 * 3630]);
            world.until(at + 3 * 3630 + 40).await;
            assert_eq!(world.waits("a"), (Because::Refused, at + 4 * 3630));
        },
    );
    let at = first("a", "1d");
    world(
        &[plan("a", "1d")],
        |_, _, _| failing(ProblemClass::CredentialsRefused),
        async |world| {
            world.until(at + 3631).await;
            assert_eq!(world.starts(), [at, at + 3630], "and not only at the next time");
        },
    );
}

#[test]
fn refused_credentials_are_tried_again_when_the_configuration_is_reloaded() {
    let at = first("a", "1d");
    let script = |_: &AccountId, n, _: &Purpose| {
        if n == 0 { failing(ProblemClass::CredentialsRefused) } else { well() }
    };
    world(&[plan("a", "1d")], script, async |world| {
        world.until(at + 600).await;
        world.configure(&[plan("a", "1d")]).await;
        assert_eq!(world.starts(), [at, at + 600]);
    });
}

#[test]
fn dead_letters_that_can_heal_are_replayed_with_a_backoff_of_their_own() {
    let at = first("a", "1d");
    let script = |_: &AccountId, n, _: &Purpose| if n < 4 { partial() } else { well() };
    world(&[plan("a", "1d")], script, async |world| {
        world.until(at + 40).await;
        assert!(matches!(world.waits("a"), (Because::Replay, until) if until <= at + 331));
        world.until(at + 86_000).await;
        let started = world.started.borrow().clone();
        let purposes: Vec<_> = started.iter().map(|(_, _, purpose)| purpose.clone()).collect();
        assert_eq!(purposes[0], Purpose::Sync);
        for purpose in &purposes[1..] {
            let Purpose::Replay(letters) = purpose else { panic!("{purpose:?}") };
            let named: Vec<_> = letters.classes.iter().map(|class| class.as_str()).collect();
            let healing = ["timeout", "connection", "unavailable", "unparsable", "throttled", "unauthorized"];
            assert_eq!((named, letters.campaigns.len()), (healing.to_vec(), 0));
        }
        let pauses: Vec<u64> = started.windows(2).map(|pair| pair[1].0 - pair[0].0 - 30).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let due = 300 << n;
            assert!((due / 2..=due + 1).contains(pause), "{n}: {pause} of {due}");
        }
        assert_eq!(pauses.len(), 4, "and then no more: all have healed");
    });
}

#[test]
fn dead_letters_that_no_replay_can_heal_are_left_to_somebody() {
    use FailureClass::{Malformed, Panicked, Rejected, Timeout, Unstorable};
    let at = first("a", "1d");
    let script = |_: &AccountId, n, _: &Purpose| match n {
        0 => leaving(&[Malformed, Timeout]),
        _ => leaving(&[Malformed, Panicked, Rejected, Unstorable]),
    };
    world(&[plan("a", "1d")], script, async |world| {
        world.until(at + 86_000).await;
        assert_eq!(world.starts().len(), 2, "the replay of the one that could");
        assert_eq!(world.waits("a"), (Because::Schedule, at + 86_400));
    });
}

#[test]
fn dead_letters_are_left_to_the_next_run_where_that_is_sooner() {
    let at = first("a", "2min");
    world(
        &[plan("a", "2min")],
        |_, _, _| partial(),
        async |world| {
            world.until(at + 1200).await;
            assert_eq!(world.starts().len(), 11);
            assert!(world.started.borrow().iter().all(|(_, _, purpose)| *purpose == Purpose::Sync));
        },
    );
}

#[test]
fn a_quota_that_is_used_up_is_waited_for_whatever_the_schedule_says() {
    let at = first("a", "15min");
    let script = |_: &AccountId, n, _: &Purpose| match n {
        0 => Play { quota_back_in: Some(3 * HOUR), ..play(MINUTE, Status::Interrupted) },
        _ => well(),
    };
    world(&[plan("a", "15min")], script, async |world| {
        world.until(at + 70).await;
        assert_eq!(world.waits("a"), (Because::Quota, at + 60 + 3 * 3600));
        world.until(at + 12 * 900 + 300).await;
        assert_eq!(world.starts(), [at, at + 60 + 3 * 3600]);
        assert_eq!(world.status("a").unwrap().failing, None);
    });
}

#[test]
fn a_run_that_was_interrupted_for_an_unknown_time_is_resumed_with_a_backoff() {
    let at = first("a", "1d");
    let script = |_: &AccountId, n, _: &Purpose| match n {
        // The fourth gets through, a day later it begins anew.
        0 | 1 | 2 | 4 => play(MINUTE, Status::Interrupted),
        _ => well(),
    };
    world(&[plan("a", "1d")], script, async |world| {
        world.until(at + 86_000).await;
        let starts = world.starts();
        let pauses: Vec<u64> = starts.windows(2).map(|pair| pair[1] - pair[0] - 60).collect();
        assert_eq!(pauses.len(), 3);
        assert!(
            pauses.iter().zip([60, 120, 240]).all(|(pause, due)| (due / 2..=due + 1).contains(pause)),
            "{pauses:?}"
        );
        world.until(at + 86_400 + 600).await;
        let starts = world.starts();
        assert_eq!((starts.len(), starts[4]), (6, at + 86_400));
        assert!((30..=61).contains(&(starts[5] - starts[4] - 60)), "{starts:?}");
    });
}

#[test]
fn a_replay_that_was_asked_for_does_not_stand_for_the_sync_that_failed() {
    let at = first("a", "1d");
    let script = |_: &AccountId, n, _: &Purpose| match n {
        0 => failing(ProblemClass::PlatformUnavailable),
        1 => partial(),
        _ => well(),
    };
    world(&[plan("a", "1d")], script, async |world| {
        world.until(at + 31).await;
        let (_, due) = world.waits("a");
        world.scheduler.send(ReplayNow("a".into(), Default::default())).await.unwrap().unwrap();
        world.until(at + 3600).await;
        let started = world.started.borrow().clone();
        assert_eq!(started.len(), 3);
        assert_eq!((started[2].0, &started[2].2), (due.max(at + 61), &Purpose::Sync));
    });
}

#[test]
fn a_replay_of_one_letter_does_not_cancel_that_of_the_others() {
    let script = |_: &AccountId, n, _: &Purpose| if n == 0 { partial() } else { well() };
    world(&[plan("a", "31d")], script, async |world| {
        world.scheduler.send(RunNow("a".into())).await.unwrap().unwrap();
        world.until(31).await;
        let (because, due) = world.waits("a");
        assert_eq!(because, Because::Replay);
        let one = LetterFilter { campaigns: vec!["c".into()], classes: vec![] };
        world.scheduler.send(ReplayNow("a".into(), one)).await.unwrap().unwrap();
        world.until(due.max(62) + 31).await;
        let started = world.started.borrow().clone();
        assert_eq!(started.len(), 3);
        assert!(matches!(&started[2].2, Purpose::Replay(letters) if letters.campaigns.is_empty()));
        assert_eq!(world.waits("a").0, Because::Schedule);
    });
}

#[test]
fn a_replay_that_found_nothing_to_replay_is_no_proof_that_the_account_works() {
    let script = |_: &AccountId, n, _: &Purpose| match n {
        0 => failing(ProblemClass::CredentialsRefused),
        _ => Play { requests: 0, ..well() },
    };
    world(&[plan("a", "31d")], script, async |world| {
        world.scheduler.send(RunNow("a".into())).await.unwrap().unwrap();
        world.until(31).await;
        world.scheduler.send(ReplayNow("a".into(), Default::default())).await.unwrap().unwrap();
        world.until(70).await;
        let status = world.status("a").unwrap();
        assert_eq!(status.failing.unwrap().failures, 1);
        assert_eq!(
            (world.waits("a").0, status.last.unwrap().report.status),
            (Because::Refused, Status::Failed)
        );
    });
}

#[test]
fn a_replay_that_found_nothing_to_replay_hides_no_run() {
    let script = |_: &AccountId, n, _: &Purpose| match n {
        1 => Play { requests: 0, ..well() },
        _ => well(),
    };
    world(&[plan("a", "31d")], script, async |world| {
        let last = || world.status("a").unwrap().last.unwrap().purpose.clone();
        world.scheduler.send(RunNow("a".into())).await.unwrap().unwrap();
        world.until(60).await;
        world.scheduler.send(ReplayNow("a".into(), Default::default())).await.unwrap().unwrap();
        world.until(120).await;
        assert_eq!((world.started.borrow().len(), last()), (2, Purpose::Sync));
        world.scheduler.send(ReplayNow("a".into(), Default::default())).await.unwrap().unwrap();
        world.until(180).await;
        assert!(matches!(last(), Purpose::Replay(_)));
    });
}

#[test]
fn a_run_that_panics_is_a_failure_of_its_account_alone() {
    let script = |id: &AccountId, n, _: &Purpose| Play { panics: id.as_str() == "a" && n == 0, ..well() };
    world(&[plan("a", "1h"), plan("b", "1h")], script, async |world| {
        world.until(first("a", "1h") + 31).await;
        let failing = world.status("a").unwrap().failing.unwrap();
        assert!(
            failing.cause.starts_with("the run was lost: ") && failing.cause.contains("panicked"),
            "{failing:?}"
        );
        world.until(7200).await;
        let of = |id: &str| world.started.borrow().iter().filter(|(_, account, _)| account == id).count();
        assert_eq!((of("a"), of("b")), (3, 2));
    });
}
