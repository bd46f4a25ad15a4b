//! How a run is closed: what it leaves of the account's dead letters, then its report. With some patience for a
//! database that is just being restarted.

use tokio::time::{Duration, Instant, sleep};
use tracing::{info, warn};

use crate::model::Run;
use crate::pipeline::Outcome;
use crate::ports::{Store, StoreError};
use crate::report::{AccountReport, Problem, ProblemClass, Status};

/// How long each step may take: the rows are committed, so the caller need not wait for ever.
pub(crate) const FINISH_PATIENCE: Duration = Duration::from_secs(10);
/// How long a report may take that also marks what the platform does not list any more: with a tenth of 3 million
/// campaigns gone, that is some seconds on an ordinary machine, and a slow disk needs many times as long. A minute is
/// what the store gives any call.
const MARKING_PATIENCE: Duration = Duration::from_secs(60);
const FINISH_RETRY: Duration = Duration::from_millis(500);

/// A complete listing that no longer shows an entry without an id has shown what came of it, if anything did: its
/// letter can go. What a replay was to try and did not meet with stays, and is named.
pub(crate) async fn clear_up_letters<S: Store>(store: &S, run: &Run, mut outcome: Outcome) -> Outcome {
    if !matches!(outcome.status, Status::Complete | Status::Partial) {
        return outcome;
    }
    if let Err(problem) = clear_up(store, run, &mut outcome).await {
        outcome.status = outcome.status.max(Status::Partial);
        let message = format!("it is not known which dead letters are left: {problem}");
        outcome.problems.push(Problem { class: ProblemClass::StoreFailed, message });
    }
    outcome
}

async fn clear_up<S: Store>(store: &S, run: &Run, outcome: &mut Outcome) -> Result<(), StoreError> {
    if outcome.problems.iter().all(|problem| problem.class != ProblemClass::ListingIncomplete) {
        let forgotten = insist(FINISH_PATIENCE, async || store.forget_nameless(run).await).await?;
        if forgotten > 0 {
            info!(forgotten, "dead letters without an id are gone: the platform does not list them any more");
        }
    }
    if run.replay.is_none() {
        return Ok(());
    }
    let (count, some) = insist(FINISH_PATIENCE, async || store.untried(run).await).await?;
    if count > 0 {
        let some: Vec<&str> = some.iter().map(|id| id.as_str()).collect();
        let more = if count > some.len() as u64 { ", …" } else { "" };
        let message = format!(
            "{count} of the dead letters stay as they are, because the platform did not list their campaigns: {}{more}",
            some.join(", ")
        );
        outcome.status = outcome.status.max(Status::Partial);
        outcome.problems.push(Problem { class: ProblemClass::NotListed, message });
    }
    Ok(())
}

/// Stores the report, and with it gives the account back. Nobody tries again where that fails, so the account is given
/// back all the same: it would be held for as long as the process lives.
pub(crate) async fn finish<S: Store>(store: &S, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
    let patience = if report.listing_proven { MARKING_PATIENCE } else { FINISH_PATIENCE };
    let finished = insist(patience, async || store.finish_run(run, report).await).await;
    if finished.is_err() {
        store.give_back(run).await;
    }
    finished
}

async fn insist<T>(
    patience: Duration,
    attempt: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let begun = Instant::now();
    loop {
        let error = match tokio::time::timeout(patience, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => StoreError::Broken(format!("no answer from the database in {} s", patience.as_secs())),
        };
        warn!(cause = %error, "the run could not be closed");
        if !matches!(error, StoreError::Unavailable(_)) || begun.elapsed() > patience {
            return Err(error);
        }
        sleep(FINISH_RETRY).await;
    }
}
