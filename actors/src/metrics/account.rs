//! The series of one account, looked up once: what happens often costs an atomic add. Whoever holds it keeps its series
//! alive (see the program's recorder), whether or not they move.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::metrics::{Counter, Gauge, Histogram, NoopRecorder, SharedString, with_local_recorder};

use super::*;
use crate::auth_actor::AuthError;
use crate::model::AccountId;
use crate::permit::{Endpoint, Fate};
use crate::report::{AccountReport, CampaignCounts, Status};
use crate::settings::RateLimit;

const OUTCOMES: [&str; 3] = ["stored", "skipped", "dead_lettered"];
const QUEUES: [&str; 4] = ["permit", "ready", "in_flight", "uncommitted"];

/// See the module.
#[derive(Debug)]
pub struct AccountMetrics {
    account: SharedString,
    runs: [Counter; 4],
    run_in_progress: Gauge,
    run_planned_end: Gauge,
    run_throttled: Gauge,
    last_complete: Gauge,
    followed_since: Gauge,
    schedule_interval: Gauge,
    campaigns: [Counter; 3],
    dead_letters: Gauge,
    requests: [[Counter; 9]; 3],
    logins: Counter,
    login_refused: Counter,
    login_failed: Counter,
    breaker_open: Gauge,
    queues: [Gauge; 4],
    /// Of all accounts together, by endpoint.
    request_duration: [Histogram; 3],
    permit_wait: [Histogram; 3],
}

impl AccountMetrics {
    /// Of the recorder that is installed now; what exists already is found, not reset.
    pub fn new(account: &AccountId) -> Self {
        let account = SharedString::from(Arc::<str>::from(account.as_str()));
        let gauge = |metric: Metric| metric.gauge([account.clone()]);
        let status = |status: Status| RUNS.counter([account.clone(), status.as_str().into()]);
        let outcome = |outcome: &'static str| CAMPAIGNS.counter([account.clone(), outcome.into()]);
        let queue = |queue: &'static str| QUEUE_LENGTH.gauge([account.clone(), queue.into()]);
        let login_failure = |reason: &'static str| LOGIN_FAILURES.counter([account.clone(), reason.into()]);
        let request = |endpoint: Endpoint, class: RequestClass| {
            REQUESTS.counter([account.clone(), endpoint.as_str().into(), class.as_str().into()])
        };
        Self {
            runs: Status::ALL.map(status),
            run_in_progress: gauge(RUN_IN_PROGRESS),
            run_planned_end: gauge(RUN_PLANNED_END),
            run_throttled: gauge(RUN_THROTTLED),
            last_complete: gauge(LAST_COMPLETE),
            followed_since: gauge(FOLLOWED_SINCE),
            schedule_interval: gauge(SCHEDULE_INTERVAL),
            campaigns: OUTCOMES.map(outcome),
            dead_letters: gauge(DEAD_LETTERS),
            requests: Endpoint::ALL.map(|endpoint| RequestClass::ALL.map(|class| request(endpoint, class))),
            logins: LOGINS.counter([account.clone()]),
            login_refused: login_failure("refused"),
            login_failed: login_failure("failed"),
            breaker_open: gauge(BREAKER_OPEN),
            queues: QUEUES.map(queue),
            request_duration: Endpoint::ALL
                .map(|endpoint| REQUEST_DURATION.histogram([endpoint.as_str().into()])),
            permit_wait: Endpoint::ALL.map(|endpoint| PERMIT_WAIT.histogram([endpoint.as_str().into()])),
            account,
        }
    }

    /// Of nobody: whatever it is told goes nowhere.
    pub(crate) fn of_nobody() -> Self {
        with_local_recorder(&NoopRecorder, || Self::new(&AccountId::from("")))
    }

    /// Since when the account has been in the configuration.
    pub fn followed_since(&self, at: SystemTime) {
        self.followed_since.set(unix_time(at));
    }

