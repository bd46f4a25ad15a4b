//! `cargo bench --bench fleet -- [--accounts N] [--campaigns N] [--rate-limit N/WINDOW]`: a thousand accounts in one
//! `run`, each under its own limit, one in twenty of them broken in one of four ways. Real processes: the binary, mock
//! platforms, a PostgreSQL. It says how long the healthy accounts took, beside one of them alone and beside what the
//! processors allow, and ends with exit code 1 where one is not complete, a 429 was answered, or a broken one is not
//! named with its cause.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use campaign_sync::private_postgres::{ThrowawayPostgres, throwaway};
use mock_platform::{EMAIL, Fault, MockPlatform, PASSWORD, RateLimit, Settings};
use serde_json::Value;
use tokio::time::Instant;

/// One account in so many is broken.
const BROKEN: usize = 20;
const LATENCY: Duration = Duration::from_millis(33);
/// How often the memory of the process is looked at: its peak is the kernel's own count, so only the last look matters.
const LOOK: Duration = Duration::from_millis(20);
/// Requests in flight of the whole process: so many that it is never this that binds, also while those to a platform that
/// never answers take their places.
const IN_FLIGHT: usize = 1_024;

/// What is wrong with an account, how it is configured, and the problem that its report has to name.
struct Ailment {
    name: &'static str,
    platform: fn(Settings) -> Settings,
    settings: &'static str,
    expected: &'static str,
}

const AILMENTS: [Ailment; 4] = [
    Ailment { name: "refused", platform: |healthy| healthy, settings: "", expected: "credentials_refused" },
    Ailment {
        name: "unavailable",
        platform: |healthy| Settings { error_rate: 1.0, ..healthy },
        settings: "",
        expected: "listing_incomplete",
    },
    Ailment {
        name: "silent",
        platform: |healthy| Settings { hang_rate: 1.0, ..healthy },
        settings: "request_timeout = '1s'\n",
        expected: "listing_incomplete",
    },
    Ailment {
        name: "malformed",
        platform: |healthy| Settings { faults: vec![(Fault::MalformedEntry, 1.0)], ..healthy },
        settings: "",
        expected: "dead_letters",
    },
];

#[derive(Clone, Copy)]
struct Size {
    accounts: usize,
    campaigns: u64,
    limit: (u32, u64),
}

/// What a run of the binary came to.
struct Ran {
    report: Value,
    took: Duration,
    peak_kib: u64,
    processor: Duration,
    /// See [`processor_wanted`].
    wanted: Duration,
    /// The share of all processors that was busy, with this or anything else.
    busy: f64,
    /// From the begin of the first healthy account's run to the end of the last.
    healthy: Duration,
}

fn main() -> anyhow::Result<ExitCode> {
    let size = size()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet");
    fs::create_dir_all(&folder)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let postgres = throwaway().await?;
        let healthy = Settings {
            campaigns: size.campaigns,
            rate_limits: vec![RateLimit {
                requests: size.limit.0,
                window: Duration::from_millis(size.limit.1),
            }],
            sync_latency: LATENCY,
            ..Settings::default()
        };
        let start = |settings| MockPlatform::start(settings, SocketAddr::from(([127, 0, 0, 1], 0)));
        let platform = start(healthy.clone())?;
        let ailing: Vec<MockPlatform> = AILMENTS
            .iter()
            .map(|ailment| start((ailment.platform)(healthy.clone())))
            .collect::<Result<_, _>>()?;

        // On a platform of its own: another database knows nothing of what was spent.
        let platform_of_one = start(healthy.clone())?;
        let one = Size { accounts: 1, ..size };
        let alone = run(&configuration(&one, &platform_of_one, &[]), &folder, &postgres, "alone").await?;
        let all = run(&configuration(&size, &platform, &ailing), &folder, &postgres, "fleet").await?;
        let throttled: u64 = [platform, platform_of_one]
            .into_iter()
            .chain(ailing)
            .map(|platform| platform.stop().throttled)
            .sum();
        report(&size, &alone, &all, throttled)
    })
}

