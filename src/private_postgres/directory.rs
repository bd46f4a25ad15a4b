//! Directories that belong to the server's user and are closed to everyone else.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, geteuid};
use uuid::Uuid;

use super::error::PrivatePostgresError;

/// `sun_path` holds 104 bytes on macOS and 108 on Linux, with a NUL at the end.
const MAX_SOCKET_PATH: usize = 103;
const SOCKET_NAME: &str = "/.s.PGSQL.5432";
/// The owner's alone.
const PRIVATE: u32 = 0o700;

/// Whom the server runs as.
pub(super) struct Owner {
    uid: u32,
    /// Set where this process is root and has to become someone else.
    drop_to: Option<User>,
}

impl Owner {
    pub(super) fn of_this_process() -> Result<Self, PrivatePostgresError> {
        let uid = geteuid();
        if !uid.is_root() {
            return Ok(Self { uid: uid.as_raw(), drop_to: None });
        }
        let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.ok_or(PrivatePostgresError::NoUnprivilegedUser)?;
        Ok(Self { uid: user.uid.as_raw(), drop_to: Some(user) })
    }

    /// The user's name where it is not this process's own.
    pub(super) fn name(&self) -> Option<&str> {
        self.drop_to.as_ref().map(|user| user.name.as_str())
    }

    /// A program to be run as this user: in a process group of its own, so that a Ctrl-C on the terminal does not
    /// reach it; in `/`, which everyone can enter; without this process's environment, which holds secrets.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.process_group(0).current_dir("/").env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        if let Some(user) = &self.drop_to {
            // The standard library also drops root's supplementary groups then.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }
}

/// Makes the cluster's directory, or takes the one that is there; absolute and without links, as it outlives
/// this process's working directory.
pub(super) fn prepare(directory: &Path, owner: &Owner) -> Result<PathBuf, PrivatePostgresError> {
    let io = PrivatePostgresError::io;
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(io("create the directory", parent))?;
    }
    match fs::create_dir(directory) {
        Ok(()) => give(directory, owner)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io("create the directory", directory)(error)),
    }
    let directory = fs::canonicalize(directory).map_err(io("enter the directory", directory))?;
    let found = fs::metadata(&directory).map_err(io("look at the directory", &directory))?.uid();
    if found == 0 && owner.drop_to.is_some() {
        // Made by root for this, by hand or by a start that was cut off before it gave the directory away.
        give(&directory, owner)?;
    } else if found != owner.uid {
        return Err(PrivatePostgresError::ForeignDirectory { path: directory, owner: found });
    }
    let private = Permissions::from_mode(PRIVATE);
    fs::set_permissions(&directory, private).map_err(io("close to others the directory", &directory))?;
    Ok(directory)
}

fn give(path: &Path, owner: &Owner) -> Result<(), PrivatePostgresError> {
    match &owner.drop_to {
        Some(user) => chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(PrivatePostgresError::io("give the server's user the directory", path)),
        None => Ok(()),
    }
}

/// Where the server's socket is: in the cluster's directory, and where that path is too long for a socket, in a
/// temporary one, which is removed when this is dropped.
pub(super) struct SocketDirectory {
    path: PathBuf,
    temporary: bool,
}

impl SocketDirectory {
    pub(super) fn for_cluster(directory: &Path, owner: &Owner) -> Result<Self, PrivatePostgresError> {
        if directory.as_os_str().len() + SOCKET_NAME.len() <= MAX_SOCKET_PATH {
            return Ok(Self { path: directory.to_owned(), temporary: false });
        }
        let path = temporary_directory(Path::new("/tmp"), owner)?;
        Ok(Self { path, temporary: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        if self.temporary {
            // Nothing depends on it any more; what is left is an empty directory.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

/// A new directory with a name that nobody can have guessed.
pub(super) fn temporary_directory(parent: &Path, owner: &Owner) -> Result<PathBuf, PrivatePostgresError> {
    let path = parent.join(format!("campaign-sync-{}", Uuid::new_v4().simple()));
    DirBuilder::new()
        .mode(PRIVATE)
        .create(&path)
        .map_err(PrivatePostgresError::io("create the directory", &path))?;
    give(&path, owner)?;
    Ok(path)
}
