//! One process at a time on a cluster. The lock is on an open file that the server inherits: it is free only when
//! this process AND its server are gone, so a run that follows a killed one waits for the old server to end.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::error::PrivatePostgresError;

/// A server whose process was killed shuts down well within this time; a sync that runs takes longer.
const WAIT: Duration = Duration::from_secs(10);
/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// Waits for the lock, within bounds, and writes into the file who has it.
pub(super) async fn acquire(directory: &Path) -> Result<File, PrivatePostgresError> {
    let path = directory.join("lock");
    let io = |doing| PrivatePostgresError::io(doing, &path);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(io("open the file"))?;
    let deadline = Instant::now() + WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(io("lock the file")(error)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                end_orphan(&mut file, directory);
                sleep(POLL).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(PrivatePostgresError::InUse {
                    directory: directory.to_owned(),
                    holder: holder(&mut file),
                });
            }
        }
    }
    file.set_len(0).map_err(io("write the file"))?;
    write!(file, "{}", process::id()).map_err(io("write the file"))?;
    Ok(file)
}

fn holder(file: &mut File) -> String {
    holder_id(file).map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

fn holder_id(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    text.parse().ok()
}

/// A process that was killed in the moment between its server's start and its watchdog's leaves a server that
/// nobody stops. The lock says that there is one, and the cluster which.
fn end_orphan(file: &mut File, directory: &Path) {
    let is_dead = |id| kill(Pid::from_raw(id), None) == Err(Errno::ESRCH);
    if !holder_id(file).is_some_and(is_dead) {
        return;
    }
    let server = fs::read_to_string(directory.join("data/postmaster.pid")).unwrap_or_default();
    if let Some(server) = server.lines().next().and_then(|id| id.parse().ok()) {
        // A fast shutdown; asked for again at the next look, until the lock is free.
        kill(Pid::from_raw(server), Signal::SIGINT).ok();
    }
}
