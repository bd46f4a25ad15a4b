//! `audit` and `audit prune`, as a user types them.

use serde_json::Value;

use crate::support::{Postgres, campaign_sync, outcome, quick_platform, run, start};

#[test]
fn the_log_is_listed_page_by_page_and_what_is_old_is_pruned_after_it_is_said_so() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    for account in ["alpha", "beta"] {
        assert_eq!(run(&platform, &database, &["--account", account, "--rate-limit", "none"]).0, 0);
    }
    let audit = |arguments: &[&str]| {
        let (code, stdout, stderr) =
            outcome(campaign_sync(&platform, &database, &[&["audit"], arguments].concat()));
        assert_eq!(code, 0, "{stderr}");
        (stdout, stderr)
    };
    let listed = |arguments: &[&str]| -> Vec<Value> {
        let (stdout, _) = audit(&[&["--report", "json"], arguments].concat());
        let list: Value = serde_json::from_str(&stdout).expect("JSON");
        list["audit"].as_array().expect("a list").clone()
    };
    let of_beta = listed(&["--account", "beta"]);
    let kinds: Vec<_> = of_beta.iter().map(|row| row["what"].as_str().expect("text")).collect();
    assert_eq!(kinds, ["run_ended", "batch_committed", "run_begun"]);
    assert!(of_beta.iter().all(|row| row["who"]["command"] == "run" && row["account"] == "beta"));
    assert_eq!(
        (&of_beta[0]["details"]["stored"], &of_beta[1]["details"]["campaigns"]),
        (&5.into(), &5.into())
    );
    let run_id = of_beta[0]["run_id"].as_str().expect("a run");
    assert_eq!(
        listed(&["--run", run_id, "--what", "run_ended", "--what", "run_begun", "--since", "1h"]).len(),
        2
    );
    assert_eq!(listed(&["--until", "1h"]).len(), 0);

    let (stdout, stderr) = audit(&["--limit", "1"]);
    assert!(stdout.contains("status=complete") && stdout.contains(", run, process "), "{stdout}");
    let before = stderr.split("--before ").nth(1).expect("a way to go on").split(' ').next().expect("an id");
    assert_eq!(listed(&["--before", before]).len(), 7);

    let prune = |arguments: &[&str]| {
        outcome(campaign_sync(&platform, &database, &[&["audit", "prune"], arguments].concat()))
    };
    let (code, _, stderr) = prune(&[]);
    assert!(code == 2 && stderr.contains("--yes is missing"), "{stderr}");
    let (code, stdout, _) = prune(&["--yes"]);
    assert!(code == 0 && stdout.contains("is older than 400 days"), "{stdout}");
    let age = "ALTER TABLE audit_log DISABLE TRIGGER keep;
               UPDATE audit_log SET at = at - interval '60 days' WHERE account_id = 'alpha';
               ALTER TABLE audit_log ENABLE TRIGGER keep";
    database.execute(age);
    let (code, stdout, stderr) = prune(&["--yes", "--audit-retention", "50d"]);
    assert!(code == 0 && stdout.contains("3 rows of the audit log deleted"), "{stdout} {stderr}");
    assert_eq!(listed(&["--account", "alpha"]).len(), 0);
    let (rest, batches) = (&listed(&[])[0], &listed(&[])[1]);
    assert_eq!((&rest["what"], &rest["details"]["rows"]), (&"audit_pruned".into(), &2.into()));
    assert_eq!(
        (&batches["details"]["of"], &batches["details"]["rows"]),
        (&"batch_committed".into(), &1.into())
    );
    assert_eq!(rest["who"]["command"], "audit prune");
}
