//! What systemd hears, on a socket of the test's own. The environment of a process says where that is, so a second one
//! speaks: this program again, with the one test that is otherwise ignored.

use std::env;
use std::io::{Read, stdin};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Arbiter};
use campaign_sync::serve::scheduler::Scheduler;
use campaign_sync::serve::systemd;
use jiff::Timestamp;

/// Set for the second process, to what it is to do.
const ROLE: &str = "CAMPAIGN_SYNC_TEST_ROLE";

struct Systemd {
    socket: UnixDatagram,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Systemd {
    fn start(role: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "systemd::the_second_process", "--ignored"])
            .env(ROLE, role)
            .env("NOTIFY_SOCKET", directory.path().join("notify"))
            .env("WATCHDOG_USEC", "100000")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { socket, child, _directory: directory }
    }

    fn hears(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).unwrap();
        str::from_utf8(&bytes[..length]).unwrap().trim_end().to_owned()
    }
}

#[test]
fn systemd_hears_of_the_start_a_reload_the_scheduler_that_answers_and_the_end() {
    let mut systemd = Systemd::start("answers");
    assert_eq!(systemd.hears(), "READY=1");
    let reload = systemd.hears();
    let since = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reload}"));
    assert!(since.parse::<u64>().is_ok(), "{reload}");
    assert_eq!(systemd.hears(), "READY=1");
    for _ in 0..3 {
        assert_eq!(systemd.hears(), "WATCHDOG=1");
    }
    drop(systemd.child.stdin.take());
    let last = std::iter::repeat_with(|| systemd.hears()).find(|message| message != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(systemd.child.wait().unwrap().success());
}

#[test]
fn nobody_vouches_for_a_scheduler_that_is_gone() {
    let mut systemd = Systemd::start("gone");
    let messages: Vec<_> = std::iter::repeat_with(|| systemd.hears()).take(4).collect();
    assert!(messages[3] == "STOPPING=1" && !messages.contains(&"WATCHDOG=1".to_owned()), "{messages:?}");
    assert!(systemd.child.wait().unwrap().success());
}

#[test]
#[ignore = "the second process of the other tests"]
fn the_second_process() {
    let role = env::var(ROLE).unwrap();
    actix_rt::System::new().block_on(async {
        let arbiter = Arbiter::new();
        let (address, started) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(|| {
            let (scheduler, _) = Scheduler::new(Rc::new(|_, _| unreachable!()), Rc::new(Timestamp::now), 1);
            address.send(scheduler.start()).ok().unwrap();
        });
        let scheduler = started.await.unwrap();
        systemd::ready();
        systemd::reloading();
        systemd::ready();
        if role == "gone" {
            arbiter.stop();
            arbiter.join().unwrap();
            systemd::feed_watchdog(scheduler).await;
        } else {
            let end = tokio::task::spawn_blocking(|| stdin().read(&mut [0]).unwrap());
            tokio::select! {
                _ = end => {}
                () = systemd::feed_watchdog(scheduler) => panic!("it is there"),
            }
        }
        systemd::stopping();
    });
}
