//! The shortest time in which a cell's work can be done by anybody, what makes it that long, and what is expected.

use std::fmt;
use std::time::Duration;

use actors::lower_bound::lower_bound;

use crate::matrix::PAGE_SIZE;
use crate::measurement::Measurement;

/// Windows of work below which an end or a beginning weighs more than the schedule.
const WINDOWS_TO_JUDGE: usize = 5;
/// Windows below this are for trying out: the millisecond of the clocks is too much of them.
const WINDOW_TO_JUDGE: Duration = Duration::from_secs(1);
/// The mean latency, as a share of the window, above which the limiter stamps at sending (`actors::stamp_rule`).
const STAMPED_AT_SENDING_FROM: f64 = 0.05;

/// What a cell cannot be faster than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    Limit,
    Concurrency,
    Processor,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Binding::Limit => "L",
            Binding::Concurrency => "C",
            Binding::Processor => "P",
        })
    }
}

/// A measurement and what is to be said about it.
pub(crate) struct Judged {
    pub(crate) measured: Measurement,
    pub(crate) bound: Duration,
    pub(crate) binding: Binding,
    /// The largest of the three in their simplest form: all requests under the limit, or all of them by turns.
    pub(crate) simple_bound: Duration,
    /// Whether the limiter stamps completions; otherwise sendings.
    pub(crate) stamps_completion: bool,
    /// The efficiency that is expected; none where the processor binds or there is too little work.
    pub(crate) expected: Option<f64>,
}

impl Judged {
    pub(crate) fn new(measured: Measurement) -> Self {
        let bounds = [
            (by_limit(&measured), Binding::Limit),
            (by_concurrency(&measured), Binding::Concurrency),
            (measured.processor, Binding::Processor),
        ];
        let (longest, binding) = bounds.into_iter().max_by_key(|(bound, _)| *bound).expect("there are three");
        let bound = longest.max(by_both(&measured));
        let stamps_completion = measured
            .cell
            .limit
            .is_none_or(|limit| measured.mean_latency <= limit.window().mul_f64(STAMPED_AT_SENDING_FROM));
        let expected = expected(&measured, binding, stamps_completion);
        let simple_bound = simple_bound(&measured);
        Self { measured, bound, binding, simple_bound, stamps_completion, expected }
    }

    pub(crate) fn efficiency(&self) -> f64 {
        self.bound.as_secs_f64() / self.measured.makespan.as_secs_f64()
    }

    pub(crate) fn simple_efficiency(&self) -> f64 {
        self.simple_bound.as_secs_f64() / self.measured.makespan.as_secs_f64()
    }

    pub(crate) fn misses(&self) -> bool {
        self.expected.is_some_and(|expected| self.efficiency() < expected)
    }

    /// Requests that cost the schedule nothing at its beginning.
    pub(crate) fn free(&self) -> u64 {
        let cell = &self.measured.cell;
        let of_limit = cell.limit.filter(|_| self.binding == Binding::Limit).map(|limit| limit.requests());
        // A login, a page, and one campaign for everybody.
        of_limit.unwrap_or(2 + cell.concurrency) as u64
    }
}

/// All requests under the limit, or all but login and first page after these two, whichever takes longer; then the
/// last answer.
fn by_limit(measured: &Measurement) -> Duration {
    let Some(limit) = measured.cell.limit else { return Duration::ZERO };
    let all = lower_bound(measured.requests, &[limit]);
    let after_the_beginning = lower_bound(measured.requests.saturating_sub(2), &[limit]);
    all.max(2 * measured.latency + after_the_beginning) + measured.latency
}

/// Login, first page, and then rounds of one campaign for each sync actor.
fn by_concurrency(measured: &Measurement) -> Duration {
    let rounds = measured.stored.div_ceil(measured.cell.concurrency as u64);
    measured.latency.mul_f64(2.0 + rounds as f64)
}

/// Both at once: where those who send are fewer than the limit's requests, they need several rounds for each window, and
/// the last window's rounds come on top. The sync actors send the campaigns, and beside them one more the pages.
fn by_both(measured: &Measurement) -> Duration {
    let concurrency = measured.cell.concurrency;
    let campaigns = earliest(measured, BEGINNING + measured.stored as usize, concurrency);
    let all = earliest(measured, measured.requests as usize, concurrency + 1);
    let last = campaigns.last().max(all.last()).copied().unwrap_or_default();
    last.max(last_campaigns(measured, &all)) + measured.latency
}

/// A login and a page, one after the other.
const BEGINNING: usize = 2;

/// When each of so many requests by so many senders is sent, each as early as limit and senders allow: as the latencies are
/// equal, no schedule is earlier in any of them.
fn earliest(measured: &Measurement, requests: usize, senders: usize) -> Vec<Duration> {
    let latency = measured.latency;
    let mut sent: Vec<Duration> = Vec::new();
    for request in 0..requests {
        let mut at = latency * request.min(BEGINNING) as u32;
        if let Some(limit) = measured.cell.limit
            && let Some(before) = request.checked_sub(limit.requests())
        {
            at = at.max(sent[before] + limit.window());
        }
        if request >= BEGINNING + senders {
            at = at.max(sent[request - senders] + latency);
        }
        sent.push(at);
    }
    sent
}

/// From any request on, the campaigns that are left go by rounds of the sync actors. Few of the rest can be pages, as each
/// comes before the campaigns that it lists.
fn last_campaigns(measured: &Measurement, earliest: &[Duration]) -> Duration {
    let (stored, concurrency) = (measured.stored as usize, measured.cell.concurrency);
    let page = PAGE_SIZE as usize;
    let pages = stored.div_ceil(page);
    if measured.requests as usize != 1 + pages + stored {
        // Something was repeated: nobody knows what.
        return Duration::ZERO;
    }
    // The login, and before the page of this number, counted from 0, all others and what they list.
    let at_the_latest = |number: usize| 1 + number * (page + 1);
    let last_sent = |(first, sent): (usize, &Duration)| {
        let pages_left = (0..pages).filter(|number| at_the_latest(*number) >= first).count();
        let campaigns = (earliest.len() - first).saturating_sub(pages_left);
        *sent + measured.latency * campaigns.div_ceil(concurrency).saturating_sub(1) as u32
    };
    earliest.iter().enumerate().skip(BEGINNING).map(last_sent).max().unwrap_or_default()
}

fn simple_bound(measured: &Measurement) -> Duration {
    let limits: Vec<_> = measured.cell.limit.into_iter().collect();
    let by_limit = lower_bound(measured.requests, &limits) + measured.latency;
    let at_once = measured.cell.concurrency as f64;
    let by_concurrency = measured.latency.mul_f64(measured.requests as f64 / at_once);
    by_limit.max(by_concurrency).max(measured.processor)
}

fn expected(measured: &Measurement, binding: Binding, stamps_completion: bool) -> Option<f64> {
    match (binding, measured.cell.limit) {
        (Binding::Limit, Some(limit)) => {
            let enough = measured.requests >= (WINDOWS_TO_JUDGE * limit.requests()) as u64
                && limit.window() >= WINDOW_TO_JUDGE;
            let window = limit.window().as_secs_f64();
            let a_latency_a_window = window / (window + measured.latency.as_secs_f64());
            enough.then_some(if stamps_completion { 0.99 * a_latency_a_window } else { 0.95 })
        }
        (Binding::Concurrency, _) => Some(0.93),
        _ => None,
    }
}
