//! A PostgreSQL that a user has to log in to with a password, over TCP, and that writes all it is told into its log.

use std::io::copy;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use campaign_sync::private_postgres::{ThrowawayPostgres, throwaway};
use tokio_postgres::NoTls;

use crate::evidence::Evidence;
use crate::loopback_server::LoopbackServer;
use crate::secret::Secret;
use crate::until::until;

const USER: &str = "canary";

/// See the module. It lives as long as the value.
pub(crate) struct Database {
    runtime: tokio::runtime::Runtime,
    server: Option<ThrowawayPostgres>,
    /// The server's own socket is one of a file.
    port: LoopbackServer,
}

impl Database {
    pub(crate) fn start(password: &Secret) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.block_on(async {
            let server = throwaway().await.unwrap();
            server.create_database("ads").await.unwrap();
            server
        });
        let socket = server.socket_directory().join(".s.PGSQL.5432");
        let port = LoopbackServer::start(move |client| pass_on(&client, &socket));
        let database = Self { runtime, server: Some(server), port };
        let quoted = password.text.replace('\'', "''");
        database.execute(&format!("CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'"));
        database.execute(&format!("ALTER DATABASE ads OWNER TO {USER}"));
        database.execute("ALTER SYSTEM SET log_statement = 'all'");
        let rules = database.folder().join("data/pg_hba.conf");
        let others = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("local all {USER} scram-sha-256\n{others}")).unwrap();
        database.execute("SELECT pg_reload_conf()");
        until("the password is asked for", || {
            let without = format!("host='{}' user={USER} dbname=ads", database.folder().display());
            database.runtime.block_on(tokio_postgres::connect(&without, NoTls)).err().map(drop)
        });
        database
    }

    /// As a user writes it.
    pub(crate) fn url(&self, password: &Secret) -> String {
        let address = self.port.url().replace("http://", "");
        format!("postgres://{USER}:{}@{address}/ads?sslmode=disable", password.in_url())
    }

    /// The same in the other form, which is quoted otherwise.
    pub(crate) fn key_values(&self, password: &Secret) -> String {
        let address = self.port.url().replace("http://", "");
        let (host, port) = address.split_once(':').unwrap();
        let quoted = password.text.replace('\\', r"\\").replace('\'', r"\'");
        format!("host={host} port={port} user={USER} dbname=ads sslmode=disable password='{quoted}'")
    }

    fn folder(&self) -> PathBuf {
        self.server.as_ref().unwrap().socket_directory().to_owned()
    }

    /// A statement, as the owner of all.
    pub(crate) fn execute(&self, sql: &str) {
        let config = format!("host='{}' user=campaign_sync dbname=ads", self.folder().display());
        self.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
            let driver = tokio::spawn(connection);
            client.batch_execute(sql).await.unwrap();
            driver.abort();
        });
    }

    /// All that is in the database, and what the server has written into its log.
    pub(crate) fn add_to(&self, evidence: &mut Evidence) {
        let mut dump = Command::new("pg_dumpall");
        dump.arg("-h").arg(self.folder()).args(["-U", "campaign_sync"]);
        let dump = dump.output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        evidence.add("the database", &dump.stdout);
        evidence.add("the server's log", &std::fs::read(self.folder().join("server.log")).unwrap());
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Within its runtime, which it was started in.
        let server = self.server.take();
        self.runtime.block_on(async { drop(server) });
    }
}

fn pass_on(client: &TcpStream, socket: &PathBuf) {
    let server = UnixStream::connect(socket).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = copy(&mut &*client, &mut &server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let _ = copy(&mut &server, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
    });
}
