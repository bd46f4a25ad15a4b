//! A run in numbers: how many requests, and what each of them has to wait for. Times are in seconds.

use actors::settings::{PipelineSettings, RateLimit};

use super::attempts::Attempts;
use super::cases::Cases;
use super::schedule::Lane;
use super::{Bottleneck, Conditions};

/// More sync actors than this are not allowed.
const MOST_SYNC_ACTORS: u64 = 1024;

/// When the limiter counts from sending instead of from the answer: see `actors/src/stamp_rule.rs`. The estimator's
/// tests against real runs notice when that changes.
const TOLERATED: f64 = 0.05;
/// Then a window lasts a spread more than itself, its margin included; at least this part of it.
const SPREAD: f64 = 0.01;

/// A run in numbers.
pub(super) struct Model<'a> {
    settings: &'a PipelineSettings,
    campaigns: u64,
    pub(super) pages: u64,
    page_size: f64,
    attempts: Attempts,
    /// Of a request, answered as wished or not.
    mean_latency: f64,
    /// How long a campaign keeps its sync actor, backoffs included.
    campaign_time: f64,
    page_time: f64,
    /// The part of it that goes to failures.
    page_repeats: f64,
    /// Login and first page.
    pub(super) before_the_syncs: f64,
    /// The last answer, and what has to be repeated for it.
    pub(super) after_the_last: f64,
}

impl<'a> Model<'a> {
    pub(super) fn new(settings: &'a PipelineSettings, campaigns: u64, conditions: &Conditions) -> Self {
        let attempts = Attempts::new(conditions.failure_rate, settings.retry);
        let pages = campaigns.div_ceil(settings.page_size.get().into()).max(1);
        let [sync, failure, list] =
            [conditions.sync_latency, conditions.failure_latency, conditions.list_latency]
                .map(|latency| latency.as_secs_f64());
        let failures = attempts.mean - 1.0;
        // Of a page and its campaigns; the mixture is the same for a few campaigns as for many.
        let page_size = f64::from(settings.page_size.get());
        let in_flight = page_size * sync + list + (page_size + 1.0) * failures * failure;
        let mut model = Self {
            settings,
            campaigns,
            pages,
            page_size,
            mean_latency: in_flight / ((page_size + 1.0) * attempts.mean),
            campaign_time: sync + failures * failure + attempts.backoff,
            page_time: list + failures * failure + attempts.backoff,
            page_repeats: failures * failure + attempts.backoff,
            before_the_syncs: 2.0 * list + attempts.backoff,
            after_the_last: 0.0,
            attempts,
        };
        // A page is asked for after the campaigns of the page before have got their permits.
        let burst = |lane: &Lane| (page_size * model.attempts.mean / lane.ahead).floor() * lane.period;
        model.page_time += model.limits().iter().map(burst).fold(0.0, f64::max);
        let last_sync = if campaigns == 0 { 0.0 } else { sync };
        model.after_the_last = last_sync + model.attempts.longest_backoff_of(model.in_flight_at_the_end());
        model
    }

    /// The last burst, or where there is none, what the sync actors are at.
    fn in_flight_at_the_end(&self) -> u64 {
        let burst = self.settings.rate_limits.iter().map(|limit| limit.requests()).min();
        self.campaigns.min(burst.unwrap_or_else(|| self.sync_actors()) as u64)
    }

    /// Those that are of use.
    fn sync_actors(&self) -> usize {
        self.settings.concurrency.get().min(self.useful_concurrency())
    }

    /// Of the whole run. The login counts as one that may fail: it is one of many.
    pub(super) fn all_requests(&self) -> Cases {
        self.requests_for(self.campaigns.saturating_add(self.pages).saturating_add(1))
    }

    /// Of so many that have to succeed.
    pub(super) fn requests_for(&self, to_succeed: u64) -> Cases {
        let (n, Attempts { mean, variance, .. }) = (to_succeed as f64, &self.attempts);
        Cases { mean: n * mean, deviation: (n * variance).sqrt(), least: n }
    }

