//! `StoreActor`: gathers what the runs of the process have settled into batches, commits them one after another, and
//! acknowledges a batch to each of its runs after the commit. What it was given is part of its value until then, so
//! neither a panic nor a database that is away loses a row. A row that the database refuses is found by halving and
//! becomes a dead letter. There is one for all accounts, so small ones fill big batches together.

mod away;
mod later;
mod member;
mod questions;
mod records;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use actix::prelude::*;
use tokio::time::Instant;
use tracing::{debug, error};

use crate::ledger::KeepSpent;
use crate::metrics;
use crate::model::{Batch, CampaignId, DeadLetter, FailureClass, Run, SettledCampaign, SyncedCampaign};
use crate::ports::{Disowned, Share, Store, StoreError};
use crate::progress::ProgressSender;
use crate::settings::{BatchLimits, DATABASE_PATIENCE};
use crate::spans;
use crate::supervision::repair;

use away::Away;
use later::Later;
pub(crate) use member::Member;
use member::{Entry, Part, members, shares};
pub(crate) use questions::FindSettled;
use questions::Questions;
use records::Records;

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
pub(crate) struct Keep(pub(crate) Arc<Member>, pub(crate) Settled);

/// Somebody waits for what there is: do not wait for full batches.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Flush;

/// The acknowledgement.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct BatchCommitted {
    pub(crate) stored: Vec<CampaignId>,
    pub(crate) dead_lettered: Vec<(CampaignId, FailureClass)>,
}

/// Nothing more can be stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct StoreBroke(pub(crate) String);

/// See the module.
pub(crate) struct StoreActor<S> {
    store: Rc<S>,
    limits: BatchLimits,
    buffer: VecDeque<Entry>,
    /// Parts of a batch that was refused as a whole.
    halves: VecDeque<Vec<Entry>>,
    committing: Option<Vec<Entry>>,
    /// The buffer goes out although it is not full.
    due: bool,
    linger: Option<SpawnHandle>,
    away: Option<Away>,
    records: Records,
    questions: Questions,
}

