//! Who gets the next permit, and when: under every limit, the platform's own word, the breaker, and the lease.

use super::*;

impl RateLimiter {
    /// Grants what can be granted, and sets the timer for the next.
    pub(super) fn serve(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let now = self.now();
        // The safest rule ends by the clock, too; any other change comes with an answer.
        if self.rule == StampRule::Completion {
            self.follow(self.latencies.rule(now));
        }
        let mut quota_wait = None;
        while let Some(queue) = self.first_in_line() {
            match self.availability(now) {
                (Availability::Now, _) if self.ledger.as_ref().is_some_and(|ledger| !ledger.allows(now)) => {
                    quota_wait = Some(self.quota_wait(None, "the record of what was spent".to_owned()));
                    break;
                }
                (Availability::Now, _) if !self.has_place(ctx) => {
                    quota_wait = Some(self.quota_wait(None, "other accounts' requests".to_owned()));
                    break;
                }
                (Availability::Now, _) => self.grant(queue, now, ctx),
                (Availability::At(due), because) => {
                    let wait = due.saturating_sub(now);
                    self.complain(now, wait, &because);
                    let wake = self.wake_for(now, due).saturating_sub(now);
                    self.timer = Some(ctx.run_later(wake, |limiter, ctx| limiter.serve(ctx)));
                    quota_wait = Some(self.quota_wait(Some(due), because));
                    break;
                }
                (Availability::AfterAnAnswer, because) => {
                    quota_wait = Some(self.quota_wait(None, because));
                    break;
                }
            }
        }
        self.leave_place();
        self.extend_lease(now, ctx);
        let requests = self.requests;
        let latency = self.latencies.mean();
        let breaker_open = self.breaker.is_open();
        self.metrics.limiter_stands(self.waiting(), breaker_open);
        let mut limit_gauges = std::mem::take(&mut self.limit_gauges);
        progress::note(&self.progress, |progress| {
            self.publish_limits(now, &mut progress.limits);
            limit_gauges.show(&self.metrics, &progress.limits);
            progress.requests = requests;
            progress.latency = latency;
            progress.quota = quota_wait;
            progress.breaker_open = breaker_open;
        });
        self.limit_gauges = limit_gauges;
    }

    /// When to serve again for a permit that is due then: in time for its lease, and where the rule may bring it forward.
    fn wake_for(&self, now: Duration, due: Duration) -> Duration {
        let ahead = self.ledger.as_ref().map_or(due, |ledger| ledger.look_ahead(now, due));
        let measured = self.latencies.measured_at().filter(|at| *at > now);
        measured.map_or(ahead, |at| at.min(ahead))
    }

    /// A wait that nobody wants to sit through is not waited for.
    fn complain(&mut self, now: Duration, wait: Duration, because: &str) {
        let failing_for = self.breaker.open_for(now);
        let Some(Patience { max_wait, .. }) = &self.patience else { return };
        if failing_for > *max_wait {
            let message =
                format!("the platform has failed for {} min without a break", failing_for.as_secs() / 60);
            self.give_up(ProblemClass::PlatformUnavailable, message, None);
        } else if wait > *max_wait {
            let (minutes, most) = (wait.as_secs().div_ceil(60), max_wait.as_secs() / 60);
            let message = format!(
                "under {because} the next request may be sent in {minutes} min, and no wait may be longer than {most} min; \
                 run it again then"
            );
            self.give_up(ProblemClass::QuotaExhausted, message, Some(wait));
        }
    }

    /// Said once.
    fn give_up(&mut self, class: ProblemClass, message: String, quota_back_in: Option<Duration>) {
        if let Some(Patience { alarm, .. }) = self.patience.take() {
            alarm.do_send(CannotGoOn { class, message, quota_back_in });
        }
    }

