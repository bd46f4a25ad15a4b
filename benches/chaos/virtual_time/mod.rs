//! The pipeline on fakes and a paused clock: whatever a scenario holds is drawn, and the same seed is the same run.
//!
//! [`scenario`] draws, [`world`] is what outlives a process (the platform, the store and the clock), [`process`] lives
//! in it and ends as it is told to.

mod platform;
mod process;
mod scenario;
mod store;
mod world;

use std::rc::Rc;

use actors::testing::in_virtual_time;

use self::process::Process;
use self::scenario::Scenario;
use self::world::World;
use super::failure::Failure;
use super::invariants::{broken, broken_at_the_end, counted};
use super::tally::Tally;

/// What a run was: two of the same seed have the same trace.
pub(crate) struct Course {
    pub(crate) tally: Tally,
    /// Of every request, commit and end, with its time.
    pub(crate) trace: u64,
}

/// Draws a scenario and runs it to its end.
pub(crate) fn run(seed: u64) -> Result<Course, Box<Failure>> {
    let scenario = Rc::new(Scenario::drawn(seed));
    in_virtual_time(course(&scenario)).map_err(|(after, broken)| {
        Box::new(Failure {
            seed,
            scenario: format!("{scenario:#?}"),
            after,
            broken,
            command: format!("cargo bench --bench chaos -- --seed {seed}"),
        })
    })
}

async fn course(scenario: &Rc<Scenario>) -> Result<Course, (String, Vec<String>)> {
    let world = World::new(scenario);
    let mut tally = Tally { runs: 1, campaigns: scenario.campaigns, ..Tally::default() };
    let mut sleepers = Vec::new();
    for (number, plan) in scenario.processes.iter().enumerate() {
        let mut process = Process::start(&world, number, plan).await;
        let seen = process.live().await;
        judged(broken(&seen), &process)?;
        tally.add(&counted(&seen));
        if process.sleeps() {
            sleepers.push(process);
        }
    }
    world.clear_up();
    let mut last = Process::start_undisturbed(&world).await;
    let seen = last.live().await;
    judged(broken_at_the_end(&seen), &last)?;
    tally.add(&counted(&seen));
    // Those that another has taken over from wake up when everything is done.
    for mut sleeper in sleepers {
        let seen = sleeper.wake_up().await;
        judged(seen, &sleeper)?;
        judged(broken_at_the_end(&last.look_again()), &sleeper)?;
        tally.sleepers += 1;
    }
    world.count(&mut tally);
    Ok(Course { tally, trace: world.trace() })
}

fn judged(broken: Vec<String>, process: &Process) -> Result<(), (String, Vec<String>)> {
    if broken.is_empty() { Ok(()) } else { Err((process.to_string(), broken)) }
}
