//! What the limiter costs by itself: workers that take permits, and a platform that only takes its time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::sleep;

use super::unwatched;
use crate::jitter::Jitter;
use crate::metrics::AccountMetrics;
use crate::permit::{Answer, Endpoint};
use crate::rate_limiter::{RateLimiter, acquire_permit};
use crate::settings::RateLimit;

/// So many workers, each with one request at a time that takes so long.
#[derive(Clone, Copy, Debug)]
pub struct LimiterLoad {
    /// At once.
    pub workers: usize,
    /// In all.
    pub requests: u32,
    /// Of each.
    pub latency: Duration,
}

impl LimiterLoad {
    /// Makes the requests under these limits. The limiter is alive until what this yields is dropped.
    pub async fn under(self, limits: &[RateLimit]) -> impl Sized {
        let limiter =
            RateLimiter::new(limits, Duration::from_secs(10), Jitter::seeded(1), Arc::new(unwatched()));
        let limiter = limiter.with_metrics(Arc::new(AccountMetrics::new(&"load".into()))).start();
        let asked = limiter.clone();
        self.make(async move |latency| {
            let permit = acquire_permit(&asked, Endpoint::Sync, false).await;
            let mut permit = permit.expect("its door is open");
            permit.mark_sent();
            sleep(latency).await;
            permit.answered(Answer::Succeeded);
        })
        .await;
        limiter
    }

    /// Makes as many without a limiter, so many each `interval`: what the workers and the clock cost.
    pub async fn unlimited(self, each: u32, interval: Duration) {
        let made = Cell::new(0);
        let begun = tokio::time::Instant::now();
        self.make(async move |latency| {
            let windows = made.replace(made.get() + 1) / each;
            tokio::time::sleep_until(begun + interval * windows).await;
            sleep(latency).await;
        })
        .await;
    }

    async fn make(self, request: impl AsyncFn(Duration) + 'static) {
        let (request, left) = (Rc::new(request), Rc::new(Cell::new(self.requests)));
        let worker = |_| {
            let (request, left) = (request.clone(), left.clone());
            actix::spawn(async move {
                while let Some(fewer) = left.get().checked_sub(1) {
                    left.set(fewer);
                    request(self.latency).await;
                }
            })
        };
        for worker in (0..self.workers).map(worker).collect::<Vec<_>>() {
            worker.await.expect("it does not panic");
        }
    }
}
