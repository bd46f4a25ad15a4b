//! What the pipeline makes of what it is told.

use tracing::field::display;

use super::*;

impl Handler<Stop> for Pipeline {
    type Result = ();

    fn handle(&mut self, Stop: Stop, ctx: &mut Context<Self>) {
        info!("stopping: what is in flight is finished, nothing new is begun");
        self.wind_down(Status::Interrupted, ctx);
    }
}

impl Handler<PageFetched> for Pipeline {
    type Result = ();

    fn handle(&mut self, PageFetched(outcome): PageFetched, ctx: &mut Context<Self>) {
        match outcome {
            Ok(Ok(page)) => {
                let sifted = self.sift(page);
                return self.find_settled(sifted, ctx);
            }
            Ok(Err(RequestError::GaveUp(cause))) => self.listing.break_off(&cause.message),
            Ok(Err(RequestError::Auth(error))) => self.cannot_log_in(&error, ctx),
            // Panicked, and back soon: it is asked for the same page again.
            Ok(Err(RequestError::Stopped)) | Err(_) => {}
        }
        self.page_pending = false;
        self.pump(ctx);
    }
}

impl Handler<PageSifted> for Pipeline {
    type Result = ();

    fn handle(&mut self, PageSifted { sifted, settled }: PageSifted, ctx: &mut Context<Self>) {
        match settled {
            _ if self.ending.is_some() => {}
            Ok(Ok(settled)) => self.take_in(sifted, settled),
            Ok(Err(error)) => self.fail(ProblemClass::StoreFailed, error.to_string(), ctx),
            // Panicked, and back soon.
            Err(_) => return self.find_settled(sifted, ctx),
        }
        self.page_pending = false;
        self.pump(ctx);
    }
}

impl Handler<SyncFinished> for Pipeline {
    type Result = ();

    fn handle(&mut self, SyncFinished { slot, outcome }: SyncFinished, ctx: &mut Context<Self>) {
        let Some(lease) = self.slots[slot].lease.take() else { return };
        match outcome {
            Ok((synced, attempts)) => self.keep(Settled::Synced(synced, attempts)),
            Err(RequestError::GaveUp(cause)) => {
                self.bury(lease.campaign.id.clone(), lease.campaign.payload.clone(), cause);
            }
            Err(RequestError::Auth(error)) => self.cannot_log_in(&error, ctx),
            // Left to do.
            Err(RequestError::Stopped) => {}
        }
        self.pump(ctx);
    }
}

impl Handler<SyncActorExited> for Pipeline {
    type Result = ();

    /// What it had to say of its campaign, it said before.
    fn handle(&mut self, SyncActorExited { slot, panic }: SyncActorExited, ctx: &mut Context<Self>) {
        let cause = panic.unwrap_or_else(|| "it ended without a reason".to_owned());
        self.slots[slot].worker = None;
        let lease = self.slots[slot].lease.take();
        let campaign = lease.as_ref().map(|lease| display(lease.campaign.id.clone()));
        if let Some(lease) = lease {
            self.recover(lease, &cause);
        }
        if self.outcome.is_none() {
            return;
        }
        match self.pool_crashes.crash() {
            Some(backoff) => {
                self.restarts.sync += 1;
                metrics::restarted(ActorKind::Sync);
                warn!(actor = %ActorKind::Sync, slot, campaign, %cause, "an actor panicked and is replaced");
                ctx.run_later(backoff, move |pipeline, ctx| {
                    pipeline.hire(slot, ctx);
                    pipeline.pump(ctx);
                });
            }
            None => {
                self.fail(ProblemClass::RestartIntensityExceeded, gave_up_on(ActorKind::Sync, &cause), ctx)
            }
        }
        self.pump(ctx);
    }
}

impl Handler<Crashed> for Pipeline {
    type Result = ();

    fn handle(&mut self, Crashed { actor, cause, restarts }: Crashed, ctx: &mut Context<Self>) {
        if !restarts {
            self.fail(ProblemClass::RestartIntensityExceeded, gave_up_on(actor, &cause), ctx);
            if actor == ActorKind::Store {
                // What it holds cannot be committed any more; the next run does it again.
                self.finish();
            }
            return;
        }
        warn!(%actor, %cause, "an actor panicked and is restarted");
        *match actor {
            ActorKind::Auth => &mut self.restarts.auth,
            ActorKind::Pager => &mut self.restarts.pager,
            ActorKind::RateLimiter => &mut self.restarts.rate_limiter,
            // Of the pool, and counted where its end is seen.
            ActorKind::Sync => &mut self.restarts.sync,
            ActorKind::Store => &mut self.restarts.store,
        } += 1;
        self.publish();
    }
}

impl Handler<BatchCommitted> for Pipeline {
    type Result = ();

    fn handle(&mut self, BatchCommitted { stored, dead_lettered }: BatchCommitted, ctx: &mut Context<Self>) {
        let stored = stored.into_iter().map(|id| (id, None));
        let dead_lettered = dead_lettered.into_iter().map(|(id, class)| (id, Some(class)));
        for (id, class) in stored.chain(dead_lettered) {
            if self.live.remove(&id) {
                self.uncommitted -= 1;
                match class {
                    None => self.stored += 1,
                    Some(class) => *self.dead_lettered.entry(class).or_default() += 1,
                }
            }
        }
        self.pump(ctx);
    }
}

impl Handler<CannotGoOn> for Pipeline {
    type Result = ();

    fn handle(&mut self, too_long: CannotGoOn, ctx: &mut Context<Self>) {
        let CannotGoOn { class, message, quota_back_in } = too_long;
        // A quota comes back by itself; a platform that is down needs someone.
        let status = if class == ProblemClass::QuotaExhausted { Status::Interrupted } else { Status::Failed };
        warn!(cause = %message, "the run ends early");
        self.problems.push(Problem { class, message });
        self.quota_back_in = quota_back_in;
        self.wind_down(status, ctx);
    }
}

impl Handler<StoreBroke> for Pipeline {
    type Result = ();

    fn handle(&mut self, StoreBroke(cause): StoreBroke, ctx: &mut Context<Self>) {
        self.fail(ProblemClass::StoreFailed, cause, ctx);
        self.finish();
    }
}
