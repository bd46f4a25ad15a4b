//! One run of one account: hires the actors from the last stage to the first, so that each is born knowing the
//! next, waits for the outcome, and leaves nothing running.

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant};
use tracing::{Instrument, Span, info};

use crate::auth_actor::{AuthActor, GetToken, Tokens};
use crate::closing::{FINISH_PATIENCE, clear_up_letters, finish};
use crate::fleet::{Enlist, Fleet};
use crate::jitter::Jitter;
use crate::ledger::Ledger;
use crate::lower_bound::lower_bound;
use crate::metrics::AccountMetrics;
use crate::model::{Run, Spent};
use crate::pager_actor::PagerActor;
use crate::pipeline::{Crew, Outcome, Pipeline, Stop};
use crate::ports::{Platform, Store, StoreError};
use crate::progress::{LimitSource, Progress, ProgressSender};
use crate::rate_limiter::{RateLimiter, SettleSpent};
use crate::report::{AccountReport, CampaignCounts, LimitKept, Problem, ProblemClass, RestartCounts, Status};
use crate::requester::Requester;
use crate::retry_budget::RetryBudget;
use crate::settings::{PipelineSettings, RateLimit, RestartIntensity};
use crate::spans;
use crate::store_actor::Member;
use crate::supervision::{ActorKind, guard, spawn_child};
use crate::sync_actor::SyncActor;

/// Syncs one account, in a fleet of its own.
pub async fn run<P: Platform, S: Store>(
    settings: PipelineSettings,
    platform: Rc<P>,
    store: Rc<S>,
    progress: ProgressSender,
    shutdown: impl Future<Output = ()> + 'static,
) -> AccountReport {
    let fleet = Fleet::new(store, settings.batch, usize::MAX);
    let report = fleet.run(settings, platform, progress, shutdown).await;
    fleet.end().await;
    report
}

impl<S: Store> Fleet<S> {
    /// Syncs one account and reports. Ends early, as `interrupted`, when `shutdown` is ready. Has to run inside an
    /// actix system or a tokio `LocalSet`: all actors live on the caller's thread.
    pub async fn run<P: Platform>(
        &self,
        settings: PipelineSettings,
        platform: Rc<P>,
        progress: ProgressSender,
        shutdown: impl Future<Output = ()> + 'static,
    ) -> AccountReport {
        run_with(self, settings, platform, progress, shutdown, |_| {}).await
    }
}

/// [`Fleet::run`], with a look at the limiter for those who want to see it fail.
pub(crate) async fn run_with<P: Platform, S: Store>(
    fleet: &Fleet<S>,
    settings: PipelineSettings,
    platform: Rc<P>,
    progress: ProgressSender,
    shutdown: impl Future<Output = ()> + 'static,
    on_hired: impl FnOnce(&Addr<RateLimiter>),
) -> AccountReport {
    let store = &*fleet.store;
    let turn = fleet.turn().await;
    let account = settings.account.clone();
    let metrics = Arc::new(AccountMetrics::new(&account));
    let in_progress = metrics.run_begins();
    let refused = |error: StoreError| failed(store_problem(&error), &Progress::default());
    // Read once more when the account is ours: until then, it may be added to.
    let begun = match (&settings.replay, store.load_spent(&account).await) {
        (_, Err(error)) => Err(error),
        (Some(letters), _) => store.begin_replay(&account, letters).await,
        (None, Ok(spent)) => store.begin_run(&account, settings.resume_within(&spent.stated)).await,
    };
    let run = match begun {
        Ok(run) => run,
        Err(error) => {
            let report = report(&settings, None, refused(error), &Progress::default(), Duration::ZERO);
            return in_progress.ended(report);
        }
    };
    let spent = match store.load_spent(&account).await {
        Ok(spent) => spent,
        Err(error) => {
            let report = report(&settings, Some(&run), refused(error), &Progress::default(), Duration::ZERO);
            // What failed is in the report already.
            let _ = finish(store, &run, &report).await;
            return in_progress.ended(report);
        }
    };
    drop(turn);
    let run = Arc::new(run);
    let span = spans::run(&run);
    progress.send_modify(|progress| progress.run = Some(run.id));
    if run.resumed {
        span.in_scope(|| info!(stored_before = run.stored_before, "an unfinished run is resumed"));
    }
    let watched = progress.subscribe();
    let budget = RetryBudget::new(settings.retry_budget);
    let (budgeted, progress) = (budget.clone(), Arc::new(progress));
    let hiring = Hiring { fleet, settings: &settings, run: &run, spent, budget: budgeted, progress, metrics };
    let sync = sync(hiring, platform, shutdown, on_hired);
    let (outcome, duration) = match &run.replay {
        Some(replay) if replay.letters == 0 => (nothing_to_replay(), Duration::ZERO),
        _ => sync.instrument(span.clone()).await,
    };
    let _turn = fleet.last_turn().await;
    let outcome = clear_up_letters(store, &run, outcome).instrument(span.clone()).await;
    let mut report = report(&settings, Some(&run), outcome, &watched.borrow(), duration);
    report.problems.extend(budget.problem());
    if let Err(cause) = finish(store, &run, &report).instrument(span.clone()).await {
        let message = format!("the run's report could not be stored: {cause}");
        report.problems.push(Problem { class: ProblemClass::StoreFailed, message });
    }
    spans::run_ended(&span, report.status);
    in_progress.ended(report)
}

