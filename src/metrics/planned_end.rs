//! When a run should end, as estimated at its begin: what "longer than planned" is measured by.

use std::sync::Arc;
use std::time::SystemTime;

use actors::metrics::AccountMetrics;
use actors::progress::Progress;
use actors::settings::PipelineSettings;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::estimate::time_left;

/// Estimates once, as soon as the platform has said how many campaigns there are. To be dropped with the run.
pub async fn plan_end(
    mut progress: watch::Receiver<Progress>,
    settings: PipelineSettings,
    metrics: Arc<AccountMetrics>,
) {
    // A run that ends before that needs no plan.
    let Ok(now) = progress.wait_for(|now| now.reported_total.is_some()).await else { return };
    if let Some(left) = time_left(&now, &settings, Instant::now()) {
        metrics.planned_to_end(SystemTime::now() + left);
    }
}
