//! What the program says about an account.

use std::time::{Duration, SystemTime};

use actors::metrics::AccountMetrics;

use crate::readings::recorded;

#[test]
fn what_the_program_knows_of_an_account_is_shown() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let ((), readings) = recorded(|_| {
        let metrics = AccountMetrics::new(&"north".into());
        metrics.scheduled_every(Some(Duration::from_secs(900)));
        metrics.followed_since(at(1_600_000_000));
        metrics.planned_to_end(at(1_800_000_000));
        metrics.last_completed(at(1_700_000_000));
        metrics.holds_dead_letters(3);
    });
    assert_eq!(readings.value("schedule_interval_seconds{account=north}"), 900.0);
    assert_eq!(readings.value("followed_since_timestamp_seconds{account=north}"), 1_600_000_000.0);
    assert_eq!(readings.value("run_planned_end_timestamp_seconds{account=north}"), 1_800_000_000.0);
    assert_eq!(readings.value("last_complete_timestamp_seconds{account=north}"), 1_700_000_000.0);
    assert_eq!(readings.value("dead_letters{account=north}"), 3.0);
    let ((), readings) = recorded(|_| AccountMetrics::new(&"north".into()).scheduled_every(None));
    assert_eq!(readings.value("schedule_interval_seconds{account=north}"), 0.0);
}

#[test]
fn all_series_of_an_account_but_those_of_its_limits_are_there_before_anything_happens() {
    let ((), readings) = recorded(|_| drop(AccountMetrics::new(&"north".into())));
    let of_the_account = readings.names().iter().filter(|name| name.contains("{account=north")).count();
    assert_eq!(of_the_account, 49);
}
