//! `StoreActor`: gathers what is settled into batches, commits them one after another, and acknowledges a batch
//! after its commit. What it was given is part of its value until then, so neither a panic nor a database that
//! is away loses a row. A row that the database refuses is found by halving and becomes a dead letter.

mod records;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use tokio::time::{Instant, sleep};
use tracing::{debug, error, warn};

use crate::ledger::KeepSpent;
use crate::metrics;
use crate::model::{Batch, CampaignId, DeadLetter, FailureClass, Run, SettledCampaign, SyncedCampaign};
use crate::ports::{Store, StoreError};
use crate::progress::ProgressSender;
use crate::settings::{BatchLimits, DATABASE_PATIENCE};
use crate::supervision::repair;

use records::Records;

/// Waits between attempts to reach a database that is away: doubling from the first to the last.
const BACKOFF: Duration = Duration::from_millis(250);
const BACKOFF_CAP: Duration = Duration::from_secs(5);

/// What became of a campaign.
#[derive(Clone, Debug)]
pub(crate) enum Settled {
    /// With the requests that it took.
    Synced(SyncedCampaign, u32),
    GivenUp(DeadLetter),
}

/// To be stored with the next batch.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Keep(pub(crate) Settled);

/// Nothing more is coming: do not wait for full batches.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Flush;

/// Asks which of these the run has settled already.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Vec<SettledCampaign>, StoreError>")]
pub(crate) struct FindSettled(pub(crate) Vec<CampaignId>);

/// The acknowledgement.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct BatchCommitted {
    pub(crate) stored: Vec<CampaignId>,
    pub(crate) dead_lettered: Vec<CampaignId>,
}

/// Nothing more can be stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct StoreBroke(pub(crate) String);

/// See the module.
pub(crate) struct StoreActor<S> {
    store: Rc<S>,
    run: Run,
    limits: BatchLimits,
    acknowledge: Recipient<BatchCommitted>,
    alarm: Recipient<StoreBroke>,
    progress: Rc<ProgressSender>,
    buffer: Vec<Settled>,
    /// Parts of a batch that was refused as a whole.
    halves: VecDeque<Vec<Settled>>,
    committing: Option<Vec<Settled>>,
    /// The buffer goes out although it is not full.
    due: bool,
    linger: Option<SpawnHandle>,
    away: Option<Away>,
    broke: bool,
    records: Records,
}

#[derive(Clone, Copy)]
struct Away {
    since: Instant,
    next_wait: Duration,
}