async fn sync<P: Platform, S: Store>(
    hiring: Hiring<'_, S>,
    platform: Rc<P>,
    shutdown: impl Future<Output = ()> + 'static,
    on_hired: impl FnOnce(&Addr<RateLimiter>),
) -> (Outcome, Duration) {
    let begun = Instant::now();
    let _joined = hiring.fleet.share.join();
    let (outcome, ended) = oneshot::channel();
    let mut tasks = Tasks::default();
    let mut limiter = None;
    let watched = hiring.progress.subscribe();
    let (pipeline, life) = spawn_child(Span::current(), |pipeline: &Addr<Pipeline>| {
        let crew = hiring.crew(platform, pipeline, &mut tasks);
        on_hired(&crew.limiter);
        limiter = Some(crew.limiter.clone());
        Pipeline::new(
            hiring.settings.clone(),
            (**hiring.run).clone(),
            crew,
            hiring.progress,
            hiring.metrics,
            outcome,
        )
    });
    tasks.0.push(life.abort_handle());
    let stop = pipeline.clone();
    let stopping = async move {
        shutdown.await;
        stop.do_send(Stop);
    };
    let shutdown = actix::spawn(stopping.in_current_span());
    tasks.0.push(shutdown.abort_handle());

    // The pipeline reports before it ends; if it panicked instead, its panic is the cause.
    let outcome = match ended.await {
        Ok(outcome) => outcome,
        Err(_) => {
            let cause = life.await.ok().flatten().unwrap_or_else(|| "unknown".to_owned());
            let message = format!("the pipeline itself failed: {cause}");
            failed(Problem { class: ProblemClass::PipelineFailed, message }, &watched.borrow())
        }
    };
    let duration = begun.elapsed();
    if let Some(limiter) = limiter {
        // A limiter that is gone has left its last record, which says more.
        let _ = tokio::time::timeout(FINISH_PATIENCE, limiter.send(SettleSpent)).await;
    }
    tasks.end().await;
    (outcome, duration)
}

/// What all actors of a run are made from.
struct Hiring<'a, S: Store> {
    fleet: &'a Fleet<S>,
    settings: &'a PipelineSettings,
    run: &'a Arc<Run>,
    spent: Spent,
    budget: RetryBudget,
    progress: Arc<ProgressSender>,
    metrics: Arc<AccountMetrics>,
}

impl<S: Store> Hiring<'_, S> {
    fn crew<P: Platform>(&self, platform: Rc<P>, pipeline: &Addr<Pipeline>, tasks: &mut Tasks) -> Crew {
        let Self { fleet, settings, run, spent, budget, progress, metrics } = self;
        let store = &fleet.keeper;
        let one = RestartIntensity::SINGLETON;
        let jitter = Jitter::seeded(settings.seed);
        let supervisor = || pipeline.clone().recipient();

        let (acknowledge, alarm) = (pipeline.clone().recipient(), pipeline.clone().recipient());
        let member = Member::new(Arc::clone(run), acknowledge, alarm, progress.clone());
        fleet.overseer.do_send(Enlist(supervisor()));

        let limits = &settings.rate_limits;
        let retry = settings.retry.paced_by(limits);
        // The sync actors, the pager, and a login for all of them.
        let askers = settings.concurrency.get() + 1;
        let limiter = RateLimiter::new(limits, settings.request_timeout, jitter.clone(), progress.clone())
            .with_metrics(metrics.clone())
            .until_stated(settings.adopt_stated_limits)
            .with_patience(settings.max_wait, pipeline.clone().recipient())
            .with_ledger(Ledger::new(store.clone().recipient(), Arc::clone(run), limits, askers), spent)
            .among(fleet.places.clone());
        let limiter = tasks.keep(guard(ActorKind::RateLimiter, one, supervisor(), limiter));

        let auth = AuthActor::new(
            platform.clone(),
            limiter.clone(),
            retry,
            budget.clone(),
            jitter.clone(),
            metrics.clone(),
        );
        let auth: Recipient<GetToken> =
            tasks.keep(guard(ActorKind::Auth, one, supervisor(), auth)).recipient();

        let (budget, progress) = (budget.clone(), progress.clone());
        let requester =
            Requester { tokens: Tokens::of(auth), limiter: limiter.clone(), retry, budget, progress, jitter };
        let account = run.account.clone();
        let pager =
            PagerActor { account: account.clone(), platform: platform.clone(), requester: requester.clone() };
        let pager = tasks.keep(guard(ActorKind::Pager, one, supervisor(), pager)).recipient();

        let (requester, run) = (Rc::new(requester), Span::current());
        let pipeline = Rc::new(pipeline.clone().recipient());
        let hire = move |slot| {
            let actor = SyncActor {
                slot,
                account: account.clone(),
                platform: platform.clone(),
                requester: requester.clone(),
                pipeline: pipeline.clone(),
                run: run.clone(),
            };
            // Each sync has a span of its own.
            let (address, life) = spawn_child(Span::none(), |_| actor);
            (address.recipient(), life)
        };
        let (keep, flush) = (store.clone().recipient(), store.clone().recipient());
        let find_settled = store.clone().recipient();
        let share = fleet.share.clone();
        Crew { pager, limiter, keep, flush, member, find_settled, share, hire: Box::new(hire) }
    }
}

