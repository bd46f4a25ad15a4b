//! The right to send one request now, under every rate limit that applies.
//! Only the `RateLimiter` makes one, and it always learns what became of it:
//! a permit that is dropped, by a cancelled task or a panic, says so itself.

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::quota_signals::QuotaSignals;

/// What a permit is for. The limiter measures and counts each kind apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A login.
    Auth,
    /// A page of the listing.
    List,
    /// The sync of one campaign.
    Sync,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 3] = [Self::Auth, Self::List, Self::Sync];

    /// The name that metrics use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Endpoint::Auth => "auth",
            Endpoint::List => "list",
            Endpoint::Sync => "sync",
        }
    }
}

/// The kind of answer that a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The one that was wished for.
    Succeeded,
    /// 5xx and the like: the platform is not up to it at present.
    Unavailable,
    /// Any other, except those below: the platform is there, and says no.
    Rejected,
    /// A good one, but for a body that is not what the API promises.
    Unparsable,
    /// 429.
    Throttled,
    /// 401.
    Unauthorized,
}

/// What became of a permit, and when; from the permit to its limiter.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct PermitEvent {
    pub(crate) slot: u64,
    pub(crate) at: Instant,
    pub(crate) fate: Fate,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The request left: from now on it counts.
    Sent,
    /// The head of the answer is in, and says this. Not the end yet.
    Heard(Box<QuotaSignals>),
    /// The last byte of the answer is in: the platform counted it before this moment.
    Answered(Answer),
    /// No answer within the request's time.
    TimedOut,
    /// No connection, or one that broke: if it was sent, there is no answer.
    Disconnected,
    /// Sent, and nobody waits for the answer any more.
    Abandoned,
    /// Never sent: as if it had not been granted.
    Returned,
}

/// The right to send one request, now.
#[derive(Debug)]
pub struct Permit {
    slot: u64,
    probe: bool,
    sent: bool,
    /// None once the fate is told. Shared, as to copy an address costs several allocations.
    limiter: Option<Arc<Recipient<PermitEvent>>>,
    /// Among the requests that the process may have in flight; freed with the permit.
    _place: Option<OwnedSemaphorePermit>,
}

impl Permit {
    pub(crate) fn new(
        slot: u64,
        probe: bool,
        place: Option<OwnedSemaphorePermit>,
        limiter: Arc<Recipient<PermitEvent>>,
    ) -> Self {
        Self { slot, probe, sent: false, limiter: Some(limiter), _place: place }
    }

    /// Whether the circuit breaker let it through only to see how the platform is.
    pub(crate) fn is_probe(&self) -> bool {
        self.probe
    }

    /// A permit of no limiter, for tests of a platform's client on its own.
    #[cfg(feature = "testing")]
    pub fn for_test() -> Self {
        Self { slot: 0, probe: false, sent: false, limiter: None, _place: None }
    }

    /// To be called when the request leaves; before that, a dropped permit is given back.
    pub fn mark_sent(&mut self) {
        if !std::mem::replace(&mut self.sent, true) {
            self.tell(Fate::Sent);
        }
    }

    /// To be called when the head of the answer is in, with what it says about the limits, whatever else it says.
    pub fn heard(&self, signals: QuotaSignals) {
        if !signals.is_empty() {
            self.tell(Fate::Heard(Box::new(signals)));
        }
    }

    /// To be called when the answer is complete, body included.
    pub fn answered(mut self, answer: Answer) {
        self.conclude(Fate::Answered(answer));
    }

    /// To be called when the request's time is over without an answer.
    pub fn timed_out(mut self) {
        self.conclude(Fate::TimedOut);
    }

    /// To be called when there is no connection, or none any more.
    pub fn disconnected(mut self) {
        self.conclude(Fate::Disconnected);
    }

    fn tell(&self, fate: Fate) {
        if let Some(limiter) = &self.limiter {
            // A limiter that is gone has nothing left to count for.
            limiter.do_send(PermitEvent { slot: self.slot, at: Instant::now(), fate });
        }
    }

    fn conclude(&mut self, fate: Fate) {
        self.tell(fate);
        self.limiter = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.limiter.is_some() {
            self.conclude(if self.sent { Fate::Abandoned } else { Fate::Returned });
        }
    }
}
