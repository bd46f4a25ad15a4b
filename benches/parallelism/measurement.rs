//! What came out of one cell, and how its course is recorded.

use std::num::NonZeroU32;
use std::time::Duration;

use actors::max_shrink::MaxShrink;
use actors::model::AccountId;
use actors::progress::Progress;
use actors::report::AccountReport;
use actors::retry_budget::RetryShare;
use actors::retry_policy::RetryPolicy;
use actors::settings::{BatchLimits, Concurrency, PipelineSettings};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::matrix::{Cell, PAGE_SIZE};

/// Of one attempt; no latency of a matrix comes near.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// One run of one cell.
pub(crate) struct Measurement {
    pub(crate) cell: Cell,
    /// Of a request on its own, as the least of clients sees it.
    pub(crate) latency: Duration,
    /// Logins and pages included.
    pub(crate) requests: u64,
    pub(crate) stored: u64,
    /// From the start of the run to the last committed row.
    pub(crate) makespan: Duration,
    /// Mean time from sending to answer, as the limiter saw it.
    pub(crate) mean_latency: Duration,
    /// By the platform's own count.
    pub(crate) throttled: u64,
    /// What the pipeline's thread, the only one that it has, spent on a processor.
    pub(crate) processor: Duration,
    pub(crate) course: Course,
}

impl Measurement {
    /// Requests a second once the free ones are gone: a full window of the limit, or everybody's first.
    pub(crate) fn sustained_rate(&self, free: u64) -> f64 {
        let sent_at = |requests| self.course.sent_at(requests).unwrap_or(self.makespan).as_secs_f64();
        (self.requests - free.min(self.requests - 1)) as f64
            / (sent_at(self.requests) - sent_at(free.min(self.requests - 1)))
    }
}

/// When how many requests had been sent.
#[derive(Default)]
pub(crate) struct Course(pub(crate) Vec<(Duration, u64)>);

impl Course {
    /// When this many had been.
    fn sent_at(&self, requests: u64) -> Option<Duration> {
        self.0.iter().find(|(_, sent)| *sent >= requests).map(|(at, _)| *at)
    }
}

/// Watches a run until it is over; the last that it showed comes with it.
pub(crate) async fn record(mut progress: watch::Receiver<Progress>) -> (Course, Progress) {
    let begun = Instant::now();
    let mut course = vec![(Duration::ZERO, 0)];
    // The sender goes when the run ends.
    while progress.changed().await.is_ok() {
        let sent = progress.borrow_and_update().requests.total;
        if course.last().is_none_or(|(_, before)| *before != sent) {
            course.push((begun.elapsed(), sent));
        }
    }
    let last = progress.borrow().clone();
    (Course(course), last)
}

/// The pipeline's settings for a cell: all but the matrix as the program has them by default.
pub(crate) fn settings(cell: &Cell, account: AccountId) -> PipelineSettings {
    PipelineSettings {
        max_wait: Duration::from_secs(60),
        max_shrink: MaxShrink::default(),
        account,
        rate_limits: cell.limit.into_iter().collect(),
        adopt_stated_limits: false,
        concurrency: Concurrency::new(cell.concurrency).expect("a concurrency of the matrix is in range"),
        page_size: NonZeroU32::new(PAGE_SIZE).expect("a page is not empty"),
        retry: RetryPolicy::default(),
        retry_budget: Some(RetryShare::default()),
        batch: BatchLimits::new(500, Duration::from_millis(200)).expect("the program's default is in range"),
        request_timeout: REQUEST_TIMEOUT,
        fresh: true,
        replay: None,
        seed: 1,
    }
}

/// A run that did not do all its work has no time to be compared.
pub(crate) fn complete(cell: &Cell, report: &AccountReport) -> anyhow::Result<()> {
    let problems = report.problems.iter().map(|problem| problem.message.as_str());
    anyhow::ensure!(
        report.campaigns.stored == cell.campaigns,
        "{cell}: {} of {} campaigns stored: {}",
        report.campaigns.stored,
        cell.campaigns,
        problems.collect::<Vec<_>>().join("; ")
    );
    Ok(())
}
