//! What the contenders meet: the mock platform in a process of its own, and a PostgreSQL whose commits are durable, with a
//! new database for each run.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use campaign_sync::private_postgres::{ThrowawayPostgres, throwaway_durable};
use mock_platform::campaign;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::Process;
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::regime::Work;

/// Of the platform's campaigns, by default.
const SEED: u64 = 1;
/// The database that ours are copies of.
const MIGRATED: &str = "migrated";

/// The database server of all runs.
pub(crate) struct Laboratory {
    postgres: ThrowawayPostgres,
    administrator: Client,
    databases: u32,
}

/// What a platform has seen of a run, and what that cost it.
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) throttled: u64,
    pub(crate) processor: Duration,
}

impl Laboratory {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let postgres = throwaway_durable().await?;
        postgres.create_database(MIGRATED).await?;
        let mut migrate = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
        migrate.arg("migrate").env("DATABASE_URL", url(&postgres, MIGRATED)).stdout(Stdio::null());
        if !migrate.status()?.success() {
            bail!("the tables cannot be made");
        }
        let administrator = connect(&url(&postgres, "postgres")).await?;
        Ok(Self { postgres, administrator, databases: 0 })
    }

    /// Where a new database is, with our tables in it or with none.
    pub(crate) async fn database(&mut self, with_our_tables: bool) -> anyhow::Result<String> {
        self.databases += 1;
        let name = format!("run_{}", self.databases);
        let template = if with_our_tables { MIGRATED } else { "template1" };
        self.administrator.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        self.checkpoint().await?;
        Ok(url(&self.postgres, &name))
    }

    /// What one run has left to be written is not the next one's.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        Ok(self.administrator.batch_execute("CHECKPOINT").await?)
    }

    /// What the server's processes have spent on processors so far, those that have ended included.
    pub(crate) fn processor(&self) -> anyhow::Result<Duration> {
        let id_file = self.postgres.socket_directory().join("data/postmaster.pid");
        let id_file = std::fs::read_to_string(id_file).context("no server runs")?;
        let postmaster: i32 = id_file.lines().next().context("it has no id")?.parse()?;
        let own = Process::new(postmaster)?.stat()?;
        let ended = u64::try_from(own.cutime + own.cstime)?;
        let running = procfs::process::all_processes()?.filter_map(|process| process.ok()?.stat().ok());
        let running = running.filter(|stat| stat.ppid == postmaster).map(|stat| stat.utime + stat.stime);
        Ok(of_ticks(own.utime + own.stime + ended + running.sum::<u64>()))
    }
}

/// In the kernel's unit.
fn of_ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}

fn url(postgres: &ThrowawayPostgres, database: &str) -> String {
    format!("postgresql://campaign_sync@/{database}?host={}", postgres.socket_directory().display())
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// How many campaigns are there just as the platform has them; the error says what else is there.
pub(crate) async fn right_rows(database: &str, campaigns: u64) -> anyhow::Result<u64> {
    let client = connect(database).await?;
    let rows = client
        .query(
            "SELECT id::text, name::text, status::text, (budget::numeric * 100)::numeric(30, 0)::text, impressions::bigint,
                    clicks::bigint, conversions::bigint, extract(epoch FROM created_at::timestamptz)::bigint
             FROM campaigns WHERE synced_at IS NOT NULL ORDER BY 1",
            &[],
        )
        .await?;
    let mut right = 0;
    for row in &rows {
        let id: &str = row.get(0);
        let number = id.strip_prefix("camp_").and_then(|number| number.parse().ok());
        let wanted = campaign(SEED, number.with_context(|| format!("the platform has no campaign {id}"))?);
        let created_at: jiff::Timestamp = wanted.created_at.parse()?;
        let is_right = (row.get::<_, &str>(1), row.get::<_, &str>(2))
            == (wanted.name.as_str(), wanted.status)
            && row.get::<_, &str>(3) == wanted.budget_cents.to_string()
            && [4, 5, 6].map(|column| row.get::<_, i64>(column).unsigned_abs())
                == [wanted.impressions, wanted.clicks, wanted.conversions]
            && row.get::<_, i64>(7) == created_at.as_second();
        right += u64::from(is_right);
    }
    if rows.len() as u64 > campaigns {
        bail!("{} rows of {campaigns} campaigns", rows.len());
    }
    Ok(right)
}

/// The mock platform at work.
pub(crate) struct Platform {
    child: Child,
    said: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Platform {
    pub(crate) fn start(work: &Work) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
        command
            .args(["mock-platform", "--listen", "127.0.0.1:0", "--list-error-every", "none"])
            .args(["--campaigns", &work.campaigns.to_string(), "--rate-limit", &work.limit_text()])
            .args(["--sync-latency", &format!("{}ms", work.latency.as_millis())])
            .args(["--error-rate", &work.error_rate.to_string(), "--seed", &SEED.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stdout.take().context("its output is piped")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.with_context(|| format!("the mock platform says {line:?}"))?.to_owned();
        Ok(Self { child, said, url })
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<Seen> {
        let id = i32::try_from(self.child.id())?;
        let stat = Process::new(id)?.stat()?;
        let processor = of_ticks(stat.utime + stat.stime);
        kill(Pid::from_raw(id), Signal::SIGTERM)?;
        let mut rest = String::new();
        self.said.read_to_string(&mut rest)?;
        self.child.wait()?;
        // A line with the number of 429s stands after it.
        let json = rest
            .rsplit_once('}')
            .map(|(json, _)| format!("{json}}}"))
            .context("it does not say what it saw")?;
        let seen: Value = serde_json::from_str(&json)?;
        let outcomes =
            |endpoint: &str| seen["requests"][endpoint].as_object().into_iter().flat_map(|of| of.values());
        let of = |endpoint: &str| outcomes(endpoint).filter_map(Value::as_u64).sum::<u64>();
        Ok(Seen {
            requests: ["auth", "list", "sync"].into_iter().map(of).sum(),
            throttled: seen["throttled"].as_u64().with_context(|| format!("no 429s in {json}"))?,
            processor,
        })
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // Where it was not stopped, something has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