impl<S: Store> StoreActor<S> {
    pub(crate) fn new(store: Rc<S>, limits: BatchLimits) -> Self {
        Self {
            store,
            limits,
            buffer: VecDeque::new(),
            halves: VecDeque::new(),
            committing: None,
            due: false,
            linger: None,
            away: None,
            records: Records::default(),
            questions: Questions::default(),
        }
    }

    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        while self.committing.is_none() {
            let Some(mut batch) = self.halves.pop_front().or_else(|| self.next_from_buffer(ctx)) else {
                return;
            };
            batch.retain(|entry| !entry.member.is_gone());
            if !batch.is_empty() {
                self.committing = Some(batch);
                self.commit(ctx);
            }
        }
    }

    fn next_from_buffer(&mut self, ctx: &mut Context<Self>) -> Option<Vec<Entry>> {
        self.due &= !self.buffer.is_empty();
        if self.buffer.len() < self.limits.size() && !self.due {
            return None;
        }
        let batch = self.buffer.drain(..self.buffer.len().min(self.limits.size())).collect();
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
        let (members, shares) = shares(entries);
        let (store, batch) = (self.store.clone(), entries.len());
        let parts: Vec<_> =
            members.iter().zip(&shares).map(|(member, share)| member.part(share.batch.len())).collect();
        let commit = async move {
            let begun = Instant::now();
            let outcome = store.commit(&shares).await;
            metrics::batch_ended(batch, begun.elapsed(), &outcome);
            let commit_ms = begun.elapsed().as_millis() as u64;
            for (place, Part { run, commit, entries }) in parts.into_iter().enumerate() {
                if spans::commit_ended(&commit, place, &outcome) {
                    run.in_scope(|| {
                        debug!(entries, batch, runs = shares.len(), commit_ms, "batch committed")
                    });
                }
            }
            (shares, outcome)
        };
        ctx.spawn(commit.into_actor(self).map(move |(shares, outcome), actor, ctx| match outcome {
            Ok(disowned) => actor.acknowledge(&members, shares, disowned, ctx),
            Err(StoreError::Unavailable(cause)) => actor.wait_for_database(&cause, ctx),
            Err(StoreError::Refused(cause)) => actor.halve(cause, ctx),
            Err(StoreError::Broken(cause)) => actor.break_off(&cause, ctx),
        }));
    }

    fn acknowledge(
        &mut self,
        members: &[Arc<Member>],
        shares: Vec<Share>,
        disowned: Vec<Disowned>,
        ctx: &mut Context<Self>,
    ) {
        self.is_back();
        self.committing = None;
        let mut causes: HashMap<_, _> = disowned.into_iter().map(|d| (d.index, d.cause)).collect();
        for (index, (member, Share { batch, .. })) in members.iter().zip(shares).enumerate() {
            match causes.remove(&index) {
                Some(cause) => member.alarm(&cause),
                None => member.acknowledge(batch),
            }
        }
        self.commit_next(ctx);
    }

    /// The runs that wait for a commit.
    fn waiting(&self) -> Vec<Arc<Member>> {
        let batches = self.committing.iter().chain(&self.halves).flatten();
        members(batches.chain(&self.buffer))
    }

    /// It answered, if only to refuse: another absence has its own patience.
    fn is_back(&mut self) {
        if self.away.take().is_some() {
            self.waiting().iter().for_each(|member| member.show(None));
        }
    }

    fn wait_for_database(&mut self, cause: &str, ctx: &mut Context<Self>) {
        let away = self.away.get_or_insert_with(Away::begin);
        if away.is_over() {
            let cause = format!("{cause} (waited for {} s)", DATABASE_PATIENCE.as_secs());
            self.waiting().iter().for_each(|member| member.alarm(&cause));
            (self.buffer, self.halves, self.committing, self.away) = Default::default();
            return;
        }
        let wait = away.wait(cause);
        self.waiting().iter().for_each(|member| member.show(Some(cause)));
        ctx.run_later(wait, |actor, ctx| {
            // Some may have given up in the meantime.
            actor.committing.iter_mut().for_each(|batch| batch.retain(|entry| !entry.member.is_gone()));
            if actor.committing.take_if(|batch| batch.is_empty()).is_some() {
                actor.commit_next(ctx);
                if actor.committing.is_none() {
                    // Nobody waits any more: whoever comes next has a patience of their own.
                    actor.away = None;
                }
            } else {
                actor.commit(ctx);
            }
        });
    }

    fn halve(&mut self, cause: String, ctx: &mut Context<Self>) {
        self.is_back();
        let Some(mut entries) = self.committing.take() else { return };
        if entries.len() > 1 {
            let second_half = entries.split_off(entries.len() / 2);
            self.halves.push_front(second_half);
            self.halves.push_front(entries);
        } else if let Some(Entry { member, settled }) = entries.pop() {
            match settled {
                Settled::Synced(synced, attempts) => {
                    let settled = Settled::GivenUp(unstorable(&synced, attempts, cause));
                    self.halves.push_front(vec![Entry { member, settled }]);
                }
                Settled::GivenUp(letter) => {
                    member.alarm(&format!("the dead letter of {} cannot be stored: {cause}", letter.id));
                }
            }
        }
        self.commit_next(ctx);
    }

    /// The runs of this batch end with it. Others may be better off; else they find out by themselves.
    fn break_off(&mut self, cause: &str, ctx: &mut Context<Self>) {
        self.is_back();
        let Some(entries) = self.committing.take() else { return };
        members(entries.iter()).iter().for_each(|member| member.alarm(cause));
        self.commit_next(ctx);
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
            actor.repair_records(ctx);
            actor.repair_questions(ctx);
        });
    }
}

impl<S: Store> Handler<Keep> for StoreActor<S> {
    type Result = ();

    fn handle(&mut self, Keep(member, settled): Keep, ctx: &mut Context<Self>) {
        self.buffer.push_back(Entry { member, settled });
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

#[cfg(all(test, feature = "testing"))]
mod tests;
