//! The spans of a run: what the lines of a log and the traces know of each step. All are made here, so that everything has
//! one name everywhere: `account`, `run`, `campaign`.
//!
//! ```text
//! run --- login --- request       a request for each attempt
//!     `-- list ---- request
//!     `-- sync ---- request
//!     `-- commit                  the run's share of a transaction
//! ```
//!
//! A run, its logins and its pages lend their ids to lines and have the level of errors, so that no line lacks them, whatever
//! the log's level is. The others are so many that they cost nothing where neither a trace nor the level `debug` asks for
//! them: what is said of a campaign above that level names it. None has more of what a platform says than an id and a
//! status. Numbers are signed: traces know no others.

use std::time::Duration;

use futures_util::TryFutureExt;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span, debug_span, error_span, record_all};

use crate::model::{AccountId, CampaignId, Run};
use crate::permit::Endpoint;
use crate::ports::{Disowned, PlatformError, StoreError};
use crate::report::Status;
use crate::requester::RequestError;

/// The root of a trace, whatever started the run.
pub(crate) fn run(run: &Run) -> Span {
    let replay = run.replay.is_some();
    error_span!(parent: None, "run", account = %run.account, run = %run.id, replay, status = Empty)
}

pub(crate) fn run_ended(span: &Span, status: Status) {
    span.record("status", status.as_str());
}

pub(crate) fn login() -> Span {
    error_span!("login")
}

pub(crate) fn list(account: &AccountId, page: u32) -> Span {
    error_span!("list", %account, page = i64::from(page), attempts = Empty, outcome = Empty, failure = Empty)
}

/// None where nobody would see it; the run's where only others ask for `debug`. It is entered at each poll of each sync.
pub(crate) fn sync(run: &Span, account: &AccountId, campaign: &CampaignId) -> Span {
    let span = debug_span!(
        parent: run, "sync", %account, %campaign, attempts = Empty, outcome = Empty, failure = Empty
    );
    if span.is_disabled() && LevelFilter::current() >= LevelFilter::DEBUG { run.clone() } else { span }
}

/// How a sync or a page went, over all of its attempts.
pub(crate) fn requested<T>(span: &Span, outcome: &Result<(T, u32), RequestError>) {
    match outcome {
        Ok((_, attempts)) => record_all!(span, attempts = i64::from(*attempts), outcome = "succeeded"),
        Err(RequestError::GaveUp(cause)) => {
            let failure = cause.class.as_str();
            record_all!(span, attempts = i64::from(cause.attempts), outcome = "given_up", failure = failure)
        }
        Err(RequestError::Auth(_)) => record_all!(span, outcome = "no_token", failure = "no_token"),
        Err(RequestError::Stopped) => record_all!(span, outcome = "stopped"),
    }
}

/// Makes one attempt in a span of its own, in which the platform's client records the status of the answer. (Not an `async fn`,
/// which would hold the call twice.)
pub(crate) fn attempt<T>(
    endpoint: Endpoint,
    permit_wait: Duration,
    call: impl Future<Output = Result<T, PlatformError>>,
) -> impl Future<Output = Result<T, PlatformError>> {
    let span = debug_span!(
        "request",
        endpoint = endpoint.as_str(),
        permit_wait_ms = permit_wait.as_millis() as i64,
        http_status = Empty,
        failure = Empty
    );
    call.instrument(span.clone()).inspect_err(move |error| {
        span.record("failure", error.class().as_str());
    })
}

/// The run's part of a transaction, so many entries.
pub(crate) fn commit(run: &Span, account: &AccountId, entries: usize) -> Span {
    debug_span!(parent: run, "commit", %account, entries = entries as i64, outcome = Empty, failure = Empty)
}

/// What became of the part of the run that is at this place of the transaction: whether it is committed.
pub(crate) fn commit_ended(span: &Span, place: usize, outcome: &Result<Vec<Disowned>, StoreError>) -> bool {
    let failure = match outcome {
        Ok(disowned) if disowned.iter().any(|one| one.index == place) => "disowned",
        Ok(_) => {
            span.record("outcome", "committed");
            return true;
        }
        Err(error) => error.kind(),
    };
    record_all!(span, outcome = "failed", failure = failure);
    false
}
