//! How a run is stopped, and what does not stop it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use mock_platform::{MockPlatform, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Postgres, campaign_sync, quick_platform, start};

#[test]
fn a_second_signal_ends_a_run_at_once_and_without_a_report() {
    // The pages come, and no sync is ever answered.
    let hanging = Settings { sync_latency: std::time::Duration::from_secs(3600), ..quick_platform(50) };
    let (platform, database) = (start(hanging), Postgres::start());
    database.migrate();
    let arguments = ["run", "--report", "json", "--rate-limit", "none", "--request-timeout", "5min"];
    let mut command = campaign_sync(&platform, &database, &arguments);
    let mut running =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let id = Pid::from_raw(i32::try_from(running.id()).expect("a process id"));
    let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
    while platform.stats().most_in_flight < 2 {
        assert!(running.try_wait().expect("it can be asked").is_none(), "it has work to do");
    }
    kill(id, Signal::SIGINT).expect("it runs");
    let mut line = String::new();
    while !line.contains("a second signal ends at once") {
        line.clear();
        assert!(log.read_line(&mut line).expect("a log is UTF-8") > 0, "it ended after one signal");
    }
    kill(id, Signal::SIGINT).expect("it still runs");
    let mut stdout = String::new();
    running.stdout.take().expect("it is piped").read_to_string(&mut stdout).expect("readable");
    // Had it wound down, it would have reported.
    assert_eq!((running.wait().expect("it ends").code(), stdout.as_str()), (Some(130), ""));
}

#[test]
fn a_standard_output_that_nobody_reads_does_not_break_a_run() {
    for report in ["json", "table"] {
        let (platform, database) = (start(quick_platform(30)), Postgres::start());
        let arguments = ["run", "--report", report, "--rate-limit", "none"];
        let mut command = campaign_sync(&platform, &database, &arguments);
        let mut running =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        // As in `| head -0`.
        drop(running.stdout.take());
        let output = running.wait_with_output().expect("it ends");
        let stderr = String::from_utf8(output.stderr).expect("a log is UTF-8");
        assert_eq!((output.status.code(), database.count("campaigns")), (Some(0), 30), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

/// A `run` whose standard error is a pipe that is full already, and whose other end nobody reads.
fn unheard(platform: &MockPlatform, database: &Postgres, arguments: &[&str]) -> (Child, io::PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut filler = writer.try_clone().expect("it can be shared");
    // More than any pipe holds: it blocks, until the reader's end is closed with the test.
    std::thread::spawn(move || while filler.write_all(&[b'.'; 4096]).is_ok() {});
    let mut command = campaign_sync(platform, database, arguments);
    command.args(["--report", "json", "--rate-limit", "none", "--log-level", "trace"]);
    (command.stdout(Stdio::piped()).stderr(writer).spawn().expect("the binary starts"), reader)
}

#[test]
fn a_standard_error_that_nobody_reads_does_not_hold_up_a_run() {
    for format in ["json", "pretty"] {
        let (platform, database) = (start(quick_platform(300)), Postgres::start());
        let (running, _unread) = unheard(&platform, &database, &["run", "--log-format", format]);
        let output = running.wait_with_output().expect("it ends");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!((output.status.code(), &report["status"]), (Some(0), &"complete".into()), "{report}");
        assert_eq!(database.count("campaigns"), 300);
    }
}

#[test]
fn a_standard_error_that_nobody_reads_does_not_hold_up_an_error_or_a_stop() {
    let hanging = Settings { sync_latency: std::time::Duration::from_secs(3600), ..quick_platform(50) };
    let (platform, database) = (start(hanging), Postgres::start());
    let (running, _unread) = unheard(&platform, &database, &["run", "--no-migrate"]);
    assert_eq!(running.wait_with_output().expect("it ends").status.code(), Some(1), "no schema");

    let (mut running, _unread) = unheard(&platform, &database, &["run", "--request-timeout", "5min"]);
    while platform.stats().most_in_flight < 2 {
        assert!(running.try_wait().expect("it can be asked").is_none(), "it has work to do");
    }
    let id = Pid::from_raw(i32::try_from(running.id()).expect("a process id"));
    kill(id, Signal::SIGTERM).expect("it runs");
    let output = running.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((output.status.code(), &report["status"]), (Some(130), &"interrupted".into()), "{report}");
}

#[test]
fn a_standard_error_that_is_read_late_says_how_many_lines_it_has_lost() {
    let (platform, database) = (start(quick_platform(4_000)), Postgres::start());
    let arguments = ["run", "--report", "json", "--rate-limit", "none", "--log-level", "trace"];
    let mut command = campaign_sync(&platform, &database, &arguments);
    let mut running =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    while database.query("SELECT to_regclass('campaigns') AS made")[0]["made"].is_null() {}
    while database.count("campaigns") < 3_000 {
        assert!(running.try_wait().expect("it can be asked").is_none(), "it has work to do");
    }
    let mut log = String::new();
    running.stderr.take().expect("it is piped").read_to_string(&mut log).expect("a log is UTF-8");
    assert_eq!(running.wait_with_output().expect("it ends").status.code(), Some(0));
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect();
    let lost = lines.iter().find(|line| line["message"].to_string().contains("lines were dropped"));
    assert!(lost.is_some_and(|line| line["lines"].as_u64() > Some(0)), "nothing was said of it");
    assert!(lines.iter().any(|line| line["message"] == "run ended"), "what came later is there");
}
