//! What is learned about the latencies holds for the requests before, too: a new rule moves the stamps of what is on
//! its way, and of what ended so lately that it still counts.

use super::*;

/// A request that is over and was answered as wished, or not at all: its stamp depends on the rule.
pub(super) struct Ended {
    pub(super) slot: Slot,
    pub(super) endpoint: Endpoint,
    pub(super) sent: Duration,
    pub(super) end: End,
    pub(super) stamp: Duration,
}

impl RateLimiter {
    /// From now on stamps by this rule, and brings all stamps that count in line with it: a wider spread is safer at
    /// once, and leaving completion pays at once. A narrower spread is for what is yet to be sent.
    pub(super) fn follow(&mut self, rule: StampRule) {
        if rule == self.rule {
            return;
        }
        let narrows = matches!(self.rule, StampRule::Sending { .. });
        self.rule = rule;
        for (slot, granted) in &self.granted {
            if let Some(stamp) = granted.sent.and_then(|sent| rule.while_in_flight(sent.at)) {
                self.logs.iter_mut().for_each(|log| log.stamp(*slot, stamp));
            }
        }
        for ended in &mut self.ended {
            // What is known to have been late was late, also when nothing has been for a while.
            let own = self.latencies.spread_in_hindsight(ended.endpoint, ended.end.after(ended.sent));
            let stamp = rule.at_least(own).stamp(ended.sent, ended.end);
            let stamp = if narrows { stamp.max(ended.stamp) } else { stamp };
            self.logs.iter_mut().for_each(|log| log.move_settled(ended.slot, ended.stamp, stamp));
            ended.stamp = stamp;
        }
    }

    /// Keeps what may have to be stamped again, and no longer than it matters.
    pub(super) fn remember(&mut self, ended: Ended, now: Duration) {
        let matters = self.latencies.rule_matters_for();
        if !matters.is_zero() {
            self.ended.push_back(ended);
        }
        while self.ended.front().is_some_and(|oldest| oldest.stamp + matters <= now) {
            self.ended.pop_front();
        }
    }
}
