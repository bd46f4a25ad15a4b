//! How a run is stopped, and what does not stop it.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use mock_platform::Settings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
