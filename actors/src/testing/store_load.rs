//! What storing costs by itself: campaigns that are settled as fast as the `StoreActor` takes them.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::unwatched;
use crate::fleet::Fleet;
use crate::model::{Run, SyncedCampaign};
use crate::ports::Store;
use crate::settings::BatchLimits;
use crate::store_actor::{BatchCommitted, Flush, Keep, Member, Settled, StoreActor, StoreBroke};

/// Has these campaigns stored for this run. No more are uncommitted than a run alone may have. Yields how many were
/// acknowledged, once all are; the error is the store's.
pub async fn store_all<S: Store>(
    store: Rc<S>,
    run: Arc<Run>,
    batch: BatchLimits,
    campaigns: impl Iterator<Item = SyncedCampaign> + Unpin + 'static,
) -> Result<u64, String> {
    let fleet = Fleet::new(store, batch, usize::MAX);
    let (ended, end) = oneshot::channel();
    let most = {
        let _joined = fleet.share.join();
        fleet.share.of(1)
    };
    let keeper = fleet.keeper.clone();
    let source =
        Source { keeper, campaigns, member: None, run, most, uncommitted: 0, stored: 0, ended: Some(ended) };
    let source = source.start();
    let outcome = end.await.unwrap_or_else(|_| Err("the source of campaigns is gone".to_owned()));
    drop(source);
    fleet.end().await;
    outcome
}

/// In the pipeline's place.
struct Source<S: Store, C> {
    keeper: Addr<StoreActor<S>>,
    campaigns: C,
    member: Option<Arc<Member>>,
    run: Arc<Run>,
    most: usize,
    uncommitted: usize,
    stored: u64,
    ended: Option<oneshot::Sender<Result<u64, String>>>,
}

impl<S: Store, C: Iterator<Item = SyncedCampaign> + Unpin + 'static> Source<S, C> {
    fn settle(&mut self) {
        let Some(member) = self.member.clone() else { return };
        while self.uncommitted < self.most {
            let Some(synced) = self.campaigns.next() else { break };
            self.uncommitted += 1;
            self.keeper.do_send(Keep(member.clone(), Settled::Synced(synced, 1)));
        }
        if self.uncommitted == 0 {
            self.end(Ok(self.stored));
        } else if self.uncommitted < self.most {
            self.keeper.do_send(Flush);
        }
    }

    fn end(&mut self, outcome: Result<u64, String>) {
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(outcome);
        }
    }
}

impl<S: Store, C: Iterator<Item = SyncedCampaign> + Unpin + 'static> Actor for Source<S, C> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (acknowledge, alarm) = (ctx.address().recipient(), ctx.address().recipient());
        self.member = Some(Member::new(self.run.clone(), acknowledge, alarm, Arc::new(unwatched())));
        self.settle();
    }
}

impl<S: Store, C: Iterator<Item = SyncedCampaign> + Unpin + 'static> Handler<BatchCommitted>
    for Source<S, C>
{
    type Result = ();

    fn handle(&mut self, BatchCommitted { stored, dead_lettered }: BatchCommitted, _: &mut Context<Self>) {
        self.uncommitted -= stored.len() + dead_lettered.len();
        self.stored += stored.len() as u64;
        self.settle();
    }
}

impl<S: Store, C: Iterator<Item = SyncedCampaign> + Unpin + 'static> Handler<StoreBroke> for Source<S, C> {
    type Result = ();

    fn handle(&mut self, StoreBroke(cause): StoreBroke, _: &mut Context<Self>) {
        self.end(Err(cause));
    }
}
