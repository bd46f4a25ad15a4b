//! `demo`: the main job with nothing to set up. A mock platform with the reference platform's manners at sixty times
//! its speed, and a private PostgreSQL; then the same pipeline as `run`, and a look at what it stored.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use actors::max_shrink::MaxShrink;
use actors::model::AccountId;
use actors::retry_budget::RetryShare;
use actors::retry_policy::RetryPolicy;
use actors::settings;
use anyhow::Context;
use comfy_table::{Table, presets};
use mock_platform::{EMAIL, MockPlatform, PASSWORD, RateLimit, Settings, Stats};

use super::sync::sync;
use crate::config::{
    AccountConfig, DatabaseConfig, DemoConfig, LogFormat, PipelineConfig, PlatformConfig, RateLimits,
    ReportFormat,
};
use crate::database::Database;
use crate::printable::printable;
use crate::report;
use crate::serve::schedule::Schedule;
use crate::shutdown::{INTERRUPTED, Shutdown};
use crate::standard_error::StandardError;
use crate::store::CampaignRow;
use crate::tls::Authorities;

/// A database of its own: a demo's rows have no place among a user's.
const DATABASE: &str = "campaign_sync_demo";
const ACCOUNT: &str = "demo";
/// Requests beside the syncs of the one account: a page and a login.
const BESIDE_SYNCS: usize = 2;
/// Stored rows that are shown at the end.
const ROWS_SHOWN: u32 = 5;
/// 10 requests in 60 s and 2 s for a sync are an hour's patience; a sixtieth of both is a quarter of a minute's.
const WINDOW: Duration = Duration::from_secs(1);
const SYNC_LATENCY: Duration = Duration::from_millis(33);
/// As `run` asks unless it is told otherwise.
const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(10).expect("10 is not zero");
/// A demo is for somebody who watches.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Long against the latency, short enough that a request which is never answered does not bore.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The exit code says how the run ended.
pub async fn run(
    config: DemoConfig,
    log_format: LogFormat,
    stderr: StandardError,
    shutdown: Shutdown,
) -> anyhow::Result<ExitCode> {
    let platform = start_platform()?;
    let Some(database) = shutdown.or(prepare(config.private_directory)).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let database = database?;
    let platform_config = PlatformConfig {
        api_url: platform.url().parse().context("the mock platform's own address")?,
        account: ACCOUNT.into(),
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        request_timeout: REQUEST_TIMEOUT,
    };
    let pipeline_config = PipelineConfig {
        max_wait: MAX_WAIT,
        max_shrink: MaxShrink::default(),
        // Each demo begins with a new platform.
        fresh: true,
        replay: None,
        concurrency: config.concurrency,
        page_size: PAGE_SIZE,
        rate_limits: RateLimits::Fixed(vec![settings::RateLimit::new(10, WINDOW)?]),
        retry: RetryPolicy::default(),
        retry_budget: Some(RetryShare::default()),
        batch: settings::BatchLimits::new(500, Duration::from_millis(200))?,
    };
    let introduction =
        "100 campaigns, 10 requests a second, a fifth of the answers 503, one in twenty never comes";
    // Somebody who has closed standard error does not want to read it.
    stderr.line(&format!("mock platform at {}: {introduction}", platform.url()));
    let account =
        AccountConfig { platform: platform_config, pipeline: pipeline_config, schedule: Schedule::default() };
    let store = database.store.clone();
    let max_in_flight = config.concurrency.get() + BESIDE_SYNCS;
    let outcome =
        sync(vec![account], Authorities::default(), max_in_flight, store, log_format, stderr, shutdown).await;
    let seen = platform.stop();
    report::print(&outcome, config.report);
    if config.report == ReportFormat::Table {
        let rows = database.store.sample_campaigns(&AccountId::from(ACCOUNT), ROWS_SHOWN).await?;
        let how_to_open = database.how_to_open().map(|how| how.to_string()).unwrap_or_default();
        // Whoever has closed standard output has seen enough.
        let _ = writeln!(
            io::stdout(),
            "{}\n{}\nThe database stays. To look at the rest, start it, look, and stop it again:\n{how_to_open}",
            witnessed(&seen),
            table(&rows),
        );
    }
    database.close().await;
    Ok(report::exit_code(outcome.status))
}

async fn prepare(private_directory: Option<PathBuf>) -> anyhow::Result<Database> {
    let database = Database::open(&DatabaseConfig { url: None, private_directory }, DATABASE).await?;
    database.migrate().await?;
    Ok(database)
}

fn start_platform() -> anyhow::Result<MockPlatform> {
    let settings = Settings {
        rate_limits: vec![RateLimit { requests: 10, window: WINDOW }],
        sync_latency: SYNC_LATENCY,
        error_rate: 0.2,
        hang_rate: 0.05,
        ..Settings::default()
    };
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    MockPlatform::start(settings, any_port).context("the mock platform cannot be started")
}

/// The platform's own count beside the program's.
fn witnessed(seen: &Stats) -> String {
    let most = seen.busiest_windows.iter().map(|window| window.most_accepted).max().unwrap_or(0);
    format!(
        "The platform counted {} 429s, at most {most} requests in any second, and no campaign synced more than {} time(s).\n",
        seen.throttled, seen.most_syncs_of_one_campaign
    )
}

fn table(rows: &[CampaignRow]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["id", "name", "status", "budget", "impressions", "clicks", "conversions"]);
    for row in rows {
        let counts = [row.impressions, row.clicks, row.conversions].map(|count| count.to_string());
        let [impressions, clicks, conversions] = counts;
        let texts = [&row.id, &row.name, &row.status, &row.budget].map(|text| printable(text));
        let [id, name, status, budget] = texts;
        table.add_row([id, name, status, budget, impressions, clicks, conversions]);
    }
    table
}
