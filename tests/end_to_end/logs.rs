//! The log: each line of it says whose it is, and no campaign's name can break it.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_platform::{Fault, Settings};
use serde_json::{Map, Value, json};

use crate::listing_platform::ListingPlatform;
use crate::support::{Postgres, bare, campaign_sync, outcome, quick_platform, start};

/// What the process says of itself, or of what all runs share.
const OF_NO_RUN: [&str; 2] = ["migrated", "database connection"];

/// The ids of a line, its own and those of its spans.
fn ids(line: &Map<String, Value>) -> BTreeMap<&str, &Value> {
    let spans =
        line.get("spans").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let named = ["account", "run", "campaign"];
    let all = spans.chain([line]).flat_map(|fields| named.map(|name| (name, fields.get(name))));
    all.filter_map(|(name, id)| Some((name, id?))).collect()
}

fn spans(line: &Map<String, Value>) -> Vec<&str> {
    let spans = line.get("spans").and_then(Value::as_array).into_iter().flatten();
    spans.filter_map(|span| span["name"].as_str()).collect()
}

#[test]
fn each_line_of_a_run_names_account_and_run_and_each_about_a_campaign_that_too() {
    let faulty = Settings {
        error_rate: 0.2,
        hang_rate: 0.05,
        faults: vec![(Fault::SuccessFalse, 0.1), (Fault::MalformedEntry, 0.3), (Fault::TokenDiesEarly, 0.1)],
        ..quick_platform(60)
    };
    let (platform, database) = (start(faulty), Postgres::start());
    let options =
        ["--request-timeout", "200ms", "--max-attempts", "2", "--batch-size", "10", "--rate-limit", "none"];
    // Also where the spans' own levels would not be logged.
    for level in ["debug", "warn"] {
        let mut command = campaign_sync(&platform, &database, &["run", "--report", "json"]);
        command.args(options).env("RUST_LOG", level).env("CAMPAIGN_SYNC_LOG_FORMAT", "json");
        let (code, stdout, stderr) = outcome(command);
        assert_eq!(code, 3, "{stderr}");
        let report: Value = serde_json::from_str(&stdout).expect("a report");
        let run = &report["accounts"][0]["run_id"];
        let mut of_campaigns = 0;
        for text in stderr.lines() {
            let line: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let line = line.as_object().expect("an object");
            let message = line["message"].as_str().expect("it says something");
            if OF_NO_RUN.iter().any(|words| message.contains(words)) {
                continue;
            }
            let ids = ids(line);
            let whose = (ids.get("account").copied(), ids.get("run").copied());
            assert_eq!(whose, (Some(&json!("default")), Some(run)), "{text}");
            let is_of_campaign = message.contains("campaign given up") || spans(line).contains(&"sync");
            assert_eq!(ids.contains_key("campaign"), is_of_campaign, "{text}");
            of_campaigns += usize::from(is_of_campaign);
        }
        assert!(of_campaigns > 0, "{level}: {stderr}");
    }
}

#[test]
fn an_id_that_a_terminal_would_obey_stays_on_its_line_and_is_told_as_it_is() {
    let evil = "evil\n2026-01-01T00:00:00Z ERROR forged \u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{2028}\u{7f}";
    let entry = json!({
        "id": evil, "name": evil, "status": "active", "budget": 1, "impressions": 1, "clicks": 1, "conversions": 1,
        "created_at": "2026-01-02T03:04:05Z",
    });
    let malformed = json!({ "id": format!("no-{evil}"), "name": 5 });
    let platform = ListingPlatform::start(vec![entry.to_string(), malformed.to_string()]);
    let database = Postgres::start();
    let mut command =
        bare(&["run", "--rate-limit", "none", "--log-format", "pretty", "--log-level", "debug"]);
    command
        .env("AD_PLATFORM_API_URL", platform.url())
        .env("AD_PLATFORM_EMAIL", "a")
        .env("AD_PLATFORM_PASSWORD", "b")
        .env("DATABASE_URL", database.url());
    let (_, _, stderr) = outcome(command);
    let told = "campaign=no-evil\\n2026-01-01T00:00:00Z ERROR forged \\u{1b}[2J\\u{9b}31m\\u{202e}\\u{2066}\\u{2028}\\u{7f}";
    assert!(stderr.contains(told), "{stderr}");
    assert!(stderr.contains("sync{account=default campaign=evil\\n"), "{stderr}");
    let obeyed = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{2028}', '\u{7f}', '\u{fffd}'];
    assert!(!stderr.contains(obeyed), "{stderr:?}");
    assert!(stderr.lines().all(|line| !line.starts_with("2026-01-01")), "{stderr}");
}

#[test]
fn the_progress_of_a_run_names_it() {
    let slow = Settings { sync_latency: Duration::from_millis(500), ..quick_platform(30) };
    let (platform, database) = (start(slow), Postgres::start());
    let arguments =
        ["run", "--report", "json", "--rate-limit", "none", "--concurrency", "4", "--log-format", "json"];
    let (code, stdout, stderr) = outcome(campaign_sync(&platform, &database, &arguments));
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("a report");
    let lines = stderr.lines().filter(|line| line.contains("requests_per_second"));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!lines.is_empty(), "{stderr}");
    for line in lines {
        let account = &report["accounts"][0];
        assert_eq!((&line["account"], &line["run"]), (&account["account"], &account["run_id"]));
    }
}
