//! How much a platform lists, asked outside of a run, and what it says about its limits. What is sent for that is spent
//! of the account's limits like a run's requests: it goes through a limiter, and where a store keeps the record, it is
//! durable before it is sent.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::{oneshot, watch};
use tokio::time::{Duration, Instant, timeout};
use tracing::Span;

use crate::auth_actor::{AuthActor, IssuedToken, Tokens};
use crate::closing::FINISH_PATIENCE;
use crate::jitter::Jitter;
use crate::ledger::{KeepSpent, Ledger};
use crate::metrics::AccountMetrics;
use crate::model::{PageRequest, Run};
use crate::permit::Endpoint;
use crate::ports::{Platform, Store, StoreError};
use crate::progress::{LimitInUse, Progress};
use crate::rate_limiter::{CannotGoOn, CloseDoor, RateLimiter, SettleSpent};
use crate::requester::{RequestError, Requester};
use crate::retry_budget::RetryBudget;
use crate::run::Tasks;
use crate::settings::PipelineSettings;
use crate::supervision::spawn_child;

const OWN_FAULT: &str = "the program's own code failed";

/// What a listing's first page says about the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How many campaigns there are; none where the platform does not say.
    pub total: Option<u64>,
    /// How long the page took, from sending to its last byte, without what failed before it.
    pub latency: Duration,
    /// What was sent, and so spent of the limit: a login and a page, and what had to be repeated.
    pub requests: u64,
    /// The limits that a run would keep, as far as the platform has stated any.
    pub limits: Vec<LimitInUse>,
}

/// Logs in and fetches the first page, under the limits and with the retries of a run; else says in words why it
/// cannot. With a record, the account is one that was borrowed of this store: what was spent before counts, and what is
/// spent now is recorded.
pub async fn probe<P: Platform, S: Store>(
    settings: &PipelineSettings,
    platform: Rc<P>,
    record: Option<(Rc<S>, Run)>,
) -> Result<Probe, String> {
    let spent = match &record {
        Some((store, run)) => Some(store.load_spent(&run.account).await.map_err(|error| error.to_string())?),
        None => None,
    };
    let mut tasks = Tasks::default();
    let jitter = Jitter::seeded(settings.seed);
    let progress = Arc::new(watch::Sender::new(Progress::default()));
    let limits = &settings.rate_limits;
    let metrics = Arc::new(AccountMetrics::new(&settings.account));
    let (give_up, given_up) = oneshot::channel();
    let (record, run) = record.map(|(store, run)| (store, Arc::new(run))).unzip();
    let (clerk, life) = spawn_child(Span::current(), |_| Clerk { record, give_up: Some(give_up) });
    let clerk = tasks.keep((clerk, life.abort_handle()));
    let mut limiter = RateLimiter::new(limits, settings.request_timeout, jitter.clone(), progress.clone())
        .with_metrics(metrics.clone())
        .until_stated(settings.adopt_stated_limits)
        .with_patience(settings.max_wait, clerk.clone().recipient());
    if let (Some(spent), Some(run)) = (spent, run) {
        limiter = limiter.with_ledger(Ledger::new(clerk.recipient(), run, limits, 1), &spent);
    }
    let (limiter, life) = spawn_child(Span::current(), |_| limiter);
    let limiter = tasks.keep((limiter, life.abort_handle()));
    // A login and a page: their attempts are bound enough.
    let budget = RetryBudget::new(None);
    let auth = AuthActor::new(
        platform.clone(),
        limiter.clone(),
        settings.retry,
        budget.clone(),
        jitter.clone(),
        metrics,
    );
    let (auth, life) = spawn_child(Span::current(), |_| auth);
    let auth = tasks.keep((auth, life.abort_handle())).recipient();
    let (door, sent) = (limiter.clone(), progress.clone());
    let requester =
        Requester { tokens: Tokens::of(auth), limiter, retry: settings.retry, budget, progress, jitter };
    let mut latency = Duration::ZERO;
    let first = PageRequest { page: 1, limit: settings.page_size };
    let call = async |permit, token: Arc<IssuedToken>| {
        let begun = Instant::now();
        let page = platform.list(permit, &token.access, first).await;
        latency = begun.elapsed();
        page
    };
    let page = tokio::select! {
        page = requester.request(Endpoint::List, call) => page.map_err(|error| match error {
            RequestError::GaveUp(cause) => format!("the first page could not be had: {}", cause.message),
            RequestError::Auth(error) => error.to_string(),
            RequestError::Stopped => OWN_FAULT.to_owned(),
        }),
        cause = given_up => Err(cause.unwrap_or_else(|_| OWN_FAULT.to_owned())),
    };
    // A login that still waits must not be sent after the record was settled.
    door.do_send(CloseDoor);
    // A limiter that does not answer has left its last record, which says more.
    let _ = timeout(FINISH_PATIENCE, door.send(SettleSpent)).await;
    let Progress { requests, limits, .. } = sent.borrow().clone();
    let (page, _) = page?;
    let whole = (!page.has_more).then_some(page.entries.len() as u64);
    Ok(Probe { total: page.total.or(whole), latency, requests: requests.total, limits })
}

/// Keeps the record of a probe, and ends the probe where the limiter cannot go on.
struct Clerk<S> {
    record: Option<Rc<S>>,
    give_up: Option<oneshot::Sender<String>>,
}

impl<S> Clerk<S> {
    fn end(&mut self, cause: String) {
        if let Some(give_up) = self.give_up.take() {
            // A probe that has ended needs no cause.
            let _ = give_up.send(cause);
        }
    }
}

impl<S: Store> Actor for Clerk<S> {
    type Context = Context<Self>;
}

impl<S: Store> Handler<KeepSpent> for Clerk<S> {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, KeepSpent { run, spent }: KeepSpent, _: &mut Context<Self>) -> Self::Result {
        let store = self.record.clone();
        Box::pin(async move {
            let Some(store) = store else { return Ok(()) };
            match store.save_spent(&[(run, spent)]).await?.pop() {
                Some(disowned) => Err(StoreError::Broken(disowned.cause)),
                None => Ok(()),
            }
        })
    }
}

impl<S: Store> Handler<CannotGoOn> for Clerk<S> {
    type Result = ();

    fn handle(&mut self, CannotGoOn { message, .. }: CannotGoOn, _: &mut Context<Self>) {
        self.end(message);
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
