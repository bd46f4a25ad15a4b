//! A database that goes away, or changes under a run: what can pass is waited for, and nothing is lost.

use std::time::Duration;

use mock_platform::{MockPlatform, Settings};

use crate::running::Running;
use crate::support::{Postgres, quick_platform, start};

const CAMPAIGNS: u64 = 400;
const WITH: &[&str] = &["--batch-size", "10", "--concurrency", "4"];

fn platform() -> MockPlatform {
    start(Settings { sync_latency: Duration::from_millis(20), ..quick_platform(CAMPAIGNS) })
}

#[test]
fn a_database_that_crashes_twice_in_mid_run_costs_no_row() {
    let (platform, mut database) = (platform(), Postgres::durable());
    let mut running = Running::start(&platform, &database, WITH);
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
    let (platform, mut database) = (platform(), Postgres::durable());
    database.crash();
    let mut running = Running::start(&platform, &database, WITH);
    running.says("the database is away");
    assert_eq!(platform.stats().count("auth", "200"), 0, "nothing is sent yet");
    database.start_again();
    let (code, account) = running.outcome();
    assert_eq!((code, database.count("campaigns")), (0, CAMPAIGNS), "{account}");
}

#[test]
fn a_database_that_takes_no_writes_for_a_while_is_waited_for() {
    let (platform, database) = (platform(), Postgres::durable());
    let mut running = Running::start(&platform, &database, WITH);
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
fn a_database_that_takes_no_writes_when_a_run_begins_is_waited_for() {
    let (platform, database) = (platform(), Postgres::durable());
    let (code, account) = Running::start(&platform, &database, WITH).outcome();
    assert_eq!((code, &account["status"]), (0, &"complete".into()), "the schema is there: {account}");
    let logins = platform.stats().count("auth", "200");
    database.execute("ALTER DATABASE ads SET default_transaction_read_only = on");
    let mut running = Running::start(&platform, &database, WITH);
    running.says("read-only");
    assert_eq!(platform.stats().count("auth", "200"), logins, "nothing is sent yet");
    database.execute("ALTER DATABASE ads RESET default_transaction_read_only");
    let (code, account) = running.outcome();
    assert_eq!((code, &account["status"]), (0, &"complete".into()), "{account}");
}

#[test]
fn a_table_that_is_dropped_under_a_run_is_named_with_what_to_do() {
    let (platform, database) = (platform(), Postgres::durable());
    let mut running = Running::start(&platform, &database, WITH);
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
    assert!(message.contains("restore it from a backup"), "{message}");
    assert!(of("left_to_do").contains("are left to do"), "{account}");
}

/// What a server answers to whoever wants to add to this table.
fn full_disk(database: &Postgres, table: &str) {
    let cause = "could not extend file \"base/16384/16385\": No space left on device";
    database.execute(&format!(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION '{cause}' USING ERRCODE = '53100'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION full_disk()"
    ));
}

#[test]
fn a_disk_that_is_full_for_a_while_is_named_and_waited_for() {
    let (platform, database) = (platform(), Postgres::durable());
    let mut running = Running::start(&platform, &database, WITH);
    running.stored(&database, 50);
    full_disk(&database, "campaigns");
    running.says("the server's disk is full: free space on it");
    database.execute("DROP TRIGGER full_disk ON campaigns");
    let (code, account) = running.outcome();
    assert_eq!((code, database.count("campaigns")), (0, CAMPAIGNS), "{account}");
    assert_eq!(platform.stats().most_syncs_of_one_campaign, 1);
}

#[test]
fn a_run_that_is_stopped_while_the_disk_is_full_ends_and_the_next_does_the_rest() {
    let (platform, database) = (platform(), Postgres::durable());
    let mut running = Running::start(&platform, &database, WITH);
    running.stored(&database, 50);
    full_disk(&database, "campaigns");
    running.says("the server's disk is full");
    running.terminate();
    let (code, account) = running.outcome();
    assert_eq!((code, &account["status"]), (130, &"interrupted".into()), "{account}");
    database.execute("DROP TRIGGER full_disk ON campaigns");
    let (code, account) = Running::start(&platform, &database, WITH).outcome();
    assert_eq!((code, database.count("campaigns")), (0, CAMPAIGNS), "{account}");
}

#[test]
fn a_disk_that_is_full_when_a_run_begins_is_named_and_nothing_is_sent() {
    let (platform, database) = (platform(), Postgres::durable());
    full_disk(&database, "sync_runs");
    let (code, account) = Running::start(&platform, &database, WITH).outcome();
    assert_eq!((code, &account["problems"][0]["class"]), (1, &"store_failed".into()), "{account}");
    let message = account["problems"][0]["message"].as_str().expect("a text");
    assert!(message.contains("the server's disk is full: free space on it"), "{message}");
    assert_eq!(platform.stats().connections, 0);
}
