//! A file with several accounts, all synced by one process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use mock_platform::{EMAIL, MockPlatform, PASSWORD, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Postgres, in_folder, outcome, quick_platform, start, ten_a_second};

/// A file in a folder of its own with these accounts of this platform, and what else stands at its top.
fn folder_with(
    accounts: &[&str],
    platform: &MockPlatform,
    database: &Postgres,
    top: &str,
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    fs::write(folder.path().join("password"), PASSWORD).expect("writable");
    fs::write(folder.path().join("database"), database.url()).expect("writable");
    let mut text = format!(
        "api_url = '{}'\nemail = '{EMAIL}'\npassword = {{ file = 'password' }}\n\
         database_url = {{ file = 'database' }}\n{top}\n",
        platform.url()
    );
    for account in accounts {
        text += &format!("\n[[accounts]]\nid = '{account}'\n");
        if account.starts_with("revoked") {
            text += "password = { command = ['echo', 'wrong'] }\n";
        }
    }
    fs::write(folder.path().join("campaign-sync.toml"), text).expect("writable");
    folder
}

/// The exit code, the report and the log of a `run`.
fn run(folder: &tempfile::TempDir, arguments: &[&str]) -> (i32, Value, String) {
    let mut all = vec!["run", "--report", "json", "--log-format", "json"];
    all.extend(arguments);
    let (code, stdout, stderr) = outcome(in_folder(folder.path(), &all));
    let report = serde_json::from_str(&stdout);
    (code, report.unwrap_or_else(|error| panic!("{error}: stdout {stdout:?}, stderr {stderr}")), stderr)
}

fn accounts(report: &Value) -> &[Value] {
    report["accounts"].as_array().expect("a list")
}

/// What each account says under this key, in the report's order.
fn each<'a>(report: &'a Value, key: &str) -> Vec<&'a str> {
    accounts(report).iter().map(|account| account[key].as_str().expect("a text")).collect()
}

fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

const NAMES: [&str; 5] = ["zoo", "acme", "co_1.x-y", "beta", "alpha"];

#[test]
fn all_accounts_of_a_file_are_synced_and_reported_in_its_order() {
    let limited = Settings { rate_limits: ten_a_second(), ..quick_platform(35) };
    let (platform, database) = (start(limited), Postgres::start());
    let folder = folder_with(&NAMES, &platform, &database, "rate_limit = '10/1s'");
    let (code, report, log) = run(&folder, &[]);
    assert_eq!((code, &report["status"]), (0, &"complete".into()), "{report}");
    assert_eq!((each(&report, "account"), each(&report, "status")), (NAMES.into(), vec!["complete"; 5]));
    let rows = database.query("SELECT account_id, count(*) AS n FROM campaigns GROUP BY 1");
    assert!(rows.len() == 5 && rows.iter().all(|row| row["n"] == 35), "{rows:?}");
    // Each under a limit of its own.
    let seen = platform.stats();
    assert_eq!((seen.throttled, seen.most_syncs_of_one_campaign), (0, 1));

    // Which run of which account a line is about.
    let lines = lines(&log);
    let ended = lines.iter().filter(|line| line["message"] == "run ended");
    let mut of: Vec<(&str, &str)> = ended
        .map(|line| {
            let text = |key: &str| line["span"][key].as_str().expect("its span says it");
            (text("account"), text("run"))
        })
        .collect();
    of.sort();
    let mut expected: Vec<_> = each(&report, "account").into_iter().zip(each(&report, "run_id")).collect();
    expected.sort();
    assert_eq!(of, expected);
    // And what all of them do together: they take more than the two seconds between lines.
    let total = lines.iter().rev().find(|line| line["accounts"] == 5).expect("the progress of all");
    assert_eq!(total["reported_total"], 175, "{total}");
    assert!(total["message"].as_str().is_some_and(|text| text.contains("of 5 accounts done")), "{total}");
}

#[test]
fn an_account_that_cannot_log_in_makes_the_exit_code_and_the_others_are_complete() {
    let (platform, database) = (start(quick_platform(20)), Postgres::start());
    let names = ["first", "revoked", "last"];
    let folder = folder_with(&names, &platform, &database, "rate_limit = 'none'");
    let (code, report, _) = run(&folder, &[]);
    assert_eq!((code, &report["status"]), (1, &"failed".into()));
    assert_eq!(
        (each(&report, "account"), each(&report, "status")),
        (names.into(), vec!["complete", "failed", "complete"])
    );
    let revoked = &accounts(&report)[1];
    assert_eq!(revoked["problems"][0]["class"], "credentials_refused", "{revoked}");
    assert_eq!((database.count("campaigns"), &revoked["requests"]["total"]), (40, &1.into()));

    // For people: what all have done, and who needs someone.
    let (code, table, stderr) = outcome(in_folder(folder.path(), &["run"]));
    assert_eq!(code, 1, "{stderr}");
    assert!(table.contains("3: 2 complete, 1 failed"), "{table}");
    let (totals, wanting) = table.split_once("These need someone:").expect("somebody is needed");
    assert!(totals.contains("campaigns") && totals.contains("40 of 40 stored"), "{table}");
    assert!(wanting.contains("revoked") && wanting.contains("refused the credentials"), "{table}");
    assert!(!wanting.contains("first") && !wanting.contains("last"), "{table}");

    // Nobody is, when only those are meant that are well.
    let (code, table, _) =
        outcome(in_folder(folder.path(), &["run", "--account", "first", "--account", "last"]));
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("2: 2 complete") && !table.contains("need someone"), "{table}");
}

