//! For tests: virtual time, fakes named for what they do, and a way to make the limiter panic.
//! A [`ScriptedPlatform`] does what its script says; a [`MemoryStore`] keeps everything, a [`TallyStore`] only
//! what it needs to tell whether anything is missing or doubled.

mod limiter_load;
mod memory_store;
mod memory_stores;
mod run_book;
mod scripted_platform;
mod store_load;
mod tally_store;
#[cfg(test)]
mod witness;

use std::cell::RefCell;
use std::future::Future;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

pub use limiter_load::LimiterLoad;
pub use memory_store::{CommitFault, MemoryStore};
pub use memory_stores::MemoryStores;
pub use scripted_platform::{Call, Play, ScriptedPlatform, Stamping, campaign_id, honest_page};
pub use store_load::store_all;
pub use tally_store::TallyStore;
#[cfg(test)]
pub(crate) use witness::witness;

use crate::fleet::Fleet;
use crate::max_shrink::MaxShrink;
use crate::permit::{Fate, Permit, PermitEvent};
use crate::ports::{Platform, Store};
use crate::progress::{Progress, ProgressSender};
use crate::quota_signals::QuotaSignals;
use crate::rate_limiter::RateLimiter;
use crate::report::{AccountReport, ProblemClass, Status};
use crate::retry_budget::RetryShare;
use crate::retry_policy::RetryPolicy;
use crate::run::run_with;
use crate::settings::{BatchLimits, Concurrency, PipelineSettings, RateLimit};

/// Longer than any test's virtual time.
const FOR_EVER: Duration = Duration::from_secs(2 * 365 * 86_400);

/// Runs a future where time only passes when nobody has anything to do. Without IO: a real socket in such a test
/// panics instead of racing the clock, and so does a future that waits for something that never comes.
pub fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let in_time = async { timeout(FOR_EVER, future).await.expect("what is waited for comes") };
    LocalSet::new().block_on(&runtime.expect("a runtime without IO needs nothing"), in_time)
}

/// Settings of a small run: no limit, 8 sync actors, pages of 10, batches of 50 within 200 ms.
pub fn settings() -> PipelineSettings {
    PipelineSettings {
        account: "test".into(),
        rate_limits: vec![],
        adopt_stated_limits: false,
        concurrency: Concurrency::new(8).expect("in range"),
        page_size: NonZeroU32::new(10).expect("not zero"),
        retry: RetryPolicy::default(),
        retry_budget: Some(RetryShare::default()),
        batch: BatchLimits::new(50, Duration::from_millis(200)).expect("in range"),
        request_timeout: Duration::from_secs(10),
        max_wait: Duration::from_secs(365 * 86_400),
        max_shrink: MaxShrink::default(),
        fresh: false,
        replay: None,
        seed: 1,
    }
}

/// A limit in one word.
pub fn limit(requests: u32, window: Duration) -> RateLimit {
    RateLimit::new(requests, window).expect("in range")
}

/// A run that is nobody's.
#[cfg(test)]
pub(crate) fn nobodys_run() -> std::sync::Arc<crate::model::Run> {
    std::sync::Arc::new(crate::model::Run {
        id: uuid::Uuid::nil(),
        account: "test".into(),
        epoch: 1,
        resumed: false,
        stored_before: 0,
        numbered_below: 0,
        listed_before: None,
        replay: None,
    })
}

/// A progress channel that nobody watches.
pub fn unwatched() -> ProgressSender {
    watch::Sender::new(Progress::default())
}

/// Panics unless everything that was listed is stored, skipped, given up on, or said to be left to do.
#[track_caller]
pub fn assert_all_accounted_for(report: &AccountReport) {
    let counts = report.campaigns;
    let said = report.problems.iter().find(|problem| problem.class == ProblemClass::LeftToDo);
    let left = said.and_then(|problem| problem.message.split(' ').next()?.parse().ok()).unwrap_or(0);
    assert_eq!(counts.distinct, counts.stored + counts.skipped + counts.dead_lettered + left, "{report:?}");
    assert!(left == 0 || matches!(report.status, Status::Interrupted | Status::Failed), "{report:?}");
    let lost = report.problems.iter().any(|problem| problem.class == ProblemClass::Unaccounted);
    assert!(!lost, "{report:?}");
}

/// Runs to the end, undisturbed, and checks that nothing was lost sight of.
pub async fn run_to_end<P: Platform, S: Store>(
    settings: PipelineSettings,
    platform: &Rc<P>,
    store: &Rc<S>,
) -> AccountReport {
    let report =
        crate::run(settings, platform.clone(), store.clone(), unwatched(), std::future::pending()).await;
    assert_all_accounted_for(&report);
    report
}

/// As [`run_to_end`], with a limiter that panics at these times after its start.
pub async fn run_with_limiter_panics<P: Platform, S: Store>(
    settings: PipelineSettings,
    platform: &Rc<P>,
    store: &Rc<S>,
    at: Vec<Duration>,
) -> AccountReport {
    let report = run_disturbed(settings, platform.clone(), store.clone(), at, std::future::pending()).await;
    assert_all_accounted_for(&report);
    report
}

/// [`crate::run`] that nobody watches, with a limiter that panics at these times after its start.
pub async fn run_disturbed<P: Platform, S: Store>(
    settings: PipelineSettings,
    platform: Rc<P>,
    store: Rc<S>,
    limiter_panics: Vec<Duration>,
    shutdown: impl Future<Output = ()> + 'static,
) -> AccountReport {
    let sabotage = |limiter: &Addr<RateLimiter>| {
        for after in limiter_panics {
            // Weak: sabotage must not keep alive what it breaks.
            let limiter = limiter.downgrade();
            actix::spawn(async move {
                sleep(after).await;
                if let Some(limiter) = limiter.upgrade() {
                    limiter.do_send(Panic);
                }
            });
        }
    };
    let fleet = Fleet::new(store, settings.batch, usize::MAX);
    let report = run_with(&fleet, settings, platform, unwatched(), shutdown, sabotage).await;
    fleet.end().await;
    report
}

/// A permit of no limiter, and what is heard with its request's answer.
pub fn overheard_permit() -> (Permit, Rc<RefCell<Vec<QuotaSignals>>>) {
    let heard = Rc::new(RefCell::new(vec![]));
    let listener = Listener(heard.clone()).start();
    (Permit::new(0, false, None, Arc::new(listener.recipient())), heard)
}

struct Listener(Rc<RefCell<Vec<QuotaSignals>>>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<PermitEvent> for Listener {
    type Result = ();

    fn handle(&mut self, PermitEvent { fate, .. }: PermitEvent, _: &mut Context<Self>) {
        if let Fate::Heard(signals) = fate {
            self.0.borrow_mut().push(*signals);
        }
    }
}

/// Makes the actor that gets it panic.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Panic;

impl Handler<Panic> for RateLimiter {
    type Result = ();

    fn handle(&mut self, Panic: Panic, _: &mut Context<Self>) {
        panic!("the test told it to");
    }
}
