//! How long a run takes yet: the estimate, corrected by what was measured so far.

use std::time::Duration;

use actors::progress::Progress;
use actors::settings::{PipelineSettings, RateLimit};
use tokio::time::Instant;

use super::cases::seconds;
use super::model::Model;
use super::schedule::Schedule;
use super::{ASSUMED_FAILURE_RATE, ASSUMED_LATENCY, Conditions};

/// The assumed share of failures weighs as much as so many requests: the first few that are made say little.
const ASSUMPTION_WEIGHS: f64 = 20.0;

/// Unknown until the platform has said how many campaigns there are.
pub fn time_left(progress: &Progress, settings: &PipelineSettings, now: Instant) -> Option<Duration> {
    let total = progress.reported_total?.max(progress.distinct);
    let settings = &PipelineSettings { rate_limits: kept(progress, settings), ..settings.clone() };
    let model = Model::new(settings, total, &measured(progress));
    let settled = progress.stored_before + progress.stored + progress.dead_lettered;
    let pages = if progress.listing_ended {
        0
    } else {
        total.saturating_sub(progress.distinct).div_ceil(settings.page_size.get().into())
    };
    let (waiting, next_permit) =
        progress.quota.as_ref().map_or((0, None), |quota| (quota.waiting, quota.until));
    // What is on its way needs no permit any more, unless it fails.
    let on_its_way = progress.in_flight.saturating_sub(waiting) as f64;
    let to_come = model.requests_for(total.saturating_sub(settled) + pages);
    let sent = progress.requests.total as f64;
    let next = sent + 1.0;
    let last = |to_come: f64| (sent + to_come - on_its_way).max(next);
    let schedule = Schedule::new(&model.lanes(), last(to_come.most()));
    // From the next request on, which is sent when its permit is due.
    let left = to_come.weigh(|to_come| schedule.sent_at(last(to_come)) - schedule.sent_at(next));
    let wait = next_permit.map(|due| due.saturating_duration_since(now)).unwrap_or_default();
    Some(wait + seconds(left.expected) + seconds(model.after_the_last))
}

/// The limits that the run keeps, which the platform may have named, or that it begins with.
fn kept(progress: &Progress, settings: &PipelineSettings) -> Vec<RateLimit> {
    match &progress.limits[..] {
        [] => settings.rate_limits.clone(),
        kept => kept.iter().map(|kept| kept.limit).collect(),
    }
}

/// The limiter knows how long a request took on average, whichever it was: that was the syncs' doing.
fn measured(progress: &Progress) -> Conditions {
    let requests = &progress.requests;
    let failed = ASSUMPTION_WEIGHS * ASSUMED_FAILURE_RATE + requests.retried as f64;
    let nothing_measured = progress.stored + progress.dead_lettered == 0;
    let [sync_latency, failure_latency] = if nothing_measured {
        [ASSUMED_LATENCY, Duration::ZERO]
    } else {
        [progress.latency.mul_f64(requests.total as f64 / requests.sync.max(1) as f64); 2]
    };
    Conditions {
        failure_rate: failed / (ASSUMPTION_WEIGHS + requests.total as f64),
        sync_latency,
        failure_latency,
        list_latency: Duration::ZERO,
    }
}