fn size() -> anyhow::Result<Size> {
    let mut size = Size { accounts: 1000, campaigns: 100, limit: (40, 1000) };
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--accounts" => size.accounts = value.parse()?,
            "--campaigns" => size.campaigns = value.parse()?,
            "--rate-limit" => {
                let (requests, window) =
                    value.split_once('/').context("a limit is N/WINDOW, such as 40/1s")?;
                let seconds: u64 = window.strip_suffix('s').context("a window is in seconds")?.parse()?;
                size.limit = (requests.parse()?, seconds * 1000);
            }
            _ => bail!("{flag} is unknown: --accounts, --campaigns, --rate-limit"),
        }
    }
    Ok(size)
}

fn configuration(size: &Size, platform: &MockPlatform, ailing: &[MockPlatform]) -> String {
    let mut file = format!(
        "email = '{EMAIL}'\npassword = {{ env = 'FLEET_PASSWORD' }}\nrate_limit = '{}/{}ms'\nmax_in_flight = {IN_FLIGHT}\n",
        size.limit.0, size.limit.1
    );
    let mut account = |id: String, url: &str, more: &str| {
        // A string takes what is written to it.
        let _ = write!(file, "\n[[accounts]]\nid = '{id}'\napi_url = '{url}'\n{more}");
    };
    let broken = size.accounts / BROKEN;
    for n in 0..broken {
        let which = n % AILMENTS.len();
        let Ailment { name, settings, .. } = &AILMENTS[which];
        let wrong = if *name == "refused" { "password = { env = 'FLEET_WRONG_PASSWORD' }\n" } else { "" };
        account(format!("{name}-{n}"), &ailing[which].url(), &format!("{wrong}{settings}"));
    }
    (0..size.accounts - broken).for_each(|n| account(format!("healthy-{n}"), &platform.url(), ""));
    file
}

async fn run(file: &str, folder: &Path, postgres: &ThrowawayPostgres, database: &str) -> anyhow::Result<Ran> {
    let path = folder.join(format!("{database}.toml"));
    fs::write(&path, file)?;
    postgres.create_database(database).await?;
    let url =
        format!("host='{}' user=campaign_sync dbname={database}", postgres.socket_directory().display());
    let (begun, busy_before) = (Instant::now(), machine()?);
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
    command.arg("run").arg("--config").arg(&path).args(["--report", "json", "--log-level", "warn"]);
    command
        .env_clear()
        .env("FLEET_PASSWORD", PASSWORD)
        .env("FLEET_WRONG_PASSWORD", "wrong")
        .env("DATABASE_URL", url);
    let log = fs::File::create(folder.join(format!("{database}.log")))?;
    let output = folder.join(format!("{database}.json"));
    command.stdin(Stdio::null()).stdout(fs::File::create(&output)?).stderr(log);
    let mut child = command.spawn().context("the binary starts")?;
    let (mut peak_kib, mut processor, mut wanted) = (0, Duration::ZERO, Duration::ZERO);
    while child.try_wait()?.is_none() {
        peak_kib = peak(child.id()).unwrap_or(peak_kib);
        processor = processor_time(child.id()).unwrap_or(processor);
        wanted = processor_wanted(child.id()).unwrap_or(wanted);
        tokio::time::sleep(LOOK).await;
    }
    let took = begun.elapsed();
    let (busy, all) = machine()?;
    let busy = (busy - busy_before.0) as f64 / (all - busy_before.1).max(1) as f64;
    let report: Value = serde_json::from_str(&fs::read_to_string(output)?).context("the report is JSON")?;
    let (sql, connection) = tokio_postgres::connect(
        &format!("host='{}' user=campaign_sync dbname={database}", postgres.socket_directory().display()),
        tokio_postgres::NoTls,
    )
    .await?;
    let connection = tokio::spawn(connection);
    let row = sql
        .query_one(
            "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM sync_runs \
             WHERE account_id LIKE 'healthy-%'",
            &[],
        )
        .await?;
    connection.abort();
    Ok(Ran { report, took, peak_kib, processor, wanted, busy, healthy: Duration::from_secs_f64(row.get(0)) })
}

