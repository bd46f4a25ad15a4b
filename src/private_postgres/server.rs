//! The server's process. Promises that it ends when [`Server`] is dropped, and when this process dies in any way.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Durability;
use super::directory::Owner;
use super::error::PrivatePostgresError;

/// The log of the last start, in the cluster's directory.
pub(super) const LOG: &str = "server.log";
/// Lines of the log that an error repeats.
const LOG_LINES: usize = 5;
/// A fast shutdown writes a checkpoint, which on a slow disk can take seconds.
const FAST_SHUTDOWN_LIMIT: Duration = Duration::from_secs(15);
/// After an immediate shutdown the server is gone in a moment, and recovers at the next start.
const IMMEDIATE_SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Reads until this process's end of the pipe is closed, which its death does too, and then asks the server for
/// a fast shutdown. Until then the server's id is not used again, as this process has not waited for it.
const WATCHDOG: &str = r#"read -r _; kill -INT "$1""#;

/// A running server and its watchdog.
pub(super) struct Server {
    server: Child,
    watchdog: Child,
    ended: Option<ExitStatus>,
}

impl Server {
    /// Starts both. The lock's file becomes the server's standard input, so that it stays locked as long as the
    /// server lives.
    pub(super) fn spawn(
        bin: &Path,
        data: &Path,
        socket: &Path,
        owner: &Owner,
        durability: Durability,
        lock: File,
    ) -> Result<Self, PrivatePostgresError> {
        let io = PrivatePostgresError::io;
        let program = bin.join("postgres");
        let log_path = data.with_file_name(LOG);
        let log = File::create(&log_path).map_err(io("create the file", &log_path))?;
        let errors = log.try_clone().map_err(io("open the file", &log_path))?;
        let mut command = owner.command(&program);
        command.arg("-D").arg(data).arg("-k").arg(socket).args(["-p", "5432", "-c", "listen_addresses="]);
        command.args(["-c", "unix_socket_permissions=0700", "-c", "logging_collector=off"]);
        command.args(["-c", "log_destination=stderr", "-c", "client_encoding=UTF8"]);
        if durability == Durability::Throwaway {
            command.args(["-F", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
        }
        let mut server = command
            .stdin(lock)
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(io("run the program", &program))?;

        let mut command = owner.command(Path::new("/bin/sh"));
        command.arg("-c").arg(WATCHDOG).arg("campaign-sync-watchdog").arg(server.id().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(watchdog) => Ok(Self { server, watchdog, ended: None }),
            Err(error) => {
                signal(&server, Signal::SIGINT);
                wait_for_the_end(&mut server);
                Err(io("run the program", &PathBuf::from("/bin/sh"))(error))
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Whether the cluster is this server's: its first act is to write its id into the cluster's own lock file.
    pub(super) fn owns(&self, data: &Path) -> bool {
        let owner = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        owner.lines().next() == Some(&self.id().to_string())
    }

    /// How it ended, if it has. For the time of the start only: it gives the id back.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.server.try_wait().ok().flatten();
            if self.ended.is_some() {
                self.end_watchdog();
            }
        }
        self.ended
    }

    fn end_watchdog(&mut self) {
        // It may have ended with a server that was stopped from outside.
        self.watchdog.kill().ok();
        self.watchdog.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // First the signal, then the watchdog, then the wait: at no moment does the server's end depend on this
        // process still being there, and the watchdog never signals an id that was given back.
        signal(&self.server, Signal::SIGINT);
        self.end_watchdog();
        wait_for_the_end(&mut self.server);
    }
}

fn signal(server: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(server.id()).expect("process ids are positive i32"));
    // Fails only where it has ended already.
    kill(id, signal).ok();
}

/// To be called after a SIGINT; harsher ones follow where that does not help.
fn wait_for_the_end(server: &mut Child) {
    if ends_within(server, FAST_SHUTDOWN_LIMIT) {
        return;
    }
    tracing::warn!("the private PostgreSQL did not shut down in time; it will recover at its next start");
    signal(server, Signal::SIGQUIT);
    if !ends_within(server, IMMEDIATE_SHUTDOWN_LIMIT) {
        server.kill().ok();
        server.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "also runs in a drop, where nothing can be awaited")]
fn ends_within(server: &mut Child, limit: Duration) -> bool {
    for _ in 0..limit.as_millis() / POLL.as_millis() {
        match server.try_wait() {
            Ok(None) => std::thread::sleep(POLL),
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}

/// Why a server ended that should have begun.
pub(super) fn ended_early(status: ExitStatus, log: &Path, data: &Path) -> PrivatePostgresError {
    let text = fs::read_to_string(log).unwrap_or_default();
    // The lock keeps this program's own servers apart.
    if text.contains("lock file \"postmaster.pid\" already exists") {
        return PrivatePostgresError::StartedByHand { data: data.to_owned() };
    }
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("; ");
    let output = if last.is_empty() { status.to_string() } else { last };
    PrivatePostgresError::ProgramFailed { program: "postgres", output }
}