/// Ends with the run or the probe, whichever way that ends.
#[derive(Default)]
pub(crate) struct Tasks(Vec<AbortHandle>);

impl Tasks {
    pub(crate) fn keep<A>(&mut self, (address, life): (A, AbortHandle)) -> A {
        self.0.push(life);
        address
    }
}

impl Tasks {
    /// Aborted tasks are dropped when the runtime next comes to them.
    pub(crate) async fn end(self) {
        drop(self);
        tokio::task::yield_now().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

fn store_problem(error: &StoreError) -> Problem {
    Problem { class: ProblemClass::StoreFailed, message: error.to_string() }
}

fn nothing_to_replay() -> Outcome {
    let campaigns = CampaignCounts { reported_total: Some(0), ..CampaignCounts::default() };
    let restarts = RestartCounts::default();
    let (status, problems, dead_lettered) = (Status::Complete, vec![], BTreeMap::new());
    Outcome {
        status,
        listing_proven: false,
        campaigns,
        dead_lettered,
        restarts,
        problems,
        quota_back_in: None,
    }
}

/// What is known of a run that nobody lived to report.
fn failed(problem: Problem, progress: &Progress) -> Outcome {
    let campaigns = CampaignCounts {
        listed: progress.distinct,
        distinct: progress.distinct,
        reported_total: progress.reported_total,
        stored: progress.stored,
        skipped: progress.skipped,
        dead_lettered: progress.dead_lettered,
    };
    Outcome {
        status: Status::Failed,
        listing_proven: false,
        campaigns,
        dead_lettered: BTreeMap::new(),
        restarts: RestartCounts::default(),
        problems: vec![problem],
        quota_back_in: None,
    }
}

fn report(
    settings: &PipelineSettings,
    run: Option<&Run>,
    outcome: Outcome,
    progress: &Progress,
    duration: Duration,
) -> AccountReport {
    let requests = progress.requests;
    let mut limits: Vec<LimitKept> = progress.limits.iter().copied().map(LimitKept::from).collect();
    if limits.is_empty() {
        // Nothing was sent, and these are what would have been kept.
        let source =
            if settings.adopt_stated_limits { LimitSource::Assumed } else { LimitSource::Configured };
        limits = settings.rate_limits.iter().map(|limit| LimitKept { limit: *limit, source }).collect();
    }
    let of = |source| {
        limits.iter().filter(move |kept| kept.source == source).map(|kept| kept.limit).collect::<Vec<_>>()
    };
    let stated = of(LimitSource::Platform);
    // Where they were left to the platform, all that was kept in the end is what the run was to keep.
    let kept: Vec<RateLimit> = limits.iter().map(|kept| kept.limit).collect();
    let to_keep =
        if settings.adopt_stated_limits && !kept.is_empty() { &kept } else { &settings.rate_limits };
    let mut problems = outcome.problems;
    if requests.throttled > 0 {
        let message = format!(
            "the platform answered 429 {} times: the limit is set too high, or something else uses it",
            requests.throttled
        );
        problems.push(Problem { class: ProblemClass::Throttled, message });
    }
    if !settings.adopt_stated_limits && !stated.is_empty() {
        let message = format!(
            "the platform states a limit of {}, tighter than the configured one ({}): it was kept once it was known; \
             set the rate limit to it",
            RateLimit::list(&stated),
            RateLimit::list(&settings.rate_limits)
        );
        problems.push(Problem { class: ProblemClass::RateLimitTooHigh, message });
    }
    AccountReport {
        account: settings.account.clone(),
        run_id: run.map(|run| run.id),
        status: outcome.status,
        listing_proven: outcome.listing_proven,
        resumed: run.is_some_and(|run| run.resumed),
        campaigns: outcome.campaigns,
        dead_lettered_by_class: outcome.dead_lettered,
        requests,
        restarts: outcome.restarts,
        duration,
        lower_bound: lower_bound(requests.total, to_keep),
        quota_back_in: outcome.quota_back_in,
        limits,
        problems,
    }
}