    fn limits(&self) -> Vec<Lane> {
        let limits = &self.settings.rate_limits;
        let shortest = limits.iter().map(|limit| limit.window()).min().unwrap_or_default().as_secs_f64();
        // Under the rule of the limiter, `actors/src/stamp_rule.rs`: an answer is what frees a slot, unless that
        // costs too much of a window; then, once enough is measured, it is the sending.
        let stamped_at_completion = self.mean_latency <= TOLERATED * shortest;
        let lane = |limit: &RateLimit| {
            // A page that has to be repeated holds up what comes after it in its burst: on average, half.
            let pages = limit.requests() as f64 / (self.attempts.mean * (self.page_size + 1.0));
            let held_up = pages * self.page_repeats / 2.0;
            let (window, margin) = (limit.window().as_secs_f64(), limit.margin().as_secs_f64());
            let completion = window + margin + held_up + self.mean_latency;
            let sending = window + margin.max(SPREAD * window) + held_up;
            let period = if stamped_at_completion { completion } else { sending };
            // The answers of the second window come before the third begins.
            let until_measured = (limit.requests(), completion);
            Lane { ahead: limit.requests() as f64, period, until_measured }
        };
        limits.iter().map(lane).collect()
    }

    /// As if nothing took any time.
    pub(super) fn bare_limits(&self) -> Vec<Lane> {
        let bare = |limit: &RateLimit| Lane::new(limit.requests() as f64, limit.window().as_secs_f64());
        self.settings.rate_limits.iter().map(bare).collect()
    }

    /// So many campaigns at once, with the requests that each of them and its share of a page takes.
    fn concurrency(&self) -> Lane {
        let sync_actors = self.sync_actors();
        if sync_actors as u64 >= self.campaigns {
            return Lane::new(f64::INFINITY, self.campaign_time);
        }
        let login = 1.0 / self.campaigns as f64;
        let requests_each = self.attempts.mean * (1.0 + 1.0 / self.page_size + login);
        Lane::new(sync_actors as f64 * requests_each, self.campaign_time)
    }

    /// One page at a time.
    fn listing(&self) -> Lane {
        Lane::new(self.attempts.mean * (self.page_size + 1.0 + 1.0 / self.pages as f64), self.page_time)
    }

    pub(super) fn lanes(&self) -> Vec<Lane> {
        let mut lanes = self.limits();
        lanes.extend([self.concurrency(), self.listing()]);
        lanes
    }

    pub(super) fn bottleneck(&self, requests: f64) -> Bottleneck {
        let limits = self.settings.rate_limits.iter().map(|limit| Bottleneck::RateLimit(*limit));
        let names = limits.chain([Bottleneck::Concurrency, Bottleneck::Listing]);
        let costs = self.lanes().into_iter().map(|lane| lane.alone(requests));
        let named = names.zip(costs).filter(|(_, cost)| *cost > 0.0);
        // Of two that cost the same, the first: a limit.
        let worst = named.reduce(|worst, next| if next.1 > worst.1 { next } else { worst });
        worst.map_or(Bottleneck::Latency, |(name, _)| name)
    }

    /// Where a window of N, or the listing, always makes a request wait longer than for a sync actor: as many as
    /// are in flight within the windows that a campaign takes.
    pub(super) fn useful_concurrency(&self) -> usize {
        let windows = |period: f64| (self.campaign_time / period).ceil().max(1.0);
        let by_limits = self.limits().into_iter().map(|lane| lane.ahead * windows(lane.period));
        let by_listing = self.page_size * windows(self.page_time);
        let least = by_limits.fold(by_listing, f64::min);
        let bound = self.campaigns.clamp(1, MOST_SYNC_ACTORS) as f64;
        // A quotient by nothing is infinite, and so bounded by the campaigns.
        least.clamp(1.0, bound) as usize
    }
}
