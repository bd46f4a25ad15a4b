//! The metrics of the process, as `/metrics` shows them to Prometheus. [`Metrics::install`] is to be called before the first
//! run; without it the pipeline counts for nobody, and at no cost.
//!
//! An account's series are there as long as somebody holds its [`AccountMetrics`], a run or [`Metrics::follow`], and five
//! minutes more: so Prometheus sees the last that happened, and what is not configured any more goes.

mod held;
mod planned_end;
mod pool;
mod process;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use actors::metrics::{ALL as PIPELINE, AccountMetrics, Kind, Metric, SharedMetrics};
use actors::model::AccountId;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use thiserror::Error;
use tokio::time::interval;

use crate::store::PoolWatch;
use held::HeldRecorder;
pub use planned_end::plan_end;
use pool::PoolMetrics;
use process::ProcessMetrics;

/// How long a series is shown that nobody holds: as long as Prometheus takes a value that it has scraped for the latest.
const IDLE: Duration = Duration::from_secs(300);
/// How often histograms are folded. At 5,000 requests a second, 100,000 values wait for it in 2 MB.
const UPKEEP: Duration = Duration::from_secs(10);

/// All that the process shows, with what it says: the pipeline's and the program's own.
pub fn table() -> impl Iterator<Item = Metric> {
    PIPELINE.into_iter().chain(pool::ALL).chain(process::ALL)
}

/// Why the metrics cannot be shown.
#[derive(Debug, Error)]
pub enum MetricsError {
    /// A bug in the table.
    #[error("the buckets of a histogram cannot be used: {0}")]
    Buckets(#[from] BuildError),
    /// Called twice.
    #[error("another recorder of metrics is installed in this process already")]
    Installed,
}

/// See the module.
pub struct Metrics {
    recorder: Arc<HeldRecorder>,
    handle: PrometheusHandle,
    process: ProcessMetrics,
    pool: PoolMetrics,
    watched_pool: Mutex<Option<PoolWatch>>,
    followed: Mutex<HashMap<AccountId, Arc<AccountMetrics>>>,
    _shared: SharedMetrics,
}

impl Metrics {
    /// Of which nobody knows yet.
    pub fn new() -> Result<Self, MetricsError> {
        Self::forgetting_after(IDLE)
    }

    /// Counts for the whole process, from now on.
    pub fn install(&self) -> Result<(), MetricsError> {
        ::metrics::set_global_recorder(self.recorder.clone()).map_err(|_| MetricsError::Installed)
    }

    /// Does this so that it counts here, whatever is installed.
    pub fn record<T>(&self, work: impl FnOnce() -> T) -> T {
        ::metrics::with_local_recorder(&*self.recorder, work)
    }

    fn forgetting_after(idle: Duration) -> Result<Self, MetricsError> {
        // Histograms are the process's own, and so never idle for good.
        let by_account = MetricKindMask::COUNTER | MetricKindMask::GAUGE;
        let mut builder = PrometheusBuilder::new().idle_timeout(by_account, Some(idle));
        for metric in table() {
            if let Kind::Histogram(buckets) = metric.kind {
                builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let recorder = Arc::new(HeldRecorder::new(recorder));
        let (shared, process, pool) = ::metrics::with_local_recorder(&*recorder, || {
            table().for_each(|metric| metric.describe());
            (SharedMetrics::new(), ProcessMetrics::new(), PoolMetrics::new())
        });
        let (watched_pool, followed) = (Mutex::default(), Mutex::default());
        Ok(Self { recorder, handle, process, pool, watched_pool, followed, _shared: shared })
    }

    /// Shows the series of these accounts, and no longer those of others, from now on.
    pub fn follow(&self, accounts: impl IntoIterator<Item = AccountId>) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *followed);
        let keep_or_add = |account: AccountId| {
            let metrics = before.remove(&account).unwrap_or_else(|| self.begin_to_follow(&account));
            (account, metrics)
        };
        *followed = accounts.into_iter().map(keep_or_add).collect();
    }

    fn begin_to_follow(&self, account: &AccountId) -> Arc<AccountMetrics> {
        let metrics = self.record(|| AccountMetrics::new(account));
        metrics.followed_since(SystemTime::now());
        Arc::new(metrics)
    }

    /// Of an account that is followed.
    pub fn account(&self, account: &AccountId) -> Option<Arc<AccountMetrics>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    /// Shows this pool's connections; none: no more. The database can be closed only then.
    pub fn watch_pool(&self, pool: Option<PoolWatch>) {
        *self.watched_pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
    }

    /// When accounts that are followed were last complete, as the database has it, which only this process's own runs tell
    /// otherwise. For its start, and when accounts have come.
    pub fn recall_last_completes(&self, last_completes: Vec<(AccountId, SystemTime)>) {
        for (account, at) in last_completes {
            if let Some(metrics) = self.account(&account) {
                metrics.last_completed(at);
            }
        }
    }

    /// The accounts that are followed.
    pub fn followed(&self) -> Vec<AccountId> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The text of `/metrics`, of content type `text/plain; version=0.0.4`. With a thousand accounts it takes a third
    /// of a second and 30 MiB: not to be called on an arbiter where that keeps others waiting.
    pub fn render(&self) -> String {
        self.process.measure();
        if let Some(pool) = &*self.watched_pool.lock().unwrap_or_else(PoisonError::into_inner) {
            self.pool.show(&pool.state());
        }
        self.recorder.touch_held();
        self.handle.render()
    }

    /// Folds what histograms have gathered, for ever: it would otherwise grow until somebody looks.
    pub async fn keep_up(&self) {
        let mut ticks = interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.handle.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests;
