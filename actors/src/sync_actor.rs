//! `SyncActor`: syncs one campaign at a time, with token, permit and retries. It gives a campaign back by its
//! answer, or by dying: the pipeline keeps the lease.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tracing::Instrument;

use crate::auth_actor::IssuedToken;
use crate::model::{AccountId, Campaign, IdempotencyKey, SyncedCampaign};
use crate::permit::{Endpoint, Permit};
use crate::ports::Platform;
use crate::requester::{RequestError, Requester};
use crate::spans;

/// Asks for the sync of one campaign; the reply says also how many requests it took.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(SyncedCampaign, u32), RequestError>")]
pub(crate) struct SyncCampaign {
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) key: IdempotencyKey,
}

/// See the module.
pub(crate) struct SyncActor<P> {
    pub(crate) account: AccountId,
    pub(crate) platform: Rc<P>,
    pub(crate) requester: Requester,
}

impl<P: Platform> Actor for SyncActor<P> {
    type Context = Context<Self>;
}

impl<P: Platform> Handler<SyncCampaign> for SyncActor<P> {
    /// A future of the actor's own, so that a panic in it takes the actor down and is seen.
    type Result = ResponseActFuture<Self, Result<(SyncedCampaign, u32), RequestError>>;

    fn handle(
        &mut self,
        SyncCampaign { campaign, key }: SyncCampaign,
        _: &mut Context<Self>,
    ) -> Self::Result {
        let (platform, requester) = (self.platform.clone(), self.requester.clone());
        let span = spans::sync(&self.account, &campaign.id);
        let ended = span.clone();
        let sync = async move {
            let call = async |permit: Permit, token: Arc<IssuedToken>| {
                platform.sync(permit, &token.access, &campaign, &key).await
            };
            let outcome = requester.request(Endpoint::Sync, call).await;
            spans::requested(&ended, &outcome);
            outcome
        };
        Box::pin(sync.instrument(span).into_actor(self))
    }
}
