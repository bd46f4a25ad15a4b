//! What `run` and `demo` share: one account through the pipeline, with progress on standard error.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use actors::progress::Progress;
use actors::report::{AccountReport, Report};
use actors::retry_policy::RetryPolicy;
use actors::settings::{BatchLimits, Concurrency, PipelineSettings, RateLimit};
use anyhow::Context;
use indicatif::MultiProgress;
use tokio::sync::watch;

use crate::config::{LogFormat, PipelineConfig, PlatformConfig};
use crate::platform::{HttpPlatform, PlatformSettings};
use crate::store::PgStore;
use crate::{progress, shutdown};

/// Syncs the account once. Errors are those from before the first request.
pub(super) async fn sync(
    platform: &PlatformConfig,
    pipeline: &PipelineConfig,
    store: PgStore,
    log_format: LogFormat,
    bars: MultiProgress,
) -> anyhow::Result<Report> {
    let settings = pipeline_settings(platform, pipeline)?;
    let platform = HttpPlatform::new(PlatformSettings {
        base_url: platform.api_url.clone(),
        account: platform.account.clone(),
        email: platform.email.clone(),
        password: platform.password.clone(),
        request_timeout: platform.request_timeout,
        // The sync actors, the pager and a login.
        connections: pipeline.concurrency + 2,
    })?;
    let shutdown = shutdown::requested().context("cannot listen for signals")?;
    let (sender, watched) = watch::channel(Progress::default());
    let display = actix::spawn(progress::show(watched, settings.clone(), log_format, bars.clone()));
    let report: AccountReport =
        actors::run(settings, Rc::new(platform), Rc::new(store), sender, shutdown).await;
    display.abort();
    // What cannot be cleared any more was on a terminal that has gone.
    let _ = bars.clear();
    Ok(Report::from(vec![report]))
}

/// The configuration has checked the ranges; what the pipeline allows is what it said.
fn pipeline_settings(
    platform: &PlatformConfig,
    pipeline: &PipelineConfig,
) -> anyhow::Result<PipelineSettings> {
    let limits = pipeline.rate_limits.iter().map(|&(requests, window)| RateLimit::new(requests, window));
    let not_zero = |name| move || format!("{name} is at least 1");
    Ok(PipelineSettings {
        account: platform.account.clone(),
        rate_limits: limits.collect::<Result<_, _>>()?,
        concurrency: Concurrency::new(pipeline.concurrency)?,
        page_size: NonZeroU32::new(pipeline.page_size).with_context(not_zero("the page size"))?,
        retry: RetryPolicy {
            max_attempts: NonZeroU32::new(pipeline.max_attempts).with_context(not_zero("max attempts"))?,
            ..RetryPolicy::default()
        },
        batch: BatchLimits::new(pipeline.batch_size, pipeline.batch_linger)?,
        request_timeout: platform.request_timeout,
        max_wait: Duration::from_secs(15 * 60),
        seed: rand::random(),
    })
}
