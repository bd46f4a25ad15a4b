//! A cell in virtual time, against fakes: the pipeline is the real one, an hour takes milliseconds, and nothing
//! costs time but latency and limit.

use std::rc::Rc;
use std::time::Duration;

use actors::progress::Progress;
use actors::testing::{ScriptedPlatform, TallyStore, in_virtual_time};
use tokio::sync::watch;

use crate::matrix::Cell;
use crate::measurement::{Measurement, complete, record, settings};

/// Runs a cell. The platform counts each request as it is sent, as the mock platform does on its arrival; a request
/// above the limit in the fullest window is what a 429 would have been.
pub(crate) fn measure(cell: &Cell) -> anyhow::Result<Measurement> {
    let platform =
        Rc::new(ScriptedPlatform::obliging(cell.campaigns).answering_within(cell.latency..=cell.latency));
    let store = Rc::new(TallyStore::for_campaigns(cell.campaigns));
    let (report, course, progress) = in_virtual_time(async {
        let (sender, watched) = watch::channel(Progress::default());
        let recorder = actix::spawn(record(watched));
        let settings = settings(cell, "simulated".into());
        let report = actors::run(settings, platform.clone(), store, sender, std::future::pending()).await;
        let (course, progress) = recorder.await.expect("a recorder does not panic");
        (report, course, progress)
    });
    complete(cell, &report)?;
    let beyond_the_limit = cell
        .limit
        .map_or(0, |limit| platform.most_in_a_window(limit.window()).saturating_sub(limit.requests()) as u64);
    Ok(Measurement {
        cell: *cell,
        latency: cell.latency,
        requests: report.requests.total,
        stored: report.campaigns.stored,
        makespan: report.duration,
        mean_latency: progress.latency,
        throttled: beyond_the_limit,
        processor: Duration::ZERO,
        course,
    })
}
