//! `cargo bench --bench service -- [--minutes N] [--accounts N] [--every 60s]`: `serve` for so long, while one request in
//! five is answered 503, one in twenty is never answered, and the database crashes now and then. Real processes: the
//! binary, a mock platform, a PostgreSQL. It says what the service holds after a minute and at the end, how its runs ended
//! and how old the oldest account was; and ends with exit code 1 where memory or descriptors have grown, or an account
//! was staler than its interval and its outages explain.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use campaign_sync::private_postgres::{
    Durability, PrivatePostgres, PrivatePostgresSettings, ThrowawayPostgres, throwaway,
};
use mock_platform::{EMAIL, MockPlatform, PASSWORD, RateLimit, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

const DATABASE: &str = "service";
const CAMPAIGNS: u64 = 20;
/// When the first measurement begins: every account has run once by then, with the default interval.
const WARM_UP: Duration = Duration::from_secs(60);
/// A measurement is the least of so long: what is in use for a moment does not count, what has leaked does.
const MEASUREMENT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(1);
/// From the begin to the first crash, and between two.
const BETWEEN_CRASHES: Duration = Duration::from_secs(100);
/// How long the database is away after a crash, beside its recovery.
const AWAY: Duration = Duration::from_secs(5);
/// After the last one everything settles: the scheduler's first wait is up to a minute.
const SETTLING: Duration = Duration::from_secs(75);
/// What a run takes at the most, under this platform.
const LONGEST_RUN: Duration = Duration::from_secs(20);
/// How long the scheduler waits, at the most, after a run that could not begin because the database was away.
const RETRY: Duration = Duration::from_secs(60);
/// As many connections as the pool may keep from a busy moment.
const POOL: usize = 8;

struct Plan {
    length: Duration,
    accounts: usize,
    every: Duration,
}

/// What the process holds.
#[derive(Clone, Copy)]
struct Held {
    kib: u64,
    descriptors: usize,
    threads: usize,
}

/// A time without the database, in seconds since 1970.
type Outage = (f64, f64);

struct Database {
    // The server before the directory that both have.
    server: Option<PrivatePostgres>,
    first: ThrowawayPostgres,
}

struct Service {
    child: Child,
    address: String,
}

/// What was seen on the way.
#[derive(Default)]
struct Watched {
    samples: Vec<(Duration, Held)>,
    outages: Vec<Outage>,
    /// The oldest that an account has been, in seconds.
    oldest: f64,
    stale: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let plan = plan()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("service");
    fs::create_dir_all(&folder)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut database = Database::start().await?;
        let settings = Settings {
            campaigns: CAMPAIGNS,
            rate_limits: vec![RateLimit { requests: 40, window: Duration::from_secs(1) }],
            sync_latency: Duration::from_millis(33),
            error_rate: 0.2,
            hang_rate: 0.05,
            ..Settings::default()
        };
        let platform = MockPlatform::start(settings, SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let mut service = Service::start(&plan, &folder, &platform, &database)?;
        let watched = watch(&plan, &mut service, &mut database).await;
        let exit_code = service.stop().await;
        let runs = database.runs().await?;
        report(&plan, &watched?, &runs, exit_code?, platform.stop().throttled)
    })
}

fn plan() -> anyhow::Result<Plan> {
    let mut plan = Plan { length: Duration::from_secs(600), accounts: 50, every: Duration::from_secs(60) };
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--minutes" => plan.length = Duration::from_secs(60 * value.parse::<u64>()?),
            "--accounts" => plan.accounts = value.parse()?,
            "--every" => {
                let seconds = value.strip_suffix('s').context("an interval is in seconds, such as 60s")?;
                plan.every = Duration::from_secs(seconds.parse()?);
            }
            _ => bail!("{flag} is unknown: --minutes, --accounts, --every"),
        }
    }
    if plan.length < WARM_UP + 2 * MEASUREMENT {
        bail!("it takes two minutes or more to compare the begin with the end");
    }
    Ok(plan)
}

