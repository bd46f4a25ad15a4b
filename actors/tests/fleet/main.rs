//! Many accounts in one process, on fakes, in virtual time.

mod database;
mod places;
mod store;

use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actors::Fleet;
use actors::report::{AccountReport, ProblemClass};
use actors::settings::{Concurrency, PipelineSettings};
use actors::testing::{MemoryStores, ScriptedPlatform, assert_all_accounted_for, settings, unwatched};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// As [`settings`], for an account of this name.
fn account(name: impl std::fmt::Display) -> PipelineSettings {
    PipelineSettings { account: name.to_string().into(), ..settings() }
}

fn concurrency(sync_actors: usize) -> Concurrency {
    Concurrency::new(sync_actors).expect("in range")
}

/// A fleet whose batches are those of [`settings`].
fn fleet(stores: &Rc<MemoryStores>, max_in_flight: usize) -> Rc<Fleet<MemoryStores>> {
    Rc::new(Fleet::new(stores.clone(), settings().batch, max_in_flight))
}

/// A run that is at work, whether or not this is waited for.
type Syncing = Pin<Box<dyn Future<Output = AccountReport>>>;

/// A run on a task of its own, until it ends or this does.
fn sync_until(
    fleet: &Rc<Fleet<MemoryStores>>,
    settings: PipelineSettings,
    platform: &Rc<ScriptedPlatform>,
    shutdown: impl Future<Output = ()> + 'static,
) -> Syncing {
    let (fleet, platform) = (fleet.clone(), platform.clone());
    let run = async move { fleet.run(settings, platform, unwatched(), shutdown).await };
    let run = tokio::task::spawn_local(run);
    Box::pin(async move {
        let report = run.await.expect("a run does not panic");
        assert_all_accounted_for(&report);
        report
    })
}

/// As above, undisturbed.
fn sync(
    fleet: &Rc<Fleet<MemoryStores>>,
    settings: PipelineSettings,
    platform: &Rc<ScriptedPlatform>,
) -> Syncing {
    sync_until(fleet, settings, platform, pending())
}

/// Ends the fleet, and checks that none of its actors is left running although somebody holds it.
async fn end(fleet: Rc<Fleet<MemoryStores>>, stores: &Rc<MemoryStores>) {
    assert_eq!(Rc::strong_count(&fleet), 1, "all runs have ended");
    fleet.end().await;
    assert_eq!(Rc::strong_count(stores), 2, "the test and the fleet, no actor");
}

fn problems(report: &AccountReport) -> Vec<ProblemClass> {
    report.problems.iter().map(|problem| problem.class).collect()
}
