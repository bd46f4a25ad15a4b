//! One request to the platform, until it is answered or given up: token, permit, call, retry.
//! While it waits, for whatever, it holds nothing: no permit, no connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::auth_actor::{AuthError, IssuedToken, Tokens};
use crate::jitter::Jitter;
use crate::metrics;
use crate::model::FailureClass;
use crate::permit::{Endpoint, Permit};
use crate::ports::PlatformError;
use crate::progress::ProgressSender;
use crate::rate_limiter::{CoolDown, RateLimiter, acquire_permit};
use crate::retry_budget::RetryBudget;
use crate::retry_policy::{Attempts, RetryPolicy, Verdict, longest_wait};
use crate::settings::MAX_EXPIRED;
use crate::spans;

/// Whom a request asks for its token and its permit. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Requester {
    pub(crate) tokens: Tokens,
    pub(crate) limiter: Addr<RateLimiter>,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: RetryBudget,
    /// Knows the limits that are kept by now.
    pub(crate) progress: Arc<ProgressSender>,
    pub(crate) jitter: Jitter,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// This request failed for good; others may not.
    GaveUp(GaveUp),
    /// There is no token, so no request can be made.
    Auth(AuthError),
    /// The run is ending.
    Stopped,
}

/// What a dead letter has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GaveUp {
    pub(crate) class: FailureClass,
    pub(crate) message: String,
    pub(crate) attempts: u32,
    pub(crate) first_failed_at: SystemTime,
}

impl Requester {
    /// Makes the call as often as the retry policy and the run's budget allow; yields the answer and how many requests
    /// it took.
    pub(crate) async fn request<T>(
        &self,
        endpoint: Endpoint,
        mut call: impl AsyncFnMut(Permit, Arc<IssuedToken>) -> Result<T, PlatformError>,
    ) -> Result<(T, u32), RequestError> {
        let mut attempts = Attempts::new(self.retry, self.budget.clone());
        let mut first_failed_at = None;
        loop {
            let (token, permit, waited) = self.enter(endpoint, attempts.made() > 0).await?;
            attempts.go();
            let probe = permit.is_probe();
            let error = match spans::attempt(endpoint, waited, call(permit, token.clone())).await {
                Ok(answer) => return Ok((answer, attempts.made() + 1)),
                Err(error) => error,
            };
            let first_failed_at = *first_failed_at.get_or_insert_with(SystemTime::now);
            match &error {
                PlatformError::Throttled { retry_after } => {
                    self.limiter.do_send(CoolDown { retry_after: *retry_after });
                }
                PlatformError::Unauthorized { .. } => token.refuse(),
                _ => {}
            }
            match attempts.judge(&error, probe) {
                Verdict::Again { wait_up_to } => {
                    metrics::retried(error.class());
                    let longest = longest_wait(self.progress.borrow().limits.iter().map(|kept| kept.limit));
                    let wait = self.jitter.up_to(wait_up_to.min(longest));
                    debug!(%error, attempts = attempts.made(), wait_ms = wait.as_millis() as u64, "request failed, trying again");
                    sleep(wait).await;
                }
                Verdict::GiveUp { class, over_budget } => {
                    let reason = over_budget.map(|over| format!("; {over}")).unwrap_or_default();
                    let (message, attempts) = (format!("{error}{reason}"), attempts.made());
                    match endpoint {
                        // The pipeline names the campaign with it.
                        Endpoint::Sync => debug!(error = message, attempts, "request given up"),
                        _ => warn!(error = message, attempts, "request given up"),
                    }
                    return Err(RequestError::GaveUp(GaveUp { class, message, attempts, first_failed_at }));
                }
            }
        }
    }

    /// First the token, then the permit: a permit that waits for a token would age, and where the limit is one
    /// request, the login could not be sent. A token that expired while the permit was waited for, or
    /// with which another request got a 401, is changed, but not for ever: where every token does, each login would
    /// only take the next request's place. Says also how long permits were waited for.
    async fn enter(
        &self,
        endpoint: Endpoint,
        retry: bool,
    ) -> Result<(Arc<IssuedToken>, Permit, Duration), RequestError> {
        let (mut expired, mut waited) = (0, Duration::ZERO);
        loop {
            let token = self.tokens.get(Instant::now()).await.map_err(|error| match error {
                AuthError::Stopped => RequestError::Stopped,
                error => RequestError::Auth(error),
            })?;
            let asked = Instant::now();
            let permit = acquire_permit(&self.limiter, endpoint, retry).await;
            let permit = permit.map_err(|_| RequestError::Stopped)?;
            let granted = Instant::now();
            waited += granted - asked;
            if token.works(granted) || expired == MAX_EXPIRED {
                return Ok((token, permit, waited));
            }
            expired += 1;
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
