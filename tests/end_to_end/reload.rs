//! SIGHUP in mid-run: accounts come, go and change, and what runs is left alone.

use std::time::Duration;

use mock_platform::{PASSWORD, RateLimit, Settings};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::serving::{Folder, Serving, TOKEN};
use crate::support::{Postgres, quick_platform, start};
use crate::until::until;

const CAMPAIGNS: u64 = 40;
/// One campaign at a time, and nothing is due while the test lasts.
const SLOWLY: &str = "concurrency = 1\nbatch_size = 1\nschedule = '31d'\n";

fn account(id: &str, settings: &str) -> String {
    format!("\n[[accounts]]\nid = '{id}'\n{settings}")
}

/// Id and status of each account's runs.
fn runs(database: &Postgres) -> Vec<Value> {
    database.query("SELECT account_id, id, status FROM sync_runs WHERE account_id <> 'comes' ORDER BY 1, 2")
}

#[test]
fn a_reload_in_mid_run_leaves_what_runs_alone_and_takes_what_has_changed() {
    let slow = Settings { sync_latency: Duration::from_millis(100), ..quick_platform(CAMPAIGNS) };
    // With a limit, so that its count names the clients.
    let elsewhere = Settings {
        rate_limits: vec![RateLimit { requests: 1_000, window: Duration::from_secs(1) }],
        ..quick_platform(3)
    };
    let (platform, other, database) = (start(slow), start(elsewhere), Postgres::start());
    let names = ["changes", "goes", "stays"];
    let before: String = names.iter().map(|id| account(id, SLOWLY)).collect();
    let folder = Folder::new(&platform, &database, &before);
    let mut serving = Serving::start(&folder);
    names.iter().for_each(|id| serving.run_now(id));
    until("all run", || {
        let stored = "SELECT DISTINCT account_id FROM campaigns";
        (database.query(stored).len() == names.len()).then_some(())
    });
    let running = runs(&database);
    assert_eq!(running.len(), names.len());
    assert!(running.iter().all(|run| run["status"] == "running"), "{running:?}");

    let there = format!("api_url = '{}'\n", other.url());
    let after = account("stays", SLOWLY)
        + &account("changes", &format!("{there}schedule = '30d'\n"))
        + &account("comes", &format!("{there}schedule = '1s'\n"));
    folder.configure(&after);
    serving.signal(Signal::SIGHUP);
    let line: Value = serde_json::from_str(&serving.says("the accounts are configured")).expect("JSON");
    assert_eq!((&line["added"], &line["removed"], &line["changed"]), (&json!(1), &json!(1), &json!(1)));
    let goes = serving.account("goes");
    assert_eq!((&goes["state"], &goes["leaving"]), (&json!("running"), &json!(true)), "{goes}");
    assert_eq!(serving.post("/api/accounts/goes/run", Some(crate::serving::TOKEN)).0, 404);
    until("the one that comes has run", || {
        (serving.account("comes")["last"]["status"] == "complete").then_some(())
    });

    let ended = until("what ran has ended", || {
        let runs = runs(&database);
        runs.iter().all(|run| run["status"] != "running").then_some(runs)
    });
    let complete =
        |run: &Value| json!({"account_id": run["account_id"], "id": run["id"], "status": "complete"});
    assert_eq!(ended, running.iter().map(complete).collect::<Vec<_>>());
    until("it is gone", || (serving.accounts() == ["changes", "comes", "stays"]).then_some(()));
    let stats = platform.stats();
    assert_eq!((stats.syncs_carried_out, stats.most_syncs_of_one_campaign), (3 * CAMPAIGNS, 1));

    let is_there = |id: &str| other.stats().busiest_windows.iter().any(|window| window.client == id);
    assert!(is_there("comes") && !is_there("changes"), "what ran did so under its old settings");
    assert_eq!(serving.account("changes")["schedule"], "30d");
    serving.run_now("changes");
    until("its next run is elsewhere", || {
        (is_there("changes") && serving.account("changes")["last"]["distinct"] == 3).then_some(())
    });
    assert_eq!(platform.stats().syncs_carried_out, 3 * CAMPAIGNS);
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_reason_and_nothing_changes() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let right = account("acme", "schedule = '1s'\n") + &account("zoo", "schedule = '31d'\n");
    let folder = Folder::new(&platform, &database, &right);
    let mut serving = Serving::start(&folder);
    folder.configure(&format!("{}pasword = '{PASSWORD}'\n", account("new", "schedule = '1s'\n")));
    serving.signal(Signal::SIGHUP);
    let line = serving.says("the configuration is wrong, the one before stays");
    assert!(line.contains("did you mean password?") && line.contains("line 14"), "{line}");
    assert!(line.contains("\"ERROR\""), "{line}");
    assert_eq!(serving.accounts(), ["acme", "zoo"]);
    let complete = "campaign_sync_runs_total{account=\"acme\",status=\"complete\"}";
    let so_far = serving.metric(complete);
    until("it goes on", || (serving.metric(complete) >= so_far + 2.0).then_some(()));

    folder.configure(&account("acme", "schedule = '31d'\n"));
    serving.signal(Signal::SIGHUP);
    serving.says("the accounts are configured");
    assert_eq!(serving.accounts(), ["acme"], "and a right one is taken");
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn a_reload_for_which_the_database_cannot_be_asked_everything_changes_nothing() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let seldom = "schedule = '31d'\n";
    let folder = Folder::new(&platform, &database, &account("stays", seldom));
    let mut serving = Serving::start(&folder);
    database.execute("ALTER TABLE dead_letters RENAME TO elsewhere");
    folder.configure(&(account("comes", "schedule = '1s'\n") + &account("stays", "schedule = '30d'\n")));
    serving.signal(Signal::SIGHUP);
    let line = serving.says("the new accounts and their settings are not used");
    assert!(line.contains("dead_letters"), "{line}");
    assert_eq!(
        (serving.accounts(), &serving.account("stays")["schedule"]),
        (vec!["stays".to_owned()], &json!("31d"))
    );
    let (_, metrics) = serving.get("/metrics");
    assert!(metrics.contains("account=\"stays\"") && !metrics.contains("account=\"comes\""), "{metrics}");

    database.execute("ALTER TABLE elsewhere RENAME TO dead_letters");
    serving.signal(Signal::SIGHUP);
    serving.says("the accounts are configured");
    assert_eq!(serving.accounts(), ["comes", "stays"]);
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn a_reload_takes_a_new_token_of_operators_and_the_old_one_is_worth_nothing() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let folder = Folder::new(&platform, &database, &account("acme", "schedule = '31d'\n"));
    let mut serving = Serving::start(&folder);
    let new = "another-token-of-an-operator";
    assert_eq!(serving.post("/api/accounts/acme/pause", Some(TOKEN)).0, 200);
    folder.write("token", new);
    serving.signal(Signal::SIGHUP);
    serving.says("the accounts are configured");
    while serving.post("/api/accounts/acme/resume", Some(new)).0 == 401 {}
    assert_eq!(serving.post("/api/accounts/acme/pause", Some(TOKEN)).0, 401);
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn what_a_reload_cannot_change_is_named() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let folder = Folder::new(&platform, &database, &account("acme", "schedule = '31d'\n"));
    let mut serving = Serving::start(&folder);
    let head = std::fs::read_to_string(folder.path().join("head")).expect("it is there");
    let key = rcgen::KeyPair::generate().expect("a key");
    folder.write(
        "head",
        &(head.replace("'127.0.0.1:0'", "'127.0.0.1:1'")
            + "ca_file = 'ca.pem'\nmax_in_flight = 7\notlp_endpoint = 'http://127.0.0.1:1'\n"),
    );
    folder.write(
        "ca.pem",
        &rcgen::CertificateParams::default().self_signed(&key).expect("a certificate").pem(),
    );
    folder.configure(&account("acme", "schedule = '31d'\nbatch_size = 7\n"));
    serving.signal(Signal::SIGHUP);
    for setting in ["listen", "ca_file", "max_in_flight", "otlp_endpoint", "batch_size or batch_linger"] {
        let line: Value = serde_json::from_str(&serving.says("only after a restart")).expect("JSON");
        assert_eq!((&line["setting"], &line["level"]), (&json!(setting), &json!("WARN")));
    }
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}
