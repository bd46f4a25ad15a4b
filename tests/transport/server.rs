//! A PostgreSQL that listens on a port, with a certificate or without. (The private one of the program has but a socket,
//! on which the server speaks no TLS.)

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use campaign_sync::private_postgres::PrivatePostgres;
use nix::unistd::{User, geteuid};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::certificates::{Identity, written};

/// Who may come how. `bob` as he likes; `carol` with a certificate; `dave` with a password, and TLS; `erin` without TLS.
const RULES: &str = "\
local   all all trust
host    all bob 127.0.0.1/32 trust
hostssl all carol 127.0.0.1/32 trust clientcert=verify-ca
hostssl all dave 127.0.0.1/32 scram-sha-256
hostnossl all erin 127.0.0.1/32 trust
hostnossl all rotated 127.0.0.1/32 scram-sha-256
";
const USERS: &str =
    "CREATE USER bob; CREATE USER carol; CREATE USER dave PASSWORD 'hunter2'; CREATE USER erin";
/// Ends the server when its input does, which the end of this process sees to in any case.
const SUPERVISION: &str =
    r#"program="$1"; shift; "$program" "$@" & server=$!; read -r _; kill -INT $server; wait $server"#;

/// A cluster of files; one server at a time runs on it.
pub(crate) struct Cluster {
    directory: TempDir,
    programs: PathBuf,
    user: Option<User>,
}

/// Lives as long as the value.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    socket: PathBuf,
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        // PostgreSQL refuses to run as root.
        let is_root = geteuid().is_root();
        let user = ["postgres", "nobody"].into_iter().filter(|_| is_root);
        let user = user.flat_map(|name| User::from_name(name).unwrap()).next();
        let directory = tempfile::tempdir().unwrap();
        let cluster = Self { directory, programs: PrivatePostgres::server_programs().unwrap(), user };
        cluster.give(cluster.directory.path());
        let mut initdb = cluster.command(&cluster.programs.join("initdb"));
        initdb.arg("-D").arg(cluster.data()).args([
            "-U",
            "root",
            "-A",
            "trust",
            "-N",
            "--locale=C",
            "-E",
            "UTF8",
        ]);
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        cluster.write("pg_hba.conf", RULES);
        cluster.serve(None, None).await.connect().await.batch_execute(USERS).await.unwrap();
        cluster
    }

    /// Runs with this certificate, or without TLS. Clients' certificates are to be of the authority.
    pub(crate) async fn serve(&self, identity: Option<&Identity>, clients: Option<&str>) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", SUPERVISION, "sh"]).arg(self.programs.join("postgres"));
        command.arg("-D").arg(self.data()).arg("-k").arg(self.directory.path());
        command.args(["-F", "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        if let Some(identity) = identity {
            self.write("server.crt", &identity.certificate);
            self.write("server.key", &identity.key);
            command.args(["-c", "ssl=on"]);
        }
        if let Some(authority) = clients {
            self.write("clients.crt", authority);
            command.args(["-c", "ssl_ca_file=clients.crt"]);
        }
        let mut process = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let is_ready = log.by_ref().map_while(Result::ok).any(|line| {
            said += &line;
            line.contains("ready to accept connections")
        });
        assert!(is_ready, "{said}");
        // Else it would wait for who reads its log.
        std::thread::spawn(move || log.for_each(drop));
        Server { process, port, socket: self.directory.path().to_owned() }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn write(&self, name: &str, text: &str) {
        self.give(&written(&self.data(), name, text));
    }

    fn give(&self, path: &Path) {
        if let Some(user) = &self.user {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C").stdout(Stdio::null());
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }
}

impl Server {
    /// By the socket, as its superuser.
    pub(crate) async fn connect(&self) -> Client {
        let config = format!("host='{}' port={} user=root dbname=postgres", self.socket.display(), self.port);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// The protocol of the session that calls itself so; none: it is not encrypted.
    pub(crate) async fn encryption_of(&self, application: &str) -> Option<String> {
        let sql =
            "SELECT version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = $1";
        self.connect().await.query_one(sql, &[&application]).await.unwrap().get(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}
