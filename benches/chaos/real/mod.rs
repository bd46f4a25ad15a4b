//! The binary itself, over HTTP against the mock platform, into a PostgreSQL that is thrown away: processes that are
//! killed, told to stop or put to sleep, and a database that crashes under them.

mod database;
mod process;
mod scenario;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mock_platform::{MockPlatform, Stats, campaign};
use tokio::time::{Instant, sleep};

use self::database::Database;
use self::process::{Course, Process, RealEnd};
use self::scenario::{ANSWER_IS_LOST, Plan, Scenario};
use super::failure::Failure;
use super::invariants::{Ended, Rows, Seen, broken, broken_at_the_end, counted};
use super::tally::Tally;

/// For what was on its way to arrive, after a process has gone.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Draws a scenario and runs it to its end.
pub(crate) fn run(seed: u64) -> Result<Tally, Box<Failure>> {
    let scenario = Scenario::drawn(seed);
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}.log"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            let mut laboratory = Laboratory::open(&scenario, File::create(&log)?).await?;
            laboratory.run().await
        })
    });
    let failure = |after, broken| {
        let command = format!("cargo bench --bench chaos -- --real --seed {seed}");
        let scenario = format!("{scenario:#?}\nthe processes' log is {}", log.display());
        Box::new(Failure { seed, scenario, after, broken, command })
    };
    match outcome {
        Ok(Ok(tally)) => {
            // What is left of it is in the way of nobody.
            fs::remove_file(&log).ok();
            Ok(tally)
        }
        Ok(Err((after, broken))) => Err(failure(after, broken)),
        Err(error) => Err(failure("the scenario itself failed".to_owned(), vec![format!("{error:#}")])),
    }
}

type Judged<T> = Result<T, (String, Vec<String>)>;

/// What outlives a process.
struct Laboratory<'a> {
    scenario: &'a Scenario,
    platform: MockPlatform,
    database: Database,
    log: File,
}

/// The counts before a process.
struct Before {
    stats: Stats,
    stored: u64,
    epoch: u64,
}

impl<'a> Laboratory<'a> {
    async fn open(scenario: &'a Scenario, log: File) -> anyhow::Result<Self> {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let platform = MockPlatform::start(scenario.platform(), any_port)?;
        Ok(Self { scenario, platform, database: Database::start().await?, log })
    }

    async fn run(&mut self) -> anyhow::Result<Judged<Tally>> {
        let mut tally = Tally { runs: 1, campaigns: self.scenario.campaigns, ..Tally::default() };
        let mut sleepers = Vec::new();
        for (number, plan) in self.scenario.processes.iter().enumerate() {
            let (seen, sleeper) = self.process(plan, &mut tally).await?;
            let broken = broken(&seen);
            if !broken.is_empty() {
                return Ok(Err((format!("process {number}, {plan:?}"), broken)));
            }
            tally.add(&counted(&seen));
            sleepers.extend(sleeper);
        }
        self.platform.calm();
        let (mut seen, _) = self.process(&Plan::undisturbed(), &mut tally).await?;
        let broken = broken_at_the_end(&seen);
        if !broken.is_empty() {
            return Ok(Err(("the last process".to_owned(), broken)));
        }
        tally.add(&counted(&seen));
        for mut sleeper in sleepers {
            seen.noticed = self.wake_up(&mut sleeper).await?;
            (seen.table, seen.dead_letters) =
                (self.database.table().await?, self.database.dead_letters().await?);
            (seen.windows, seen.throttled) = limits(&self.platform.stats());
            let broken = broken_at_the_end(&seen);
            if !broken.is_empty() {
                return Ok(Err(("a process was woken up".to_owned(), broken)));
            }
            tally.sleepers += 1;
        }
        self.count(&mut tally).await?;
        Ok(Ok(tally))
    }

    /// Runs one; yields it where it can be woken up.
    async fn process(&mut self, plan: &Plan, tally: &mut Tally) -> anyhow::Result<(Seen, Option<Process>)> {
        let before = Before {
            stats: self.platform.stats(),
            stored: self.database.stored().await?,
            epoch: self.database.epoch().await?,
        };
        let mut process = Process::start(self.scenario, &self.platform, &self.database, &self.log)?;
        let course = process.live(plan, &mut self.database).await?;
        tally.database_outages +=
            u64::from(course.database_was_away || matches!(course.end, RealEnd::Asleep));
        tally.dead_letters += self.database.dead_letters().await?.len() as u64;
        let has_begun = self.database.epoch().await? != before.epoch;
        let can_wake_up =
            matches!(course.end, RealEnd::Asleep) && has_begun && self.database.has_a_run_at_work().await?;
        if matches!(course.end, RealEnd::Asleep) && !can_wake_up {
            process.kill().await?;
        }
        self.settle().await;
        let seen = self.look(course, before, has_begun).await?;
        Ok((seen, can_wake_up.then_some(process)))
    }

