//! One process: it has a task set of its own, and of what is in that nothing survives it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use actors::report::{AccountReport, ProblemClass, Status};
use actors::settings::PipelineSettings;
use actors::testing::run_disturbed;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, sleep, timeout};

use super::scenario::{End, Plan};
use super::store::UnsteadyStore;
use super::world::World;
use crate::chaos::invariants::{Ended, Seen};

/// See the module.
pub(super) struct Process<'a> {
    world: &'a World,
    number: usize,
    end: End,
    /// None once it is dead.
    tasks: Option<LocalSet>,
    run: JoinHandle<AccountReport>,
    /// Since when it was told to stop.
    told_to_stop: Rc<Cell<Option<Duration>>>,
    epoch_before: i64,
    epoch: i64,
    started: Instant,
    took: Cell<Duration>,
    report: RefCell<Option<AccountReport>>,
}

impl fmt::Display for Process<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.number < self.world.scenario.processes.len() {
            true => format!("process {}", self.number),
            false => "the last process".to_owned(),
        };
        write!(f, "{name}, which was to end {:?} and took {:?}", self.end, self.took.get())
    }
}

impl<'a> Process<'a> {
    pub(super) async fn start(world: &'a World, number: usize, plan: &Plan) -> Self {
        sleep(plan.pause).await;
        Self::start_with(world, number, plan.end.clone(), plan.panics.limiter.clone()).await
    }

    /// Nobody does anything to it.
    pub(super) async fn start_undisturbed(world: &'a World) -> Self {
        Self::start_with(world, world.scenario.processes.len(), End::ByItself, vec![]).await
    }

    async fn start_with(world: &'a World, number: usize, end: End, limiter_panics: Vec<Duration>) -> Self {
        // As the program does before a run.
        while world.sky.database_is_away() {
            sleep(Duration::from_secs(2)).await;
        }
        world.sky.present.set(number);
        let told_to_stop = Rc::new(Cell::new(None));
        let shutdown = shutdown(world, &end, told_to_stop.clone());
        let settings = PipelineSettings {
            seed: world.scenario.seed.wrapping_add(number as u64),
            ..world.scenario.settings.clone()
        };
        let tasks = LocalSet::new();
        let (platform, store) = (world.platform.clone(), world.store.clone());
        let run = tasks.spawn_local(run_disturbed(settings, platform, store, limiter_panics, shutdown));
        Self {
            world,
            number,
            end,
            tasks: Some(tasks),
            run,
            told_to_stop,
            epoch_before: world.store.epoch(),
            epoch: 0,
            started: Instant::now(),
            took: Cell::default(),
            report: RefCell::default(),
        }
    }

    /// Whether it can be woken up.
    pub(super) fn sleeps(&self) -> bool {
        self.tasks.is_some() && matches!(self.end, End::Asleep(_))
    }

    /// Until its end; then says what is seen.
    pub(super) async fn live(&mut self) -> Seen {
        let cut = match self.end {
            End::Killed(moment) | End::Asleep(moment) => moment,
            End::ByItself | End::Stopped(_) => self.world.scenario.patience,
        };
        let report = self.poll_for(cut).await;
        self.took.set(self.started.elapsed());
        let plan = self.world.scenario.processes.get(self.number);
        let limiter_panics = plan.into_iter().flat_map(|plan| &plan.panics.limiter);
        let so_far = limiter_panics.filter(|moment| **moment < self.took.get());
        so_far.for_each(|_| self.world.sky.note_panic("rate_limiter"));
        self.world.sky.trace("end", self.number as u64);
        self.epoch = self.world.store.epoch();
        let was_cut = report.is_none() && matches!(self.end, End::Killed(_) | End::Asleep(_));
        if report.is_none() && !was_cut {
            self.world.sky.notice(format!("still at work after {:?}: it hangs", self.took.get()));
        }
        let has_begun = self.epoch != self.epoch_before;
        if !(was_cut && has_begun && matches!(self.end, End::Asleep(_))) {
            self.tasks = None;
        }
        *self.report.borrow_mut() = report;
        self.look()
    }

    /// Its report, if it comes in this time.
    async fn poll_for(&mut self, time: Duration) -> Option<AccountReport> {
        let tasks = self.tasks.as_ref()?;
        let ended = tasks.run_until(timeout(time, &mut self.run)).await.ok()?;
        match ended {
            Ok(report) => Some(report),
            Err(error) => {
                self.world.sky.notice(format!("the run itself panicked: {error}"));
                None
            }
        }
    }

