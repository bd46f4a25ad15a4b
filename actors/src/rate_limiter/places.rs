//! The process's places for requests in flight, as one account sees them. It asks for one at a time, and only when a
//! request could leave at once: so accounts take turns, and one that waits for its quota holds none.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::*;

/// See the module.
#[derive(Default)]
pub(super) struct Places {
    /// None: there is no bound.
    all: Option<Arc<Semaphore>>,
    free: Option<OwnedSemaphorePermit>,
    asked: bool,
}

impl RateLimiter {
    /// Grants only to who finds a place among all requests of the process.
    pub(crate) fn among(mut self, all: Arc<Semaphore>) -> Self {
        self.places.all = Some(all);
        self
    }

    /// Whether a request may leave now; else the limiter serves again when one may.
    pub(super) fn has_place(&mut self, ctx: &mut Context<Self>) -> bool {
        let Places { all: Some(all), free, asked } = &mut self.places else { return true };
        if free.is_none() && !*asked {
            *free = all.clone().try_acquire_owned().ok();
        }
        let is_free = free.is_some();
        if !is_free && !std::mem::replace(asked, true) {
            let place = all.clone().acquire_owned();
            ctx.spawn(place.into_actor(self).map(|place, limiter, ctx| {
                limiter.places.asked = false;
                limiter.places.free = place.ok();
                limiter.serve(ctx);
            }));
        }
        is_free
    }

    /// For a permit that is granted.
    pub(super) fn take_place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.places.free.take()
    }

    /// Nobody can use it at once.
    pub(super) fn leave_place(&mut self) {
        self.places.free = None;
    }

    /// After a panic, which has lost the question.
    pub(super) fn forget_question(&mut self) {
        self.places.asked = false;
    }
}
