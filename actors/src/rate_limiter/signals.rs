//! What the limiter makes of the platform's own word. By itself it only ever becomes stricter: a limit that the
//! platform states is kept besides the configured ones, and what it says is left is kept until it is renewed.

use super::*;
use crate::progress::{LimitInUse, LimitSource};

/// Limits that are learned in one run. Platforms have two or three; one that makes up a new one with each answer
/// must not fill the memory.
const MOST_LEARNED: usize = 8;

impl RateLimiter {
    /// The head of this request's answer said something.
    pub(super) fn hear(&mut self, slot: Slot, at: Duration, signals: &QuotaSignals) {
        let sent = self.granted.get(&slot).and_then(|granted| granted.sent);
        let Some(Sent { departed: departed_then, .. }) = sent else { return };
        if !signals.policies.is_empty() {
            let of_a_login =
                self.granted.get(&slot).is_some_and(|granted| granted.endpoint == Endpoint::Auth);
            self.hear_policies(&signals.policies, of_a_login);
        }
        for remaining in &signals.remaining {
            let own_room = self.room(self.now(), usize::MAX) as u64;
            let hearing = Hearing { at, departed_then, departed: self.departed, own_room };
            self.allowances.hear(remaining, hearing);
        }
    }

    /// What an earlier process was told holds until the platform says it again, or says something else.
    pub(super) fn keep_remembered(&mut self, stated: &[RateLimit]) {
        let newest = self.history.last().map(|(at, _)| *at);
        // Where the user set a limit, one that nothing counts in any more is no reason to be slower than that.
        let counts =
            |limit: &&RateLimit| self.assumed || newest.is_some_and(|at| at + limit.window() > self.past);
        let stated: Vec<RateLimit> = stated.iter().filter(counts).take(MOST_LEARNED).copied().collect();
        if self.assumed && !stated.is_empty() {
            (self.logs, self.configured) = (Vec::new(), 0);
            self.latencies.limited_by(&stated);
        }
        for limit in stated {
            if self.logs.iter().all(|log| !log.limit().implies(limit)) {
                let log = self.log_of(limit);
                self.logs.push(log);
                self.remembered += 1;
            }
        }
        self.measure_leases();
    }

    /// Logins often have a limit of their own: a tighter one is kept, but it is not the account's.
    fn hear_policies(&mut self, policies: &[RateLimit], of_a_login: bool) {
        if !of_a_login {
            self.logs.drain(self.configured..self.configured + self.remembered);
            self.remembered = 0;
            self.measure_leases();
            if self.assumed {
                return self.adopt(policies);
            }
        }
        policies.iter().for_each(|policy| self.learn(*policy));
    }

    /// The platform's limits take the place of those that were assumed, tighter or not.
    fn adopt(&mut self, stated: &[RateLimit]) {
        let learned = self.logs.split_off(self.configured);
        info!(
            limits = %RateLimit::list(stated),
            assumed = %RateLimit::list(&self.configured()),
            "the platform states its limits: they are kept from now on"
        );
        let adopted = stated.iter().take(MOST_LEARNED).map(|limit| self.log_of(*limit)).collect();
        self.logs = adopted;
        self.logs.extend(learned);
        (self.configured, self.assumed) = (0, false);
        self.latencies.limited_by(stated);
        self.measure_leases();
    }

    /// A limit that no other implies is kept for the rest of the run, from what was sent so far.
    fn learn(&mut self, stated: RateLimit) {
        let implied = self.logs.iter().any(|log| log.limit().implies(stated));
        if implied || self.logs.len() >= self.configured + MOST_LEARNED {
            return;
        }
        warn!(
            limit = %stated,
            configured = %RateLimit::list(&self.configured()),
            "the platform states a tighter limit than the configured one: it is kept from now on"
        );
        // Stamped as the configured limits want it: a short window that a platform made up must not bring the less
        // safe rule to theirs.
        let log = self.log_of(stated);
        self.logs.push(log);
        self.measure_leases();
    }

    /// A log of this limit, with all that was sent so far and may count in it.
    fn log_of(&mut self, limit: RateLimit) -> SlidingLog {
        let now = self.now();
        let longest = self.longest();
        let mut log = SlidingLog::with_history(limit, longest, now);
        count_history(&mut log, &self.history, now);
        if longest.is_none() {
            self.granted.keys().for_each(|slot| log.occupy(*slot));
        }
        if longest.is_some_and(|longest| longest.limit().window() >= limit.window()) {
            return log;
        }
        // Of our own requests that no log remembers, nobody knows when they were counted: now at the latest.
        let unsent = self.granted.values().filter(|granted| granted.sent.is_none()).count();
        let remembered = log.count(|slot| slot < self.next_slot) - unsent;
        for _ in remembered as u64..self.requests.total.min(remembered as u64 + limit.requests() as u64) {
            count_at(&mut log, self.new_slot(), now);
        }
        log
    }

    /// The limits that only the platform named. While what is assumed holds, only logins have named one, and that is not
    /// for the next run to begin with instead.
    pub(super) fn stated(&self) -> Vec<RateLimit> {
        if self.assumed && self.configured > 0 {
            return vec![];
        }
        self.logs[self.configured..].iter().map(SlidingLog::limit).collect()
    }

    fn measure_leases(&mut self) {
        let limits: Vec<RateLimit> = self.logs.iter().map(SlidingLog::limit).collect();
        if let Some(ledger) = &mut self.ledger {
            ledger.measure_for(&limits);
        }
    }

    /// Brings what is shown of the limits up to date.
    pub(super) fn publish_limits(&self, now: Duration, shown: &mut Vec<LimitInUse>) {
        let source = |index| match (index < self.configured, self.assumed) {
            (true, false) => LimitSource::Configured,
            (true, true) => LimitSource::Assumed,
            (false, _) => LimitSource::Platform,
        };
        shown.clear();
        shown.extend(self.logs.iter().enumerate().map(|(index, log)| LimitInUse {
            limit: log.limit(),
            source: source(index),
            used: log.used(now),
        }));
    }

    /// The limits that the run began with.
    fn configured(&self) -> Vec<RateLimit> {
        self.logs[..self.configured].iter().map(SlidingLog::limit).collect()
    }

    /// How many requests the logs will let through at that time, of so many that are asked for.
    pub(super) fn room(&self, at: Duration, asked: usize) -> usize {
        self.logs.iter().map(|log| log.room(at, asked)).min().unwrap_or(asked)
    }
}
