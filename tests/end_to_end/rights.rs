//! The program as a role that has no more than `deploy/roles.sql` grants.

use std::process::Command;

use mock_platform::{Fault, MockPlatform, Settings};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::serving::{Folder, Serving, TOKEN};
use crate::support::{Postgres, campaign_sync, outcome, quick_platform, start};
use crate::until::until;

const ROLE: &str = "clerk";

fn as_role(platform: &MockPlatform, database: &Postgres, arguments: &[&str]) -> Command {
    let mut command = campaign_sync(platform, database, arguments);
    command.env("DATABASE_URL", database.url_of(ROLE)).env("CAMPAIGN_SYNC_RATE_LIMIT", "none");
    // What fails once is a dead letter.
    command.env("CAMPAIGN_SYNC_MAX_ATTEMPTS", "1");
    command
}

#[test]
fn every_command_but_the_owners_works_with_the_rights_of_the_script_and_says_which_is_missing() {
    let faulty = Settings { faults: vec![(Fault::SuccessFalse, 0.2)], ..quick_platform(40) };
    let (platform, database) = (start(faulty), Postgres::start());
    let run = |arguments: &[&str]| outcome(as_role(&platform, &database, arguments));
    database.execute(&format!("CREATE ROLE {ROLE} LOGIN"));
    let (code, _, stderr) = run(&["run"]);
    assert!(code == 1 && stderr.contains("deploy/roles.sql") && stderr.contains("use the owner"), "{stderr}");
    database.migrate();
    let (code, stdout, _) = run(&["check"]);
    assert!(code == 1 && stdout.contains("permission denied for table refinery_schema_history"), "{stdout}");
    database.apply_roles(ROLE);

    let check = |wanted| {
        let (code, stdout, stderr) = run(&["check"]);
        assert_eq!(code, wanted, "{stdout} {stderr}");
        stdout
    };
    assert!(check(0).contains("all that run and serve need"));
    let (code, stdout, stderr) = run(&["run"]);
    assert!(code == 3 && stdout.contains("dead letters"), "{stdout} {stderr}");
    for (arguments, expected) in [
        (&["migrate"][..], &[0][..]),
        (&["runs"], &[0]),
        (&["plan"], &[0]),
        (&["dead-letters", "list"], &[0]),
        // Some of them heal, or all.
        (&["dead-letters", "replay"], &[0, 3]),
        (&["dead-letters", "discard", "--all", "--yes"], &[0]),
        (&["audit"], &[0]),
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert!(expected.contains(&code), "{arguments:?}: {code} {stdout} {stderr}");
    }
    let (code, _, stderr) = run(&["audit", "prune", "--yes"]);
    assert!(code == 1 && stderr.contains("may not delete from audit_log; only the owner"), "{stderr}");
    database.execute(&format!("REVOKE DELETE ON dead_letters FROM {ROLE}"));
    let missing =
        "the user lacks DELETE on dead_letters; run deploy/roles.sql again as the owner of the tables";
    assert!(check(1).contains(missing));
    let asked = platform.stats().connections;
    let (code, _, stderr) = run(&["run"]);
    assert!(code == 1 && stderr.contains(missing), "{stderr}");
    assert_eq!(platform.stats().connections, asked, "nothing is sent");
}

#[test]
fn a_service_works_with_the_rights_of_the_script() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    database.migrate();
    database.apply_roles(ROLE);
    let folder = Folder::new(&platform, &database, "\n[[accounts]]\nid = 'a'\nschedule = '31d'\n");
    folder.write("database", &database.url_of(ROLE));
    let mut serving = Serving::start(&folder);
    serving.run_now("a");
    until("it has run", || (database.count("sync_runs WHERE status = 'complete'") == 1).then_some(()));
    for change in ["pause", "resume"] {
        assert_eq!(serving.post(&format!("/api/accounts/a/{change}"), Some(TOKEN)).0, 200);
    }
    serving.signal(Signal::SIGHUP);
    serving.says("the accounts are configured");
    until("the rest has been recorded", || {
        let what: Vec<Value> = database
            .query("SELECT what, database_user, who ->> 'command' AS command FROM audit_log WHERE what <> 'migration_applied' ORDER BY at, id");
        let told = |what: &str| what.to_owned();
        let kinds: Vec<_> = what.iter().map(|row| told(row["what"].as_str().expect("text"))).collect();
        let of_role = what.iter().all(|row| row["database_user"] == ROLE && row["command"] == "serve");
        let expected = [
            "configuration_loaded",
            "run_requested",
            "run_begun",
            "batch_committed",
            "run_ended",
            "account_paused",
            "account_resumed",
            "configuration_reloaded",
        ];
        (of_role && kinds == expected).then_some(())
    });
    let prints = database
        .query("SELECT DISTINCT details ->> 'fingerprint' AS f FROM audit_log WHERE what LIKE 'conf%'");
    assert_eq!(prints.len(), 1, "it is the same configuration");
    let by = database.query("SELECT who ->> 'operator' AS by FROM audit_log WHERE what IN ('run_requested', 'account_paused', 'account_resumed')");
    assert!(
        by.len() == 3
            && by.iter().all(|row| row["by"].as_str().is_some_and(|by| by.starts_with("127.0.0.1:"))),
        "{by:?}"
    );
}
