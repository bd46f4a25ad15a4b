//! `plan`, with a platform that is asked and without one.

use crate::support::{bare, outcome, quick_platform, start};
use mock_platform::{EMAIL, MockPlatform, PASSWORD, Settings};
use serde_json::{Value, json};

fn asking(platform: &MockPlatform, arguments: &[&str]) -> (i32, String, String) {
    let mut all = vec!["plan"];
    all.extend(arguments);
    let mut command = bare(&all);
    command
        .env("AD_PLATFORM_API_URL", platform.url())
        .env("AD_PLATFORM_EMAIL", EMAIL)
        .env("AD_PLATFORM_PASSWORD", PASSWORD);
    outcome(command)
}

#[test]
fn plan_asks_for_one_login_and_one_page_and_says_what_a_run_would_cost() {
    let platform = start(quick_platform(100));
    let (code, stdout, stderr) = asking(&platform, &["--report", "json", "--every", "30m"]);
    assert_eq!(code, 0, "{stderr}");
    let stats = platform.stats();
    let asked = ["auth", "list", "sync"].map(|endpoint| stats.count(endpoint, "200"));
    assert_eq!((asked, stats.connections), ([1, 1, 0], 1), "{stats:?}");
    let plan: Value = serde_json::from_str(&stdout).expect("JSON, and nothing else");
    assert_eq!((&plan["campaigns"], &plan["spent_requests"]), (&json!(100), &json!(2)));
    let requests = &plan["requests"];
    assert_eq!(
        (&requests["auth"], &requests["list"], &requests["sync"]),
        (&json!(1), &json!(10), &json!(100))
    );
    assert_eq!((&requests["retries"], &requests["total"]), (&json!(28), &json!(139)));
    assert_eq!((&plan["binds"], &plan["lower_bound_seconds"]), (&json!("10/60s"), &json!(780.0)));
    assert_eq!(plan["concurrency"], json!({ "set": 16, "useful": 10 }));
    assert_eq!(
        (&plan["schedule"]["fits"], &plan["schedule"]["every_seconds"]),
        (&json!(true), &json!(1800.0))
    );
}

#[test]
fn plan_with_a_number_of_campaigns_needs_no_platform_and_names_what_it_assumes() {
    let (code, stdout, stderr) = outcome(bare(&["plan", "--campaigns", "100"]));
    assert_eq!(code, 0, "{stderr}");
    for expected in
        ["100, as given", "139 (1 auth, 10 list, 100 sync, 28 retries)", "10/60s", "2.0 s (--latency)"]
    {
        assert!(stdout.contains(expected), "{expected} is missing: {stdout}");
    }
    assert!(!stdout.contains("spent"), "{stdout}");

    let platform = start(quick_platform(100));
    let (code, stdout, _) =
        asking(&platform, &["--campaigns", "7", "--report", "json", "--failure-rate", "0"]);
    let plan: Value = serde_json::from_str(&stdout).expect("JSON, and nothing else");
    assert_eq!((code, platform.stats().connections), (0, 0), "nothing is sent");
    assert_eq!((&plan["requests"]["total"], &plan["requests"]["retries"]), (&json!(9), &json!(0)));
    assert_eq!((&plan["binds"], &plan["spent_requests"]), (&json!("latency"), &json!(0)));
}

#[test]
fn a_schedule_that_is_too_tight_is_refused_with_one_that_is_not() {
    let arguments = ["plan", "--campaigns", "100", "--rate-limit", "10/60s,1000/1d", "--every", "1h"];
    let (code, stdout, _) = outcome(bare(&arguments));
    assert_eq!(code, 0);
    assert!(stdout.contains("every 60.0 min is too often; every 3.3 h fits"), "{stdout}");
}

#[test]
fn wrong_settings_are_exit_code_2_before_anything_is_sent() {
    let platform = start(quick_platform(5));
    for arguments in [
        &["--latency", "soon"][..],
        &["--failure-rate", "1.5"],
        &["--campaigns", "many"],
        &["--every", "0s"],
        &["--campaigns", "5", "--email", "a:b"],
        &["--rate-limit", "10"],
    ] {
        let (code, stdout, stderr) = asking(&platform, arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains("must be"), "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = outcome(bare(&["plan"]));
    assert!(code == 2 && stderr.contains("--api-url is missing"), "{stderr}");
    assert_eq!(platform.stats().connections, 0);
}

#[test]
fn a_platform_that_cannot_be_asked_is_exit_code_1_and_the_reason() {
    let platform = start(Settings { password: "another".to_owned(), ..quick_platform(5) });
    let (code, stdout, stderr) = asking(&platform, &[]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("could not be asked") && stderr.contains("refused the credentials"), "{stderr}");
    assert!(!stderr.contains(PASSWORD), "{stderr}");
}
