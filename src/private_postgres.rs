//! A PostgreSQL of one's own where no database URL is set: a cluster in a private directory, run by the installed
//! server programs as a child process, reached by a unix socket only.
//!
//! Promises that the server ends with the [`PrivatePostgres`] that started it, also where this process is killed
//! (see `server.rs`); that two processes never run one cluster at a time (see `lock.rs`); and that nobody but the
//! directory's owner and root can reach it: the directory is closed to others, and no TCP port is opened.
//!
//! PostgreSQL refuses to run as root. Under root the server runs as `postgres`, else as `nobody`.

mod binaries;
mod cluster;
mod directory;
mod error;
mod lock;
mod server;
mod throwaway;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Config, NoTls};

use self::directory::{Owner, SocketDirectory};
pub use self::error::PrivatePostgresError;
use self::server::Server;
pub use self::throwaway::{ThrowawayPostgres, throwaway, throwaway_durable};
use crate::store::DatabaseUrl;

/// The cluster's superuser. It has no password: who can reach the socket may do everything.
const USER: &str = "campaign_sync";
/// A database that every cluster has.
const MAINTENANCE_DATABASE: &str = "postgres";
/// Recovery after a crash replays at most a few checkpoints' worth of WAL; a start without it takes 0.1 s.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether the server accepts connections.
const START_POLL: Duration = Duration::from_millis(20);
/// Where root keeps the cluster: its home is closed to the user that the server runs as.
const ROOT_DIRECTORY: &str = "/var/lib/campaign-sync/postgres";

/// Whether what is stored must survive a crash of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// PostgreSQL's own defaults: what is committed stays.
    Durable,
    /// No fsync. For tests, whose clusters are deleted anyway.
    Throwaway,
}

/// Where a private cluster is, and how careful it is.
#[derive(Clone, Debug)]
pub struct PrivatePostgresSettings {
    /// Holds the cluster (`data`), its socket, its lock and its log. Made where it is not there.
    pub directory: PathBuf,
    /// For user data: [`Durability::Durable`].
    pub durability: Durability,
}

/// The directory of the user's own cluster: `$XDG_DATA_HOME/campaign-sync/postgres`, else
/// `~/.local/share/campaign-sync/postgres`, and for root one that an unprivileged server can reach.
/// None where neither variable says where the user's data are.
pub fn default_directory(xdg_data_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some(ROOT_DIRECTORY.into());
    }
    let absolute = |path: &&OsStr| Path::new(path).is_absolute();
    let data_home = xdg_data_home.filter(absolute).map(PathBuf::from);
    let data_home =
        data_home.or_else(|| home.filter(absolute).map(|home| Path::new(home).join(".local/share")));
    Some(data_home?.join("campaign-sync/postgres"))
}

/// A running private server. Stops it when dropped, which blocks for as long as the server takes (0.1 s, at most
/// 20 s); better to call [`PrivatePostgres::stop`].
pub struct PrivatePostgres {
    // Fields are dropped in order: the server before the directory of its socket.
    server: Server,
    socket: SocketDirectory,
    data: PathBuf,
    bin: PathBuf,
    owner: Owner,
}

impl PrivatePostgres {
    /// Starts the server of the directory's cluster, which is made first where there is none, and waits until it
    /// accepts connections.
    ///
    /// Where another process runs it, waits for a few seconds and then says which.
    pub async fn start(settings: &PrivatePostgresSettings) -> Result<Self, PrivatePostgresError> {
        let owner = Owner::of_this_process()?;
        let directory = directory::prepare(&settings.directory, &owner)?;
        let lock = lock::acquire(&directory).await?;
        let data = directory.join("data");
        let bin = binaries::find(cluster::major_version(&data)?)?;
        cluster::ensure(&bin, &directory, &data, &owner, settings.durability, &lock).await?;
        let socket = SocketDirectory::for_cluster(&directory, &owner)?;
        let server = Server::spawn(&bin, &data, socket.path(), &owner, settings.durability, lock)?;
        let mut postgres = Self { server, socket, data, bin, owner };
        postgres.accepts_connections(&directory.join(server::LOG)).await?;
        Ok(postgres)
    }

    /// Where the server programs are that a private PostgreSQL would be run with. Starts nothing.
    pub fn server_programs() -> Result<PathBuf, PrivatePostgresError> {
        binaries::find(None)
    }

    /// Whether there is a cluster in this directory. Makes and starts nothing.
    pub fn has_cluster(directory: &Path) -> bool {
        directory.join("data").exists()
    }

