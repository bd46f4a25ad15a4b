//! What a service looks after beside its accounts, and what has to be well for it to be ready.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actors::model::AccountId;
use futures_util::FutureExt;

use super::letter_counting::LetterCounting;
use crate::metrics::Metrics;
use crate::serve::http::Check;
use crate::serve::scheduler::{Ping, Scheduler};
use crate::store::PgStore;

/// How long the database is waited for by who wants to know whether it is there: less than a check may take, so that the
/// cause is told.
const DATABASE_LIMIT: Duration = Duration::from_secs(2);

pub(super) async fn count_dead_letters(letters: Rc<LetterCounting>, store: PgStore) {
    letters.keep_up(async |accounts: &[AccountId]| store.dead_letter_counts(accounts).await).await;
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
        let check = async move { store.require_current_schema_within(DATABASE_LIMIT).await };
        check.map(|outcome| outcome.map_err(|error| error.to_string())).boxed_local()
    };
    let actors = move || {
        let answer = scheduler.send(Ping);
        async move { answer.await.map_err(|_| "the scheduler is gone: start the service anew".to_owned()) }
            .boxed_local()
    };
    vec![Check { name: "database", run: Arc::new(database) }, Check { name: "actors", run: Arc::new(actors) }]
}
