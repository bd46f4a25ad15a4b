//! One login outside of a run, to see whether the credentials are right.

use std::rc::Rc;

use tokio::sync::watch;
use tokio::time::Duration;

use crate::auth_actor::log_in;
use crate::jitter::Jitter;
use crate::ports::Platform;
use crate::progress::Progress;
use crate::rate_limiter::RateLimiter;
use crate::retry_policy::{Attempts, RetryPolicy};
use crate::supervision::spawn_child;

/// Logs in, as patiently as a run would; else says in words why it cannot.
pub async fn check_credentials<P: Platform>(platform: Rc<P>) -> Result<(), String> {
    let jitter = Jitter::seeded(0);
    let progress = Rc::new(watch::Sender::new(Progress::default()));
    let unlimited = RateLimiter::new(&[], Duration::ZERO, jitter.clone(), progress);
    let (limiter, life) = spawn_child(|_| unlimited);
    let outcome = log_in(platform, limiter, Attempts::new(RetryPolicy::default()), jitter).await;
    life.abort();
    outcome.map(|_| ()).map_err(|error| error.to_string())
}