    async fn accepts_connections(&mut self, log: &Path) -> Result<(), PrivatePostgresError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            // A server that was started by hand may answer on this socket while this one gives up.
            let ours = self.server.owns(&self.data);
            if ours && connect(&self.database_url(MAINTENANCE_DATABASE)).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.server.ended() {
                return Err(server::ended_early(status, log, &self.data));
            }
            if Instant::now() >= deadline {
                return Err(PrivatePostgresError::NotReady {
                    seconds: START_LIMIT.as_secs(),
                    log: log.to_owned(),
                });
            }
            sleep(START_POLL).await;
        }
    }

    /// How to connect to one of its databases.
    pub fn database_url(&self, dbname: &str) -> DatabaseUrl {
        let mut config = Config::new();
        config.host_path(self.socket.path()).user(USER).dbname(dbname);
        config.into()
    }

    /// Whether there is a database of this name.
    pub async fn has_database(&self, dbname: &str) -> Result<bool, PrivatePostgresError> {
        let failed = PrivatePostgresError::database("look for", dbname);
        let client = connect(&self.database_url(MAINTENANCE_DATABASE)).await.map_err(failed)?;
        has_database(&client, dbname).await.map_err(failed)
    }

    /// Creates the database where there is none of this name.
    pub async fn create_database(&self, dbname: &str) -> Result<(), PrivatePostgresError> {
        let failed = PrivatePostgresError::database("create", dbname);
        let client = connect(&self.database_url(MAINTENANCE_DATABASE)).await.map_err(failed)?;
        if !has_database(&client, dbname).await.map_err(failed)? {
            let create = format!("CREATE DATABASE \"{}\"", dbname.replace('"', "\"\""));
            client.batch_execute(&create).await.map_err(failed)?;
        }
        Ok(())
    }

    /// The directory of the server's unix socket, as `psql -h` takes it.
    pub fn socket_directory(&self) -> &Path {
        self.socket.path()
    }

    /// The server's process id.
    pub fn process_id(&self) -> u32 {
        self.server.id()
    }

    /// Shell commands that open the database, for a person, after this program has ended and its server with it.
    pub fn how_to_open(&self, dbname: &str) -> HowToOpen {
        // The socket of this run may be in a temporary directory that ends with it.
        let socket = self.data.parent().filter(|_| !self.socket.is_temporary()).unwrap_or(Path::new("/tmp"));
        let socket = quoted(&socket.display().to_string());
        let as_owner = self.owner.name().map(|name| format!("runuser -u {name} -- ")).unwrap_or_default();
        let program = quoted(&self.bin.join("pg_ctl").display().to_string());
        let pg_ctl = format!("{as_owner}{program} -D {}", quoted(&self.data.display().to_string()));
        // As `server.rs` starts it: without a password, the socket must be closed to others wherever it is.
        let options = quoted(&format!("-c listen_addresses= -c unix_socket_permissions=0700 -k {socket}"));
        HowToOpen {
            start: format!("{pg_ctl} -l /dev/null -o {options} start"),
            psql: format!("psql -h {socket} -U {USER} {}", quoted(dbname)),
            stop: format!("{pg_ctl} stop"),
        }
    }

    /// Ends the server: what is committed is on disk, connections are cut. Waits until it has ended.
    pub async fn stop(self) {
        // Ending it blocks, and so happens elsewhere. A panic in there has been reported by its thread.
        tokio::task::spawn_blocking(move || drop(self)).await.ok();
    }
}

/// Three shell commands, to be used in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HowToOpen {
    /// Starts the server.
    pub start: String,
    /// Opens the database.
    pub psql: String,
    /// Stops the server; the next run of this program needs it stopped.
    pub stop: String,
}

/// The three commands, a line each.
impl fmt::Display for HowToOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.start, self.psql, self.stop)
    }
}

/// One word of a shell command.
fn quoted(word: &str) -> String {
    if word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-=".contains(c)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

async fn has_database(client: &Client, dbname: &str) -> Result<bool, tokio_postgres::Error> {
    let exists = "SELECT 1 FROM pg_database WHERE datname = $1";
    Ok(client.query_opt(exists, &[&dbname]).await?.is_some())
}

async fn connect(database: &DatabaseUrl) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = database.config().connect(NoTls).await?;
    // Ends when the client is dropped; what goes wrong on it, the client reports.
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_the_users_own_or_one_that_roots_server_can_reach() {
        let directory = |xdg: Option<&str>, home: Option<&str>| {
            default_directory(xdg.map(OsStr::new), home.map(OsStr::new))
                .map(|path| path.display().to_string())
        };
        if geteuid().is_root() {
            assert_eq!(directory(Some("/x"), Some("/h")).as_deref(), Some(ROOT_DIRECTORY));
            return;
        }
        assert_eq!(directory(Some("/x"), Some("/h")).as_deref(), Some("/x/campaign-sync/postgres"));
        let in_home = Some("/h/.local/share/campaign-sync/postgres");
        assert_eq!(directory(None, Some("/h")).as_deref(), in_home);
        assert_eq!(directory(Some("relative"), Some("/h")).as_deref(), in_home);
        assert_eq!(directory(None, None), None);
    }
}
