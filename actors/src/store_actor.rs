//! `StoreActor`: gathers what the runs of the process have settled into batches, commits a few at the same time, and
//! acknowledges a batch to each of its runs after the commit. What it was given is part of its value until then, so
//! neither a panic nor a database that is away loses a row. A row that the database refuses is found by halving and
//! becomes a dead letter. There is one for all accounts, so small ones fill big batches together.

mod away;
mod later;
mod member;
mod questions;
mod records;

use std::collections::{BTreeMap, HashMap, VecDeque};
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
use crate::settings::{BatchLimits, DATABASE_PATIENCE, MOST_COMMITTING};
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
    /// Batches that are to be tried again, and parts of those that were refused as a whole.
    again: VecDeque<Vec<Entry>>,
    /// By their numbers, in the order in which they went out.
    committing: BTreeMap<u64, Vec<Entry>>,
    begun: u64,
    /// The buffer goes out although it is not full.
    due: bool,
    linger: Option<SpawnHandle>,
    away: Option<Away>,
    retry: Option<SpawnHandle>,
    records: Records,
    questions: Questions,
}

impl<S: Store> StoreActor<S> {
    pub(crate) fn new(store: Rc<S>, limits: BatchLimits) -> Self {
        Self {
            store,
            limits,
            buffer: VecDeque::new(),
            again: VecDeque::new(),
            committing: BTreeMap::new(),
            begun: 0,
            due: false,
            linger: None,
            away: None,
            retry: None,
            records: Records::default(),
            questions: Questions::default(),
        }
    }

    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        while self.committing.len() < self.most_committing() {
            let Some(mut batch) = self.again.pop_front().or_else(|| self.next_from_buffer(ctx)) else {
                return;
            };
            batch.retain(|entry| !entry.member.is_gone());
            if !batch.is_empty() {
                self.commit(batch, ctx);
            }
        }
    }

    /// While something is wrong it is one, which finds out.
    fn most_committing(&self) -> usize {
        match self.away {
            Some(_) if self.retry.is_some() => 0,
            None if self.again.is_empty() => MOST_COMMITTING,
            _ => 1,
        }
    }

    fn next_from_buffer(&mut self, ctx: &mut Context<Self>) -> Option<Vec<Entry>> {
        self.due &= !self.buffer.is_empty();
        let is_due = self.due && self.committing.is_empty();
        if self.buffer.len() < self.limits.size() && !is_due {
            // What is not full has time to fill while another is under way: many small batches cost more than they save.
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

    fn commit(&mut self, entries: Vec<Entry>, ctx: &mut Context<Self>) {
        let (members, shares) = shares(&entries);
        let (store, batch) = (self.store.clone(), entries.len());
        let parts: Vec<_> =
            members.iter().zip(&shares).map(|(member, share)| member.part(share.batch.len())).collect();
        let number = self.begun;
        self.begun += 1;
        self.committing.insert(number, entries);
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
        ctx.spawn(commit.into_actor(self).map(move |(shares, outcome), actor, ctx| {
            if let Err(StoreError::Unavailable(cause)) = &outcome {
                return actor.wait_for_database(number, cause, ctx);
            }
            actor.is_back(ctx);
            let Some(entries) = actor.committing.remove(&number) else { return };
            match outcome {
                Ok(disowned) => acknowledge(&members, shares, disowned),
                Err(StoreError::Refused(cause)) => actor.halve(entries, cause),
                // These runs end. Others may be better off; else they find out by themselves.
                Err(error) => members.iter().for_each(|member| member.alarm(&error.to_string())),
            }
            actor.commit_next(ctx);
        }));
    }

    fn halve(&mut self, mut entries: Vec<Entry>, cause: String) {
        if entries.len() > 1 {
            let second_half = entries.split_off(entries.len() / 2);
            self.again.push_front(second_half);
            self.again.push_front(entries);
        } else if let Some(Entry { member, settled }) = entries.pop() {
            match settled {
                Settled::Synced(synced, attempts) => {
                    let settled = Settled::GivenUp(unstorable(&synced, attempts, cause));
                    self.again.push_front(vec![Entry { member, settled }]);
                }
                Settled::GivenUp(letter) => {
                    member.alarm(&format!("the dead letter of {} cannot be stored: {cause}", letter.id));
                }
            }
        }
    }
}

fn acknowledge(members: &[Arc<Member>], shares: Vec<Share>, disowned: Vec<Disowned>) {
    let mut causes: HashMap<_, _> = disowned.into_iter().map(|d| (d.index, d.cause)).collect();
    for (index, (member, Share { batch, .. })) in members.iter().zip(shares).enumerate() {
        match causes.remove(&index) {
            Some(cause) => member.alarm(&cause),
            None => member.acknowledge(batch),
        }
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
    /// Whether the interrupted commits took place is unknown; repeating them changes nothing.
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        (self.linger, self.retry) = (None, None);
        let interrupted = std::mem::take(&mut self.committing);
        interrupted.into_values().rev().for_each(|batch| self.again.push_front(batch));
        repair(ctx, |actor, ctx| {
            actor.linger_for_more(ctx);
            actor.try_again(ctx);
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
