//! The service as operators have it: what it tells, what it takes, and what goes wrong around it.

use std::process::{Command, Stdio};

use mock_platform::{EMAIL, Fault, PASSWORD, Settings};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::serving::{DATABASE_PASSWORD, Folder, Serving, TOKEN};
use crate::support::{Postgres, outcome, quick_platform, start};
use crate::until::until;

/// Nothing is due while a test lasts.
const SELDOM: &str = "schedule = '31d'\n";

fn account(id: &str, settings: &str) -> String {
    format!("\n[[accounts]]\nid = '{id}'\n{settings}")
}

/// What Prometheus has to say of a scrape.
fn promtool(scrape: &str) -> String {
    let stdin = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut &stdin, scrape.as_bytes()).expect("writable");
    std::io::Seek::rewind(&mut &stdin).expect("it can be read again");
    let output =
        Command::new("promtool").args(["check", "metrics"]).stdin(stdin).stderr(Stdio::piped()).output();
    let output = output.expect("promtool is there: ./setup --tests installs it, from the package prometheus");
    assert!(output.status.success(), "{output:?}");
    [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("UTF-8")).concat()
}

#[test]
fn every_account_is_synced_on_its_schedule_and_http_tells_it() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let names = ["north", "south", "west"];
    let accounts: String = names.iter().map(|id| account(id, "schedule = '1s'\n")).collect();
    let folder = Folder::new(&platform, &database, &accounts);
    let mut serving = Serving::start(&folder);
    assert_eq!(serving.get("/healthz"), (200, "ok\n".to_owned()));
    let ready = serving.json("/readyz");
    let check = |name| json!({"name": name, "ok": true, "reason": null});
    assert_eq!(ready, json!({"ready": true, "checks": [check("database"), check("actors")]}));

    for id in names {
        let runs = format!("/api/runs?account={id}");
        until("it has run three times", || {
            let page = serving.json(&runs);
            let complete = page["items"].as_array()?.iter().filter(|run| run["status"] == "complete");
            (complete.count() >= 3).then_some(())
        });
        let account = serving.account(id);
        assert_eq!((&account["schedule"], &account["failing"]), (&json!("1s"), &json!(null)), "{account}");
        assert_eq!(account["last"]["status"], "complete", "{account}");
        let of = |metric: &str| serving.metric(&format!("campaign_sync_{metric}{{account=\"{id}\"}}"));
        assert_eq!((of("schedule_interval_seconds"), of("dead_letters")), (1.0, 0.0));
        assert!(of("last_complete_timestamp_seconds") > of("followed_since_timestamp_seconds"));
        let complete = format!("campaign_sync_runs_total{{account=\"{id}\",status=\"complete\"}}");
        assert!(serving.metric(&complete) >= 3.0);
    }
    assert_eq!(serving.accounts(), names);
    assert_eq!(promtool(&serving.get("/metrics").1), "");
    assert!(serving.metric("campaign_sync_pool_connections_max") > 0.0);
    assert!(serving.metric("process_open_fds") > 0.0);
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn what_the_database_knows_of_an_account_is_told_before_its_first_run() {
    let malformed = Settings { faults: vec![(Fault::MalformedEntry, 1.0)], ..quick_platform(3) };
    let (platform, ailing, database) = (start(quick_platform(3)), start(malformed), Postgres::start());
    let elsewhere = format!("{SELDOM}api_url = '{}'\n", ailing.url());
    let accounts = account("well", SELDOM) + &account("ailing", &elsewhere);
    let folder = Folder::new(&platform, &database, &accounts);
    assert_eq!(outcome(folder.command(&["run"])).0, 3);

    let mut serving = Serving::start(&folder);
    assert_eq!(serving.metric("campaign_sync_dead_letters{account=\"ailing\"}"), 1.0, "one on the page");
    assert!(serving.metric("campaign_sync_last_complete_timestamp_seconds{account=\"well\"}") > 0.0);
    assert_eq!(serving.metric("campaign_sync_last_complete_timestamp_seconds{account=\"ailing\"}"), 0.0);
    assert_eq!(serving.account("well")["because"], "schedule", "it has run just now");
    let letters = serving.json("/api/dead-letters?account=ailing");
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1), "{letters}");
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
    assert_eq!(database.count("sync_runs"), 2);
}

