//! What the limiter is asked and told, and what it tells.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::RateLimiter;
use crate::permit::{Endpoint, Permit};
use crate::report::ProblemClass;

/// Asks for a permit; the reply comes when it is due. An asker that is gone by then costs nothing.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AcquirePermit {
    pub(crate) endpoint: Endpoint,
    /// Whether the request was sent before and failed.
    pub(crate) retry: bool,
    pub(crate) reply: oneshot::Sender<Result<Permit, DoorClosed>>,
}

/// The run is ending: nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoorClosed;

/// Waits for a permit, also over a restart of the limiter.
pub(crate) async fn acquire_permit(
    limiter: &Addr<RateLimiter>,
    endpoint: Endpoint,
    retry: bool,
) -> Result<Permit, DoorClosed> {
    while limiter.connected() {
        let (reply, permit) = oneshot::channel();
        limiter.do_send(AcquirePermit { endpoint, retry, reply });
        // A reply that is dropped went down with a panic: the limiter comes back, so it is asked again.
        if let Ok(permit) = permit.await {
            return permit;
        }
    }
    Err(DoorClosed)
}

/// The platform answered 429: nobody sends until its wait is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CoolDown {
    pub(crate) retry_after: Option<Duration>,
}

/// No more permits: who waits is told so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CloseDoor;

/// A wait is longer than the run may be kept waiting, or nothing may be sent because it cannot be recorded; said once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CannotGoOn {
    pub(crate) class: ProblemClass,
    pub(crate) message: String,
    /// See [`crate::report::AccountReport::quota_back_in`].
    pub(crate) quota_back_in: Option<Duration>,
}

/// The run is over: gives back what was leased and not sent.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SettleSpent;