/// Busy time of all processors, and all time, in hundredths of a second.
fn machine() -> anyhow::Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    let all: u64 = fields.iter().take(8).sum();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    Ok((all - idle, all))
}

/// The largest that the process has been, in KiB.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Of the whole process; the kernel counts in hundredths of a second.
fn processor_time(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(10 * ticks))
}

/// How long the pipeline's thread ran or stood in line for a processor: what is left of the time it waited for something
/// else.
fn processor_wanted(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    let mut nanoseconds = stat.split_whitespace().map(str::parse::<u64>);
    Some(Duration::from_nanos(nanoseconds.next()?.ok()? + nanoseconds.next()?.ok()?))
}

fn report(size: &Size, alone: &Ran, all: &Ran, throttled: u64) -> anyhow::Result<ExitCode> {
    let accounts = all.report["accounts"].as_array().context("the report lists accounts")?;
    let (mut wrong, mut healthy) = (vec![], 0);
    for account in accounts {
        let (id, status) = (account["account"].as_str().unwrap_or(""), &account["status"]);
        let classes: Vec<&str> = account["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|p| p["class"].as_str())
            .collect();
        if id.starts_with("healthy-") {
            healthy += 1;
            if status != "complete" || account["campaigns"]["stored"] != size.campaigns {
                wrong.push(format!("{id} is {status}: {}", account["problems"]));
            }
        } else if let Some(ailment) = AILMENTS.iter().find(|ailment| id.starts_with(ailment.name))
            && !classes.contains(&ailment.expected)
        {
            wrong.push(format!("{id} does not name {}: {}", ailment.expected, account["problems"]));
        }
    }
    if accounts.len() != size.accounts {
        wrong.push(format!("{} accounts are reported", accounts.len()));
    }
    if throttled > 0 {
        wrong.push(format!("{throttled} answers were 429"));
    }
    let requests: u64 = accounts.iter().filter_map(|account| account["requests"]["total"].as_u64()).sum();
    let seconds = all.healthy.as_secs_f64();
    // What was worked in all, had every processor been busy all the time.
    let processors = all.busy * all.took.as_secs_f64();
    let alone = alone.healthy.as_secs_f64();
    let (bound, binds) = if processors > alone {
        (processors, "all work on all processors")
    } else {
        (alone, "one account alone")
    };
    let mut out = io::stdout();
    writeln!(
        out,
        "{} accounts of {} campaigns under {} requests in {} ms, {} of them broken\n\
         healthy    {healthy}: {seconds:.1} s from the first begin to the last end; one alone {alone:.1} s\n\
         bound      {bound:.1} s ({binds}), ratio {:.2}\n\
         requests   {requests}, {:.0} a second; 429s {throttled}\n\
         processor  {:.1} s of the process, {:.0} % of a core while it ran ({:.1} s); all cores {:.0} % busy;\n           \
         {:.0} % of the time its thread ran or stood in line for a processor\n\
         memory     {:.1} MiB at the most",
        size.accounts,
        size.campaigns,
        size.limit.0,
        size.limit.1,
        size.accounts / BROKEN,
        seconds / bound,
        requests as f64 / seconds,
        all.processor.as_secs_f64(),
        100.0 * all.processor.as_secs_f64() / all.took.as_secs_f64(),
        all.took.as_secs_f64(),
        100.0 * all.busy,
        100.0 * all.wanted.as_secs_f64() / all.took.as_secs_f64(),
        all.peak_kib as f64 / 1024.0,
    )?;
    for what in wrong.iter().take(20) {
        writeln!(out, "WRONG      {what}")?;
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
