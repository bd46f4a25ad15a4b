//! What a service looks after beside its accounts, and what has to be well for it to be ready.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::metrics::Metrics;
use crate::serve::http::Check;
use crate::serve::scheduler::{Ping, Scheduler};
use crate::store::PgStore;

/// Runs change them, and so do other processes.
const DEAD_LETTERS_EVERY: Duration = Duration::from_secs(60);

pub(super) async fn count_dead_letters(metrics: Arc<Metrics>, store: PgStore) {
    let mut ticks = interval(DEAD_LETTERS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(cause) = metrics.count_dead_letters(&store).await {
            warn!(%cause, "the dead letters could not be counted");
        }
    }
}

pub(super) async fn fold(metrics: Arc<Metrics>) {
    metrics.keep_up().await;
}

/// The database can be reached and has this program's schema, and the actor that starts runs answers. An account that fails
/// is its own concern.
pub(super) fn checks(store: &PgStore, scheduler: &Addr<Scheduler>) -> Vec<Check> {
    let (store, scheduler) = (store.clone(), scheduler.clone());
    let database = move || {
        let store = store.clone();
        async move { store.require_current_schema().await.map_err(|error| error.to_string()) }.boxed_local()
    };
    let actors = move || {
        let answer = scheduler.send(Ping);
        async move { answer.await.map_err(|_| "the scheduler is gone: start the service anew".to_owned()) }
            .boxed_local()
    };
    vec![Check { name: "database", run: Arc::new(database) }, Check { name: "actors", run: Arc::new(actors) }]
}
