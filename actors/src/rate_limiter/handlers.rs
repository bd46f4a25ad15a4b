//! What the limiter makes of what it is asked and told.

use super::*;

impl Handler<AcquirePermit> for RateLimiter {
    type Result = ();

    fn handle(&mut self, AcquirePermit { endpoint, retry, reply }: AcquirePermit, ctx: &mut Context<Self>) {
        if self.closed {
            // An asker that is gone needs no answer.
            let _ = reply.send(Err(DoorClosed));
        } else {
            let queue = match (endpoint, retry) {
                (Endpoint::Auth, _) => TOKEN,
                (_, true) => RETRY,
                (_, false) => NEW,
            };
            self.queues[queue].push_back(Waiting { endpoint, retry, since: self.now(), reply });
            self.serve(ctx);
        }
    }
}

impl Handler<PermitEvent> for RateLimiter {
    type Result = ();

    fn handle(&mut self, event: PermitEvent, ctx: &mut Context<Self>) {
        let is_sent = event.fate == Fate::Sent;
        self.note(event);
        if is_sent {
            let requests = self.requests;
            self.progress.send_modify(|progress| progress.requests = requests);
        }
        // Where requests count until they are answered, one that has only been sent makes room for nobody.
        if !is_sent || self.rule != StampRule::Completion {
            self.serve(ctx);
        }
    }
}

impl Handler<CoolDown> for RateLimiter {
    type Result = ();

    fn handle(&mut self, CoolDown { retry_after }: CoolDown, ctx: &mut Context<Self>) {
        // Without a hint, the longest window of a minute or less: after it a log of that kind is empty.
        let own_guess = || {
            let windows = self.logs.iter().map(|log| log.limit().window());
            windows
                .filter(|window| *window <= Duration::from_secs(60))
                .max()
                .unwrap_or(Duration::from_secs(60))
        };
        let wait = retry_after.unwrap_or_else(own_guess).min(LONGEST_COOL_DOWN);
        let until = self.now() + wait + self.jitter.up_to(COOL_DOWN_JITTER);
        self.cooling_until = self.cooling_until.max(Some(until));
        warn!(
            wait_ms = wait.as_millis() as u64,
            "the platform answered 429: the limit is set too high, or something else uses it"
        );
        self.serve(ctx);
    }
}

impl Handler<CloseDoor> for RateLimiter {
    type Result = ();

    fn handle(&mut self, CloseDoor: CloseDoor, _: &mut Context<Self>) {
        debug!(waiting = self.waiting(), "no more permits are handed out");
        self.closed = true;
        for waiting in self.queues.iter_mut().flat_map(|queue| queue.drain(..)) {
            let _ = waiting.reply.send(Err(DoorClosed));
        }
    }
}

impl Handler<SettleSpent> for RateLimiter {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, SettleSpent: SettleSpent, _: &mut Context<Self>) -> Self::Result {
        let (now, counted, in_flight) = (self.now(), self.counted(), self.granted.len());
        let stated = self.stated();
        let settle = |ledger: &mut Ledger| ledger.settle(now, counted.into_iter(), in_flight, stated);
        let record = self.ledger.as_mut().and_then(settle);
        let settle = async move {
            if let Some(record) = record {
                // What cannot be kept leaves the last record, which says more.
                let _ = record.await;
            }
        };
        Box::pin(settle.into_actor(self))
    }
}
