//! What the limiter makes of the platform's own word. By itself it only ever becomes stricter: a limit that the
//! platform states is kept besides the configured ones, and what it says is left is kept until it is renewed.

use super::*;

/// Limits that are learned in one run. Platforms have two or three; one that makes up a new one with each answer
/// must not fill the memory.
const MOST_LEARNED: usize = 8;

impl RateLimiter {
    /// The head of this request's answer said something.
    pub(super) fn hear(&mut self, slot: Slot, at: Duration, signals: &QuotaSignals) {
        let sent = self.granted.get(&slot).and_then(|granted| granted.sent);
        let Some(Sent { departed: departed_then, .. }) = sent else { return };
        for policy in &signals.policies {
            self.learn(*policy);
        }
        for remaining in &signals.remaining {
            let own_room = self.room(usize::MAX) as u64;
            let hearing = Hearing { at, departed_then, departed: self.departed, own_room };
            self.allowances.hear(remaining, hearing);
        }
    }

    /// A limit that no other implies is kept for the rest of the run, from what was sent so far.
    fn learn(&mut self, stated: RateLimit) {
        let implied = self.logs.iter().any(|log| log.limit().implies(stated));
        if implied || self.logs.len() == self.configured + MOST_LEARNED {
            return;
        }
        warn!(
            limit = %stated,
            configured = %RateLimit::list(&self.configured()),
            "the platform states a tighter limit than the configured one: it is kept from now on"
        );
        let now = self.now();
        let longest = self.logs.iter().max_by_key(|log| log.limit().window());
        let mut log = SlidingLog::with_history(stated, longest, now);
        let mut forgotten = self.requests.total;
        match longest {
            Some(longest) if longest.limit().window() >= stated.window() => forgotten = 0,
            Some(longest) => forgotten = forgotten.saturating_sub(longest.len() as u64),
            None => {
                for (slot, granted) in &self.granted {
                    log.occupy(*slot);
                    forgotten -= u64::from(granted.sent.is_some());
                }
            }
        }
        // Nobody remembers when they were counted: now at the latest.
        for _ in 0..forgotten.min(stated.requests() as u64) {
            log.stamp(self.next_slot, now);
            log.settle(self.next_slot);
            self.next_slot += 1;
        }
        // Stamped as the configured limits want it: a short window that a platform made up must not bring the less
        // safe rule to theirs.
        self.logs.push(log);
    }

    /// The limits that the user set.
    pub(super) fn configured(&self) -> Vec<RateLimit> {
        self.logs[..self.configured].iter().map(SlidingLog::limit).collect()
    }

    /// The limits that only the platform named.
    pub(super) fn learned(&self) -> Vec<RateLimit> {
        self.logs[self.configured..].iter().map(SlidingLog::limit).collect()
    }

    /// How many requests the logs would let through now, of so many that are asked for.
    pub(super) fn room(&self, asked: usize) -> usize {
        let now = self.now();
        self.logs.iter().map(|log| log.room(now, asked)).min().unwrap_or(asked)
    }
}
