//! Processes that are killed, stopped or terminated in mid-run, and the next `run`: it does only what is left.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mock_platform::{MockPlatform, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Postgres, campaign_sync, outcome, quick_platform, run, start};

const CAMPAIGNS: u64 = 400;
const CONCURRENCY: u64 = 8;
const BATCH: u64 = 20;
/// What a process that is killed may have synced and not stored: what is in flight, a batch that commits and one that
/// fills.
const ON_ITS_WAY: u64 = CONCURRENCY + 2 * BATCH;
const SETTINGS: [&str; 6] = ["--rate-limit", "none", "--concurrency", "8", "--batch-size", "20"];

fn platform() -> MockPlatform {
    start(Settings { sync_latency: Duration::from_millis(20), ..quick_platform(CAMPAIGNS) })
}

fn with_more(arguments: &[&'static str]) -> Vec<&'static str> {
    SETTINGS.iter().chain(arguments).copied().collect()
}

/// A `run` that has stored so many campaigns more than are there, and goes on.
fn running(platform: &MockPlatform, database: &Postgres, more: u64) -> Child {
    let before = database.count("campaigns");
    let mut arguments = vec!["run", "--report", "json"];
    arguments.extend(SETTINGS);
    let mut command: Command = campaign_sync(platform, database, &arguments);
    let mut running =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
    while database.count("campaigns") < before + more {
        assert!(running.try_wait().expect("it can be asked").is_none(), "it has work to do");
    }
    running
}

fn signal(running: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(running.id()).expect("a process id"));
    kill(id, signal).expect("it runs");
}

fn killed(mut running: Child) {
    running.kill().expect("it can be killed");
    running.wait().expect("it ends");
}

#[test]
fn a_run_that_is_killed_three_times_is_resumed_and_does_again_only_what_was_on_its_way() {
    let (platform, database) = (platform(), Postgres::start());
    database.migrate();
    for _ in 0..3 {
        killed(running(&platform, &database, 60));
    }
    let (code, report) = run(&platform, &database, &SETTINGS);
    let account = &report["accounts"][0];
    assert_eq!(
        (code, &account["status"], &account["resumed"]),
        (0, &"complete".into(), &true.into()),
        "{report}"
    );
    let counts = |name: &str| account["campaigns"][name].as_u64().expect("a count");
    assert_eq!((counts("distinct"), counts("dead_lettered")), (CAMPAIGNS, 0));
    assert!((180..CAMPAIGNS).contains(&counts("skipped")), "{report}");
    assert_eq!(counts("stored") + counts("skipped"), CAMPAIGNS);
    assert_eq!(account["requests"]["sync"], counts("stored"), "no request for what is skipped");

    let seen = platform.stats();
    assert_eq!(seen.campaigns_synced, CAMPAIGNS);
    let again = seen.count("sync", "200") - CAMPAIGNS;
    assert!(again <= 3 * ON_ITS_WAY, "{again} of three processes were done again");
    assert_eq!(seen.campaigns_under_several_keys, 0, "and under the key of the first time");
    assert_eq!((database.count("campaigns"), database.count("campaign_history")), (CAMPAIGNS, CAMPAIGNS));
    assert_eq!(database.count("sync_runs"), 1);
    let run = &database.query("SELECT * FROM sync_runs")[0];
    assert_eq!((&run["id"], &run["stored"]), (&account["run_id"], &CAMPAIGNS.into()));
    assert_eq!((&run["status"], &run["resumed"]), (&"complete".into(), &true.into()));
    let (_, listed, _) = outcome(campaign_sync(&platform, &database, &["runs"]));
    assert!(listed.contains("complete, resumed"), "{listed}");
}

#[test]
fn no_campaign_is_synced_more_than_twice_because_of_one_kill() {
    let (platform, database) = (platform(), Postgres::start());
    database.migrate();
    killed(running(&platform, &database, 100));
    let (code, report) = run(&platform, &database, &SETTINGS);
    assert_eq!((code, &report["accounts"][0]["resumed"]), (0, &true.into()), "{report}");
    let seen = platform.stats();
    assert!(seen.most_syncs_of_one_campaign <= 2, "{seen:?}");
    assert!(seen.count("sync", "200") - CAMPAIGNS <= ON_ITS_WAY, "{seen:?}");
}

#[test]
fn a_run_that_is_terminated_is_resumed_without_doing_anything_twice() {
    let (platform, database) = (platform(), Postgres::start());
    database.migrate();
    let terminated = running(&platform, &database, 100);
    signal(&terminated, Signal::SIGTERM);
    assert_eq!(terminated.wait_with_output().expect("it ends").status.code(), Some(130));
    let stored = database.count("campaigns");
    let (code, stdout, stderr) =
        outcome(campaign_sync(&platform, &database, &[&["run"], &SETTINGS[..]].concat()));
    assert_eq!(code, 0, "{stdout} {stderr}");
    let left = CAMPAIGNS - stored;
    let wanted = format!("{left} of {CAMPAIGNS} stored, {stored} skipped as stored before, 0 dead letters");
    assert!(stdout.contains("complete, resumed") && stdout.contains(&wanted), "{wanted}: {stdout}");
    let seen = platform.stats();
    assert_eq!((seen.campaigns_synced, seen.most_syncs_of_one_campaign), (CAMPAIGNS, 1), "{seen:?}");
}

#[test]
fn a_fresh_run_syncs_everything_again_and_closes_the_unfinished_one() {
    let (platform, database) = (platform(), Postgres::start());
    database.migrate();
    killed(running(&platform, &database, 100));
    let (code, report) = run(&platform, &database, &with_more(&["--fresh"]));
    let account = &report["accounts"][0];
    assert_eq!((code, &account["resumed"], &account["campaigns"]["skipped"]), (0, &false.into(), &0.into()));
    assert_eq!(account["campaigns"]["stored"], CAMPAIGNS);
    assert_eq!(database.count("sync_runs WHERE status = 'interrupted' AND NOT resumed"), 1);
    assert_eq!(database.count("sync_runs WHERE status = 'complete' AND NOT resumed"), 1);
    // Nothing is left to be resumed.
    let (_, report) = run(&platform, &database, &SETTINGS);
    assert_eq!(report["accounts"][0]["resumed"], false, "{report}");
}

#[test]
fn a_process_that_wakes_up_after_another_has_taken_over_stores_nothing_and_says_so() {
    let (platform, database) = (platform(), Postgres::start());
    database.migrate();
    let sleeper = running(&platform, &database, 100);
    signal(&sleeper, Signal::SIGSTOP);
    let (code, report) = run(&platform, &database, &SETTINGS);
    let message = report["accounts"][0]["problems"][0]["message"].as_str().expect("a problem");
    assert!(code == 1 && message.contains("another campaign-sync is syncing account default"), "{message}");
    // Somebody ends the connections of the one that does not move.
    let others = "datname = current_database() AND pid <> pg_backend_pid()";
    database.query(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"));

    let (code, report) = run(&platform, &database, &SETTINGS);
    assert_eq!((code, &report["accounts"][0]["resumed"]), (0, &true.into()), "{report}");
    let tables =
        ["campaigns", "campaign_history", "sync_runs", "dead_letters", "spent_permits", "account_owners"];
    let everything =
        || tables.map(|table| database.query(&format!("SELECT t.*, xmin FROM {table} t ORDER BY t::text")));
    let before = everything();
    signal(&sleeper, Signal::SIGCONT);
    let output = sleeper.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((output.status.code(), &report["status"]), (Some(1), &"failed".into()), "{report}");
    let message = report["accounts"][0]["problems"][0]["message"].as_str().expect("a problem");
    assert!(message.contains("another process has taken over account default"), "{message}");
    assert_eq!(everything(), before, "not even a row was written with what it held already");
}
