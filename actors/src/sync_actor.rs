//! `SyncActor`: syncs one campaign at a time, with token, permit and retries. It gives a campaign back by saying how that
//! went, or by dying: the pipeline keeps the lease.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tracing::{Instrument, Span};

use crate::auth_actor::IssuedToken;
use crate::model::{AccountId, Campaign, IdempotencyKey, SyncedCampaign};
use crate::permit::{Endpoint, Permit};
use crate::ports::Platform;
use crate::requester::{RequestError, Requester};
use crate::spans;

/// Asks for the sync of one campaign; the answer is a [`SyncFinished`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SyncCampaign {
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) key: IdempotencyKey,
}

/// How the sync went that the actor of this slot was asked for; the last that is heard of it. Says also how many requests it
/// took.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SyncFinished {
    pub(crate) slot: usize,
    pub(crate) outcome: Result<(SyncedCampaign, u32), RequestError>,
}

/// See the module.
pub(crate) struct SyncActor<P> {
    pub(crate) slot: usize,
    pub(crate) account: AccountId,
    pub(crate) platform: Rc<P>,
    pub(crate) requester: Rc<Requester>,
    pub(crate) pipeline: Rc<Recipient<SyncFinished>>,
    pub(crate) run: Span,
}

impl<P: Platform> Actor for SyncActor<P> {
    type Context = Context<Self>;
}

impl<P: Platform> Handler<SyncCampaign> for SyncActor<P> {
    type Result = ();

    fn handle(&mut self, SyncCampaign { campaign, key }: SyncCampaign, ctx: &mut Context<Self>) {
        let (platform, requester) = (self.platform.clone(), self.requester.clone());
        let (slot, pipeline) = (self.slot, self.pipeline.clone());
        let span = spans::sync(&self.run, &self.account, &campaign.id);
        let ended = span.clone();
        // It is large, and would be copied with each thing that is put around it.
        let sync = Box::pin(async move {
            let call = async |permit: Permit, token: Arc<IssuedToken>| {
                platform.sync(permit, &token.access, &campaign, &key).await
            };
            let outcome = requester.request(Endpoint::Sync, call).await;
            spans::requested(&ended, &outcome);
            pipeline.do_send(SyncFinished { slot, outcome });
        });
        // A future of the actor's own, so that a panic in it takes the actor down and is seen.
        ctx.spawn(sync.instrument(span).into_actor(self));
    }
}