impl Service {
    fn start(
        plan: &Plan,
        folder: &Path,
        platform: &MockPlatform,
        database: &Database,
    ) -> anyhow::Result<Self> {
        // Enough attempts that no campaign is given up on by chance.
        let mut file = format!(
            "email = '{EMAIL}'\npassword = {{ env = 'SERVICE_PASSWORD' }}\napi_url = '{}'\nrate_limit = '40/1s'\n\
             request_timeout = '1s'\nmax_attempts = 16\nretry_budget = 'none'\nschedule = '{}s'\n\
             listen = '127.0.0.1:0'\n",
            platform.url(),
            plan.every.as_secs()
        );
        for n in 0..plan.accounts {
            // A string takes what is written to it.
            let _ = write!(file, "\n[[accounts]]\nid = 'account-{n}'\n");
        }
        let path = folder.join("campaign-sync.toml");
        fs::write(&path, file)?;
        let log = folder.join("serve.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
        command.arg("serve").arg("--config").arg(path).args(["--log-format", "json"]).env_clear();
        command.env("SERVICE_PASSWORD", PASSWORD).env("DATABASE_URL", database.url());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let mut child = command.spawn().context("the binary starts")?;
        let address = loop {
            let text = fs::read_to_string(&log)?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let serving = lines.into_iter().find(|line| line["message"] == "serving");
            if let Some(address) = serving.as_ref().and_then(|line| line["address"].as_str()) {
                break address.to_owned();
            }
            if child.try_wait()?.is_some() {
                bail!("it does not serve: {text}");
            }
        };
        Ok(Self { child, address })
    }

    fn metrics(&self) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn held(&self) -> anyhow::Result<Held> {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status"))?;
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let (kib, threads) = number("VmRSS:").zip(number("Threads:")).context("Linux counts both")?;
        let descriptors = fs::read_dir(format!("{process}/fd"))?.count();
        Ok(Held { kib, descriptors, threads: usize::try_from(threads)? })
    }

    async fn stop(&mut self) -> anyhow::Result<Option<i32>> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // After an error; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Database {
    async fn start() -> anyhow::Result<Self> {
        let first = throwaway().await?;
        first.create_database(DATABASE).await?;
        let database = Self { server: None, first };
        // What is acknowledged has to survive, as it does on a user's server.
        database
            .sql()
            .await?
            .batch_execute(&format!("ALTER DATABASE {DATABASE} SET synchronous_commit = on"))
            .await?;
        Ok(database)
    }

    fn url(&self) -> String {
        format!("host='{}' user=campaign_sync dbname={DATABASE}", self.first.socket_directory().display())
    }

    async fn sql(&self) -> anyhow::Result<tokio_postgres::Client> {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// As a crash ends it; there again, recovered, when this returns.
    async fn crash(&mut self) -> anyhow::Result<()> {
        let id_file = self.first.socket_directory().join("data/postmaster.pid");
        let id = self.server.as_ref().map_or(self.first.process_id(), PrivatePostgres::process_id);
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGQUIT)?;
        while id_file.exists() {
            sleep(Duration::from_millis(2)).await;
        }
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        sleep(AWAY).await;
        let directory = self.first.socket_directory().to_owned();
        let settings = PrivatePostgresSettings { directory, durability: Durability::Durable };
        self.server = Some(PrivatePostgres::start(&settings).await?);
        Ok(())
    }

    /// Their number by status.
    async fn runs(&self) -> anyhow::Result<Vec<(String, i64)>> {
        let sql = "SELECT status, count(*) FROM sync_runs GROUP BY status ORDER BY status";
        let rows = self.sql().await?.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// Until the end of the plan.
async fn watch(plan: &Plan, service: &mut Service, database: &mut Database) -> anyhow::Result<Watched> {
    let (begun, mut watched) = (Instant::now(), Watched::default());
    let mut next_crash = BETWEEN_CRASHES;
    while begun.elapsed() < plan.length {
        if begun.elapsed() >= next_crash && begun.elapsed() + SETTLING < plan.length {
            let away_since = now();
            database.crash().await?;
            watched.outages.push((away_since, now()));
            next_crash += BETWEEN_CRASHES;
        }
        if let Some(status) = service.child.try_wait()? {
            bail!("it ended by itself: {status}");
        }
        watched.samples.push((begun.elapsed(), service.held()?));
        let metrics = service.metrics()?;
        for (account, at) in last_completes(&metrics) {
            let (age, allowed) = (now() - at, allowed(plan, at, &watched.outages));
            watched.oldest = watched.oldest.max(age);
            if age > allowed {
                watched.stale.push(format!("{account} was {age:.0} s old, and {allowed:.0} s are explained"));
            }
        }
        sleep(LOOK).await;
    }
    Ok(watched)
}

/// When each account was complete last, or since when it has been waited for.
fn last_completes(metrics: &str) -> Vec<(String, f64)> {
    let values = |name: &'static str| {
        metrics.lines().filter_map(move |line| {
            let (account, value) =
                line.strip_prefix(name)?.strip_prefix("{account=\"")?.split_once("\"} ")?;
            Some((account.to_owned(), value.parse::<f64>().ok()?))
        })
    };
    let followed: std::collections::BTreeMap<_, _> =
        values("campaign_sync_followed_since_timestamp_seconds").collect();
    values("campaign_sync_last_complete_timestamp_seconds")
        .map(|(account, at)| {
            let since = followed.get(&account).copied().unwrap_or_default();
            (account, at.max(since))
        })
        .collect()
}

/// How old it may be, in seconds: its interval, a run, and the outages since with what they cost.
fn allowed(plan: &Plan, since: f64, outages: &[Outage]) -> f64 {
    let missed = outages.iter().filter(|(_, ended)| *ended > since - LONGEST_RUN.as_secs_f64());
    let cost: f64 = missed.map(|(began, ended)| ended - began + RETRY.as_secs_f64()).sum();
    (plan.every + LONGEST_RUN).as_secs_f64() + cost
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The least of each in a measurement.
fn least(watched: &Watched, from: Duration) -> anyhow::Result<Held> {
    let within = watched.samples.iter().filter(|(at, _)| (from..from + MEASUREMENT).contains(at));
    let least = within.map(|(_, held)| *held).reduce(|one, other| Held {
        kib: one.kib.min(other.kib),
        descriptors: one.descriptors.min(other.descriptors),
        threads: one.threads.min(other.threads),
    });
    least.context("nobody looked in that time")
}

fn report(
    plan: &Plan,
    watched: &Watched,
    runs: &[(String, i64)],
    exit_code: Option<i32>,
    throttled: u64,
) -> anyhow::Result<ExitCode> {
    let (start, end) = (least(watched, WARM_UP)?, least(watched, plan.length - MEASUREMENT)?);
    let mut wrong: Vec<String> = watched.stale.iter().take(10).cloned().collect();
    let grown = end.kib.saturating_sub(start.kib);
    if grown > 5 * 1024 && grown * 10 > start.kib {
        wrong.push(format!("memory has grown by {grown} KiB"));
    }
    if end.descriptors > start.descriptors + POOL {
        wrong.push(format!("{} descriptors are open, and there were {}", end.descriptors, start.descriptors));
    }
    if exit_code != Some(0) {
        wrong.push(format!("it ended with {exit_code:?}"));
    }
    if throttled > 0 {
        wrong.push(format!("{throttled} answers were 429"));
    }
    let runs: Vec<String> = runs.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let away: f64 = watched.outages.iter().map(|(began, ended)| ended - began).sum();
    let mut out = io::stdout();
    writeln!(
        out,
        "{} accounts every {} s for {} s, the database away {} times, {away:.0} s in all",
        plan.accounts,
        plan.every.as_secs(),
        plan.length.as_secs(),
        watched.outages.len(),
    )?;
    for (when, held) in [("at start", start), ("at end", end)] {
        let mib = held.kib as f64 / 1024.0;
        let Held { descriptors, threads, .. } = held;
        writeln!(out, "{when:9}  {mib:.1} MiB resident, {descriptors} descriptors, {threads} threads")?;
    }
    writeln!(out, "runs       {}; 429s {throttled}", runs.join(", "))?;
    writeln!(out, "freshness  the oldest that an account has been: {:.0} s", watched.oldest)?;
    for what in &wrong {
        writeln!(out, "WRONG      {what}")?;
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
