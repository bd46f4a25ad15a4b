//! What `run` and `demo` share: accounts through their pipelines, all at once, with progress on standard error.

use std::rc::Rc;

use actors::progress::Progress;
use actors::report::{AccountReport, Problem, ProblemClass, Report};
use tokio::sync::{Semaphore, watch};

use crate::config::{AccountConfig, LogFormat};
use crate::progress::{self, Watched};
use crate::shutdown::Shutdown;
use crate::standard_error::StandardError;
use crate::store::PgStore;
use crate::syncer::{Syncer, pipeline_settings};
use crate::tls::Authorities;

/// Accounts at work at once: each takes some tens of kilobytes while it waits for its limit. The others wait in their order.
const ACCOUNTS_AT_ONCE: usize = 2000;

/// Syncs each account once. What goes wrong with one is in its report and concerns no other.
pub(super) async fn sync(
    accounts: Vec<AccountConfig>,
    authorities: Authorities,
    max_in_flight: usize,
    store: PgStore,
    log_format: LogFormat,
    stderr: StandardError,
    shutdown: Shutdown,
) -> Report {
    let syncer = Rc::new(Syncer::new(store, &accounts, max_in_flight, authorities));
    let turns = Rc::new(Semaphore::new(ACCOUNTS_AT_ONCE));
    let (mut watched, mut runs) = (vec![], vec![]);
    for account in accounts {
        let platform = &account.platform;
        let id = platform.account.clone();
        let settings = pipeline_settings(&id, platform.request_timeout, &account.pipeline);
        let (sender, progress) = watch::channel(Progress::default());
        watched.push(Watched { settings, progress });
        let (syncer, turns, shutdown) = (syncer.clone(), turns.clone(), shutdown.clone());
        let run = async move {
            // It is never closed.
            let _turn = turns.acquire().await;
            syncer.sync(&account, sender, shutdown.requested()).await
        };
        runs.push((id, actix_rt::spawn(run)));
    }
    let display = actix_rt::spawn(progress::show(watched, log_format, stderr.clone()));
    let mut reports = Vec::with_capacity(runs.len());
    for (account, run) in runs {
        reports.push(run.await.unwrap_or_else(|error| {
            let message = format!("its run broke off, which is a bug: {error}");
            AccountReport::failed(account, Problem { class: ProblemClass::PipelineFailed, message })
        }));
    }
    display.abort();
    // What cannot be cleared any more was on a terminal that has gone.
    let _ = stderr.bars().clear();
    syncer.end().await;
    Report::from(reports)
}
