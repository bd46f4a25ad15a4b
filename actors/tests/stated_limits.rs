//! Limits that the platform states with its answers: where the user left them to it, and where they are tighter.

use std::rc::Rc;
use std::time::Duration;

use actors::progress::LimitSource;
use actors::report::{AccountReport, ProblemClass, Status};
use actors::settings::{PipelineSettings, RateLimit};
use actors::testing::{MemoryStore, ScriptedPlatform, in_virtual_time, limit, run_to_end, settings};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// As `--rate-limit auto`: ten a minute until the platform says otherwise.
fn auto() -> PipelineSettings {
    PipelineSettings { rate_limits: vec![limit(10, MINUTE)], adopt_stated_limits: true, ..settings() }
}

fn kept(report: &AccountReport) -> Vec<(RateLimit, LimitSource)> {
    report.limits.iter().map(|kept| (kept.limit, kept.source)).collect()
}

#[test]
fn what_is_assumed_makes_way_for_a_faster_limit_that_the_platform_states() {
    let stated = limit(40, SECOND);
    let platform = Rc::new(ScriptedPlatform::obliging(400).stating(&[stated]));
    let report = in_virtual_time(run_to_end(auto(), &platform, &Rc::new(MemoryStore::default())));
    assert_eq!((report.status, kept(&report)), (Status::Complete, vec![(stated, LimitSource::Platform)]));
    assert_eq!(report.problems, [], "nothing was set too high");
    assert_eq!(platform.most_in_a_window(SECOND), 40);
    // 441 requests are eleven windows; ten a minute would have been three quarters of an hour.
    assert_eq!(report.lower_bound.as_secs(), 11);
    assert!(report.duration < 13 * SECOND, "{:?}", report.duration);
}

#[test]
fn several_stated_limits_hold_together_from_the_first_answer_on() {
    let stated = [limit(5, SECOND), limit(30, MINUTE)];
    let platform = Rc::new(ScriptedPlatform::obliging(80).stating(&stated));
    let report = in_virtual_time(run_to_end(auto(), &platform, &Rc::new(MemoryStore::default())));
    assert_eq!((report.status, report.limits.len()), (Status::Complete, 2));
    assert!(platform.most_in_a_window(SECOND) <= 5 && platform.most_in_a_window(MINUTE) <= 30);
}

#[test]
fn where_the_platform_states_nothing_the_assumed_limit_holds_to_the_end_and_is_called_that() {
    let platform = Rc::new(ScriptedPlatform::obliging(20));
    let report = in_virtual_time(run_to_end(auto(), &platform, &Rc::new(MemoryStore::default())));
    assert_eq!(kept(&report), [(limit(10, MINUTE), LimitSource::Assumed)]);
    assert_eq!((platform.most_in_a_window(MINUTE), report.lower_bound), (10, 2 * MINUTE));
}

#[test]
fn a_days_limit_that_only_the_platform_states_is_kept_over_several_runs() {
    // 23 requests, and then six each time, as all is stored; the platform allows 50 a day, and nobody else says so.
    for settings in [auto(), PipelineSettings { rate_limits: vec![limit(20, SECOND)], ..settings() }] {
        let platform = Rc::new(ScriptedPlatform::obliging(20).stating(&[limit(50, DAY)]));
        let store = Rc::new(MemoryStore::default());
        let settings = PipelineSettings { max_wait: MINUTE, ..settings };
        let reports = in_virtual_time(async {
            let mut reports = vec![];
            for _ in 0..10 {
                reports.push(run_to_end(settings.clone(), &platform, &store).await);
                tokio::time::sleep(5 * MINUTE).await;
            }
            reports
        });
        assert!(platform.most_in_a_window(DAY) <= 50, "{}", platform.most_in_a_window(DAY));
        let sent: Vec<u64> = reports.iter().map(|report| report.requests.total).collect();
        assert!(platform.most_in_a_window(DAY) > 45, "it did not only wait: {sent:?}");
        let last = reports.last().expect("there are ten");
        assert_eq!(
            (last.status, last.problems[0].class),
            (Status::Interrupted, ProblemClass::QuotaExhausted)
        );
    }
}

#[test]
fn a_platform_that_is_kept_to_is_kept_to_by_whoever_comes_after_a_kill() {
    let stated = limit(40, SECOND);
    let platform = Rc::new(ScriptedPlatform::obliging(400).stating(&[stated]));
    let store = Rc::new(MemoryStore::default());
    in_virtual_time(async {
        for run in 0..40_u64 {
            let until_killed = Duration::from_millis(1 + run * 739 % 2500);
            let _ = tokio::time::timeout(until_killed, run_to_end(auto(), &platform, &store)).await;
        }
    });
    assert!(platform.most_in_a_window(SECOND) <= 40, "{}", platform.most_in_a_window(SECOND));
}

#[test]
fn a_stated_limit_that_equals_the_assumed_one_is_called_the_platforms() {
    let platform = Rc::new(ScriptedPlatform::obliging(20).stating(&[limit(10, MINUTE)]));
    let report = in_virtual_time(run_to_end(auto(), &platform, &Rc::new(MemoryStore::default())));
    assert_eq!(report.limits[0].source, LimitSource::Platform);
}

#[test]
fn an_account_that_takes_days_under_a_limit_of_a_day_that_the_platform_states_gets_to_its_end() {
    for settings in
        [auto(), PipelineSettings { rate_limits: vec![limit(50, DAY)], ..settings() }].into_iter().rev()
    {
        let auto = settings.adopt_stated_limits;
        let settings = PipelineSettings { max_wait: 2 * MINUTE, ..settings };
        let platform = Rc::new(ScriptedPlatform::obliging(100).stating(&[limit(50, DAY)]));
        let store = Rc::new(MemoryStore::default());
        let statuses = in_virtual_time(async {
            let mut statuses = vec![];
            for _ in 0..10 {
                let report = run_to_end(settings.clone(), &platform, &store).await;
                statuses.push((
                    report.status,
                    report.resumed,
                    report.campaigns.stored,
                    report.campaigns.skipped,
                ));
                if report.status == Status::Complete {
                    break;
                }
                tokio::time::sleep(DAY + MINUTE * 10).await;
            }
            statuses
        });
        assert_eq!(statuses.last().expect("one").0, Status::Complete, "auto {auto}: {statuses:?}");
    }
}

#[test]
fn an_adopted_limit_of_short_windows_is_stamped_by_them() {
    let stated = limit(10, SECOND);
    let half_a_second = Duration::from_millis(500)..=Duration::from_millis(500);
    let platform = ScriptedPlatform::obliging(300).stating(&[stated]).answering_within(half_a_second);
    let report = in_virtual_time(run_to_end(auto(), &Rc::new(platform), &Rc::new(MemoryStore::default())));
    // 331 requests are 33 windows. Stamped at completion, as the assumed minute wants it, each would last half as long again.
    assert_eq!((report.status, report.lower_bound.as_secs()), (Status::Complete, 33));
    assert!(report.duration < 38 * SECOND, "{:?}", report.duration);
}
