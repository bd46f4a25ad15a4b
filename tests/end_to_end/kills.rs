//! Processes that are killed at any moment: what they spent of the limit is not forgotten.

use std::process::{Command, Stdio};
use std::time::Duration;

use mock_platform::{RateLimit, Settings};
use tokio::time::Instant;

use crate::support::{
    Postgres, bare, campaign_sync, outcome, quick_platform, run, start, turn_at_the_private_postgres,
};

#[test]
fn a_run_that_starts_right_after_one_that_was_killed_gets_no_429() {
    let limit = RateLimit { requests: 40, window: Duration::from_secs(1) };
    let slow = Duration::from_millis(20);
    let platform = Settings { rate_limits: vec![limit], sync_latency: slow, ..quick_platform(100) };
    let (platform, database) = (start(platform), Postgres::start());
    database.migrate();
    for moment in [0.05, 0.4, 0.9, 1.3, 0.2, 2.1] {
        kill_after(Duration::from_secs_f64(moment), {
            let mut command =
                campaign_sync(&platform, &database, &["run", "--rate-limit", "40/1s", "--page-size", "5"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        });
    }
    let sent_before = platform.stats().campaigns_synced;
    assert!(sent_before > 10, "the killed runs did something: {sent_before} campaigns");
    let (code, report) = run(&platform, &database, &["--rate-limit", "40/1s"]);
    assert_eq!(code, 0, "{report}");
    let stats = platform.stats();
    assert_eq!(stats.throttled, 0, "{stats:?}");
    assert!(stats.busiest_windows.iter().all(|window| window.most_accepted <= 40), "{stats:?}");
    assert_eq!(database.count("campaigns"), 100);
}

#[test]
fn a_command_that_is_stopped_at_any_moment_of_its_start_leaves_no_server_that_is_in_the_way() {
    let _turn = turn_at_the_private_postgres();
    // The private PostgreSQL is root's or the user's own: where HOME is, for anybody but root.
    let home = tempfile::tempdir().expect("a directory");
    let command = |name: &str| {
        let mut command = bare(&[name]);
        command.env("HOME", home.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    assert!(command("migrate").status().expect("it starts").success());
    for moment in [10, 40, 60, 80, 100, 150] {
        let begun = Instant::now();
        let mut running = command("migrate").spawn().expect("the binary starts");
        while begun.elapsed() < Duration::from_millis(moment)
            && running.try_wait().expect("it can be asked").is_none()
        {
            std::thread::yield_now();
        }
        let id = nix::unistd::Pid::from_raw(i32::try_from(running.id()).expect("a process id"));
        // Gone already, on a quick machine.
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
        let code = running.wait().expect("it ends").code();
        // Before it listens for signals at all, it has started nothing.
        assert!(matches!(code, Some(0 | 130) | None), "{code:?} after {moment} ms");
    }
    let (code, _, stderr) = outcome(command_with_output(command("runs")));
    assert_eq!(code, 0, "{stderr}");
}

fn command_with_output(mut command: Command) -> Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn kill_after(moment: Duration, mut command: Command) {
    let begun = Instant::now();
    let mut running = command.spawn().expect("the binary starts");
    // The moment is what is tested: there is no condition to wait for.
    while begun.elapsed() < moment && running.try_wait().expect("it can be asked").is_none() {
        std::thread::yield_now();
    }
    running.kill().expect("it can be killed");
    running.wait().expect("it ends");
}
