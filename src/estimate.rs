//! What a run costs before it is made, and how long it takes yet while it is: the one estimator behind `plan` and
//! behind the time left that `run` shows. Pure.
//!
//! How many attempts a request needs is chance, so a run is taken through its [`schedule`] with as many requests as
//! in a bad, a usual and a good case, each weighed by how likely it is: windows are steps, and the time of the mean
//! is not the mean of the times.

mod attempts;
mod cases;
mod model;
mod schedule;
mod time_left;

use std::time::Duration;

use actors::settings::{PipelineSettings, RateLimit};

use cases::seconds;
use model::Model;
use schedule::Schedule;

pub use time_left::time_left;

/// How long a sync takes where nobody has measured it: the reference platform's.
pub const ASSUMED_LATENCY: Duration = Duration::from_secs(2);

/// The share of requests that fail where nobody has counted them: of the reference platform's, a fifth are answered 503
/// and a tenth never.
pub const ASSUMED_FAILURE_RATE: f64 = 0.3;

/// What a run meets with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// The share of list and sync requests that fail and are repeated, 0 to 1.
    pub failure_rate: f64,
    /// Of a sync that succeeds.
    pub sync_latency: Duration,
    /// Of a request that fails.
    pub failure_latency: Duration,
    /// Of a page, and of the login.
    pub list_latency: Duration,
}

/// What keeps a run from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// The windows of this limit.
    RateLimit(RateLimit),
    /// The number of sync actors.
    Concurrency,
    /// Pages come one after the other.
    Listing,
    /// Everything goes out at once.
    Latency,
}

/// A number that depends on chance: the mean, and between which two it is in nine runs of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range<T> {
    /// The mean.
    pub expected: T,
    /// Less in one run of twenty.
    pub low: T,
    /// More in one run of twenty.
    pub high: T,
}

/// What a run costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Pages that are asked for, without repeats.
    pub pages: u64,
    /// All requests: one login, the pages, a sync for each campaign, and the repeats.
    pub requests: Range<u64>,
    /// From the start to the last answer.
    pub duration: Range<Duration>,
    /// The shortest in which the expected requests can be sent under the limits.
    pub lower_bound: Duration,
    /// What binds.
    pub bottleneck: Bottleneck,
    /// The number of sync actors beyond which nothing gets faster.
    pub useful_concurrency: usize,
    /// A run that starts again after this long, and again, ends before the next, and the limits bear it.
    pub shortest_schedule: Duration,
}

/// The estimate of a run of so many campaigns.
pub fn estimate(settings: &PipelineSettings, campaigns: u64, conditions: &Conditions) -> Estimate {
    let model = Model::new(settings, campaigns, conditions);
    let cases = model.all_requests();
    let lanes = model.lanes();
    let schedule = Schedule::new(&lanes, cases.most());
    let duration =
        cases.weigh(|requests| model.before_the_syncs + schedule.sent_at(requests) + model.after_the_last);
    let requests = cases.weigh(|requests| requests);
    let bare = Schedule::new(&model.bare_limits(), requests.expected);
    let sustained = lanes.iter().map(|lane| requests.expected * lane.period / lane.ahead).fold(0.0, f64::max);
    Estimate {
        pages: model.pages,
        requests: requests.map(|requests| requests.round() as u64),
        duration: duration.map(seconds),
        lower_bound: seconds(bare.sent_at(requests.expected.round())),
        bottleneck: model.bottleneck(requests.expected),
        useful_concurrency: model.useful_concurrency(),
        shortest_schedule: seconds(duration.high.max(sustained + model.after_the_last)),
    }
}

impl<T> Range<T> {
    fn map<U>(self, to: impl Fn(T) -> U) -> Range<U> {
        Range { expected: to(self.expected), low: to(self.low), high: to(self.high) }
    }
}

impl Estimate {
    /// The largest share of a limit that a run every so often uses; 0 where there is none.
    pub fn share_of_limits(&self, limits: &[RateLimit], every: Duration) -> f64 {
        let share = |limit: &RateLimit| {
            let allowed = limit.requests() as f64 * every.as_secs_f64() / limit.window().as_secs_f64();
            self.requests.expected as f64 / allowed
        };
        limits.iter().map(share).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests;
