//! What the commands that reach the platform share: its client, the pipeline's settings, and, for `run` and `demo`,
//! one account through the pipeline with progress on standard error.

use std::rc::Rc;
use std::time::Duration;

use actors::model::AccountId;
use actors::progress::Progress;
use actors::report::{AccountReport, Report};
use actors::settings::PipelineSettings;
use tokio::sync::watch;

use crate::config::{LogFormat, PipelineConfig, PlatformConfig, RateLimits};
use crate::platform::{Connections, HttpPlatform, PlatformSettings, SetupError};
use crate::progress;
use crate::shutdown::Shutdown;
use crate::standard_error::StandardError;
use crate::store::PgStore;

/// Syncs the account once. Errors are those from before the first request.
pub(super) async fn sync(
    platform: &PlatformConfig,
    pipeline: &PipelineConfig,
    store: PgStore,
    log_format: LogFormat,
    stderr: StandardError,
    shutdown: Shutdown,
) -> anyhow::Result<Report> {
    let settings = pipeline_settings(&platform.account, platform.request_timeout, pipeline);
    // The sync actors, the pager and a login.
    let platform = client(platform, pipeline.concurrency.get() + 2)?;
    let (sender, watched) = watch::channel(Progress::default());
    let display = actix_rt::spawn(progress::show(watched, settings.clone(), log_format, stderr.clone()));
    let report: AccountReport =
        actors::run(settings, Rc::new(platform), Rc::new(store), sender, shutdown.requested()).await;
    display.abort();
    // What cannot be cleared any more was on a terminal that has gone.
    let _ = stderr.bars().clear();
    Ok(Report::from(vec![report]))
}

/// A client of the account's platform with room for so many requests at once; nothing is sent.
pub(super) fn client(platform: &PlatformConfig, connections: usize) -> Result<HttpPlatform, SetupError> {
    let connections = Connections::new(connections, platform.api_url.scheme() == "https")?;
    let settings = PlatformSettings {
        base_url: platform.api_url.clone(),
        account: platform.account.clone(),
        email: platform.email.clone(),
        password: platform.password.clone(),
        request_timeout: platform.request_timeout,
    };
    HttpPlatform::new(settings, &connections)
}

/// What the configuration says, in the pipeline's words.
pub(super) fn pipeline_settings(
    account: &AccountId,
    request_timeout: Duration,
    pipeline: &PipelineConfig,
) -> PipelineSettings {
    PipelineSettings {
        account: account.clone(),
        rate_limits: pipeline.rate_limits.at_first(),
        adopt_stated_limits: pipeline.rate_limits == RateLimits::Auto,
        concurrency: pipeline.concurrency,
        page_size: pipeline.page_size,
        retry: pipeline.retry,
        retry_budget: pipeline.retry_budget,
        batch: pipeline.batch,
        request_timeout,
        max_wait: pipeline.max_wait,
        max_shrink: pipeline.max_shrink,
        fresh: pipeline.fresh,
        replay: pipeline.replay.clone(),
        seed: rand::random(),
    }
}
