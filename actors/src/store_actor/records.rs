//! The records of what was spent: those of all runs that wait are written together, one write after another, and of
//! several of one run only the newest. A limiter that panicked asks for a new one while the old one waits; kept after the
//! new one, it would take its place and say less than was sent.

use tokio::sync::oneshot;

use super::*;
use crate::model::{AccountId, Spent};

/// Records in one write: their rows are small, and a write of this many is one of milliseconds.
const MOST_AT_ONCE: usize = 500;

/// The records that were asked for.
#[derive(Default)]
pub(super) struct Records {
    waiting: HashMap<Key, Record>,
    /// Of those that wait, who is served first.
    order: VecDeque<Key>,
    writing: Vec<(Key, Record)>,
    away: Option<Away>,
    /// While a database that is away is given a rest.
    paused: bool,
}

/// Whose record: as long as a run lasts, nobody else's has its epoch.
type Key = (AccountId, i64);

/// One whose writer is dropped without an answer was replaced by a newer one.
struct Record {
    run: Arc<Run>,
    spent: Spent,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Records {
    /// A newer one has the place of the one that it replaces.
    fn add(&mut self, key: Key, record: Record) {
        if self.waiting.insert(key.clone(), record).is_none() {
            self.order.push_back(key);
        }
    }

    fn take_next(&mut self) -> Option<(Key, Record)> {
        let key = self.order.pop_front()?;
        let record = self.waiting.remove(&key)?;
        Some((key, record))
    }

    /// What was being written, but for what is newer by now, has to be written again.
    fn take_back(&mut self) {
        for (key, record) in std::mem::take(&mut self.writing).into_iter().rev() {
            if !self.waiting.contains_key(&key) {
                self.order.push_front(key.clone());
                self.waiting.insert(key, record);
            }
        }
    }
}

impl<S: Store> StoreActor<S> {
    pub(super) fn write_records(&mut self, ctx: &mut Context<Self>) {
        let records = &mut self.records;
        if records.paused || !records.writing.is_empty() || records.waiting.is_empty() {
            return;
        }
        while records.writing.len() < MOST_AT_ONCE
            && let Some(next) = records.take_next()
        {
            records.writing.push(next);
        }
        // Written late, their times are taken from then: later than they were, so the next process waits longer.
        let records: Vec<_> =
            records.writing.iter().map(|(_, record)| (record.run.clone(), record.spent.clone())).collect();
        let store = self.store.clone();
        let write = async move { store.save_spent(&records).await };
        ctx.spawn(write.into_actor(self).map(|written, actor, ctx| actor.records_written(written, ctx)));
    }

    fn records_written(&mut self, written: Result<Vec<Disowned>, StoreError>, ctx: &mut Context<Self>) {
        match written {
            Err(StoreError::Unavailable(cause)) if self.records.away.is_none_or(|away| !away.is_over()) => {
                let away = self.records.away.get_or_insert_with(Away::begin);
                let wait = away.wait(&cause);
                self.records.take_back();
                self.records.paused = true;
                ctx.run_later(wait, |actor, ctx| {
                    actor.records.paused = false;
                    actor.write_records(ctx);
                });
                return;
            }
            Err(error) => {
                for (_, record) in std::mem::take(&mut self.records.writing) {
                    let _ = record.reply.send(Err(error.clone()));
                }
            }
            Ok(disowned) => {
                let mut causes: HashMap<_, _> = disowned.into_iter().map(|d| (d.index, d.cause)).collect();
                for (index, (_, record)) in std::mem::take(&mut self.records.writing).into_iter().enumerate()
                {
                    let outcome =
                        causes.remove(&index).map_or(Ok(()), |cause| Err(StoreError::Broken(cause)));
                    // A limiter that is gone has its record all the same.
                    let _ = record.reply.send(outcome);
                }
            }
        }
        self.records.away = None;
        self.write_records(ctx);
    }

    /// After a panic: whether the interrupted write took place is unknown; repeating it changes nothing.
    pub(super) fn repair_records(&mut self, ctx: &mut Context<Self>) {
        self.records.take_back();
        self.records.paused = false;
        self.write_records(ctx);
    }
}

impl<S: Store> Handler<KeepSpent> for StoreActor<S> {
    type Result = Later<Result<(), StoreError>>;

    fn handle(&mut self, KeepSpent { run, spent }: KeepSpent, ctx: &mut Context<Self>) -> Self::Result {
        let (reply, later) = oneshot::channel();
        self.records.add((run.account.clone(), run.epoch), Record { run, spent, reply });
        self.write_records(ctx);
        Later(later)
    }
}
