//! A PostgreSQL of the scenario's own, that can be crashed and started again, and what is in it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use campaign_sync::private_postgres::{
    Durability, PrivatePostgres, PrivatePostgresSettings, ThrowawayPostgres, throwaway,
};
use campaign_sync::store::PgStore;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;
use tokio_postgres::{NoTls, Row};

use crate::chaos::invariants::Rows;

const DATABASE: &str = "chaos";
/// Between two looks.
const POLL: Duration = Duration::from_millis(2);

const TABLE: &str = "SELECT id, concat_ws('|', name, status, budget::text, impressions, clicks, conversions, \
     to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) FROM campaigns";
const LETTERS: &str = "SELECT campaign_id, error_class, message FROM dead_letters";
const STORED: &str = "SELECT coalesce(sum(stored), 0)::bigint FROM sync_runs";
const HISTORY: &str = "SELECT count(*) - (SELECT count(*) FROM campaigns) FROM campaign_history";
const EPOCH: &str = "SELECT coalesce(max(epoch), 0) FROM account_owners";
const AT_WORK: &str = "SELECT count(*) FROM sync_runs WHERE status = 'running'";
/// Of all that a run stores.
const CONTENT: &str = "SELECT md5((SELECT coalesce(string_agg(c::text, ';' ORDER BY id), '') FROM campaigns c) \
     || (SELECT coalesce(string_agg(r::text, ';' ORDER BY id), '') FROM sync_runs r) \
     || (SELECT coalesce(string_agg(d::text, ';' ORDER BY campaign_id), '') FROM dead_letters d))";

/// See the module.
pub(super) struct Database {
    // The server before the directory that both have.
    server: Option<PrivatePostgres>,
    first: ThrowawayPostgres,
}

impl Database {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let first = throwaway().await?;
        first.create_database(DATABASE).await?;
        PgStore::connect(&first.database_url(DATABASE)).await?.migrate().await?;
        let database = Self { server: None, first };
        // What is acknowledged has to survive, as it does on a user's server.
        database.query(&format!("ALTER DATABASE {DATABASE} SET synchronous_commit = on")).await?;
        Ok(database)
    }

    /// As `DATABASE_URL` takes it.
    pub(super) fn url(&self) -> String {
        format!("host='{}' user=campaign_sync dbname={DATABASE}", self.first.socket_directory().display())
    }

    /// As `pg_ctl stop -m immediate` does.
    pub(super) async fn crash(&mut self) -> anyhow::Result<()> {
        let id_file = self.first.socket_directory().join("data/postmaster.pid");
        let id = self.server.as_ref().map_or(self.first.process_id(), PrivatePostgres::process_id);
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGQUIT)?;
        while id_file.exists() {
            sleep(POLL).await;
        }
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        Ok(())
    }

    /// Starts another server where the one that crashed was; it recovers first.
    pub(super) async fn start_again(&mut self) -> anyhow::Result<()> {
        let directory = self.first.socket_directory().to_owned();
        let settings = PrivatePostgresSettings { directory, durability: Durability::Durable };
        self.server = Some(PrivatePostgres::start(&settings).await?);
        Ok(())
    }

    pub(super) async fn table(&self) -> anyhow::Result<Rows> {
        Ok(self.query(TABLE).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// With class and message.
    pub(super) async fn dead_letters(&self) -> anyhow::Result<BTreeMap<String, (String, String)>> {
        Ok(self.query(LETTERS).await?.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect())
    }

    /// Campaigns that all runs have stored.
    pub(super) async fn stored(&self) -> anyhow::Result<u64> {
        self.number(STORED).await
    }

    /// How many rows of history there are beyond each campaign's first.
    pub(super) async fn changes(&self) -> anyhow::Result<u64> {
        self.number(HISTORY).await
    }

    /// How often the account was taken.
    pub(super) async fn epoch(&self) -> anyhow::Result<u64> {
        self.number(EPOCH).await
    }

    pub(super) async fn has_a_run_at_work(&self) -> anyhow::Result<bool> {
        Ok(self.number(AT_WORK).await? > 0)
    }

    /// Changes whenever anything does that a run stores.
    pub(super) async fn content(&self) -> anyhow::Result<String> {
        Ok(self.query(CONTENT).await?[0].get(0))
    }

    async fn number(&self, sql: &str) -> anyhow::Result<u64> {
        Ok(u64::try_from(self.query(sql).await?[0].get::<_, i64>(0))?)
    }

    async fn query(&self, sql: &str) -> anyhow::Result<Vec<Row>> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
        tokio::spawn(connection);
        client.query(sql, &[]).await.with_context(|| sql.to_owned())
    }
}
