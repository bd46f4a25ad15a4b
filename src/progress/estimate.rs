//! How long a run will take yet, from what is left and what binds: the limit or the concurrency.

use std::time::Duration;

use actors::progress::Progress;
use actors::settings::PipelineSettings;

/// Unknown until the platform has said how many campaigns there are.
pub(super) fn time_left(progress: &Progress, settings: &PipelineSettings) -> Option<Duration> {
    let total = progress.reported_total?;
    let settled = progress.stored + progress.dead_lettered;
    let campaigns = total.max(progress.distinct).saturating_sub(settled);
    let pages = total.saturating_sub(progress.distinct).div_ceil(u64::from(settings.page_size.get()));
    // Failures so far are what failures will be.
    let sent = progress.requests.total.max(1) as f64;
    let repeats = sent / (sent - progress.requests.retried as f64).max(1.0);
    let requests = (campaigns + pages) as f64 * repeats;
    let by_limits = settings.rate_limits.iter().map(|limit| {
        let window = limit.window() + limit.margin() + progress.latency;
        window.mul_f64(requests / limit.requests() as f64)
    });
    let by_concurrency = progress.latency.mul_f64(requests / settings.concurrency.get() as f64);
    by_limits.chain([by_concurrency]).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors::report::RequestCounts;
    use actors::testing::{limit, settings};

    fn half_done() -> Progress {
        Progress {
            distinct: 100,
            reported_total: Some(100),
            stored: 50,
            requests: RequestCounts { total: 60, ..RequestCounts::default() },
            latency: Duration::from_secs(2),
            ..Progress::default()
        }
    }

    #[test]
    fn nothing_is_said_before_the_platform_has_said_how_many_there_are() {
        assert_eq!(time_left(&Progress::default(), &settings()), None);
    }

    #[test]
    fn the_limit_binds_where_it_is_slower_than_the_sync_actors() {
        let limited =
            PipelineSettings { rate_limits: vec![limit(10, Duration::from_secs(60))], ..settings() };
        let left = time_left(&half_done(), &limited).expect("the total is known");
        assert_eq!(left.as_millis(), 5 * 62_060);
        let unlimited = time_left(&half_done(), &settings()).expect("the total is known");
        assert_eq!(unlimited, Duration::from_secs_f64(50.0 * 2.0 / 8.0));
    }

    #[test]
    fn requests_that_have_to_be_repeated_and_pages_to_come_are_counted_in() {
        let progress = Progress {
            distinct: 50,
            requests: RequestCounts { total: 60, retried: 30, ..RequestCounts::default() },
            ..half_done()
        };
        let left = time_left(&progress, &settings()).expect("the total is known");
        assert_eq!(left, Duration::from_secs_f64((50.0 + 5.0) * 2.0 * 2.0 / 8.0));
    }
}
