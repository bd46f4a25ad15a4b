//! The main job end to end: the real binary, real HTTP against the mock platform, real rows in a real PostgreSQL.

use std::time::Duration;

use crate::support::{
    Postgres, bare, campaign_sync, outcome, quick_platform, rows_equal_the_platforms, run, start,
    ten_a_second,
};
use mock_platform::Settings;
use serde_json::{Value, json};

/// The reference platform at sixty times its speed.
fn hostile_platform() -> Settings {
    Settings {
        rate_limits: ten_a_second(),
        sync_latency: Duration::from_millis(33),
        error_rate: 0.2,
        hang_rate: 0.05,
        ..Settings::default()
    }
}

#[test]
fn a_hostile_platform_is_synced_completely_without_a_429_and_again_without_new_history() {
    let settings = hostile_platform();
    let (platform, database) = (start(settings.clone()), Postgres::start());
    let arguments = ["--rate-limit", "10/1s", "--request-timeout", "1s"];

    let (code, report) = run(&platform, &database, &arguments);
    assert_eq!((code, &report["status"]), (0, &json!("complete")), "{report}");
    let account = &report["accounts"][0];
    assert_eq!(account["campaigns"]["stored"], 100);
    assert_eq!(account["problems"], json!([]));
    rows_equal_the_platforms(&database, &settings);
    let stats = platform.stats();
    assert_eq!(stats.throttled, 0, "{stats:?}");
    assert_eq!((stats.campaigns_synced, stats.most_syncs_of_one_campaign), (100, 1), "{stats:?}");
    assert_eq!((stats.campaigns_under_several_keys, stats.keys_of_several_campaigns), (0, 0));
    assert!(stats.busiest_windows.iter().all(|window| window.most_accepted <= 10), "{stats:?}");
    assert_eq!(database.count("campaign_history"), 100);

    let (code, report) = run(&platform, &database, &arguments);
    assert_eq!((code, &report["status"]), (0, &json!("complete")), "{report}");
    rows_equal_the_platforms(&database, &settings);
    assert_eq!(database.count("campaign_history"), 100, "no history for what did not change");
    assert_eq!(database.count("sync_runs WHERE status = 'complete' AND stored = 100"), 2);
}

#[test]
fn a_changed_campaign_is_updated_and_leaves_its_history() {
    let (platform, database) = (start(quick_platform(30)), Postgres::start());
    assert_eq!(run(&platform, &database, &["--rate-limit", "none"]).0, 0);
    drop(platform);
    let changed = Settings { seed: 2, ..quick_platform(30) };
    let platform = start(changed.clone());
    assert_eq!(run(&platform, &database, &["--rate-limit", "none"]).0, 0);
    rows_equal_the_platforms(&database, &changed);
    assert_eq!(database.count("campaign_history"), 60);
}

#[test]
fn the_report_is_the_only_thing_on_standard_output_and_has_every_field_of_the_contract() {
    let (platform, database) = (start(quick_platform(7)), Postgres::start());
    let (_, report) = run(&platform, &database, &["--rate-limit", "none", "--log-level", "trace"]);
    let account = &report["accounts"][0];
    let fields = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(fields(&report), sorted(&["status", "accounts"]));
    let names = [
        "account",
        "run_id",
        "status",
        "resumed",
        "campaigns",
        "requests",
        "restarts",
        "duration_seconds",
        "lower_bound_seconds",
        "problems",
        // Beside the contract's.
        "limits",
        "dead_lettered_by_class",
    ];
    assert_eq!(fields(account), sorted(&names));
    let names = ["listed", "distinct", "reported_total", "stored", "skipped", "dead_lettered"];
    assert_eq!(fields(&account["campaigns"]), sorted(&names));
    let names = ["auth", "list", "sync", "total", "retried", "throttled", "unauthorized", "timed_out"];
    assert_eq!(fields(&account["requests"]), sorted(&names));
    assert_eq!(fields(&account["restarts"]), sorted(&["auth", "pager", "rate_limiter", "sync", "store"]));
    assert_eq!(account["resumed"], false);
    assert_eq!(
        account["requests"],
        json!({
            "auth": 1, "list": 1, "sync": 7, "total": 9, "retried": 0, "throttled": 0, "unauthorized": 0, "timed_out": 0,
        })
    );
}

#[test]
fn the_logs_are_json_where_there_is_no_terminal_and_hold_no_secret_at_any_level() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let mut command = campaign_sync(&platform, &database, &["run", "--log-level", "trace"]);
    let password = "Canary-Passw0rd-73";
    command.env("AD_PLATFORM_PASSWORD", password);
    let (code, stdout, stderr) = outcome(command);
    assert_eq!(code, 1, "the mock does not know this password");
    assert!(stderr.lines().count() > 5);
    for line in stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "not JSON: {line}");
        assert!(line.matches("\"message\":").count() == 1, "a key stands twice: {line}");
    }
    let failed = stderr.lines().find(|line| line.contains("the run cannot go on")).expect("it is logged");
    assert!(failed.contains("\"account\":\"default\"") && failed.contains("\"run\":"), "{failed}");
    let basic = "ZGVtb0BleGFtcGxlLmNvbTpDYW5hcnktUGFzc3cwcmQtNzM=";
    for secret in [password, basic] {
        assert!(!stderr.contains(secret) && !stdout.contains(secret), "leaked: {secret}");
    }
    // The token of a login that works.
    let (_, _, stderr) = outcome(campaign_sync(&platform, &database, &["run", "--log-level", "trace"]));
    assert!(!stderr.to_lowercase().contains("bearer"), "{stderr}");
}