#[test]
fn dead_letters_are_counted_after_each_run() {
    let malformed = Settings { faults: vec![(Fault::MalformedEntry, 1.0)], ..quick_platform(3) };
    let (platform, database) = (start(malformed), Postgres::start());
    let folder = Folder::new(&platform, &database, &(account("ailing", SELDOM) + &account("idle", SELDOM)));
    let mut serving = Serving::start(&folder);
    let letters = "campaign_sync_dead_letters{account=\"ailing\"}";
    assert_eq!(serving.metric(letters), 0.0);
    serving.run_now("ailing");
    let counted: serde_json::Value =
        serde_json::from_str(&serving.says("dead letters counted")).expect("JSON");
    assert_eq!(counted["accounts"], 1, "and not all of them, as once a minute");
    until("it is shown", || (serving.metric(letters) == 1.0).then_some(()));
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn what_runs_when_the_service_is_stopped_is_resumed_by_its_next_start() {
    // Longer than what is in flight gets.
    let slow = Settings { sync_latency: std::time::Duration::from_millis(200), ..quick_platform(60) };
    let (platform, database) = (start(slow), Postgres::start());
    let folder = Folder::new(
        &platform,
        &database,
        &account("acme", "concurrency = 4\nbatch_size = 4\nschedule = '31d'\n"),
    );
    let mut serving = Serving::start(&folder);
    serving.run_now("acme");
    until("something is stored", || (database.count("campaigns") > 0).then_some(()));
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
    let before = database.query("SELECT id, status, stored FROM sync_runs").remove(0);
    assert_eq!(before["status"], "interrupted", "{before}");

    let mut serving = Serving::start(&folder);
    let run = until("it is complete", || {
        let run = serving.json("/api/runs")["items"][0].take();
        (run["status"] == "complete").then_some(run)
    });
    assert_eq!((&run["id"], &run["resumed"]), (&before["id"], &json!(true)), "{run}");
    assert_eq!((database.count("campaigns"), database.count("sync_runs")), (60, 1));
    assert_eq!(platform.stats().most_syncs_of_one_campaign, 1);
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn a_port_that_is_taken_is_said_before_anything_is_sent() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let folder = Folder::new(&platform, &database, &account("acme", "schedule = '1s'\n"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has one").to_string();
    let (code, stdout, stderr) = outcome(folder.command(&["serve", "--listen", &address]));
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains(&format!("campaign-sync: cannot listen on {address}: ")), "{stderr}");
    assert_eq!(platform.stats().connections, 0);
    let made = database.query("SELECT to_regclass('campaigns') IS NOT NULL AS made").remove(0);
    assert_eq!(made["made"], false, "nor was the database touched");
}

#[test]
fn a_database_that_is_away_is_waited_for_at_the_start_and_later() {
    let (platform, mut database) = (start(quick_platform(3)), Postgres::durable());
    let folder = Folder::new(&platform, &database, &account("acme", "schedule = '1s'\n"));
    database.crash();
    let mut serving = Serving::begin(&folder);
    serving.says("the database is away");
    assert_eq!(platform.stats().connections, 0, "nothing is sent yet");
    database.start_again();
    serving.until_it_serves();
    until("it has run", || (serving.account("acme")["last"]["status"] == "complete").then_some(()));

    database.crash();
    let readiness = until("it is not ready, because there is no server", || {
        let (status, body) = serving.get("/readyz");
        (status == 503 && body.contains("no server listens on this socket")).then_some(body)
    });
    let readiness: serde_json::Value = serde_json::from_str(&readiness).expect("JSON");
    let (check, actors) = (&readiness["checks"][0], &readiness["checks"][1]);
    assert_eq!((&check["name"], &check["ok"]), (&json!("database"), &json!(false)), "{readiness}");
    assert_eq!(actors["ok"], true, "{readiness}");
    assert_eq!(serving.get("/healthz").0, 200);
    let (runs, _) = serving.get("/api/runs");
    assert_eq!(runs, 503);

    database.start_again();
    until("it is ready", || (serving.get("/readyz").0 == 200).then_some(()));
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn an_account_whose_credentials_are_refused_is_failing_with_its_cause_and_the_others_go_on() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let accounts = account("well", "schedule = '1s'\n")
        + &account("revoked", "schedule = '1s'\npassword = { file = 'revoked' }\n");
    let folder = Folder::new(&platform, &database, &accounts);
    folder.write("revoked", "another-password");
    let mut serving = Serving::start(&folder);
    let revoked = until("it fails", || {
        let account = serving.account("revoked");
        account["failing"].is_object().then_some(account)
    });
    assert_eq!((&revoked["state"], &revoked["because"]), (&json!("waiting"), &json!("refused")), "{revoked}");
    assert_eq!(revoked["failing"]["failures"], 1, "{revoked}");
    let cause = revoked["failing"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("refused the credentials") && cause.contains("401"), "{cause}");
    let complete = "campaign_sync_runs_total{account=\"well\",status=\"complete\"}";
    let so_far = serving.metric(complete);
    until("the other goes on", || (serving.metric(complete) >= so_far + 2.0).then_some(()));
    assert_eq!(platform.stats().count("auth", "401"), 1, "it is not tried again");
    let refused = "campaign_sync_login_failures_total{account=\"revoked\",reason=\"refused\"}";
    assert_eq!(serving.metric(refused), 1.0);
    assert_eq!(serving.get("/readyz").0, 200, "an account's failure is its own");

    folder.write("revoked", PASSWORD);
    serving.signal(Signal::SIGHUP);
    until("it is well", || serving.account("revoked")["failing"].is_null().then_some(()));
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn only_who_has_the_token_starts_pauses_and_resumes_an_account() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let folder = Folder::new(&platform, &database, &account("acme", SELDOM));
    let mut serving = Serving::start(&folder);
    let path = |what: &str| format!("/api/accounts/acme/{what}");
    for what in ["run", "pause", "resume"] {
        assert_eq!(serving.post(&path(what), None).0, 401);
        assert_eq!(serving.post(&path(what), Some("the-token-of-nobody-at-all")).0, 401);
    }
    assert_eq!((&serving.account("acme")["paused"], database.count("sync_runs")), (&json!(false), 0));

    assert_eq!(serving.post(&path("pause"), Some(TOKEN)).0, 200);
    assert_eq!(serving.account("acme")["state"], "paused");
    assert_eq!(serving.post(&path("run"), Some(TOKEN)).0, 409);
    assert_eq!(serving.post(&path("resume"), Some(TOKEN)).0, 200);
    serving.run_now("acme");
    until("it has run", || (serving.account("acme")["last"]["status"] == "complete").then_some(()));
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);

    folder.write(
        "head",
        &std::fs::read_to_string(folder.path().join("head")).expect("it is there").replace("api_token", "#"),
    );
    folder.configure(&account("acme", SELDOM));
    let mut serving = Serving::start(&folder);
    let (status, body) = serving.post(&path("run"), Some(TOKEN));
    assert!(status == 403 && body.contains("api_token"), "{body}");
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn a_pause_holds_over_a_restart_and_while_the_account_is_not_configured() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let both = account("acme", "schedule = '1s'\n") + &account("zoo", SELDOM);
    let folder = Folder::new(&platform, &database, &both);
    let mut serving = Serving::start(&folder);
    assert_eq!(serving.post("/api/accounts/acme/pause", Some(TOKEN)).0, 200);
    let since = serving.account("acme")["paused_since"].take();
    assert!(since.is_string(), "{since}");
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);

    let mut serving = Serving::start(&folder);
    let is_paused = |serving: &Serving| {
        let acme = serving.account("acme");
        assert_eq!((&acme["state"], &acme["paused_since"]), (&json!("paused"), &since), "{acme}");
    };
    is_paused(&serving);
    for accounts in [&account("zoo", SELDOM), &both] {
        folder.configure(accounts);
        serving.signal(Signal::SIGHUP);
        serving.says("the accounts are configured");
    }
    is_paused(&serving);
    assert_eq!(serving.post("/api/accounts/acme/resume", Some(TOKEN)).0, 200);
    until("it runs", || (serving.account("acme")["last"]["status"] == "complete").then_some(()));
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);

    let mut serving = Serving::start(&folder);
    assert_eq!(serving.account("acme")["paused"], false);
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
}

