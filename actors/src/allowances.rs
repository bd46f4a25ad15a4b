//! What the platform left us, by its own word, until it renews its quota. Kept only where it is less than our own
//! logs would grant, so it can hold requests back and never let one more through. Pure: time is an argument.
//!
//! Requests overlap, so the platform's word is old when it comes: what was sent after the request that it came
//! with is taken off it, and what was sent before that one counts as counted. The word of the request that was
//! sent last replaces those before it.

use std::time::Duration;

use crate::quota_signals::Remaining;
use crate::sliding_log::Availability;

/// Policies that are told apart; platforms have two or three. A further one is not heard.
const MOST_POLICIES: usize = 8;

/// Against timers that fire early.
const MARGIN: Duration = Duration::from_millis(5);

/// By policy.
#[derive(Default)]
pub(crate) struct Allowances(Vec<Allowance>);

struct Allowance {
    policy: String,
    requests: u64,
    /// How many requests had left when the one left that brought this word, itself included.
    departed: u64,
    until: Duration,
}

impl Allowance {
    fn left(&self, departed: u64) -> u64 {
        self.requests.saturating_sub(departed.saturating_sub(self.departed))
    }
}

/// When a word was said, and what our own books say then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hearing {
    pub(crate) at: Duration,
    /// How many requests had left with the one that brought the word, itself included.
    pub(crate) departed_then: u64,
    /// How many have left by now, or have leave to.
    pub(crate) departed: u64,
    /// How many more our own logs would let through now.
    pub(crate) own_room: u64,
}

impl Allowances {
    /// Takes the platform's word where it is the latest, and less than ours.
    pub(crate) fn hear(&mut self, remaining: &Remaining, hearing: Hearing) {
        self.0.retain(|allowance| allowance.until > hearing.at);
        if let Some(known) = self.0.iter().position(|known| known.policy == remaining.policy()) {
            if self.0[known].departed > hearing.departed_then {
                return;
            }
            self.0.swap_remove(known);
        }
        let allowance = Allowance {
            policy: remaining.policy().to_owned(),
            requests: remaining.requests(),
            departed: hearing.departed_then,
            until: hearing.at + remaining.renewed_in() + MARGIN,
        };
        if allowance.left(hearing.departed) < hearing.own_room && self.0.len() < MOST_POLICIES {
            self.0.push(allowance);
        }
    }

    /// How many requests are left now of what was allowed; none where the platform said nothing that holds still.
    pub(crate) fn left(&self, now: Duration, departed: u64) -> Option<u64> {
        self.holding(now).map(|allowance| allowance.left(departed)).min()
    }

    /// When the next request may leave.
    pub(crate) fn availability(&self, now: Duration, departed: u64) -> Availability {
        let used_up = self.holding(now).filter(|allowance| allowance.left(departed) == 0);
        used_up.map(|allowance| allowance.until).max().map_or(Availability::Now, Availability::At)
    }

    fn holding(&self, now: Duration) -> impl Iterator<Item = &Allowance> {
        self.0.iter().filter(move |allowance| allowance.until > now)
    }
}
