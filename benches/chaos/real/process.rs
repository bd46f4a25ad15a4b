//! One process of the real binary: signals reach it, and the database crashes under it, at the moments of its plan.

use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use mock_platform::{EMAIL, MockPlatform, PASSWORD};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

use super::database::Database;
use super::scenario::{End, Plan, Scenario};

/// No run of a scenario takes as long, with all its waits: one that does hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// See the module.
pub(super) struct Process {
    child: Child,
    started: Instant,
}

/// What became of it.
pub(super) struct Course {
    pub(super) end: RealEnd,
    /// Whether the database was away in the last seconds.
    pub(super) database_was_away: bool,
    pub(super) took: Duration,
}

/// How it ended.
pub(super) enum RealEnd {
    /// With its exit code and what it printed; whether it had been told to stop.
    Exited(Option<i32>, Option<Value>, bool),
    Killed,
    /// Not at all: it does not run.
    Asleep,
    Hung,
}

#[derive(Clone, Copy, PartialEq)]
enum Event {
    Crash,
    Recovery,
    Signal(Signal),
}

impl Process {
    pub(super) fn start(
        scenario: &Scenario,
        platform: &MockPlatform,
        database: &Database,
        log: &File,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
        command.arg("run").args(scenario.arguments()).current_dir(env!("CARGO_TARGET_TMPDIR"));
        command.env_clear().env("RUST_LOG", "debug").env("AD_PLATFORM_API_URL", platform.url());
        command.env("AD_PLATFORM_EMAIL", EMAIL).env("AD_PLATFORM_PASSWORD", PASSWORD);
        command.env("DATABASE_URL", database.url());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?).kill_on_drop(true);
        Ok(Self { child: command.spawn().context("the binary starts")?, started: Instant::now() })
    }

    /// Until its plan or itself ends it. The database is there again then.
    pub(super) async fn live(&mut self, plan: &Plan, database: &mut Database) -> anyhow::Result<Course> {
        let (mut told_to_stop, mut away_since, mut database_was_away) = (false, None, false);
        let mut end = None;
        for (moment, event) in timeline(plan) {
            let status = tokio::select! {
                biased;
                status = self.child.wait() => Some(status?),
                () = sleep_until(self.started + moment) => None,
            };
            if let Some(status) = status {
                end = Some(self.exited(status, told_to_stop).await?);
                break;
            }
            match event {
                Event::Crash if away_since.is_none() => {
                    database.crash().await?;
                    (away_since, database_was_away) = (Some(Instant::now()), true);
                }
                Event::Recovery if away_since.take().is_some() => database.start_again().await?,
                Event::Crash | Event::Recovery => {}
                Event::Signal(signal) => {
                    self.signal(signal);
                    match signal {
                        Signal::SIGTERM => told_to_stop = true,
                        Signal::SIGKILL => _ = self.child.wait().await?,
                        _ => {}
                    }
                    end = match signal {
                        Signal::SIGTERM => None,
                        Signal::SIGKILL => Some(RealEnd::Killed),
                        _ => Some(RealEnd::Asleep),
                    };
                    if end.is_some() {
                        break;
                    }
                }
            }
        }
        if let (Some(RealEnd::Asleep), None) = (&end, away_since) {
            database.crash().await?;
            away_since = Some(Instant::now());
        }
        if away_since.is_some() {
            database.start_again().await?;
        }
        let end = match end {
            Some(end) => end,
            None => match timeout(PATIENCE, self.child.wait()).await {
                Ok(status) => self.exited(status?, told_to_stop).await?,
                Err(_) => {
                    self.child.kill().await?;
                    RealEnd::Hung
                }
            },
        };
        Ok(Course { end, database_was_away, took: self.started.elapsed() })
    }

    /// After [`RealEnd::Asleep`]: it goes on, until it ends by itself.
    pub(super) async fn wake_up(&mut self) -> anyhow::Result<RealEnd> {
        self.signal(Signal::SIGCONT);
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => self.exited(status?, false).await,
            Err(_) => Ok(RealEnd::Hung),
        }
    }

    /// Kills it, asleep or not.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn exited(&mut self, status: ExitStatus, told_to_stop: bool) -> anyhow::Result<RealEnd> {
        let mut text = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut text).await?;
        }
        let report = serde_json::from_str::<Value>(&text).ok();
        Ok(RealEnd::Exited(status.code(), report.map(|mut all| all["accounts"][0].take()), told_to_stop))
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        // It has been waited for by nobody yet, so the id is its own.
        id.map(|id| kill(Pid::from_raw(id), signal).ok());
    }
}

fn timeline(plan: &Plan) -> Vec<(Duration, Event)> {
    let mut events: Vec<(Duration, Event)> = Vec::new();
    for (moment, lasts) in &plan.outages {
        events.extend([(*moment, Event::Crash), (*moment + *lasts, Event::Recovery)]);
    }
    events.extend(match plan.end {
        End::ByItself => None,
        End::Stopped(moment) => Some((moment, Event::Signal(Signal::SIGTERM))),
        End::Killed(moment) => Some((moment, Event::Signal(Signal::SIGKILL))),
        End::Asleep(moment) => Some((moment, Event::Signal(Signal::SIGSTOP))),
    });
    events.sort_by_key(|(moment, _)| *moment);
    events
}