#[test]
fn refused_credentials_are_exit_1_and_said_in_words() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let mut command = campaign_sync(&platform, &database, &["run", "--report", "json"]);
    command.env("AD_PLATFORM_PASSWORD", "wrong");
    let (code, stdout, _) = outcome(command);
    let report: Value = serde_json::from_str(&stdout).expect("a report");
    assert_eq!((code, &report["status"]), (1, &json!("failed")));
    let problem = &report["accounts"][0]["problems"][0];
    assert_eq!(problem["class"], "credentials_refused");
    assert!(problem["message"].as_str().is_some_and(|message| message.contains("refused the credentials")));
    assert_eq!(platform.stats().count("auth", "401"), 1, "asked once, not hammered");
    assert_eq!(database.count("sync_runs WHERE status = 'failed'"), 1);
}

#[test]
fn what_could_not_be_had_is_exit_3_and_a_dead_letter_with_its_reason() {
    let unreliable = Settings { error_rate: 0.3, seed: 4, ..quick_platform(60) };
    let (platform, database) = (start(unreliable), Postgres::start());
    let arguments = ["--rate-limit", "none", "--max-attempts", "1", "--page-size", "100"];
    let (code, report) = run(&platform, &database, &arguments);
    assert_eq!((code, &report["status"]), (3, &json!("partial")), "{report}");
    let counts = &report["accounts"][0]["campaigns"];
    let dead = counts["dead_lettered"].as_u64().expect("a count");
    assert!(dead > 0);
    assert_eq!(counts["stored"].as_u64().expect("a count") + dead, 60);
    assert_eq!(database.count("dead_letters"), dead);
    assert_eq!(report["accounts"][0]["dead_lettered_by_class"], json!({"unavailable": dead}));
    let letter = &database.query("SELECT * FROM dead_letters LIMIT 1")[0];
    assert_eq!((&letter["error_class"], &letter["attempts"]), (&json!("unavailable"), &json!(1)));
    assert!(letter["message"].as_str().is_some_and(|message| message.contains("503")), "{letter}");
    assert!(letter["payload"].as_str().is_some_and(|payload| payload.contains("impressions")), "{letter}");

    // The platform recovers: the next run stores them, and the letters are gone.
    drop(platform);
    let platform = start(Settings { seed: 4, ..quick_platform(60) });
    assert_eq!(run(&platform, &database, &["--rate-limit", "none"]).0, 0);
    assert_eq!((database.count("campaigns"), database.count("dead_letters")), (60, 0));
}

#[test]
fn a_wrong_setting_is_exit_2_names_itself_and_sends_nothing() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let mut command = campaign_sync(&platform, &database, &["run", "--concurrency", "0"]);
    command.env("CAMPAIGN_SYNC_PAGE_SIZE", "many").env("CAMPAIGN_SYNC_CONCURENCY", "3");
    let (code, stdout, stderr) = outcome(command);
    assert_eq!((code, stdout.as_str()), (2, ""));
    for expected in ["--concurrency", "CAMPAIGN_SYNC_PAGE_SIZE", "many", "CAMPAIGN_SYNC_CONCURENCY"] {
        assert!(stderr.contains(expected), "{expected} is not named: {stderr}");
    }
    assert_eq!(platform.stats().connections, 0);
    let (code, _, stderr) =
        outcome(bare(&["run", "--api-url", "http://ads.example.com", "--email", "a@b.c"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("--allow-http") && stderr.contains("AD_PLATFORM_PASSWORD"), "{stderr}");
}

#[test]
fn a_database_that_is_not_there_is_exit_1_and_named_without_its_password() {
    let platform = start(quick_platform(5));
    let mut command = bare(&["run", "--api-url", &platform.url(), "--email", "a@b.c"]);
    command
        .env("AD_PLATFORM_PASSWORD", "x")
        .env("DATABASE_URL", "postgres://someone:hunter2@127.0.0.1:1/ads");
    let (code, stdout, stderr) = outcome(command);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.contains("127.0.0.1") && stderr.contains("ads") && !stderr.contains("hunter2"),
        "{stderr}"
    );
    assert_eq!(platform.stats().connections, 0, "nothing is asked of the platform that could not be stored");
}

#[test]
fn a_run_that_is_terminated_exits_130_and_has_stored_what_it_acknowledged() {
    let slow = Settings { sync_latency: Duration::from_millis(100), ..quick_platform(5000) };
    let (platform, database) = (start(slow), Postgres::start());
    database.migrate();
    let mut command =
        campaign_sync(&platform, &database, &["run", "--report", "json", "--rate-limit", "none"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let running = command.spawn().expect("the binary starts");
    while database.count("campaigns") == 0 {
        std::thread::yield_now();
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(running.id()).expect("a process id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    let output = running.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["status"], "interrupted");
    let stored = report["accounts"][0]["campaigns"]["stored"].as_u64().expect("a count");
    assert_eq!(database.count("campaigns"), stored);
    assert_eq!(platform.stats().campaigns_synced, stored, "what the platform confirmed is stored");
}
