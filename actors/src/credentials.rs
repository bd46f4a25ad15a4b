//! What is asked of a platform outside of a run: whether the credentials are right, and how much there is to do.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};

use crate::auth_actor::{AuthActor, IssuedToken, log_in};
use crate::jitter::Jitter;
use crate::model::PageRequest;
use crate::permit::Endpoint;
use crate::ports::Platform;
use crate::progress::{LimitInUse, Progress};
use crate::rate_limiter::RateLimiter;
use crate::requester::{RequestError, Requester};
use crate::retry_budget::RetryBudget;
use crate::retry_policy::{Attempts, RetryPolicy};
use crate::settings::PipelineSettings;
use crate::supervision::spawn_child;

/// Whoever waits for a check sits before it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Logs in, with the retries of a run but for a minute at the most; else says in words why it cannot.
pub async fn check_credentials<P: Platform>(platform: Rc<P>, retry: RetryPolicy) -> Result<(), String> {
    let jitter = Jitter::seeded(0);
    let progress = Rc::new(watch::Sender::new(Progress::default()));
    let unlimited = RateLimiter::new(&[], Duration::ZERO, jitter.clone(), progress);
    let (limiter, life) = spawn_child(|_| unlimited);
    let attempts = Attempts::new(retry, RetryBudget::new(None));
    let outcome = timeout(PATIENCE, log_in(platform, limiter, attempts, jitter)).await;
    life.abort();
    match outcome {
        Ok(login) => login.map(|_| ()).map_err(|error| error.to_string()),
        Err(_) => Err(format!("no login within {} s", PATIENCE.as_secs())),
    }
}

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
/// cannot.
pub async fn probe<P: Platform>(settings: &PipelineSettings, platform: Rc<P>) -> Result<Probe, String> {
    let jitter = Jitter::seeded(settings.seed);
    let progress = Rc::new(watch::Sender::new(Progress::default()));
    let limits = &settings.rate_limits;
    let limiter = RateLimiter::new(limits, settings.request_timeout, jitter.clone(), progress.clone())
        .until_stated(settings.adopt_stated_limits);
    let (limiter, limiter_life) = spawn_child(|_| limiter);
    // A login and a page: their attempts are bound enough.
    let budget = RetryBudget::new(None);
    let auth =
        AuthActor::new(platform.clone(), limiter.clone(), settings.retry, budget.clone(), jitter.clone());
    let (auth, auth_life) = spawn_child(|_| auth);
    let (auth, sent) = (auth.recipient(), progress.clone());
    let requester = Requester { auth, limiter, retry: settings.retry, budget, progress, jitter };
    let mut latency = Duration::ZERO;
    let first = PageRequest { page: 1, limit: settings.page_size };
    let call = async |permit, token: Arc<IssuedToken>| {
        let begun = Instant::now();
        let page = platform.list(permit, &token.access, first).await;
        latency = begun.elapsed();
        page
    };
    let page = requester.request(Endpoint::List, call).await;
    let Progress { requests, limits, .. } = sent.borrow().clone();
    auth_life.abort();
    limiter_life.abort();
    let (page, _) = page.map_err(|error| match error {
        RequestError::GaveUp(cause) => format!("the first page could not be had: {}", cause.message),
        RequestError::Auth(error) => error.to_string(),
        RequestError::Stopped => "the program's own code failed".to_owned(),
    })?;
    let whole = (!page.has_more).then_some(page.entries.len() as u64);
    Ok(Probe { total: page.total.or(whole), latency, requests: requests.total, limits })
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::{Play, ScriptedPlatform, in_virtual_time, limit, settings};

    #[test]
    fn a_probe_is_one_login_and_one_page_and_knows_how_many_there_are() {
        let platform = Rc::new(ScriptedPlatform::obliging(123));
        let probe = in_virtual_time(probe(&settings(), platform.clone())).expect("it obliges");
        let latency = Duration::from_millis(50);
        assert_eq!(probe, Probe { total: Some(123), latency, requests: 2, limits: vec![] });
        let calls: Vec<_> = platform.calls().iter().map(|call| call.endpoint).collect();
        assert_eq!(calls, [Endpoint::Auth, Endpoint::List]);
    }

    #[test]
    fn what_fails_is_repeated_under_the_limit_and_is_not_part_of_the_latency() {
        let flaky = ScriptedPlatform::obliging(5).playing(|call| match (call.endpoint, call.number) {
            (Endpoint::List, 0..2) => Play::Unavailable,
            _ => Play::Well,
        });
        let platform = Rc::new(flaky);
        let limited = PipelineSettings { rate_limits: vec![limit(2, Duration::from_secs(10))], ..settings() };
        let probe = in_virtual_time(probe(&limited, platform.clone())).expect("it obliges in the end");
        assert_eq!((probe.total, probe.requests, probe.latency.as_millis()), (Some(5), 4, 50));
        assert_eq!(platform.most_in_a_window(Duration::from_secs(10)), 2);
    }

    #[test]
    fn a_platform_that_refuses_is_quoted() {
        let says_401 = |endpoint| {
            let platform = ScriptedPlatform::obliging(5).playing(move |call| match call.endpoint {
                at if at == endpoint => Play::Unauthorized,
                _ => Play::Well,
            });
            in_virtual_time(probe(&settings(), Rc::new(platform))).expect_err("it refuses")
        };
        assert!(says_401(Endpoint::Auth).contains("refused the credentials: it said 401"));
        assert_eq!(says_401(Endpoint::List), "the first page could not be had: it said 401");
    }

    #[test]
    fn without_a_total_the_only_page_is_all_there_is_and_one_of_many_says_nothing() {
        let listing = |has_more| {
            let platform = ScriptedPlatform::obliging(7).listing(move |request| crate::model::Page {
                has_more,
                total: None,
                ..crate::testing::honest_page(7, request)
            });
            in_virtual_time(probe(&settings(), Rc::new(platform))).expect("it obliges").total
        };
        assert_eq!((listing(false), listing(true)), (Some(7), None));
    }
}