    /// What is there now, and what is known of its end.
    fn look(&self) -> Seen {
        let (world, report) = (self.world, self.report.borrow());
        let store: &UnsteadyStore = &world.store;
        let concurrency = world.scenario.settings.concurrency.get() as u64;
        let uncommitted = 3 * world.scenario.settings.batch.size() as u64;
        let begun = self.epoch != self.epoch_before;
        let json = |report| serde_json::to_value(report).expect("a report is JSON");
        let (ended, unstored_at_most) = match &*report {
            None => (Ended::Cut, concurrency + uncommitted),
            Some(_) if !begun => (Ended::Unbegun, 0),
            Some(report) if self.told_to_stop.get().is_some() => {
                let may_be_lost = if self.commits_were_disturbed() { uncommitted } else { 0 };
                (Ended::Stopped(json(report)), concurrency + may_be_lost)
            }
            Some(report) => {
                let early = matches!(report.status, Status::Failed | Status::Interrupted);
                (Ended::ByItself(json(report)), if early { concurrency + uncommitted } else { 0 })
            }
        };
        let settled = store.settled_by(self.epoch);
        let unstored = world.sky.synced_and_not_in(self.number, &[&settled.stored, &settled.given_up]);
        let mut noticed = world.sky.take_noticed();
        noticed.extend(report.as_ref().and_then(|report| self.restarts_are_wrong(report)));
        Seen {
            ended,
            catalogue: world.catalogue(),
            table: store.table(),
            dead_letters: store.dead_letters(),
            windows: world.windows(),
            throttled: 0,
            unstored: if begun { unstored } else { 0 },
            unstored_at_most,
            stored: settled.stored.len() as u64,
            took: self.took.get(),
            noticed,
        }
    }

    /// The same end, and what is there after another process's.
    pub(super) fn look_again(&self) -> Seen {
        self.look()
    }

    /// In the time in which it was to end.
    fn commits_were_disturbed(&self) -> bool {
        let (sky, weather) = (&self.world.sky, &self.world.scenario.weather);
        let Some(stop) = self.told_to_stop.get() else { return true };
        // Waits for a database that was away end up to five seconds late, and restarts, too.
        let before = stop.saturating_sub(Duration::from_secs(10));
        sky.database_was_away(before, sky.time())
            || weather.lost_commits > 0.0
            || sky.panics_of(self.number, "store") > 0
    }

    /// Each panic is a restart; those of the limiter, and of the store while it records, may come too late for it.
    fn restarts_are_wrong(&self, report: &AccountReport) -> Option<String> {
        let made = |actor| self.world.sky.panics_of(self.number, actor);
        let restarts = report.restarts;
        let exact = [("auth", restarts.auth), ("pager", restarts.pager), ("sync", restarts.sync)];
        let to_its_end = matches!(report.status, Status::Complete | Status::Partial);
        let wrong = exact.into_iter().find(|(actor, counted)| {
            let (counted, made) = (u64::from(*counted), made(actor));
            counted > made || (to_its_end && counted < made)
        });
        let at_most = [("store", restarts.store), ("rate_limiter", restarts.rate_limiter)];
        let wrong =
            wrong.or_else(|| at_most.into_iter().find(|(actor, counted)| u64::from(*counted) > made(actor)));
        wrong.map(|(actor, counted)| {
            format!("{counted} restarts of {actor}, which panicked {} times", made(actor))
        })
    }

    /// Goes on where it was stopped, long after another has taken over, and says what is wrong about that.
    pub(super) async fn wake_up(&mut self) -> Vec<String> {
        self.world.sky.present.set(self.number);
        self.world.sky.overtaken.set(true);
        let report = self.poll_for(self.world.scenario.patience).await;
        self.tasks = None;
        self.world.sky.trace("woke up", self.number as u64);
        let mut broken = self.world.sky.take_noticed();
        match report {
            None => broken.push("a process that woke up hangs".to_owned()),
            Some(report) => {
                // One that had only its report left to store has nothing to fail with but that.
                let told = report.problems.iter().any(|problem| problem.class == ProblemClass::StoreFailed);
                if !told {
                    broken.push(format!(
                        "it woke up after another had taken over, and does not say so: {report:?}"
                    ));
                }
            }
        }
        broken
    }
}

fn shutdown(
    world: &World,
    end: &End,
    told: Rc<Cell<Option<Duration>>>,
) -> impl Future<Output = ()> + 'static {
    let (end, sky) = (end.clone(), world.sky.clone());
    async move {
        match end {
            End::Stopped(moment) => sleep(moment).await,
            _ => std::future::pending().await,
        }
        told.set(Some(sky.time()));
    }
}
