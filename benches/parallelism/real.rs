//! A cell for real: the program's own HTTP client and store on the arbiter of the caller, a mock platform on a thread
//! of its own, and a PostgreSQL that is thrown away.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actors::model::AccountId;
use actors::progress::Progress;
use anyhow::Context;
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use campaign_sync::private_postgres::{ThrowawayPostgres, throwaway};
use campaign_sync::store::PgStore;
use mock_platform::{EMAIL, MockPlatform, PASSWORD, RateLimit, Settings};
use tokio::sync::watch;

use crate::bare_client;
use crate::matrix::{Cell, Matrix};
use crate::measurement::{Measurement, REQUEST_TIMEOUT, complete, record, settings};
use crate::processor;

const DATABASE: &str = "parallelism";

/// What the cells share.
pub(crate) struct Laboratory {
    store: PgStore,
    /// Each latency of the matrix as a bare client with so many connections sees it.
    latencies: HashMap<(Duration, usize), Duration>,
    error_rate: f64,
    // After the store: its connections end before the server does, and the server's files go with it.
    _postgres: ThrowawayPostgres,
}

impl Laboratory {
    /// Starts the database, measures the latencies, and runs one cell for nothing, so that no first statement and no
    /// first connection falls on the first that counts.
    pub(crate) async fn open(matrix: &Matrix, error_rate: f64) -> anyhow::Result<Self> {
        let postgres = throwaway().await?;
        postgres.create_database(DATABASE).await?;
        let store = PgStore::connect(&postgres.database_url(DATABASE)).await?;
        store.migrate().await?;
        let mut latencies = HashMap::new();
        for cell in matrix.cells() {
            if let Entry::Vacant(unknown) = latencies.entry(as_seen(&cell)) {
                let (latency, connections) = *unknown.key();
                let platform = start(Settings { auth_latency: latency, ..Settings::default() })?;
                unknown.insert(bare_client::latency(platform.addr(), latency, connections).await?);
            }
        }
        let laboratory = Self { store, latencies, error_rate, _postgres: postgres };
        let warm_up = Cell { limit: None, latency: matrix.latencies[0], concurrency: 1, campaigns: 200 };
        laboratory.measure(&warm_up).await?;
        Ok(laboratory)
    }

    /// Runs a cell, on a platform and for an account of its own.
    pub(crate) async fn measure(&self, cell: &Cell) -> anyhow::Result<Measurement> {
        let platform = start(self.platform_settings(cell))?;
        let account: AccountId = cell.to_string().replace(' ', "-").into();
        // The sync actors, the pager and a login.
        let connections = Connections::plain(cell.concurrency + 2)?;
        let platform_settings = PlatformSettings {
            base_url: platform.url().parse().context("the mock platform's own address")?,
            account: account.clone(),
            email: EMAIL.to_owned(),
            password: PASSWORD.into(),
            request_timeout: REQUEST_TIMEOUT,
        };
        let client = HttpPlatform::new(platform_settings, &connections)?;
        let (sender, watched) = watch::channel(Progress::default());
        let recorder = actix::spawn(record(watched));
        let spent_before = processor::time_of_this_thread();
        let (client, store) = (Rc::new(client), Rc::new(self.store.clone()));
        let report =
            actors::run(settings(cell, account), client, store, sender, std::future::pending()).await;
        let processor = processor::time_of_this_thread().saturating_sub(spent_before);
        let seen = platform.stop();
        complete(cell, &report)?;
        let (course, progress) = recorder.await.context("the run could not be watched")?;
        Ok(Measurement {
            cell: *cell,
            latency: self.latencies[&as_seen(cell)],
            requests: report.requests.total,
            stored: report.campaigns.stored,
            makespan: report.duration,
            mean_latency: progress.latency,
            throttled: seen.throttled,
            processor,
            course,
        })
    }

    fn platform_settings(&self, cell: &Cell) -> Settings {
        let limit = |limit: actors::settings::RateLimit| RateLimit {
            requests: u32::try_from(limit.requests()).expect("a limit of the matrix is small"),
            window: limit.window(),
        };
        Settings {
            campaigns: cell.campaigns,
            rate_limits: cell.limit.into_iter().map(limit).collect(),
            error_rate: self.error_rate,
            list_error_every: None,
            auth_latency: cell.latency,
            list_latency: cell.latency,
            sync_latency: cell.latency,
            ..Settings::default()
        }
    }
}

/// Which latency is the cell's, and how many connections the platform has to serve at once meanwhile: one at a time where
/// a limit keeps the requests apart.
fn as_seen(cell: &Cell) -> (Duration, usize) {
    (cell.latency, if cell.limit.is_some() { 1 } else { cell.concurrency })
}

fn start(settings: Settings) -> anyhow::Result<MockPlatform> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    MockPlatform::start(settings, any_port).context("the mock platform cannot be started")
}
