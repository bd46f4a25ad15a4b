//! What the [`Scheduler`] does when it is asked.

use std::collections::HashSet;

use super::*;

impl Handler<Configure> for Scheduler {
    type Result = Changes;

    fn handle(&mut self, Configure(plans): Configure, ctx: &mut Context<Self>) -> Changes {
        let now = self.now();
        let mut changes = Changes::default();
        let listed: HashSet<_> = plans.iter().map(|plan| plan.id.clone()).collect();
        for id in self.accounts.keys().filter(|id| !listed.contains(*id)).cloned().collect::<Vec<_>>() {
            let Some(account) = self.accounts.get_mut(&id) else { continue };
            if !account.is_leaving() {
                changes.removed.push(id.clone());
            }
            account.leave();
            if !account.is_running() {
                self.accounts.remove(&id);
            }
        }
        for plan in plans {
            let id = plan.id.clone();
            match self.accounts.get_mut(&id) {
                Some(account) => {
                    let list = if account.is_leaving() { &mut changes.added } else { &mut changes.changed };
                    if account.is_leaving() || account.differs_from(&plan) {
                        list.push(id);
                    }
                    account.reconfigure(&plan, now);
                }
                None => {
                    self.accounts.insert(id.clone(), Account::new(plan, now));
                    changes.added.push(id);
                }
            }
        }
        let Changes { added, removed, changed } = &changes;
        debug!(added = added.len(), removed = removed.len(), changed = changed.len(), "accounts configured");
        self.publish_all();
        self.turn(ctx);
        changes
    }
}

impl Scheduler {
    fn known(&mut self, id: &AccountId) -> Result<&mut Account, UnknownAccount> {
        let account = self.accounts.get_mut(id).filter(|account| !account.is_leaving());
        account.ok_or_else(|| UnknownAccount(id.clone()))
    }

    fn begin_now(
        &mut self,
        id: &AccountId,
        purpose: Purpose,
        ctx: &mut Context<Self>,
    ) -> Result<(), NotStarted> {
        let account = self.known(id)?;
        if account.is_running() {
            return Err(NotStarted::Running(id.clone()));
        }
        if account.is_paused() {
            return Err(NotStarted::Paused(id.clone()));
        }
        if self.stopping.is_some() {
            return Err(NotStarted::Stopping);
        }
        let now = self.now();
        self.begin(id, purpose, now, ctx);
        self.turn(ctx);
        Ok(())
    }
}

impl Handler<RunNow> for Scheduler {
    type Result = Result<(), NotStarted>;

    fn handle(&mut self, RunNow(id): RunNow, ctx: &mut Context<Self>) -> Self::Result {
        self.begin_now(&id, Purpose::Sync, ctx)
    }
}

impl Handler<ReplayNow> for Scheduler {
    type Result = Result<(), NotStarted>;

    fn handle(&mut self, ReplayNow(id, letters): ReplayNow, ctx: &mut Context<Self>) -> Self::Result {
        self.begin_now(&id, Purpose::Replay(letters), ctx)
    }
}

impl Handler<Pause> for Scheduler {
    type Result = Result<(), UnknownAccount>;

    fn handle(&mut self, Pause(id, since): Pause, ctx: &mut Context<Self>) -> Self::Result {
        self.known(&id)?.pause(since);
        self.publish(&id);
        self.turn(ctx);
        Ok(())
    }
}

impl Handler<Resume> for Scheduler {
    type Result = Result<(), UnknownAccount>;

    fn handle(&mut self, Resume(id): Resume, ctx: &mut Context<Self>) -> Self::Result {
        self.known(&id)?.resume();
        self.publish(&id);
        self.turn(ctx);
        Ok(())
    }
}

impl Handler<RunEnded> for Scheduler {
    type Result = ();

    fn handle(&mut self, RunEnded { account, report }: RunEnded, ctx: &mut Context<Self>) {
        self.ended(&account, report);
        self.turn(ctx);
    }
}

impl Handler<Shutdown> for Scheduler {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Shutdown: Shutdown, _: &mut Context<Self>) -> Self::Result {
        let (ended, end) = oneshot::channel();
        self.stopping.get_or_insert_default().push(ended);
        std::mem::take(&mut self.stops).into_values().for_each(|stop| stop());
        self.end_if_nothing_runs();
        Box::pin(async {
            // A scheduler that is gone runs nothing.
            let _ = end.await;
        })
    }
}

impl Handler<Ping> for Scheduler {
    type Result = ();

    fn handle(&mut self, Ping: Ping, _: &mut Context<Self>) {}
}
