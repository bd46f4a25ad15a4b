//! Campaigns that disappear from the platform, one by one or as by a bug.

use mock_platform::Settings;
use serde_json::{Value, json};

use crate::support::{Postgres, outcome, quick_platform, run, start};

fn removed(database: &Postgres) -> u64 {
    database.count("campaigns WHERE removed_at IS NOT NULL")
}

/// A run while the platform has so many of the same campaigns.
fn run_with(campaigns: u64, database: &Postgres, arguments: &[&str]) -> (i32, Value) {
    let platform = start(Settings { seed: 1, ..quick_platform(campaigns) });
    let all: Vec<&str> = ["--rate-limit", "none"].iter().chain(arguments).copied().collect();
    run(&platform, database, &all)
}

#[test]
fn campaigns_that_are_gone_are_marked_and_those_that_come_back_are_not_any_more() {
    let database = Postgres::start();
    for (campaigns, gone) in [(100, 0), (70, 30), (90, 10)] {
        let (code, report) = run_with(campaigns, &database, &[]);
        assert_eq!((code, &report["accounts"][0]["problems"]), (0, &json!([])), "{report}");
        assert_eq!((database.count("campaigns"), removed(&database)), (100, gone));
    }
    assert_eq!(database.count("campaign_history"), 100, "no content has changed");
}

#[test]
fn a_listing_that_shrinks_too_much_is_partial_and_accepted_only_by_word() {
    let database = Postgres::start();
    run_with(100, &database, &[]);
    for _ in 0..2 {
        let (code, report) = run_with(20, &database, &[]);
        let account = &report["accounts"][0];
        assert_eq!((code, &account["status"]), (3, &json!("partial")), "{report}");
        let problem = &account["problems"][0];
        assert_eq!(problem["class"], "listing_shrank");
        let message = problem["message"].as_str().expect("a text");
        for expected in ["lists 20 campaigns", "listed 100", "--max-shrink none"] {
            assert!(message.contains(expected), "{expected} is missing: {message}");
        }
        assert_eq!(removed(&database), 0);
    }
    let (code, report) = run_with(20, &database, &["--max-shrink", "none"]);
    assert_eq!((code, removed(&database)), (0, 80), "{report}");
    assert_eq!(run_with(15, &database, &["--max-shrink", "0.25"]).0, 0);
    assert_eq!(run_with(11, &database, &["--max-shrink", "0.25"]).0, 3);
}

#[test]
fn a_share_that_cannot_be_is_refused_before_anything_is_sent() {
    let (platform, database) = (start(quick_platform(1)), Postgres::start());
    let command = crate::support::campaign_sync(&platform, &database, &["run", "--max-shrink", "2"]);
    let (code, _, stderr) = outcome(command);
    assert!(code == 2 && stderr.contains("--max-shrink must be a number from 0 to 1"), "{stderr}");
    assert_eq!(platform.stop().count("auth", "200"), 0);
}