    /// Records what may be sent next, before it is needed: who is in flight is soon back.
    fn extend_lease(&mut self, now: Duration, ctx: &mut Context<Self>) {
        if self.waiting() + self.granted.len() == 0 {
            return;
        }
        let grantable = |until, most| {
            let allowed = self.allowances.left(until, self.departed).unwrap_or(u64::MAX);
            self.room(until, most).min(usize::try_from(allowed).unwrap_or(usize::MAX))
        };
        let due = |ledger: &Ledger| ledger.due(now, self.latencies.mean(), grantable);
        let Some(more) = self.ledger.as_ref().and_then(due) else { return };
        let (counted, in_flight, stated) = (self.counted(), self.granted.len(), self.stated());
        let Some(ledger) = &mut self.ledger else { return };
        let (record, lease) = ledger.extend(now, more, counted.into_iter(), in_flight, stated);
        ctx.spawn(record.into_actor(self).map(move |kept, limiter, ctx| {
            let is_kept = matches!(kept, Ok(Ok(())));
            if let Some(ledger) = &mut limiter.ledger {
                ledger.conclude(is_kept.then_some(lease));
            }
            match kept {
                Ok(Ok(())) => limiter.serve(ctx),
                Ok(Err(error)) => {
                    let message = format!("what was spent of the rate limit cannot be recorded: {error}");
                    limiter.give_up(ProblemClass::StoreFailed, message, None);
                }
                // Its keeper panicked and comes back.
                Err(_) => {
                    ctx.run_later(LEDGER_RETRY, |limiter, ctx| limiter.serve(ctx));
                }
            }
        }));
    }

    /// What earlier processes have spent, as they left it, and the own stamps of the longest window, which hold those
    /// of all others.
    pub(super) fn counted(&self) -> Vec<(Duration, u32)> {
        let now = self.now();
        let own = |slot| slot < self.next_slot;
        let settled = self.longest().map(|log| log.settled(now, own)).unwrap_or_default();
        let matters = |(at, _): &&(Duration, u32)| *at + LONGEST_MEMORY > now;
        let past = self.history.iter().filter(matters).copied();
        let mut counted: Vec<_> = past.chain(settled.into_iter().map(|at| (at, 1))).collect();
        counted.sort_unstable();
        counted
    }

    pub(super) fn waiting(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// The first queue in which somebody still waits.
    fn first_in_line(&mut self) -> Option<usize> {
        for queue in &mut self.queues {
            while queue.front().is_some_and(|waiting| waiting.reply.is_closed()) {
                queue.pop_front();
            }
        }
        self.queues.iter().position(|queue| !queue.is_empty())
    }

    /// When the next permit is due under all limits, and because of which.
    fn availability(&self, now: Duration) -> (Availability, String) {
        match self.breaker.leave(now) {
            Leave::Granted => {}
            Leave::At(until) => return (Availability::At(until), FAILING.to_owned()),
            Leave::AfterTheProbe => return (Availability::AfterAnAnswer, FAILING.to_owned()),
        }
        if let Some(until) = self.cooling_until.filter(|until| *until > now) {
            return (Availability::At(until), "the platform's 429".to_owned());
        }
        let mut latest = match self.allowances.availability(now, self.departed) {
            Availability::Now => (Availability::Now, String::new()),
            later => (later, "what the platform says is left".to_owned()),
        };
        for log in &self.logs {
            let because = || log.limit().to_string();
            latest = match (latest, log.availability(now)) {
                (latest, Availability::Now) => latest,
                ((Availability::At(a), _), Availability::At(b)) if b > a => (Availability::At(b), because()),
                ((Availability::Now, _), at @ Availability::At(_)) => (at, because()),
                (_, Availability::AfterAnAnswer) => return (Availability::AfterAnAnswer, because()),
                (latest, _) => latest,
            };
        }
        latest
    }

    /// Every log has room: takes one slot of each.
    fn grant(&mut self, queue: usize, now: Duration, ctx: &mut Context<Self>) {
        let Some(waiting) = self.queues[queue].pop_front() else { return };
        let slot = self.new_slot();
        for log in &mut self.logs {
            let taken = log.take(now, slot);
            debug_assert!(taken, "a log that had room a moment ago has it still");
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.spend();
        }
        let probe = self.breaker.enter();
        self.granted.insert(slot, Granted { endpoint: waiting.endpoint, retry: waiting.retry, sent: None });
        self.departed += 1;
        self.metrics.granted(waiting.endpoint, now.saturating_sub(waiting.since));
        let address = self.address.get_or_insert_with(|| Arc::new(ctx.address().recipient())).clone();
        let permit = Permit::new(slot, probe, self.take_place(), address);
        // Refused, the permit is dropped, and so given back.
        let _ = waiting.reply.send(Ok(permit));
    }

    fn quota_wait(&self, due: Option<Duration>, because: String) -> QuotaWait {
        QuotaWait {
            waiting: self.waiting(),
            until: due.map(|due| self.origin + due.saturating_sub(self.past)),
            because,
        }
    }
}