    /// How often the account is to be synced; none where it is not on a schedule.
    pub fn scheduled_every(&self, interval: Option<Duration>) {
        self.schedule_interval.set(interval.unwrap_or_default().as_secs_f64());
    }

    /// When the run that is at work will end, as estimated.
    pub fn planned_to_end(&self, at: SystemTime) {
        self.run_planned_end.set(unix_time(at));
    }

    /// When the last complete run ended, where an earlier process saw it.
    pub fn last_completed(&self, at: SystemTime) {
        self.last_complete.set(unix_time(at));
    }

    /// How many dead letters the database holds.
    pub fn holds_dead_letters(&self, count: u64) {
        self.dead_letters.set(count as f64);
    }

    /// A run begins, and is in progress until what this yields is dropped.
    pub(crate) fn run_begins(self: &Arc<Self>) -> RunInProgress {
        self.run_in_progress.set(1.0);
        self.run_planned_end.set(0.0);
        self.run_throttled.set(0.0);
        RunInProgress(self.clone())
    }

    /// A permit was granted after this wait.
    pub(crate) fn granted(&self, endpoint: Endpoint, wait: Duration) {
        self.permit_wait[endpoint as usize].record(wait.as_secs_f64());
    }

    /// A request that was sent ended like this, after so long.
    pub(crate) fn request_ended(&self, endpoint: Endpoint, fate: &Fate, took: Duration) {
        let Some(class) = RequestClass::of(fate) else { return };
        self.requests[endpoint as usize][class as usize].increment(1);
        self.request_duration[endpoint as usize].record(took.as_secs_f64());
        if class == RequestClass::Throttled {
            self.run_throttled.increment(1.0);
        }
    }

    /// What the limiter keeps waiting, and whether because of the platform.
    pub(crate) fn limiter_stands(&self, waiting: usize, breaker_open: bool) {
        self.queues[0].set(waiting as f64);
        self.breaker_open.set(f64::from(u8::from(breaker_open)));
    }

    /// What the pipeline holds, and where.
    pub(crate) fn pipeline_stands(&self, ready: usize, in_flight: usize, uncommitted: usize) {
        for (queue, length) in self.queues[1..].iter().zip([ready, in_flight, uncommitted]) {
            queue.set(length as f64);
        }
    }

    /// What has become of campaigns since the run's counts were these.
    pub(crate) fn campaigns_settled(&self, before: [u64; 3], now: &CampaignCounts) {
        let now = [now.stored, now.skipped, now.dead_lettered];
        for ((counter, before), now) in self.campaigns.iter().zip(before).zip(now) {
            counter.increment(now.saturating_sub(before));
        }
    }

    /// A login ended; none: with a token.
    pub(crate) fn login_ended(&self, error: Option<&AuthError>) {
        match error {
            None => self.logins.increment(1),
            Some(AuthError::Refused(_)) => self.login_refused.increment(1),
            Some(AuthError::Failed(_)) => self.login_failed.increment(1),
            Some(AuthError::Stopped) => {}
        }
    }

    pub(super) fn limit(&self, limit: RateLimit) -> Gauge {
        LIMIT_USED.gauge([self.account.clone(), limit.to_string().into()])
    }
}

/// Set back when it is dropped, also with a run that was cut off.
#[must_use]
pub(crate) struct RunInProgress(Arc<AccountMetrics>);

impl RunInProgress {
    /// The run ended with this report.
    pub(crate) fn ended(self, report: AccountReport) -> AccountReport {
        self.0.runs[report.status as usize].increment(1);
        RUN_DURATION.histogram([report.status.as_str().into()]).record(report.duration.as_secs_f64());
        if report.status == Status::Complete {
            self.0.last_completed(SystemTime::now());
        }
        report
    }
}

impl Drop for RunInProgress {
    fn drop(&mut self) {
        self.0.run_in_progress.set(0.0);
        self.0.limiter_stands(0, false);
        self.0.pipeline_stands(0, 0, 0);
    }
}

fn unix_time(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