impl<S: Store> StoreActor<S> {
    pub(crate) fn new(
        store: Rc<S>,
        run: Run,
        limits: BatchLimits,
        acknowledge: Recipient<BatchCommitted>,
        alarm: Recipient<StoreBroke>,
        progress: Rc<ProgressSender>,
    ) -> Self {
        Self {
            store,
            run,
            limits,
            acknowledge,
            alarm,
            progress,
            buffer: Vec::new(),
            halves: VecDeque::new(),
            committing: None,
            due: false,
            linger: None,
            away: None,
            broke: false,
            records: Records::default(),
        }
    }

    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        if self.committing.is_some() || self.broke {
            return;
        }
        self.committing = self.halves.pop_front().or_else(|| self.next_from_buffer(ctx));
        if self.committing.is_some() {
            self.commit(ctx);
        }
    }

    fn next_from_buffer(&mut self, ctx: &mut Context<Self>) -> Option<Vec<Settled>> {
        self.due &= !self.buffer.is_empty();
        if self.buffer.len() < self.limits.size() && !self.due {
            return None;
        }
        let rest = self.buffer.split_off(self.buffer.len().min(self.limits.size()));
        let batch = std::mem::replace(&mut self.buffer, rest);
        self.due &= !self.buffer.is_empty();
        if let Some(linger) = self.linger.take() {
            ctx.cancel_future(linger);
        }
        self.linger_for_more(ctx);
        Some(batch)
    }

    fn linger_for_more(&mut self, ctx: &mut Context<Self>) {
        if self.linger.is_none() && !self.buffer.is_empty() {
            self.linger = Some(ctx.run_later(self.limits.linger(), |actor, ctx| {
                actor.linger = None;
                actor.due = true;
                actor.commit_next(ctx);
            }));
        }
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        let Some(entries) = &self.committing else { return };
        let mut batch = Batch::default();
        for entry in entries.iter().cloned() {
            match entry {
                Settled::Synced(campaign, _) => batch.synced.push(campaign),
                Settled::GivenUp(letter) => batch.dead_letters.push(letter),
            }
        }
        let (store, run) = (self.store.clone(), self.run.clone());
        let commit = async move {
            let begun = Instant::now();
            let outcome = store.commit(&run, &batch).await;
            metrics::batch_ended(batch.len(), begun.elapsed(), &outcome);
            if outcome.is_ok() {
                debug!(
                    entries = batch.len(),
                    commit_ms = begun.elapsed().as_millis() as u64,
                    "batch committed"
                );
            }
            (batch, outcome)
        };
        ctx.spawn(commit.into_actor(self).map(|(batch, outcome), actor, ctx| match outcome {
            Ok(()) => actor.acknowledge(batch, ctx),
            Err(StoreError::Unavailable(cause)) => actor.wait_for_database(cause, ctx),
            Err(StoreError::Refused(cause)) => actor.halve(cause, ctx),
            Err(StoreError::Broken(cause)) => actor.break_off(cause),
        }));
    }

    fn acknowledge(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        self.committing = None;
        self.is_back();
        self.acknowledge.do_send(BatchCommitted {
            stored: batch.synced.into_iter().map(|synced| synced.campaign.id.clone()).collect(),
            dead_lettered: batch.dead_letters.into_iter().map(|letter| letter.id).collect(),
        });
        self.commit_next(ctx);
    }

    /// It answered, if only to refuse: another absence has its own patience.
    fn is_back(&mut self) {
        if self.away.take().is_some() {
            self.progress.send_modify(|progress| progress.database_away = None);
        }
    }

    fn wait_for_database(&mut self, cause: String, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let away = *self.away.get_or_insert(Away { since: now, next_wait: BACKOFF });
        if now - away.since >= DATABASE_PATIENCE {
            return self.break_off(format!("{cause} (waited for {} s)", DATABASE_PATIENCE.as_secs()));
        }
        warn!(%cause, wait_ms = away.next_wait.as_millis() as u64, "the database is away, waiting for it");
        self.progress.send_modify(|progress| progress.database_away = Some(cause));
        self.away = Some(Away { next_wait: (away.next_wait * 2).min(BACKOFF_CAP), ..away });
        ctx.run_later(away.next_wait, |actor, ctx| actor.commit(ctx));
    }

    fn halve(&mut self, cause: String, ctx: &mut Context<Self>) {
        let Some(mut entries) = self.committing.take() else { return };
        self.is_back();
        if entries.len() > 1 {
            let second_half = entries.split_off(entries.len() / 2);
            self.halves.push_front(second_half);
            self.halves.push_front(entries);
        } else {
            match entries.pop() {
                Some(Settled::Synced(synced, attempts)) => {
                    self.halves.push_front(vec![Settled::GivenUp(unstorable(&synced, attempts, cause))]);
                }
                Some(Settled::GivenUp(letter)) => {
                    return self
                        .break_off(format!("the dead letter of {} cannot be stored: {cause}", letter.id));
                }
                None => {}
            }
        }
        self.commit_next(ctx);
    }

    fn break_off(&mut self, cause: String) {
        error!(%cause, "nothing more can be stored");
        self.broke = true;
        self.alarm.do_send(StoreBroke(cause));
    }
}

fn unstorable(synced: &SyncedCampaign, attempts: u32, cause: String) -> DeadLetter {
    let now = SystemTime::now();
    DeadLetter {
        id: synced.campaign.id.clone(),
        class: FailureClass::Unstorable,
        message: cause,
        attempts,
        payload: synced.campaign.payload.clone(),
        first_failed_at: now,
        last_failed_at: now,
    }
}

impl<S: Store> Actor for StoreActor<S> {
    type Context = Context<Self>;
}

impl<S: Store> Supervised for StoreActor<S> {
    /// Whether the interrupted commit took place is unknown; repeating it changes nothing.
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        self.linger = None;
        repair(ctx, |actor, ctx| {
            actor.linger_for_more(ctx);
            if actor.committing.is_some() {
                actor.commit(ctx);
            } else {
                actor.commit_next(ctx);
            }
        });
    }
}

impl<S: Store> Handler<Keep> for StoreActor<S> {
    type Result = ();

    fn handle(&mut self, Keep(settled): Keep, ctx: &mut Context<Self>) {
        self.buffer.push(settled);
        self.linger_for_more(ctx);
        self.commit_next(ctx);
    }
}

impl<S: Store> Handler<Flush> for StoreActor<S> {
    type Result = ();

    fn handle(&mut self, Flush: Flush, ctx: &mut Context<Self>) {
        self.due = true;
        self.commit_next(ctx);
    }
}

impl<S: Store> Handler<FindSettled> for StoreActor<S> {
    type Result = ResponseActFuture<Self, Result<Vec<SettledCampaign>, StoreError>>;

    fn handle(&mut self, FindSettled(ids): FindSettled, _: &mut Context<Self>) -> Self::Result {
        let (store, run) = (self.store.clone(), self.run.clone());
        let find = async move { patiently(async || store.settled(&run, &ids).await).await };
        Box::pin(find.into_actor(self))
    }
}

/// Repeats what a database that is away could not do.
async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let begun = Instant::now();
    let mut wait = BACKOFF;
    loop {
        match attempt().await {
            Err(StoreError::Unavailable(cause)) if begun.elapsed() < DATABASE_PATIENCE => {
                warn!(%cause, wait_ms = wait.as_millis() as u64, "the database is away, waiting for it");
                sleep(wait).await;
                wait = (wait * 2).min(BACKOFF_CAP);
            }
            answer => return answer,
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
