//! A batch on its way to a real PostgreSQL: what it costs us, by instructions, and both of us, by the clock.

use std::sync::Arc;
use std::time::SystemTime;

use actix_rt::System;
use actors::model::{AccountId, Batch, SyncedCampaign};
use actors::ports::{Share, Store};
use campaign_sync::private_postgres::throwaway;
use campaign_sync::store::PgStore;

use crate::Work;
use crate::wire::campaigns;

/// So many, that are there already from the second time on.
pub(crate) fn of_campaigns(count: u64) -> Work {
    let system = System::new();
    let (postgres, store, run) = system.block_on(async {
        let postgres = throwaway().await.expect("a server starts");
        postgres.create_database("ads").await.expect("it takes another database");
        let store = PgStore::connect(&postgres.database_url("ads")).await.expect("it is there");
        store.migrate().await.expect("it is empty");
        let run = store.begin_run(&AccountId::from("default"), None).await.expect("nobody else is at work");
        (postgres, store, run)
    });
    let synced = |campaign| SyncedCampaign { campaign, synced_at: SystemTime::now() };
    let batch = Batch { synced: campaigns(count).into_iter().map(synced).collect(), dead_letters: vec![] };
    let shares = [Share { run: Arc::new(run), batch }];
    Box::new(move || {
        // It lives for as long as the work can be done.
        let _server = &postgres;
        let disowned = system.block_on(store.commit(&shares)).expect("it is stored");
        assert!(disowned.is_empty());
    })
}
