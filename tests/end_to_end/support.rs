//! What the end-to-end tests share: a mock platform, a database of the test's own, and the real binary.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use campaign_sync::private_postgres::{
    Durability, PrivatePostgres, PrivatePostgresSettings, ThrowawayPostgres, throwaway,
};
use campaign_sync::store::PgStore;
use mock_platform::{EMAIL, MockPlatform, PASSWORD, RateLimit, Settings, campaign};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

pub(crate) const DATABASE: &str = "ads";

/// The reference platform, fast enough for a test: no limit, no faults, no latency.
pub(crate) fn quick_platform(campaigns: u64) -> Settings {
    Settings {
        campaigns,
        rate_limits: vec![],
        list_error_every: None,
        sync_latency: std::time::Duration::ZERO,
        ..Settings::default()
    }
}

pub(crate) fn ten_a_second() -> Vec<RateLimit> {
    vec![RateLimit { requests: 10, window: std::time::Duration::from_secs(1) }]
}

pub(crate) fn start(settings: Settings) -> MockPlatform {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    MockPlatform::start(settings, any_port).expect("the mock platform starts")
}

/// A PostgreSQL of the test's own.
pub(crate) struct Postgres {
    runtime: tokio::runtime::Runtime,
    server: Option<ThrowawayPostgres>,
    /// After a crash of the first.
    successor: Option<PrivatePostgres>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = runtime.block_on(async {
            let server = throwaway().await.expect("PostgreSQL's server programs are installed");
            server.create_database(DATABASE).await.expect("a database can be created");
            server
        });
        Self { runtime, server: Some(server), successor: None }
    }

    /// One whose acknowledged commits survive a crash, as those of a user's do, with the schema in it.
    pub(crate) fn durable() -> Self {
        let database = Self::start();
        database.migrate();
        database.execute(&format!("ALTER DATABASE {DATABASE} SET synchronous_commit = on"));
        database
    }

    fn server(&self) -> &ThrowawayPostgres {
        self.server.as_ref().expect("it runs until it is dropped")
    }

    /// As `DATABASE_URL` takes it.
    pub(crate) fn url(&self) -> String {
        self.url_of("campaign_sync")
    }

    /// The same for another user.
    pub(crate) fn url_of(&self, user: &str) -> String {
        let socket = self.server().socket_directory().display().to_string();
        format!("host='{socket}' user={user} dbname={DATABASE}")
    }

    /// Applies `deploy/roles.sql` for this role.
    pub(crate) fn apply_roles(&self, role: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/roles.sql");
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-v", &format!("role={role}"), "-f", script, &self.url()]);
        let output = psql.output().expect("psql comes with the server programs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn migrate(&self) {
        let url = self.server().database_url(DATABASE);
        let migrated = self.runtime.block_on(async { PgStore::connect(&url).await?.migrate().await });
        migrated.expect("the migrations apply");
    }

    /// Ends the server as a crash would (`pg_ctl stop -m immediate`).
    pub(crate) fn crash(&mut self) {
        let id_file = self.server().socket_directory().join("data/postmaster.pid");
        let text = std::fs::read_to_string(&id_file).expect("a server runs");
        let id = text.lines().next().and_then(|id| id.parse().ok()).expect("a process id");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGQUIT)
            .expect("it runs");
        while id_file.exists() {}
    }

    /// Starts another server where the first was, which recovers first.
    pub(crate) fn start_again(&mut self) {
        let directory = self.server().socket_directory().to_owned();
        let settings = PrivatePostgresSettings { directory, durability: Durability::Durable };
        let started = self.runtime.block_on(PrivatePostgres::start(&settings));
        self.successor = Some(started.expect("it recovers"));
    }

    /// Statements, also while the database is read-only.
    pub(crate) fn execute(&self, sql: &str) {
        self.runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.url(), NoTls).await.expect("it accepts connections");
            let driver = tokio::spawn(connection);
            let sql = format!("BEGIN READ WRITE; {sql}; COMMIT");
            client.batch_execute(&sql).await.expect("the statements are right");
            driver.abort();
        });
    }

    /// The rows of a query, each as its JSON.
    pub(crate) fn query(&self, sql: &str) -> Vec<Value> {
        self.runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.url(), NoTls).await.expect("it accepts connections");
            let driver = tokio::spawn(connection);
            let rows = rows_of(&client, sql).await;
            driver.abort();
            rows
        })
    }

    pub(crate) fn count(&self, table: &str) -> u64 {
        let rows = self.query(&format!("SELECT count(*) AS n FROM {table}"));
        rows[0]["n"].as_u64().expect("a count is a number")
    }
}