    /// What was on its way when a process ended arrives, or never will.
    async fn settle(&self) {
        let begun = Instant::now();
        while self.platform.stats().in_flight > 0 && begun.elapsed() < ON_ITS_WAY {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn look(&self, course: Course, before: Before, has_begun: bool) -> anyhow::Result<Seen> {
        let stats = self.platform.stats();
        let stored = self.database.stored().await? - before.stored;
        let lost = lost_answers(&stats) - lost_answers(&before.stats);
        let carried_out = stats.syncs_carried_out - before.stats.syncs_carried_out;
        let uncommitted = 3 * self.scenario.batch;
        let at_a_kill = self.scenario.concurrency + uncommitted;
        let mut noticed = Vec::new();
        let (ended, unstored_at_most) = match course.end {
            RealEnd::Killed | RealEnd::Asleep => (Ended::Cut, at_a_kill),
            RealEnd::Hung => {
                noticed.push(format!("still at work after {:?}: it hangs", course.took));
                (Ended::Cut, at_a_kill)
            }
            RealEnd::Exited(code, None, _) => {
                if has_begun {
                    noticed.push(format!("it began a run and ended without a report, exit code {code:?}"));
                }
                (Ended::Unbegun, 0)
            }
            RealEnd::Exited(code, Some(report), told_to_stop) => {
                let expected = match report["status"].as_str() {
                    Some("complete") => 0,
                    Some("partial") => 3,
                    Some("interrupted") => 130,
                    _ => 1,
                };
                if code != Some(expected) {
                    noticed.push(format!("exit code {code:?} for {report}"));
                }
                let may_be_lost = if course.database_was_away { uncommitted } else { 0 };
                match told_to_stop {
                    true => (Ended::Stopped(report), self.scenario.concurrency + may_be_lost),
                    false if expected == 1 => (Ended::ByItself(report), at_a_kill),
                    false => (Ended::ByItself(report), 0),
                }
            }
        };
        let changes = self.database.changes().await?;
        if changes > 0 {
            noticed.push(format!("{changes} rows of history of campaigns that have not changed"));
        }
        if stats.keys_of_several_campaigns > 0 {
            noticed.push(format!("{} keys came with several campaigns", stats.keys_of_several_campaigns));
        }
        let (windows, throttled) = limits(&stats);
        Ok(Seen {
            ended,
            catalogue: self.catalogue(),
            table: self.database.table().await?,
            dead_letters: self.database.dead_letters().await?,
            windows,
            throttled,
            unstored: carried_out.saturating_sub(lost + stored),
            unstored_at_most,
            stored,
            took: course.took,
            noticed,
        })
    }

    /// What is wrong about one that goes on long after another has taken over.
    async fn wake_up(&self, sleeper: &mut Process) -> anyhow::Result<Vec<String>> {
        let content = self.database.content().await?;
        let mut broken = Vec::new();
        match sleeper.wake_up().await? {
            RealEnd::Exited(Some(1), Some(report), _) if report.to_string().contains("store_failed") => {}
            RealEnd::Exited(code, report, _) => {
                broken
                    .push(format!("it woke up and does not say that it was overtaken: {code:?} {report:?}"));
            }
            _ => broken.push("a process that woke up hangs".to_owned()),
        }
        if self.database.content().await? != content {
            broken.push("a process that was overtaken has stored something".to_owned());
        }
        Ok(broken)
    }

    fn catalogue(&self) -> Rows {
        let row = |number| {
            let it = campaign(self.scenario.seed, number);
            let budget = format!("{}.{:02}", it.budget_cents / 100, it.budget_cents % 100);
            let (name, created) = (it.name, it.created_at);
            let counts = format!("{}|{}|{}", it.impressions, it.clicks, it.conversions);
            (it.id, format!("{name}|{}|{budget}|{counts}|{created}", it.status))
        };
        (1..=self.scenario.campaigns).map(row).collect()
    }

    async fn count(&self, tally: &mut Tally) -> anyhow::Result<()> {
        let stats = self.platform.stats();
        let requests = |outcome: &dyn Fn(&str) -> bool| {
            let all = ["auth", "list", "sync"].iter().filter_map(|endpoint| stats.requests.get(*endpoint));
            let such = all.flatten().filter(|(name, _)| outcome(name));
            such.map(|(_, count)| *count).sum::<u64>()
        };
        tally.requests = requests(&|_| true);
        let struck: u64 = stats.faults.values().sum();
        tally.faults = struck + requests(&|outcome| matches!(outcome, "503" | "hung"));
        let stored = self.database.stored().await?;
        tally.repeated = stats.syncs_carried_out.saturating_sub(lost_answers(&stats) + stored);
        Ok(())
    }
}

/// Each limit with the most that one of its windows had, and the 429s.
fn limits(stats: &Stats) -> (Vec<(String, u64, u64)>, u64) {
    let window = |window: &mock_platform::BusiestWindow| {
        (format!("{}/{}s", window.limit, window.window_seconds), window.limit.into(), window.most_accepted)
    };
    (stats.busiest_windows.iter().map(window).collect(), stats.throttled)
}

/// At the most: some of them were not of syncs.
fn lost_answers(stats: &Stats) -> u64 {
    ANSWER_IS_LOST.iter().map(|fault| stats.struck(*fault)).sum()
}
