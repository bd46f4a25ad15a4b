//! What `run` and `demo` share: one account through the pipeline, with progress on standard error.

use std::rc::Rc;
use std::time::Duration;

use actors::progress::Progress;
use actors::report::{AccountReport, Report};
use actors::retry_policy::RetryPolicy;
use actors::settings::PipelineSettings;
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
    let settings = pipeline_settings(platform, pipeline);
    let platform = HttpPlatform::new(PlatformSettings {
        base_url: platform.api_url.clone(),
        account: platform.account.clone(),
        email: platform.email.clone(),
        password: platform.password.clone(),
        request_timeout: platform.request_timeout,
        // The sync actors, the pager and a login.
        connections: pipeline.concurrency.get() + 2,
    })?;
    let shutdown = shutdown::requested().context("cannot listen for signals")?;
    let (sender, watched) = watch::channel(Progress::default());
    let display = actix_rt::spawn(progress::show(watched, settings.clone(), log_format, bars.clone()));
    let report: AccountReport =
        actors::run(settings, Rc::new(platform), Rc::new(store), sender, shutdown).await;
    display.abort();
    // What cannot be cleared any more was on a terminal that has gone.
    let _ = bars.clear();
    Ok(Report::from(vec![report]))
}

fn pipeline_settings(platform: &PlatformConfig, pipeline: &PipelineConfig) -> PipelineSettings {
    PipelineSettings {
        account: platform.account.clone(),
        rate_limits: pipeline.rate_limits.clone(),
        concurrency: pipeline.concurrency,
        page_size: pipeline.page_size,
        retry: RetryPolicy { max_attempts: pipeline.max_attempts, ..RetryPolicy::default() },
        batch: pipeline.batch,
        request_timeout: platform.request_timeout,
        max_wait: Duration::from_secs(15 * 60),
        seed: rand::random(),
    }
}
