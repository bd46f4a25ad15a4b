//! What `--retry` says of a class of failures is what the platform sees and what the dead letters say.

use std::time::Duration;

use mock_platform::{Fault, Settings};
use serde_json::{Value, json};

use crate::support::{Postgres, quick_platform, run, start};

/// Together with the repeats, fewer failures than open the circuit breaker.
const CAMPAIGNS: u64 = 5;

/// A run in which every sync fails: the requests for syncs, and each letter's class and attempts.
fn all_fail(settings: Settings, arguments: &[&str]) -> (u64, Vec<Value>) {
    let (platform, database) = (start(settings), Postgres::start());
    let (code, report) = run(&platform, &database, &[&["--rate-limit", "none"], arguments].concat());
    assert_eq!(code, 3, "{report}");
    let syncs = report["accounts"][0]["requests"]["sync"].as_u64().expect("a count");
    let letters = "SELECT error_class, attempts FROM dead_letters ORDER BY campaign_id";
    (syncs, database.query(letters))
}

fn each(class: &str, attempts: u64) -> Vec<Value> {
    (0..CAMPAIGNS).map(|_| json!({"error_class": class, "attempts": attempts})).collect()
}

#[test]
fn an_answer_that_is_no_confirmation_is_tried_as_often_as_it_is_said() {
    let failing = || Settings { faults: vec![(Fault::SuccessFalse, 1.0)], ..quick_platform(CAMPAIGNS) };
    let with = |retry| all_fail(failing(), &["--retry", retry]);
    assert_eq!(with("unparsable=1"), (CAMPAIGNS, each("unparsable", 1)));
    assert_eq!(with("unparsable=2/1ms,timeout=1"), (2 * CAMPAIGNS, each("unparsable", 2)));
}

#[test]
fn a_class_has_its_own_number_of_attempts_and_the_others_have_theirs() {
    let silent = || Settings { sync_latency: Duration::from_secs(3600), ..quick_platform(CAMPAIGNS) };
    let with = |retry| all_fail(silent(), &["--request-timeout", "300ms", "--retry", retry]);
    assert_eq!(with("timeout=1,connection=4"), (CAMPAIGNS, each("timeout", 1)));
    assert_eq!(with("timeout=2/1ms"), (2 * CAMPAIGNS, each("timeout", 2)));
}
