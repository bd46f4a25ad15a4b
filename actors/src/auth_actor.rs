//! `AuthActor`: owns the account's token. Whoever asks, there is one login at a time; a token is renewed before
//! it expires and when a request with it got a 401. Who waits is part of the actor's value, so a panic in the
//! middle of a login loses nobody.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::{Instrument, info, warn};

use crate::jitter::Jitter;
use crate::metrics::{self, AccountMetrics};
use crate::model::{AccessToken, Login};
use crate::permit::Endpoint;
use crate::ports::{Platform, PlatformError};
use crate::rate_limiter::{CoolDown, RateLimiter, acquire_permit};
use crate::retry_budget::RetryBudget;
use crate::retry_policy::{Attempts, RetryPolicy, Verdict};
use crate::spans;
use crate::supervision::repair;

/// A token is renewed when this share of its life is over, while it still works.
const RENEW_AT: f64 = 0.9;

/// Longer than any run. A platform may say more, up to lives that end after time itself.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// Asks for a token that works.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct GetToken {
    pub(crate) reply: oneshot::Sender<Result<Arc<IssuedToken>, AuthError>>,
}

/// A token, and until when it works: the time that the platform named, or the first 401.
#[derive(Debug)]
pub(crate) struct IssuedToken {
    pub(crate) access: AccessToken,
    expires_at: Instant,
    renew_at: Instant,
    /// Seen at once by everyone who holds the token, also by those who wait for a permit with it in hand.
    refused: AtomicBool,
}

impl IssuedToken {
    /// A request with it got a 401.
    pub(crate) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// It works at this time, and is not due to be renewed.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now < self.renew_at && self.works(now)
    }

    /// At this time, as far as is known here.
    pub(crate) fn works(&self, now: Instant) -> bool {
        now < self.expires_at && !self.refused.load(Ordering::Relaxed)
    }
}

/// Why there is no token. None heals within the run; a renewal that fails while the token still works is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum AuthError {
    #[error("the platform refused the credentials: {0}")]
    Refused(String),
    #[error("no login succeeded: {0}")]
    Failed(String),
    #[error("the run is ending")]
    Stopped,
}

/// Waits for a token, also over a restart of the actor.
pub(crate) async fn get_token(auth: &Recipient<GetToken>) -> Result<Arc<IssuedToken>, AuthError> {
    while auth.connected() {
        let (reply, token) = oneshot::channel();
        auth.do_send(GetToken { reply });
        // A reply that is dropped went down with a panic: the actor comes back, so it is asked again.
        if let Ok(token) = token.await {
            return token;
        }
    }
    Err(AuthError::Stopped)
}

/// Where requests get their token: the one that the last of them had, for as long as the `AuthActor` would give no other.
/// Clones share it.
#[derive(Clone)]
pub(crate) struct Tokens {
    auth: Recipient<GetToken>,
    held: Rc<RefCell<Option<Arc<IssuedToken>>>>,
}

impl Tokens {
    pub(crate) fn of(auth: Recipient<GetToken>) -> Self {
        Self { auth, held: Rc::default() }
    }

    pub(crate) async fn get(&self, now: Instant) -> Result<Arc<IssuedToken>, AuthError> {
        if let Some(held) = self.held.borrow().as_ref().filter(|token| token.is_fresh(now)) {
            return Ok(held.clone());
        }
        let token = get_token(&self.auth).await?;
        self.held.replace(Some(token.clone()));
        Ok(token)
    }
}

/// See the module.
pub(crate) struct AuthActor<P> {
    platform: Rc<P>,
    limiter: Addr<RateLimiter>,
    retry: RetryPolicy,
    budget: RetryBudget,
    jitter: Jitter,
    metrics: Arc<AccountMetrics>,
    current: Option<Arc<IssuedToken>>,
    logins: u64,
    login_in_progress: bool,
    waiting: Vec<oneshot::Sender<Result<Arc<IssuedToken>, AuthError>>>,
    /// What ended it: asking the platform again would only get the account locked.
    given_up: Option<AuthError>,
}

impl<P: Platform> AuthActor<P> {
    pub(crate) fn new(
        platform: Rc<P>,
        limiter: Addr<RateLimiter>,
        retry: RetryPolicy,
        budget: RetryBudget,
        jitter: Jitter,
        metrics: Arc<AccountMetrics>,
    ) -> Self {
        Self {
            platform,
            limiter,
            retry,
            budget,
            jitter,
            metrics,
            current: None,
            logins: 0,
            login_in_progress: false,
            waiting: Vec::new(),
            given_up: None,
        }
    }

    fn ensure_login(&mut self, ctx: &mut Context<Self>) {
        if self.login_in_progress {
            return;
        }
        self.login_in_progress = true;
        let (platform, limiter) = (self.platform.clone(), self.limiter.clone());
        let (attempts, jitter) = (Attempts::new(self.retry, self.budget.clone()), self.jitter.clone());
        let login = log_in(platform, limiter, attempts, jitter).instrument(spans::login());
        ctx.spawn(login.into_actor(self).map(|outcome, actor, _| actor.conclude(outcome)));
    }

