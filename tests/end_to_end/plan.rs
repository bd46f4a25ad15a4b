//! `plan`, with a platform that is asked and without one.

use std::process::Stdio;
use std::time::Duration;

use mock_platform::{EMAIL, MockPlatform, PASSWORD, Settings};
use serde_json::{Value, json};

use crate::support::{Postgres, bare, campaign_sync, outcome, quick_platform, run, start, ten_a_second};

/// Without a database: at the address, nobody listens.
const NO_DATABASE: &str = "host=127.0.0.1 port=1 user=nobody dbname=ads";

fn asking(platform: &MockPlatform, arguments: &[&str]) -> (i32, String, String) {
    let mut all = vec!["plan"];
    all.extend(arguments);
    let mut command = bare(&all);
    command
        .env("AD_PLATFORM_API_URL", platform.url())
        .env("AD_PLATFORM_EMAIL", EMAIL)
        .env("AD_PLATFORM_PASSWORD", PASSWORD)
        .env("DATABASE_URL", NO_DATABASE);
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
    assert_eq!(plan["spent_recorded"], false);
    assert!(stderr.contains("what this plan sends is not recorded"), "{stderr}");
    let requests = &plan["requests"];
    assert_eq!(
        (&requests["auth"], &requests["list"], &requests["sync"]),
        (&json!(1), &json!(10), &json!(100))
    );
    assert_eq!((&requests["retries"], &requests["total"]), (&json!(48), &json!(159)));
    assert_eq!((&plan["binds"], &plan["lower_bound_seconds"]), (&json!("10/60s"), &json!(900.0)));
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
        ["100, as given", "159 (1 auth, 10 list, 100 sync, 48 retries)", "10/60s", "2.0 s (--latency)"]
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
    assert!(stdout.contains("every 60.0 min is too often; every 3.8 h fits"), "{stdout}");
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
        &["--database-url", "mysql://host/ads"],
        &["--campaigns", "5", "--database-url", "mysql://host/ads"],
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

fn planning(platform: &MockPlatform, database: &Postgres, arguments: &[&str]) -> (i32, String, String) {
    outcome(campaign_sync(platform, database, &[&["plan"], arguments].concat()))
}

#[test]
fn plans_and_runs_that_follow_each_other_at_once_get_no_429() {
    let settings = Settings { rate_limits: ten_a_second(), error_rate: 0.2, ..quick_platform(25) };
    let (platform, database) = (start(settings), Postgres::start());
    let limit = ["--rate-limit", "10/1s"];
    for round in 0..3 {
        let (code, report) = run(&platform, &database, &limit);
        assert_eq!(code, 0, "{report}");
        let (code, stdout, stderr) = planning(&platform, &database, &limit);
        assert_eq!(code, 0, "{stdout} {stderr}");
        assert!(stdout.contains("requests for this plan, recorded: the next run counts them"), "{stdout}");
        let (code, stdout, stderr) =
            planning(&platform, &database, &["--rate-limit", "10/1s", "--report", "json"]);
        let plan: Value = serde_json::from_str(&stdout).expect("JSON, and nothing else");
        assert_eq!((code, &plan["spent_recorded"]), (0, &json!(true)), "{stderr}");
        assert_eq!(database.count("sync_runs"), round + 1, "a plan is no run");
    }
    let stats = platform.stats();
    assert_eq!(stats.throttled, 0, "{stats:?}");
    assert!(stats.busiest_windows.iter().all(|window| window.most_accepted <= 10), "{stats:?}");
}

#[test]
fn a_plan_beside_a_run_of_the_account_sends_nothing_and_says_who_is_at_work() {
    let database = Postgres::start();
    database.migrate();
    // The run lasts as long as it is needed.
    let endless = Settings { sync_latency: Duration::from_secs(600), ..quick_platform(3) };
    let (busy, idle) = (start(endless), start(quick_platform(3)));
    let mut running =
        campaign_sync(&busy, &database, &["run", "--rate-limit", "none", "--request-timeout", "10min"]);
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    while busy.stats().count("list", "200") == 0 {
        assert!(running.try_wait().expect("it can be asked").is_none(), "it has work to do");
    }
    let (code, stdout, stderr) = planning(&idle, &database, &[]);
    assert_eq!((code, stdout.as_str(), idle.stats().connections), (1, "", 0), "{stderr}");
    let wanted = "another campaign-sync is syncing account default here (run ";
    assert!(stderr.contains(wanted) && stderr.contains("wait until it has ended"), "{stderr}");
    let (code, stdout, _) = planning(&idle, &database, &["--campaigns", "3"]);
    assert_eq!((code, stdout.contains("spent")), (0, false), "nothing is sent, so nobody is in the way");
    running.kill().expect("it can be killed");
    running.wait().expect("it ends");
    // And the run that was cut short is resumed after a plan as it would have been before.
    assert_eq!(planning(&idle, &database, &["--rate-limit", "none"]).0, 0);
    let (code, report) = run(&idle, &database, &["--rate-limit", "none"]);
    assert_eq!((code, &report["accounts"][0]["resumed"]), (0, &json!(true)), "{report}");
}

#[test]
fn a_plan_makes_no_schema_and_says_that_nothing_is_recorded() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let (code, stdout, stderr) = planning(&platform, &database, &[]);
    assert_eq!(code, 0, "{stderr}");
    let wanted = "2 requests for this plan; a run within 60.0 s does not know of them (the database does not have this \
                  program's schema)";
    assert!(stdout.contains(wanted) && stderr.contains("run `campaign-sync migrate`"), "{stdout} {stderr}");
    assert_eq!(database.count("pg_tables WHERE schemaname = 'public'"), 0, "it changes nothing");
}

#[test]
fn a_plan_whose_wait_is_too_long_says_when_to_ask_again() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    database.migrate();
    let limit = ["--rate-limit", "2/1d"];
    assert_eq!(planning(&platform, &database, &limit).0, 0);
    let (code, stdout, stderr) = planning(&platform, &database, &limit);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("under 2/1d the next request may be sent in 14"), "{stderr}");
    let stats = platform.stats();
    assert_eq!((stats.count("auth", "200"), stats.count("list", "200")), (1, 1), "{stats:?}");
}
