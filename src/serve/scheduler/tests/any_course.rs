//! What holds for an account whatever happens to it, against a record kept beside it.

use proptest::prelude::*;

use super::super::account::Account;
use actors::model::FailureClass;
use actors::report::Status;

use super::super::*;
use super::support::{begin, plan};

#[derive(Clone, Debug)]
enum Event {
    /// Time passes; what runs ends with it, in this way.
    Later(u64, Option<End>),
    Pause,
    Resume,
    RunNow,
    Reload {
        schedule: &'static str,
        fingerprint: u64,
    },
    SetBack(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Complete,
    DeadLetters,
    Failed,
    Refused,
    QuotaUsedUp(u64),
    Interrupted,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Complete),
        Just(End::DeadLetters),
        Just(End::Failed),
        Just(End::Refused),
        (1u64..50_000).prop_map(End::QuotaUsedUp),
        Just(End::Interrupted),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let schedules =
        prop::sample::select(&["1min", "15min", "6h", "*/10 * * * *", "0 6 * * * Europe/Berlin"][..]);
    prop_oneof![
        12 => (0u64..20_000, prop::option::weighted(0.8, end())).prop_map(|(seconds, end)| Event::Later(seconds, end)),
        1 => Just(Event::Pause),
        1 => Just(Event::Resume),
        1 => Just(Event::RunNow),
        1 => (schedules, 1u64..3).prop_map(|(schedule, fingerprint)| Event::Reload { schedule, fingerprint }),
        1 => (2u64..100_000).prop_map(Event::SetBack),
    ]
}

fn report(end: End) -> AccountReport {
    let mut report = panicked(&"a".into(), "");
    // All of them asked the platform something.
    report.requests.total = 1;
    report.status = match end {
        End::Complete => Status::Complete,
        End::DeadLetters => Status::Partial,
        End::Failed | End::Refused => Status::Failed,
        End::QuotaUsedUp(_) | End::Interrupted => Status::Interrupted,
    };
    if end == End::DeadLetters {
        report.dead_lettered_by_class = [(FailureClass::Timeout, 1)].into();
    }
    if end == End::Refused {
        report.problems[0].class = ProblemClass::CredentialsRefused;
    }
    if let End::QuotaUsedUp(seconds) = end {
        report.quota_back_in = Some(Duration::from_secs(seconds));
    }
    report
}

proptest! {
    #[test]
    fn an_idle_account_starts_by_its_next_time_unless_something_holds_it_and_nothing_else_starts_it(
        events in prop::collection::vec(event(), 1..60),
    ) {
        let (mut now, mut plan) = (begin(), plan("a", "15min"));
        let mut account = Account::new(plan.clone(), now);
        let mut rng = SmallRng::seed_from_u64(1);
        let (mut paused, mut failures) = (false, 0u32);
        // Nothing may be started before.
        let mut held_until = now;
        for event in events {
            match event {
                Event::Later(seconds, how) => {
                    now += SignedDuration::from_secs(i64::try_from(seconds).expect("small"));
                    if let Some(how) = how.filter(|_| account.is_running()) {
                        account.end(report(how), now, &mut rng);
                        failures = match how {
                            End::Failed | End::Refused => failures + 1,
                            End::Complete | End::DeadLetters => 0,
                            _ => failures,
                        };
                        held_until = match how {
                            End::Refused => now + Duration::from_secs(3600),
                            End::QuotaUsedUp(seconds) => now + Duration::from_secs(seconds),
                            _ => now,
                        };
                        prop_assert_eq!(account.status().failing.map_or(0, |failing| failing.failures), failures);
                    }
                }
                Event::Pause => { account.pause(now); paused = true; }
                Event::Resume => { account.resume(); paused = false; }
                Event::RunNow if !account.is_running() && !paused => {
                    account.begin(Purpose::Sync, now);
                }
                Event::RunNow => {}
                Event::Reload { schedule, fingerprint } => {
                    let reloaded = AccountPlan { fingerprint, ..super::support::plan("a", schedule) };
                    account.reconfigure(&reloaded, now);
                    plan = reloaded;
                    held_until = now;
                }
                Event::SetBack(seconds) => {
                    let by = SignedDuration::from_secs(i64::try_from(seconds).expect("small"));
                    now -= by;
                    held_until -= by;
                    account.set_back(by, now);
                }
            }
            let by_schedule = plan.schedule.of(&plan.id).next_after(now);
            match account.next() {
                None => prop_assert!(paused || account.is_running()),
                Some((at, because)) => {
                    prop_assert!(!paused && !account.is_running());
                    let held = matches!(because, Because::Refused | Because::Quota);
                    prop_assert!(at >= held_until || at <= now && held_until <= now, "{at} before {held_until}");
                    prop_assert!(held || at <= by_schedule, "{because:?} at {at}, its next time is {by_schedule}");
                }
            }
            if let Some(purpose) = account.due(now) {
                prop_assert!(held_until <= now);
                let planned_before = account.status().next_time.expect("not paused");
                if planned_before <= now {
                    prop_assert_eq!(&purpose, &Purpose::Sync, "a sync is owed");
                }
                account.begin(purpose, now);
                prop_assert_eq!(account.due(now), None);
                let planned = account.status().next_time.expect("not paused");
                prop_assert!(planned > now && planned <= by_schedule, "no time is left out or run twice");
            }
        }
    }
}
