//! `Fleet`: what the runs of one process share, and all that they share. A `StoreActor`, so that small accounts fill big
//! batches; a bound on requests in flight; and turns at the store for beginning and ending a run. Everything else each run
//! has for itself, so an account that is slow, refused or out of quota holds up nobody.
//!
//! Its bounds are fair by construction: who waits is served in order, and an account waits for one place at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tracing::Span;

use crate::closing::FINISH_PATIENCE;
use crate::ports::Store;
use crate::run::Tasks;
use crate::settings::{BatchLimits, MOST_COMMITTING, RestartIntensity};
use crate::store_actor::StoreActor;
use crate::supervision::{ActorKind, Crashed, guard, spawn_child};

/// Runs that begin or end at a time: each keeps a connection of the store busy for some milliseconds, and as many are
/// left to those at work.
const TURNS: usize = 4;

/// See the module. It lives on the arbiter that it was made on, and so do its runs.
pub struct Fleet<S: Store> {
    pub(crate) store: Rc<S>,
    pub(crate) keeper: Addr<StoreActor<S>>,
    pub(crate) overseer: Addr<Overseer>,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) share: UncommittedShare,
    turns: Semaphore,
    tasks: RefCell<Tasks>,
}

impl<S: Store> Fleet<S> {
    /// For runs whose campaigns are stored in these batches, with so many requests in flight at the most.
    pub fn new(store: Rc<S>, batch: BatchLimits, max_in_flight: usize) -> Self {
        let mut tasks = Tasks::default();
        let (overseer, life) = spawn_child(Span::current(), |_| Overseer::default());
        let overseer = tasks.keep((overseer, life.abort_handle()));
        let actor = StoreActor::new(store.clone(), batch);
        let supervisor = overseer.clone().recipient();
        let keeper = tasks.keep(guard(ActorKind::Store, RestartIntensity::SHARED, supervisor, actor));
        Self {
            store,
            keeper,
            overseer,
            places: Arc::new(Semaphore::new(max_in_flight.clamp(1, Semaphore::MAX_PERMITS))),
            share: UncommittedShare { batch, live: Rc::default() },
            turns: Semaphore::new(TURNS),
            tasks: RefCell::new(tasks),
        }
    }

    /// After all runs: leaves nothing running, whoever still holds the fleet.
    pub async fn end(&self) {
        self.tasks.take().end().await;
    }

    /// A turn at the store, for a run that begins.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }

    /// For a run that ends; none where it has not come in time: while the database is away each turn is a long one, and
    /// runs that are stopped then must not wait for one another.
    pub(crate) async fn last_turn(&self) -> Option<SemaphorePermit<'_>> {
        timeout(FINISH_PATIENCE, self.turn()).await.ok().flatten()
    }
}

/// How much each run may have uncommitted, so that all together have no more than the batches that commit and one that
/// fills; or, where they are many, each as much as it has in flight.
#[derive(Clone)]
pub(crate) struct UncommittedShare {
    batch: BatchLimits,
    live: Rc<Cell<usize>>,
}

impl UncommittedShare {
    /// Counts a run for as long as what is returned lives.
    pub(crate) fn join(&self) -> Joined {
        self.live.set(self.live.get() + 1);
        Joined(self.live.clone())
    }

    /// Whether a run has less than it would have alone.
    pub(crate) fn is_split(&self) -> bool {
        self.live.get() > 1
    }

    /// Campaigns of a run of this concurrency.
    pub(crate) fn of(&self, concurrency: usize) -> usize {
        let all = (MOST_COMMITTING + 1) * self.batch.size();
        (all / self.live.get().max(1)).max(concurrency.min(all))
    }
}

/// A run that is counted.
pub(crate) struct Joined(Rc<Cell<usize>>);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Tells every run when the actor that they share has panicked; where it did not come back, also those that begin later.
#[derive(Default)]
pub(crate) struct Overseer {
    runs: Vec<Recipient<Crashed>>,
    end: Option<Crashed>,
}

/// Whom to tell, too, for as long as it is there.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Enlist(pub(crate) Recipient<Crashed>);

impl Actor for Overseer {
    type Context = Context<Self>;
}

impl Handler<Enlist> for Overseer {
    type Result = ();

    fn handle(&mut self, Enlist(run): Enlist, _: &mut Context<Self>) {
        if let Some(end) = &self.end {
            run.do_send(end.clone());
        }
        self.runs.retain(Recipient::connected);
        self.runs.push(run);
    }
}

impl Handler<Crashed> for Overseer {
    type Result = ();

    fn handle(&mut self, crashed: Crashed, _: &mut Context<Self>) {
        self.runs.retain(Recipient::connected);
        self.runs.iter().for_each(|run| run.do_send(crashed.clone()));
        self.end = (!crashed.restarts).then_some(crashed);
    }
}
