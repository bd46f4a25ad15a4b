//! The commands beside `run`: `check`, `migrate`, `runs`, `mock-platform` and `demo`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::{
    Postgres, bare, campaign_sync, outcome, quick_platform, run, start, turn_at_the_private_postgres,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use mock_platform::{EMAIL, PASSWORD};
use serde_json::Value;

#[test]
fn check_says_what_is_right_and_changes_nothing() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let (code, stdout, stderr) = outcome(campaign_sync(&platform, &database, &["check"]));
    assert_eq!(code, 1, "the schema is missing: {stdout} {stderr}");
    assert!(stdout.contains("campaign-sync migrate"), "{stdout}");
    assert!(database.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").is_empty());

    database.migrate();
    let (code, stdout, stderr) = outcome(campaign_sync(&platform, &database, &["check"]));
    assert_eq!(code, 0, "{stdout} {stderr}");
    assert_eq!(platform.stats().count("auth", "200"), 2, "it logs in, and asks for nothing else");
    assert_eq!((platform.stats().count("list", "200"), database.count("sync_runs")), (0, 0));
}

#[test]
fn check_says_everything_that_is_wrong() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let mut command = campaign_sync(&platform, &database, &["check"]);
    command.env("AD_PLATFORM_PASSWORD", "wrong");
    let (code, stdout, _) = outcome(command);
    assert_eq!(code, 1);
    assert!(stdout.contains("credentials") && stdout.contains("migrate"), "{stdout}");
}

#[test]
fn migrate_applies_what_is_pending_and_then_nothing() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let (code, stdout, _) = outcome(campaign_sync(&platform, &database, &["migrate"]));
    assert_eq!(code, 0);
    assert!(stdout.contains("campaigns"), "{stdout}");
    let (code, stdout, _) = outcome(campaign_sync(&platform, &database, &["migrate"]));
    assert_eq!(code, 0);
    assert!(stdout.contains("up to date"), "{stdout}");
    assert_eq!(database.count("campaigns"), 0);
}

#[test]
fn run_without_migrations_says_what_to_do() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let (code, _, stderr) = outcome(campaign_sync(&platform, &database, &["run", "--no-migrate"]));
    assert_eq!(code, 1);
    assert!(stderr.contains("campaign-sync migrate"), "{stderr}");
    assert_eq!(platform.stats().connections, 0);
}

#[test]
fn a_command_that_reads_says_what_to_do_where_the_schema_is_missing_or_older() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let commands: [&[&str]; 6] = [
        &["runs"],
        &["audit"],
        &["audit", "prune", "--yes"],
        &["dead-letters", "list"],
        &["dead-letters", "discard", "--all", "--yes"],
        &["run", "--no-migrate"],
    ];
    let all_say = |cause: &str, advice: &str| {
        for arguments in commands {
            let (code, stdout, stderr) = outcome(campaign_sync(&platform, &database, arguments));
            assert_eq!((code, stdout.as_str()), (1, ""), "{arguments:?}: {stderr}");
            assert!(stderr.contains(cause) && stderr.contains(advice), "{arguments:?}: {stderr}");
            assert!(!stderr.contains("relation"), "{arguments:?}: {stderr}");
        }
        let (code, stdout, _) = outcome(campaign_sync(&platform, &database, &["check"]));
        assert_eq!(code, 1);
        assert!(stdout.contains(cause) && stdout.contains(advice), "{stdout}");
    };
    all_say("no tables of campaign-sync yet", "run `campaign-sync migrate`");
    database.migrate();
    database.execute("CREATE TABLE kept AS SELECT * FROM refinery_schema_history WHERE version = 13");
    database.execute("DELETE FROM refinery_schema_history WHERE version = 13");
    all_say("V13__next_number not applied", "run `campaign-sync migrate`");
    database.execute("INSERT INTO refinery_schema_history SELECT * FROM kept");
    database.execute("DROP TABLE dead_letters");
    all_say("but dead_letters is not there", "restore it from a backup");
}

#[test]
fn runs_lists_the_newest_run_first() {
    let (platform, database) = (start(quick_platform(12)), Postgres::start());
    for account in ["alpha", "beta"] {
        assert_eq!(run(&platform, &database, &["--account", account, "--rate-limit", "none"]).0, 0);
    }
    let (code, stdout, _) = outcome(campaign_sync(&platform, &database, &["runs", "--report", "json"]));
    assert_eq!(code, 0);
    let runs: Value = serde_json::from_str(&stdout).expect("JSON");
    let accounts: Vec<_> =
        runs["runs"].as_array().expect("a list").iter().map(|run| &run["account"]).collect();
    assert_eq!(accounts, ["beta", "alpha"]);
    assert_eq!((&runs["runs"][0]["status"], &runs["runs"][0]["stored"]), (&"complete".into(), &12.into()));
    let (_, stdout, _) = outcome(campaign_sync(&platform, &database, &["runs", "--account", "alpha"]));
    assert!(stdout.contains("alpha") && stdout.contains("complete") && !stdout.contains("beta"), "{stdout}");
}

#[test]
fn mock_platform_serves_until_it_is_stopped_and_then_says_what_it_saw() {
    let mut command = bare(&["mock-platform", "--listen", "127.0.0.1:0", "--rate-limit", "3/1h"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = command.spawn().expect("the binary starts");
    let mut stdout = BufReader::new(running.stdout.take().expect("piped"));
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(stdout.read_line(&mut line).expect("readable") > 0, "it ended before it said its address");
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.split_whitespace().next().expect("an address").to_owned();
        }
    };
    let ask = |request: String| {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    let credentials = BASE64_STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));
    let login = ask(format!(
        "POST /auth/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: Basic {credentials}\r\n\r\n"
    ));
    assert!(login.starts_with("HTTP/1.1 200"), "{login}");
    let stats = ask("GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned());
    assert!(stats.contains("\"throttled\":0"), "{stats}");
    let id = nix::unistd::Pid::from_raw(i32::try_from(running.id()).expect("a process id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("it runs");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("readable");
    assert_eq!(running.wait().expect("it ends").code(), Some(0));
    assert!(rest.contains("auth") && rest.contains("429"), "{rest}");
}

#[test]
fn a_mock_platform_whose_port_is_taken_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has one").to_string();
    let (code, _, stderr) = outcome(bare(&["mock-platform", "--listen", &address]));
    assert_eq!(code, 1);
    assert!(
        stderr.contains(&address) && stderr.contains("in use") && !stderr.contains("panicked"),
        "{stderr}"
    );
}

#[test]
fn demo_needs_nothing_and_stores_a_hundred_of_a_hundred() {
    let _turn = turn_at_the_private_postgres();
    let mut command = bare(&["demo"]);
    let home = tempfile::tempdir().expect("a directory");
    command.env("HOME", home.path());
    let (code, stdout, stderr) = outcome(command);
    assert_eq!(code, 0, "{stdout} {stderr}");
    for expected in ["100 of 100", "complete", "429s", "psql"] {
        assert!(stdout.contains(expected), "{expected} is missing: {stdout}");
    }
    assert!(stderr.lines().filter(|line| line.contains("stored")).count() >= 3, "progress: {stderr}");
}
