//! One account: what is due, and what follows from how a run ended. Pure; it is told the time.
//! Promises that no two runs of the account overlap, and that a time which was missed runs once, at once.

use std::sync::Arc;
use std::time::Duration;

use actors::model::{FailureClass, LetterFilter};
use actors::report::{AccountReport, ProblemClass, Status};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;

use super::AccountPlan;
use super::backoff::Backoff;
use super::snapshot::{AccountStatus, Because, Ended, Failing, Purpose, State};
use crate::serve::schedule::AccountSchedule;

/// Platforms lock an account after a few wrong passwords: an hour apart they stay below what any of them counts.
const REFUSED_WAIT: Duration = Duration::from_secs(60 * 60);

/// What has failed in these ways may go well another time without anybody doing anything.
const HEALING: [FailureClass; 6] = [
    FailureClass::Timeout,
    FailureClass::Connection,
    FailureClass::Unavailable,
    FailureClass::Unparsable,
    FailureClass::Throttled,
    FailureClass::Unauthorized,
];

/// See the module.
#[derive(Debug)]
pub(super) struct Account {
    schedule: AccountSchedule,
    fingerprint: u64,
    /// The first time of the schedule that nothing was started for.
    planned: Timestamp,
    again: Option<Again>,
    running: Option<(Timestamp, Purpose)>,
    paused_since: Option<Timestamp>,
    leaving: bool,
    last: Option<Arc<Ended>>,
    failing: Option<Failing>,
    interruptions: u32,
    replays: u32,
}

/// What is to be started beside the schedule.
#[derive(Debug)]
struct Again {
    at: Timestamp,
    purpose: Purpose,
    because: Because,
}

impl Again {
    /// The schedule has to wait for it.
    fn holds(&self) -> bool {
        matches!(self.because, Because::Refused | Because::Quota)
    }
}

impl Account {
    pub(super) fn new(plan: AccountPlan, now: Timestamp) -> Self {
        let schedule = plan.schedule.of(&plan.id);
        let planned = schedule.next_after(plan.last_begun.unwrap_or(now).min(now));
        Self {
            schedule,
            fingerprint: plan.fingerprint,
            planned,
            again: None,
            running: None,
            paused_since: plan.paused_since,
            leaving: false,
            last: None,
            failing: None,
            interruptions: 0,
            replays: 0,
        }
    }

    /// When to start something; none where a run is at work, or nothing may be started.
    pub(super) fn next(&self) -> Option<(Timestamp, Because)> {
        if self.running.is_some() || self.is_paused() || self.leaving {
            return None;
        }
        match &self.again {
            Some(again) if again.holds() || again.at < self.planned => Some((again.at, again.because)),
            _ => Some((self.planned, Because::Schedule)),
        }
    }

    /// What is due now. A sync is all that a replay is, and more: where both are due it is the one.
    pub(super) fn due(&self, now: Timestamp) -> Option<Purpose> {
        self.next().filter(|(at, _)| *at <= now)?;
        match &self.again {
            Some(again) if self.planned > now => Some(again.purpose.clone()),
            _ => Some(Purpose::Sync),
        }
    }

    pub(super) fn begin(&mut self, purpose: Purpose, now: Timestamp) {
        // However many times have passed since, one run stands for all of them.
        self.planned = if self.planned > now { self.planned } else { self.schedule.next_after(now) };
        // A replay stands neither for the sync that is due after a failure nor for that of other letters.
        self.again.take_if(|again| purpose == Purpose::Sync || again.purpose == purpose);
        self.running = Some((now, purpose));
    }