async fn rows_of(client: &Client, sql: &str) -> Vec<Value> {
    let sql = format!("SELECT to_jsonb(t)::text FROM ({sql}) t");
    let rows = client.query(&sql, &[]).await.expect("the query is right");
    rows.iter().map(|row| serde_json::from_str(row.get(0)).expect("to_jsonb yields JSON")).collect()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Within its runtime, which it was started in.
        let servers = (self.successor.take(), self.server.take());
        self.runtime.block_on(async { drop(servers) });
    }
}

/// The binary, in an environment of its own that knows the platform and the database.
pub(crate) fn campaign_sync(platform: &MockPlatform, database: &Postgres, arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command
        .env("AD_PLATFORM_API_URL", platform.url())
        .env("AD_PLATFORM_EMAIL", EMAIL)
        .env("AD_PLATFORM_PASSWORD", PASSWORD)
        .env("DATABASE_URL", database.url());
    command
}

/// The binary, in an empty environment and an empty directory.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// The binary in that folder, and with nothing in its environment.
pub(crate) fn in_folder(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command.current_dir(folder);
    command
}

/// The private PostgreSQL is one for a user: the tests that need it take turns, also across processes.
pub(crate) fn turn_at_the_private_postgres() -> std::fs::File {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/private-postgres.turn");
    let turn = std::fs::File::create(path).expect("the target directory can be written");
    turn.lock().expect("a file can be locked");
    turn
}

/// The exit code, standard output and standard error of a command that has ended.
pub(crate) fn outcome(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (status.code().expect("it was not killed"), text(stdout), text(stderr))
}

/// Runs a sync with `--report json`; its exit code and its report.
pub(crate) fn run(platform: &MockPlatform, database: &Postgres, arguments: &[&str]) -> (i32, Value) {
    let mut all = vec!["run", "--report", "json"];
    all.extend(arguments);
    let (code, stdout, stderr) = outcome(campaign_sync(platform, database, &all));
    let report = serde_json::from_str(&stdout);
    (code, report.unwrap_or_else(|error| panic!("{error}: stdout {stdout:?}, stderr {stderr}")))
}

/// Whether all campaigns of such a platform are stored, with every value as it has them.
pub(crate) fn rows_equal_the_platforms(database: &Postgres, settings: &Settings) {
    let rows = database.query(
        "SELECT account_id, id, name, status, budget::text AS budget, impressions, clicks, conversions,
                to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') AS created_at
         FROM campaigns ORDER BY id",
    );
    assert_eq!(rows.len() as u64, settings.campaigns);
    for (number, row) in (1..).zip(rows) {
        let theirs = campaign(settings.seed, number);
        let expected = json!({
            "account_id": "default",
            "id": theirs.id,
            "name": theirs.name,
            "status": theirs.status,
            "budget": format!("{}.{:02}", theirs.budget_cents / 100, theirs.budget_cents % 100),
            "impressions": theirs.impressions,
            "clicks": theirs.clicks,
            "conversions": theirs.conversions,
            "created_at": theirs.created_at.trim_end_matches('Z'),
        });
        assert_eq!(row, expected);
    }
}
