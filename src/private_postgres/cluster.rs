//! The cluster's files. Promises that a cluster is there as a whole or not at all: `initdb` works beside its
//! place, and a rename puts the result there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::directory::Owner;
use super::error::PrivatePostgresError;
use super::{Durability, USER};

/// `initdb` takes under a second; on a slow disk, several.
const INITDB_LIMIT: Duration = Duration::from_secs(120);
/// What `initdb` works on; one that is there at the start was left by a crash.
const UNFINISHED: &str = "data.unfinished";

/// The major version that made the cluster, with its place; none where there is no cluster.
pub(super) fn major_version(data: &Path) -> Result<Option<(u32, PathBuf)>, PrivatePostgresError> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        // "15", and "9.6" before version 10.
        Ok(text) => {
            Ok(text.trim().split('.').next().and_then(|v| v.parse().ok()).map(|v| (v, data.to_owned())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PrivatePostgresError::io("read the file", path)(error)),
    }
}

/// Makes the cluster where there is none. To be called under the lock.
pub(super) async fn ensure(
    bin: &Path,
    directory: &Path,
    data: &Path,
    owner: &Owner,
    durability: Durability,
    lock: &File,
) -> Result<(), PrivatePostgresError> {
    if data.exists() {
        return Ok(());
    }
    let unfinished = directory.join(UNFINISHED);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .map_err(PrivatePostgresError::io("remove the directory", &unfinished))?;
    }
    initdb(bin, &unfinished, owner, durability, lock).await?;
    fs::rename(&unfinished, data)
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(PrivatePostgresError::io("put into its place the cluster", data))
}

async fn initdb(
    bin: &Path,
    data: &Path,
    owner: &Owner,
    durability: Durability,
    lock: &File,
) -> Result<(), PrivatePostgresError> {
    let failed = |output: String| PrivatePostgresError::ProgramFailed { program: "initdb", output };
    let program = bin.join("initdb");
    let mut command = owner.command(&program);
    command.arg("-D").arg(data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]);
    if durability == Durability::Throwaway {
        command.arg("-N");
    }
    // As its input the lock's file, so that it stays locked if this process dies and initdb goes on.
    command.stdin(lock.try_clone().map_err(PrivatePostgresError::io("share the lock of", data))?);
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    let output = match timeout(INITDB_LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(PrivatePostgresError::io("run the program", program)(error)),
        Err(_) => return Err(failed(format!("it did not end within {} s", INITDB_LIMIT.as_secs()))),
    };
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}