#[test]
fn only_the_accounts_that_are_named_are_synced_and_a_name_that_is_none_is_refused() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let folder = folder_with(&NAMES, &platform, &database, "rate_limit = 'none'");
    let (code, report, _) = run(&folder, &["--account", "alpha", "--account", "zoo"]);
    assert_eq!(code, 0, "{report}");
    let mut named = each(&report, "account");
    named.sort();
    assert_eq!((named, database.count("campaigns")), (vec!["alpha", "zoo"], 10));
    let before = platform.stats().connections;
    let (code, stdout, stderr) =
        outcome(in_folder(folder.path(), &["run", "--account", "alpha", "--account", "omega"]));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("omega") && platform.stats().connections == before, "{stderr}");
}

#[test]
fn a_signal_ends_all_accounts_and_the_next_run_resumes_each() {
    let slow = Settings { sync_latency: Duration::from_millis(20), ..quick_platform(400) };
    let (platform, database) = (start(slow), Postgres::start());
    database.migrate();
    let names: Vec<String> = (0..6).map(|n| format!("account-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = folder_with(&names, &platform, &database, "rate_limit = 'none'\nconcurrency = 4");
    let mut command = in_folder(folder.path(), &["run", "--report", "json", "--log-format", "json"]);
    let mut running =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
    let begun = "(SELECT account_id FROM campaigns GROUP BY 1 HAVING count(*) > 20) a";
    while database.count(begun) < 6 {
        assert!(running.try_wait().expect("it can be asked").is_none(), "it has work to do");
    }
    kill(Pid::from_raw(i32::try_from(running.id()).expect("a process id")), Signal::SIGTERM)
        .expect("it runs");
    let mut line = String::new();
    while !line.contains("a second signal ends at once") {
        line.clear();
        assert!(log.read_line(&mut line).expect("a log is UTF-8") > 0, "it said nothing of the signal");
    }
    log.read_to_end(&mut vec![]).expect("readable");
    let output = running.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((output.status.code(), &report["status"]), (Some(130), &"interrupted".into()), "{report}");
    assert_eq!(each(&report, "status"), ["interrupted"; 6]);
    let stored: u64 = accounts(&report).iter().filter_map(|one| one["campaigns"]["stored"].as_u64()).sum();
    assert_eq!(database.count("campaigns"), stored, "what is reported is stored, and nothing else");

    let (code, again, _) = run(&folder, &[]);
    assert_eq!((code, database.count("campaigns")), (0, 6 * 400), "{again}");
    for (before, after) in accounts(&report).iter().zip(accounts(&again)) {
        assert_eq!((&after["resumed"], &after["run_id"]), (&true.into(), &before["run_id"]));
        assert_eq!(after["campaigns"]["skipped"], before["campaigns"]["stored"]);
    }
    assert_eq!(platform.stats().campaigns_under_several_keys, 0);
}

#[test]
fn no_more_requests_are_in_flight_than_were_asked_for_whatever_the_accounts_want() {
    for most in [2, 5] {
        let slow = Settings { sync_latency: Duration::from_millis(5), ..quick_platform(30) };
        let (platform, database) = (start(slow), Postgres::start());
        let folder = folder_with(&NAMES, &platform, &database, "rate_limit = 'none'");
        let (code, report, _) = run(&folder, &["--max-in-flight", &most.to_string()]);
        assert_eq!(code, 0, "{report}");
        let seen = platform.stats().most_in_flight;
        assert!((2..=most).contains(&seen), "{seen} instead of {most}");
    }
}

#[test]
fn the_progress_of_many_accounts_is_a_line_of_what_all_have_done() {
    let slow = Settings { rate_limits: ten_a_second(), ..quick_platform(40) };
    let (platform, database) = (start(slow), Postgres::start());
    let folder = folder_with(&["one", "two"], &platform, &database, "rate_limit = '10/1s'");
    let (code, _, stderr) = outcome(in_folder(folder.path(), &["run", "--log-format", "pretty"]));
    assert_eq!(code, 0, "{stderr}");
    let line = stderr.lines().find(|line| line.contains("of 80 stored")).expect("a line of progress");
    assert!(line.contains("of 2 accounts done") && line.contains("permits/s"), "{line}");
}
