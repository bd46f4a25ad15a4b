//! Two processes on one account: the second does nothing and says why.

use std::process::Stdio;
use std::time::Duration;

use mock_platform::Settings;

use crate::support::{Postgres, campaign_sync, outcome, quick_platform, run, start};

#[test]
fn a_second_run_of_an_account_ends_at_once_and_the_first_goes_on() {
    let database = Postgres::start();
    database.migrate();
    // The first run lasts as long as it is needed.
    let endless = Settings { sync_latency: Duration::from_secs(600), ..quick_platform(3) };
    let (busy, idle) = (start(endless), start(quick_platform(3)));
    let mut first =
        campaign_sync(&busy, &database, &["run", "--rate-limit", "none", "--request-timeout", "10min"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    while busy.stats().count("list", "200") == 0 {
        assert!(first.try_wait().expect("it can be asked").is_none(), "it has work to do");
    }

    let (code, report) = run(&idle, &database, &["--rate-limit", "none"]);
    assert_eq!((code, &report["status"]), (1, &"failed".into()), "{report}");
    let message = report["accounts"][0]["problems"][0]["message"].as_str().expect("a problem");
    assert!(message.contains("another campaign-sync is syncing account default"), "{message}");
    assert_eq!((idle.stats().connections, database.count("sync_runs")), (0, 1));
    let (code, report) = run(&idle, &database, &["--rate-limit", "none", "--account", "other"]);
    assert_eq!(code, 0, "another account is free: {report}");

    assert!(first.try_wait().expect("it can be asked").is_none(), "the first is not disturbed");
    first.kill().expect("it can be killed");
    first.wait().expect("it ends");
    let (code, stdout, stderr) = outcome(campaign_sync(&idle, &database, &["run", "--rate-limit", "none"]));
    assert_eq!(code, 0, "the account is free as soon as the first is dead: {stdout} {stderr}");
}
