//! Why there is no private server, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a private PostgreSQL could not be had. Each says what to do; setting `DATABASE_URL` always helps.
#[derive(Debug, Error)]
pub enum PrivatePostgresError {
    /// Nothing is installed.
    #[error(
        "no PostgreSQL server programs were found (looked in {looked_in}); install them (Debian, Ubuntu: \
         apt-get install postgresql; macOS: brew install postgresql) or set DATABASE_URL to a server that runs"
    )]
    NoServerPrograms {
        /// The places, for a person.
        looked_in: String,
    },
    /// The cluster was made by a version that is not installed any more.
    #[error(
        "the private cluster was made by PostgreSQL {cluster}, and only {installed} is installed; install \
         PostgreSQL {cluster}, or move {} away to begin with an empty one, or set DATABASE_URL", data.display()
    )]
    WrongVersion {
        /// Of the cluster.
        cluster: u32,
        /// What was found instead.
        installed: String,
        /// The cluster.
        data: PathBuf,
    },
    /// Somebody else runs it.
    #[error(
        "the private PostgreSQL in {} is in use by {holder}; wait until that has ended, or set DATABASE_URL for \
         one of the two", directory.display()
    )]
    InUse {
        /// Of the cluster.
        directory: PathBuf,
        /// Who, as `process 123`.
        holder: String,
    },
    /// A server that was started by hand runs on the cluster.
    #[error(
        "a server that was started by hand runs on the private cluster; stop it with: pg_ctl -D '{}' stop",
        data.display()
    )]
    StartedByHand {
        /// The cluster.
        data: PathBuf,
    },
    /// As root, and there is nobody to run the server as.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as; run as \
         another user or set DATABASE_URL"
    )]
    NoUnprivilegedUser,
    /// The file system says no.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// Completes "cannot …".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory is somebody else's.
    #[error(
        "{} belongs to another user (uid {owner}); the private PostgreSQL needs a directory of its own", path.display()
    )]
    ForeignDirectory {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// A server program ended without doing its work.
    #[error("{program} failed: {output}")]
    ProgramFailed {
        /// Which.
        program: &'static str,
        /// What it said, or how it ended.
        output: String,
    },
    /// The server runs and does not accept connections.
    #[error("the private PostgreSQL did not accept connections within {seconds} s; its log is {}", log.display())]
    NotReady {
        /// How long was waited.
        seconds: u64,
        /// Where to look.
        log: PathBuf,
    },
    /// The server runs, and a database could not be created in it or looked for.
    #[error("cannot {doing} the database \"{dbname}\" in the private PostgreSQL")]
    Database {
        /// Completes "cannot …".
        doing: &'static str,
        /// Which.
        dbname: String,
        /// Why.
        source: tokio_postgres::Error,
    },
}

impl PrivatePostgresError {
    /// For `map_err` on a file operation.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// For `map_err` on what is asked of a database.
    pub(super) fn database(
        doing: &'static str,
        dbname: &str,
    ) -> impl Fn(tokio_postgres::Error) -> Self + Copy {
        move |source| Self::Database { doing, dbname: dbname.to_owned(), source }
    }
}
