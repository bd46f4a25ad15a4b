//! What is counted for all accounts together, and so seldom that it may look its series up.

use std::time::Duration;

use ::metrics::Counter;

use super::{BATCH_ENTRIES, COMMIT_DURATION, RESTARTS, RETRIES};
use crate::model::FailureClass;
use crate::ports::{Disowned, StoreError};
use crate::supervision::ActorKind;

/// Failures that are of a request, and so may be tried again.
const RETRIED: [FailureClass; 7] = [
    FailureClass::Timeout,
    FailureClass::Connection,
    FailureClass::Unavailable,
    FailureClass::Unparsable,
    FailureClass::Rejected,
    FailureClass::Throttled,
    FailureClass::Unauthorized,
];

/// The series without an account that begin at zero. Whoever holds it keeps them alive.
#[derive(Debug)]
pub struct SharedMetrics {
    _retries: [Counter; 7],
    _restarts: [Counter; 5],
}

impl SharedMetrics {
    /// Of the recorder that is installed now.
    #[expect(clippy::new_without_default, reason = "it registers series")]
    pub fn new() -> Self {
        Self { _retries: RETRIED.map(retries), _restarts: ActorKind::ALL.map(restarts) }
    }
}

/// A request that failed like this is tried again.
pub(crate) fn retried(class: FailureClass) {
    retries(class).increment(1);
}

/// An actor of this kind is restarted after a panic.
pub(crate) fn restarted(actor: ActorKind) {
    restarts(actor).increment(1);
}

/// The database was asked to commit so many entries, and this came of it after so long.
pub(crate) fn batch_ended(entries: usize, took: Duration, outcome: &Result<Vec<Disowned>, StoreError>) {
    let word = outcome.as_ref().map_or_else(StoreError::kind, |_| "committed");
    COMMIT_DURATION.histogram([word.into()]).record(took.as_secs_f64());
    if outcome.is_ok() {
        BATCH_ENTRIES.histogram([]).record(entries as f64);
    }
}

fn retries(class: FailureClass) -> Counter {
    RETRIES.counter([class.as_str().into()])
}

fn restarts(actor: ActorKind) -> Counter {
    RESTARTS.counter([actor.as_str().into()])
}
