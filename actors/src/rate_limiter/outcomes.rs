//! What became of a permit: how it counts, and what it says about the platform.

use super::*;

impl RateLimiter {
    pub(super) fn note(&mut self, PermitEvent { slot, at, fate }: PermitEvent) {
        let at = self.past + at.saturating_duration_since(self.origin);
        match &fate {
            Fate::Sent => return self.note_sent(slot, at),
            Fate::Heard(signals) => return self.hear(slot, at, signals),
            _ => {}
        }
        let is_answer = !matches!(fate, Fate::Returned | Fate::Abandoned);
        if is_answer && self.granted.get(&slot).is_some_and(|granted| granted.sent.is_none()) {
            // Nobody said that it was sent, and yet there is an answer: it counts.
            self.note_sent(slot, at);
        }
        let Some(granted) = self.granted.remove(&slot) else { return };
        let Some(Sent { at: sent, .. }) = granted.sent else {
            self.departed -= 1;
            self.breaker.withdraw();
            return self.logs.iter_mut().for_each(|log| log.give_back(slot));
        };
        if let Fate::Answered(Answer::Succeeded) = fate {
            self.latencies.succeeded(granted.endpoint, at - sent, at);
        } else {
            self.latencies.ended(at - sent);
        }
        self.metrics.request_ended(granted.endpoint, &fate, at - sent);
        match fate {
            Fate::TimedOut => self.requests.timed_out += 1,
            Fate::Answered(Answer::Unauthorized) => self.requests.unauthorized += 1,
            Fate::Answered(Answer::Throttled) => {
                self.requests.throttled += 1;
                self.latencies.throttled();
            }
            _ => {}
        }
        self.judge_platform(&fate, at);
        let rule = self.latencies.rule(at);
        self.follow(rule);
        let end = match fate {
            Fate::Answered(Answer::Succeeded) => End::Answered(at),
            // Quick refusals are stamped at completion: safe, and they cost little.
            Fate::Answered(_) => return self.count_at(slot, at),
            _ => End::Unanswered { given_up: at, at_the_latest: sent + self.request_timeout },
        };
        let stamp = rule.stamp(sent, end);
        self.count_at(slot, stamp);
        self.remember(Ended { slot, endpoint: granted.endpoint, sent, end, stamp }, at);
    }

    fn judge_platform(&mut self, fate: &Fate, at: Duration) {
        match fate {
            Fate::TimedOut | Fate::Disconnected | Fate::Answered(Answer::Unavailable) => {
                if self.breaker.failed(at) {
                    let Leave::At(until) = self.breaker.leave(at) else { return };
                    warn!(
                        pause_s = (until - at).as_secs(),
                        "the platform fails: nothing is sent for a while but a probe"
                    );
                }
            }
            // Our own doing: it says nothing about the platform.
            Fate::Abandoned => self.breaker.withdraw(),
            _ => {
                if self.breaker.answered() {
                    info!("the platform answers again");
                }
            }
        }
    }

    fn note_sent(&mut self, slot: Slot, at: Duration) {
        let Some(granted) = self.granted.get_mut(&slot) else { return };
        granted.sent = Some(Sent { at, departed: self.requests.total + 1 });
        let count = match granted.endpoint {
            Endpoint::Auth => &mut self.requests.auth,
            Endpoint::List => &mut self.requests.list,
            Endpoint::Sync => &mut self.requests.sync,
        };
        *count += 1;
        self.requests.total += 1;
        self.requests.retried += u64::from(granted.retry);
        if let Some(stamp) = self.rule.while_in_flight(at) {
            self.logs.iter_mut().for_each(|log| log.stamp(slot, stamp));
        }
    }
}