    fn has_working_token(&self) -> bool {
        self.current.as_ref().is_some_and(|token| token.works(Instant::now()))
    }

    fn conclude(&mut self, outcome: Result<(Instant, Login), AuthError>) {
        self.login_in_progress = false;
        self.metrics.login_ended(outcome.as_ref().err());
        let reply = match outcome {
            Ok((sent_at, login)) => {
                self.logins += 1;
                info!(generation = self.logins, expires_in_s = login.expires_in.as_secs(), "logged in");
                let life = login.expires_in.min(LONGEST_LIFE);
                let token = Arc::new(IssuedToken {
                    access: AccessToken { secret: login.token, generation: self.logins },
                    expires_at: sent_at + life,
                    renew_at: sent_at + life.mul_f64(RENEW_AT),
                    refused: AtomicBool::new(false),
                });
                self.current = Some(token.clone());
                Ok(token)
            }
            // The next who asks tries again, while the platform has until the token's end to come round.
            Err(AuthError::Failed(_)) if self.has_working_token() => return,
            Err(error) => {
                self.given_up = Some(error.clone());
                Err(error)
            }
        };
        for waiting in self.waiting.drain(..) {
            // Who is gone needs no token.
            let _ = waiting.send(reply.clone());
        }
    }
}

/// One login, repeated while it fails in a way that can pass; and once with new credentials, where those that were refused
/// have been replaced since they were read. Yields when the request that succeeded was begun:
/// the token's life is counted from a moment that is surely not after its issue.
pub(crate) async fn log_in<P: Platform>(
    platform: Rc<P>,
    limiter: Addr<RateLimiter>,
    mut attempts: Attempts,
    jitter: Jitter,
) -> Result<(Instant, Login), AuthError> {
    let mut renewed = false;
    loop {
        let asked = Instant::now();
        let permit = acquire_permit(&limiter, Endpoint::Auth, attempts.made() > 0 || renewed).await;
        let permit = permit.map_err(|_| AuthError::Stopped)?;
        let waited = asked.elapsed();
        if !renewed {
            attempts.go();
        }
        let (begun, probe) = (Instant::now(), permit.is_probe());
        let error = match spans::attempt(Endpoint::Auth, waited, platform.login(permit)).await {
            Ok(login) => return Ok((begun, login)),
            Err(PlatformError::Unauthorized { message }) if renewed => {
                return Err(AuthError::Refused(message));
            }
            Err(PlatformError::Unauthorized { message }) => {
                renewed = true;
                match platform.renew_credentials().await {
                    Ok(true) => {
                        info!("the credentials were refused and have been replaced: trying the new ones")
                    }
                    Ok(false) => return Err(AuthError::Refused(message)),
                    Err(why) => {
                        let message = format!("{message}; the password cannot be read again: {why}");
                        return Err(AuthError::Refused(message));
                    }
                }
                continue;
            }
            Err(error) => error,
        };
        if let PlatformError::Throttled { retry_after } = error {
            limiter.do_send(CoolDown { retry_after });
        }
        match attempts.judge(&error, probe) {
            Verdict::Again { wait_up_to } => {
                metrics::retried(error.class());
                let wait = jitter.up_to(wait_up_to);
                warn!(%error, attempts = attempts.made(), wait_ms = wait.as_millis() as u64, "login failed, trying again");
                sleep(wait).await;
            }
            Verdict::GiveUp { over_budget, .. } => {
                let reason = over_budget.map(|over| format!("; {over}")).unwrap_or_default();
                return Err(AuthError::Failed(format!("{error} ({} attempts){reason}", attempts.made())));
            }
        }
    }
}

impl<P: Platform> Actor for AuthActor<P> {
    type Context = Context<Self>;
}

impl<P: Platform> Supervised for AuthActor<P> {
    /// The login was lost with the context; who waits for it was not.
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        self.login_in_progress = false;
        if !self.waiting.is_empty() {
            repair(ctx, Self::ensure_login);
        }
    }
}

impl<P: Platform> Handler<GetToken> for AuthActor<P> {
    type Result = ();

    fn handle(&mut self, GetToken { reply }: GetToken, ctx: &mut Context<Self>) {
        if let Some(error) = &self.given_up {
            let _ = reply.send(Err(error.clone()));
            return;
        }
        self.current.take_if(|token| !token.works(Instant::now()));
        let due = self.current.as_ref().is_none_or(|token| token.renew_at <= Instant::now());
        match &self.current {
            Some(token) => {
                let _ = reply.send(Ok(token.clone()));
            }
            None => self.waiting.push(reply),
        }
        if due {
            self.ensure_login(ctx);
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
