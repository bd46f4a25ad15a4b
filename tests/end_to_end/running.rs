//! A `run` that is watched from outside while it is at work.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};

use mock_platform::MockPlatform;
use serde_json::Value;

use crate::support::{Postgres, campaign_sync};

/// A `run` at work.
pub(crate) struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Running {
    /// Without a rate limit, and with these arguments.
    pub(crate) fn start(platform: &MockPlatform, database: &Postgres, arguments: &[&str]) -> Self {
        let first = ["run", "--report", "json", "--rate-limit", "none", "--log-format", "json"];
        let mut command = campaign_sync(platform, database, &first);
        command.args(arguments);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, log }
    }

    /// Reads its log until it says this.
    pub(crate) fn says(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            let read = self.log.read_line(&mut line).expect("a log is UTF-8");
            assert!(read > 0, "it ended and did not say {words:?}");
        }
    }

    /// Waits until so many campaigns are stored.
    pub(crate) fn stored(&mut self, database: &Postgres, wanted: u64) {
        while database.count("campaigns") < wanted {
            assert!(self.child.try_wait().expect("it can be asked").is_none(), "it has work to do");
        }
    }

    #[cfg(target_os = "linux")]
    /// The most memory that it has had resident so far, in KiB: the kernel's own count, so no moment is missed.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts it");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// As an operator stops it.
    pub(crate) fn terminate(&self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    }

    /// Its exit code and the account's report.
    pub(crate) fn outcome(mut self) -> (i32, Value) {
        // Nobody who writes a log waits for its reader.
        self.log.read_to_end(&mut vec![]).expect("readable");
        let output = self.child.wait_with_output().expect("it ends");
        let mut report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        (output.status.code().expect("it was not killed"), report["accounts"][0].take())
    }
}
