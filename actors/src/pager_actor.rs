//! `PagerActor`: fetches one page of the listing when it is asked to, with token, permit and retries.
//! Which page is next, and whether the listing is complete, is judged by [`crate::listing`] from what it emits:
//! that knowledge travels in the request, so a pager that panics is simply asked again.

use std::rc::Rc;

use actix::prelude::*;
use tracing::Instrument;

use crate::model::{AccountId, Page, PageRequest};
use crate::permit::Endpoint;
use crate::ports::Platform;
use crate::requester::{RequestError, Requester};
use crate::spans;

/// Asks for a page.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Page, RequestError>")]
pub(crate) struct FetchPage(pub(crate) PageRequest);

/// See the module.
pub(crate) struct PagerActor<P> {
    pub(crate) account: AccountId,
    pub(crate) platform: Rc<P>,
    pub(crate) requester: Requester,
}

impl<P: Platform> Actor for PagerActor<P> {
    type Context = Context<Self>;
}

/// Nothing to repair: a pager holds no state.
impl<P: Platform> Supervised for PagerActor<P> {}

impl<P: Platform> Handler<FetchPage> for PagerActor<P> {
    type Result = ResponseActFuture<Self, Result<Page, RequestError>>;

    fn handle(&mut self, FetchPage(request): FetchPage, _: &mut Context<Self>) -> Self::Result {
        let (platform, requester) = (self.platform.clone(), self.requester.clone());
        let span = spans::list(&self.account, request.page);
        let ended = span.clone();
        let fetch = async move {
            let call = async |permit, token: std::sync::Arc<crate::auth_actor::IssuedToken>| {
                platform.list(permit, &token.access, request).await
            };
            let outcome = requester.request(Endpoint::List, call).await;
            spans::requested(&ended, &outcome);
            outcome.map(|(page, _)| page)
        };
        Box::pin(fetch.instrument(span).into_actor(self))
    }
}
