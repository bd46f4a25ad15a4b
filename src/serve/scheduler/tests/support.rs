//! A scheduler, a clock that can be set, and a record of what was started and when.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use actix::Addr;
use actors::model::FailureClass;
use actors::testing::in_virtual_time;
use futures_util::FutureExt;
use tokio::time::sleep;

use actors::report::Status;

use super::super::*;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// How long a run that is told to stop winds down.
pub(super) const WIND_DOWN: Duration = Duration::from_secs(2);

/// How a run goes.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) lasts: Duration,
    pub(super) status: Status,
    pub(super) dead_letters: &'static [FailureClass],
    pub(super) problem: Option<ProblemClass>,
    pub(super) quota_back_in: Option<Duration>,
    pub(super) requests: u64,
    pub(super) panics: bool,
}

pub(super) fn play(lasts: Duration, status: Status) -> Play {
    Play { lasts, status, dead_letters: &[], problem: None, quota_back_in: None, requests: 1, panics: false }
}

pub(super) fn well() -> Play {
    play(MINUTE / 2, Status::Complete)
}

pub(super) fn partial() -> Play {
    leaving(&[FailureClass::Malformed, FailureClass::Unavailable])
}

pub(super) fn leaving(dead_letters: &'static [FailureClass]) -> Play {
    Play { dead_letters, ..play(MINUTE / 2, Status::Partial) }
}

pub(super) fn failing(problem: ProblemClass) -> Play {
    Play { problem: Some(problem), ..play(MINUTE / 2, Status::Failed) }
}

/// What was started: seconds from the begin, whose, what for.
pub(super) type Started = (u64, String, Purpose);

pub(super) struct World {
    pub(super) scheduler: Addr<Scheduler>,
    pub(super) watched: watch::Receiver<Snapshot>,
    pub(super) shift: Rc<Cell<SignedDuration>>,
    pub(super) started: Rc<RefCell<Vec<Started>>>,
    /// Runs at work, by account.
    pub(super) at_work: Rc<RefCell<HashMap<AccountId, u32>>>,
    begun: Instant,
}

/// The begin of all tests, a Thursday.
pub(super) fn begin() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("valid")
}

pub(super) fn plan(id: &str, schedule: &str) -> AccountPlan {
    AccountPlan {
        id: id.into(),
        schedule: schedule.parse().expect("valid"),
        fingerprint: 1,
        last_begun: None,
        paused_since: None,
    }
}

/// Seconds from the begin until the account's first time.
pub(super) fn first(id: &str, schedule: &str) -> u64 {
    let plan = plan(id, schedule);
    plan.schedule
        .of(&plan.id)
        .next_after(begin())
        .duration_since(begin())
        .unsigned_abs()
        .as_millis()
        .div_ceil(1000) as u64
}

impl World {
    /// The runs of an account are numbered from 0.
    pub(super) async fn new(script: impl Fn(&AccountId, usize, &Purpose) -> Play + 'static) -> Self {
        let begun = Instant::now();
        let shift = Rc::new(Cell::new(SignedDuration::ZERO));
        let (started, at_work) = (Rc::new(RefCell::new(vec![])), Rc::new(RefCell::new(HashMap::new())));
        let clock: Clock = {
            let shift = shift.clone();
            Rc::new(move || begin() + begun.elapsed() + shift.get())
        };
        let start: Start = {
            let (started, at_work) = (started.clone(), at_work.clone());
            Rc::new(move |account, purpose| {
                let number =
                    started.borrow().iter().filter(|(_, id, _): &&Started| *id == account.as_str()).count();
                let play = script(&account, number, &purpose);
                let seconds = begun.elapsed().as_millis().div_ceil(1000) as u64;
                started.borrow_mut().push((seconds, account.to_string(), purpose));
                *at_work.borrow_mut().entry(account.clone()).or_default() += 1;
                assert_eq!(at_work.borrow()[&account], 1, "one run at a time");
                run(account, play, at_work.clone())
            })
        };
        let (scheduler, watched) = Scheduler::new(start, clock, 1);
        Self { scheduler: scheduler.start(), watched, shift, started, at_work, begun }
    }

    pub(super) async fn configure(&self, plans: &[AccountPlan]) -> Changes {
        self.scheduler.send(Configure(plans.to_vec())).await.expect("alive")
    }

    /// Until so many seconds from the begin.
    pub(super) async fn until(&self, seconds: u64) {
        tokio::time::sleep_until(self.begun + Duration::from_secs(seconds)).await;
    }

    pub(super) fn starts(&self) -> Vec<u64> {
        self.started.borrow().iter().map(|(at, ..)| *at).collect()
    }

    pub(super) fn status(&self, id: &str) -> Option<AccountStatus> {
        self.watched.borrow().get(&AccountId::from(id)).map(|status| AccountStatus::clone(status))
    }

    pub(super) fn state(&self, id: &str) -> State {
        self.status(id).expect("known").state
    }

    /// Why the account waits, and until how many seconds from the begin.
    pub(super) fn waits(&self, id: &str) -> (Because, u64) {
        match self.state(id) {
            State::Waiting { until, because } => {
                let seconds = until.duration_since(begin()).unsigned_abs().as_millis().div_ceil(1000);
                (because, seconds as u64)
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

fn run(account: AccountId, play: Play, at_work: Rc<RefCell<HashMap<AccountId, u32>>>) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let done = async move {
        let stopped = tokio::select! {
            () = sleep(play.lasts) => false,
            Ok(()) = stopped => true,
        };
        if stopped {
            sleep(WIND_DOWN).await;
        }
        at_work.borrow_mut().entry(account.clone()).and_modify(|runs| *runs -= 1);
        assert!(!play.panics, "the test told it to");
        let mut report = panicked(&account, "");
        report.status = if stopped { Status::Interrupted } else { play.status };
        report.dead_lettered_by_class = play.dead_letters.iter().map(|class| (*class, 1)).collect();
        report.quota_back_in = play.quota_back_in;
        report.requests.total = play.requests;
        let message = "the platform is down".to_owned();
        report.problems = play.problem.map(|class| Problem { class, message }).into_iter().collect();
        report
    };
    // Who has ended cannot be stopped.
    Running { stop: Box::new(|| stop.send(()).unwrap_or_default()), done: done.boxed_local() }
}

/// In virtual time: with a scheduler of these accounts.
pub(super) fn world<T>(
    plans: &[AccountPlan],
    script: impl Fn(&AccountId, usize, &Purpose) -> Play + 'static,
    test: impl AsyncFnOnce(World) -> T,
) -> T {
    in_virtual_time(async {
        let world = World::new(script).await;
        world.configure(plans).await;
        test(world).await
    })
}