#[test]
fn no_secret_is_in_the_log_in_the_metrics_or_in_an_answer() {
    const REVOKED: &str = "the-password-that-was-revoked";
    let (platform, mut database) = (start(quick_platform(3)), Postgres::durable());
    let accounts = account("well", "schedule = '1s'\n")
        + &account("revoked", "schedule = '1s'\npassword = { file = 'revoked' }\n");
    let folder = Folder::new(&platform, &database, &accounts);
    folder.write("revoked", REVOKED);
    let mut serving = Serving::start(&folder);
    serving.post("/api/accounts/well/pause", Some(TOKEN));
    serving.post("/api/accounts/well/resume", Some(TOKEN));
    until("one is well", || (serving.account("well")["last"]["status"] == "complete").then_some(()));
    until("one fails", || serving.account("revoked")["failing"].is_object().then_some(()));
    folder.configure(&format!("{accounts}password = '{REVOKED}'\n"));
    serving.signal(Signal::SIGHUP);
    serving.says("the configuration is wrong");
    let targets =
        ["/metrics", "/readyz", "/api/accounts", "/api/runs", "/api/dead-letters", "/api/openapi.json"];
    let mut said: Vec<String> = targets.map(|target| serving.get(target).1).to_vec();
    database.crash();
    until("it is not ready", || (serving.get("/readyz").0 == 503).then_some(()));
    said.extend(targets.map(|target| serving.get(target).1));
    database.start_again();
    assert_eq!(serving.stop(), Some(0), "{}", serving.log);
    assert!(serving.log.contains("\"DEBUG\""), "the log is at debug");
    said.push(serving.log.clone());
    for secret in [PASSWORD, REVOKED, TOKEN, DATABASE_PASSWORD] {
        let basic = base64_of(&format!("{EMAIL}:{secret}"));
        for text in &said {
            assert!(!text.contains(secret) && !text.contains(&basic), "{secret} is in {text}");
        }
    }
}

fn base64_of(text: &str) -> String {
    base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text)
}