    pub(super) fn end(&mut self, report: AccountReport, now: Timestamp, rng: &mut impl Rng) {
        let Some((started_at, purpose)) = self.running.take() else { return };
        // A replay that found nothing to replay asked the platform nothing: it proves nothing, and hides no run.
        let has_worked = purpose == Purpose::Sync
            || report.requests.total > 0
            || !matches!(report.status, Status::Complete | Status::Partial);
        let owed = self.again.take();
        let unfinished = if owed.is_some() { Purpose::Sync } else { purpose.clone() };
        let refused = report.problems.iter().any(|problem| problem.class == ProblemClass::CredentialsRefused);
        let again = |wait: Duration, purpose, because| {
            Some(Again { at: now.checked_add(wait).unwrap_or(Timestamp::MAX), purpose, because })
        };
        self.again = match report.status {
            Status::Complete | Status::Partial => {
                if has_worked {
                    (self.failing, self.interruptions) = (None, 0);
                }
                if owed.is_none() {
                    let may_heal =
                        HEALING.iter().any(|class| report.dead_lettered_by_class.contains_key(class));
                    self.replays = if may_heal { self.replays + 1 } else { 0 };
                }
                if owed.is_some() || self.replays == 0 {
                    owed
                } else {
                    let letters = LetterFilter { campaigns: vec![], classes: HEALING.to_vec() };
                    let wait = Backoff::REPLAY.wait(self.replays, rng);
                    again(wait, Purpose::Replay(letters), Because::Replay)
                }
            }
            Status::Failed => {
                let failures = self.count_failure(&report, now);
                if refused {
                    again(REFUSED_WAIT, Purpose::Sync, Because::Refused)
                } else {
                    let wait = Backoff::FAILED.wait(failures, rng);
                    again(wait, unfinished, Because::Retry(failures))
                }
            }
            Status::Interrupted => {
                self.interruptions += 1;
                match report.quota_back_in {
                    Some(wait) => again(wait, unfinished, Because::Quota),
                    None => {
                        let wait = Backoff::FAILED.wait(self.interruptions, rng);
                        again(wait, unfinished, Because::Interrupted)
                    }
                }
            }
        };
        if has_worked {
            self.last = Some(Arc::new(Ended { started_at, ended_at: now, purpose, report }));
        }
    }

    fn count_failure(&mut self, report: &AccountReport, now: Timestamp) -> u32 {
        let cause = report.problems.first().map(|problem| problem.message.clone());
        let before = self.failing.take();
        let failures = before.as_ref().map_or(0, |failing| failing.failures).saturating_add(1);
        self.failing = Some(Failing {
            since: before.map_or(now, |failing| failing.since),
            failures,
            cause: cause.unwrap_or_else(|| "its report does not say why".to_owned()),
        });
        failures
    }

    /// From the next run on. What failed before is worth a new attempt: something was done about it.
    pub(super) fn reconfigure(&mut self, plan: &AccountPlan, now: Timestamp) {
        let schedule = plan.schedule.of(&plan.id);
        if schedule != self.schedule {
            self.schedule = schedule;
            if self.planned > now {
                self.planned = self.schedule.next_after(now);
            }
        }
        let changed = self.fingerprint != plan.fingerprint;
        if let Some(again) = &mut self.again
            // A password can be another one in the same place.
            && (again.because == Because::Refused || changed && again.because != Because::Replay)
        {
            again.at = again.at.min(now);
        }
        self.fingerprint = plan.fingerprint;
        self.leaving = false;
    }

    /// The clock was set back by so much: what was due after a while is due after that while.
    pub(super) fn set_back(&mut self, by: SignedDuration, now: Timestamp) {
        self.planned = self.planned.min(self.schedule.next_after(now));
        if let Some(again) = &mut self.again {
            again.at = again.at.checked_sub(by).unwrap_or(now);
        }
    }

    pub(super) fn differs_from(&self, plan: &AccountPlan) -> bool {
        self.fingerprint != plan.fingerprint || *self.schedule.schedule() != plan.schedule
    }

    pub(super) fn pause(&mut self, since: Timestamp) {
        self.paused_since = self.paused_since.or(Some(since));
    }

    pub(super) fn resume(&mut self) {
        self.paused_since = None;
    }

    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(super) fn status(&self) -> AccountStatus {
        let state = match (&self.running, self.next()) {
            (Some((since, purpose)), _) => State::Running { since: *since, purpose: purpose.clone() },
            (None, Some((until, because))) => State::Waiting { until, because },
            (None, None) => State::Paused,
        };
        AccountStatus {
            state,
            schedule: self.schedule.schedule().clone(),
            paused_since: self.paused_since,
            leaving: self.leaving,
            next_time: (!self.is_paused() && !self.leaving).then_some(self.planned),
            last: self.last.clone(),
            failing: self.failing.clone(),
        }
    }
}
