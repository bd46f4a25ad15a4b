//! A database that goes away, or changes under a run: what can pass is waited for, and nothing is lost.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;

use mock_platform::{MockPlatform, Settings};
use serde_json::Value;

use crate::support::{Postgres, campaign_sync, quick_platform, start};

const CAMPAIGNS: u64 = 400;

fn platform() -> MockPlatform {
    start(Settings { sync_latency: Duration::from_millis(20), ..quick_platform(CAMPAIGNS) })
}

/// A database whose acknowledged commits survive a crash, as those of a user's do.
fn durable() -> Postgres {
    let database = Postgres::start();
    database.migrate();
    database.execute("ALTER DATABASE ads SET synchronous_commit = on");
    database
}

/// A `run` at work.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Running {
    fn start(platform: &MockPlatform, database: &Postgres) -> Self {
        let arguments = ["run", "--report", "json", "--rate-limit", "none", "--batch-size", "10"];
        let mut command = campaign_sync(platform, database, &arguments);
        command.args(["--concurrency", "4", "--log-format", "json"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, log }
    }

    /// Reads its log until it says this.
    fn says(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            let read = self.log.read_line(&mut line).expect("a log is UTF-8");
            assert!(read > 0, "it ended and did not say {words:?}");
        }
    }

    fn stored(&mut self, database: &Postgres, wanted: u64) {
        while database.count("campaigns") < wanted {
            assert!(self.child.try_wait().expect("it can be asked").is_none(), "it has work to do");
        }
    }

    /// Its exit code and the account's report.
    fn outcome(mut self) -> (i32, Value) {
        // Nobody who writes a log waits for its reader.
        self.log.read_to_end(&mut vec![]).expect("readable");
        let output = self.child.wait_with_output().expect("it ends");
        let mut report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        (output.status.code().expect("it was not killed"), report["accounts"][0].take())
    }
}

#[test]
fn a_database_that_crashes_twice_in_mid_run_costs_no_row() {
    let (platform, mut database) = (platform(), durable());
    let mut running = Running::start(&platform, &database);
    for stored in [50, 200] {
        running.stored(&database, stored);
        database.crash();
        running.says("the database is away");
        database.start_again();
    }
    let (code, account) = running.outcome();
    assert_eq!((code, &account["campaigns"]["stored"]), (0, &CAMPAIGNS.into()), "{account}");
    assert_eq!((database.count("campaigns"), database.count("campaign_history")), (CAMPAIGNS, CAMPAIGNS));
    let row = &database.query("SELECT status, stored FROM sync_runs")[0];
    assert_eq!((&row["status"], &row["stored"]), (&"complete".into(), &CAMPAIGNS.into()));
    assert_eq!(platform.stats().most_syncs_of_one_campaign, 1);
}

#[test]
fn a_database_that_is_away_when_a_run_begins_is_waited_for() {
    let (platform, mut database) = (platform(), durable());
    database.crash();
    let mut running = Running::start(&platform, &database);
    running.says("the database is away");
    assert_eq!(platform.stats().count("auth", "200"), 0, "nothing is sent yet");
    database.start_again();
    let (code, account) = running.outcome();
    assert_eq!((code, database.count("campaigns")), (0, CAMPAIGNS), "{account}");
}

#[test]
fn a_database_that_takes_no_writes_for_a_while_is_waited_for() {
    let (platform, database) = (platform(), durable());
    let mut running = Running::start(&platform, &database);
    running.stored(&database, 50);
    database.execute("ALTER DATABASE ads SET default_transaction_read_only = on");
    let others = "datname = current_database() AND pid <> pg_backend_pid()";
    database.query(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"));
    running.says("read-only");
    database.execute("ALTER DATABASE ads RESET default_transaction_read_only");
    let (code, account) = running.outcome();
    assert_eq!((code, database.count("campaigns")), (0, CAMPAIGNS), "{account}");
}

#[test]
fn a_table_that_is_dropped_under_a_run_is_named_with_what_to_do() {
    let (platform, database) = (platform(), durable());
    let mut running = Running::start(&platform, &database);
    running.stored(&database, 50);
    database.execute("DROP TABLE dead_letters");
    let (code, account) = running.outcome();
    assert_eq!((code, &account["status"]), (1, &"failed".into()), "{account}");
    let problems = account["problems"].as_array().expect("a list");
    let of = |class: &str| {
        let problem = problems.iter().find(|problem| problem["class"] == class);
        problem.and_then(|problem| problem["message"].as_str()).unwrap_or_else(|| panic!("{account}"))
    };
    let message = of("store_failed");
    assert!(message.contains("\"dead_letters\" does not exist"), "{message}");
    assert!(message.contains("campaign-sync migrate"), "{message}");
    assert!(of("left_to_do").contains("are left to do"), "{account}");
}
