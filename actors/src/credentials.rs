//! Whether a platform takes the credentials, asked outside of a run.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, timeout};
use tracing::Span;

use crate::auth_actor::log_in;
use crate::jitter::Jitter;
use crate::ports::Platform;
use crate::progress::Progress;
use crate::rate_limiter::RateLimiter;
use crate::retry_budget::RetryBudget;
use crate::retry_policy::{Attempts, RetryPolicy};
use crate::supervision::spawn_child;

/// Whoever waits for a check sits before it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Logs in, with the retries of a run but for a minute at the most; else says in words why it cannot.
pub async fn check_credentials<P: Platform>(platform: Rc<P>, retry: RetryPolicy) -> Result<(), String> {
    let jitter = Jitter::seeded(0);
    let progress = Arc::new(watch::Sender::new(Progress::default()));
    let unlimited = RateLimiter::new(&[], Duration::ZERO, jitter.clone(), progress);
    let (limiter, life) = spawn_child(Span::current(), |_| unlimited);
    let attempts = Attempts::new(retry, RetryBudget::new(None));
    let outcome = timeout(PATIENCE, log_in(platform, limiter, attempts, jitter)).await;
    life.abort();
    match outcome {
        Ok(login) => login.map(|_| ()).map_err(|error| error.to_string()),
        Err(_) => Err(format!("no login within {} s", PATIENCE.as_secs())),
    }
}
