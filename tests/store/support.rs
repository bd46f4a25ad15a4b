//! A server of its own for each test, and what is stored in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{
    Batch, Campaign, CampaignId, DeadLetter, FailureClass, Run, SettledBy, SettledCampaign, Spent,
    SyncedCampaign,
};
use actors::ports::{Disowned, Question, Share, Store, StoreError};
use actors::report::{AccountReport, Status};
use campaign_sync::private_postgres::{PrivatePostgres, ThrowawayPostgres, throwaway};
use campaign_sync::store::PgStore;
use futures_util::future::join_all;
use tokio_postgres::{Client, NoTls};

pub(crate) const ACCOUNT: &str = "acme";
/// Where an operator is.
pub(crate) const PEER: &str = "192.0.2.7:4711";
pub(crate) const ACCOUNT_LOCKS: &str = "pg_locks WHERE locktype = 'advisory' AND granted";

/// A server of its own, the store, and a way to look at the tables past the store.
pub(crate) struct Database {
    pub(crate) store: PgStore,
    pub(crate) sql: Client,
    pub(crate) postgres: ThrowawayPostgres,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let database = Self::without_tables().await;
        database.store.migrate().await.unwrap();
        database
    }

    pub(crate) async fn without_tables() -> Self {
        let postgres = throwaway().await.unwrap();
        postgres.create_database("ads").await.unwrap();
        let store = PgStore::connect(&postgres.database_url("ads")).await.unwrap();
        Self { store, sql: connect(&postgres, "campaign_sync").await, postgres }
    }

    pub(crate) async fn run(&self) -> Run {
        begin(&self.store, ACCOUNT).await.unwrap()
    }

    /// The account's next run, after the one that is given.
    pub(crate) async fn run_after(&self, earlier: &Run) -> Run {
        self.store.finish_run(earlier, &report(earlier)).await.unwrap();
        self.run().await
    }

    /// A store of another process.
    pub(crate) async fn other_store(&self) -> PgStore {
        PgStore::connect(&self.postgres.database_url("ads")).await.unwrap()
    }

    /// Ends the connections that hold accounts, and waits until the server has given these back.
    pub(crate) async fn end_lock_connections(&self) {
        let end = format!("SELECT count(pg_terminate_backend(pid)) FROM {ACCOUNT_LOCKS}");
        assert!(self.number(&end).await > 0, "no account is held");
        self.accounts_held(0).await;
    }

    pub(crate) async fn accounts_held(&self, wanted: i64) {
        while self.number(&format!("SELECT count(*) FROM {ACCOUNT_LOCKS}")).await != wanted {}
    }

    /// Until so many sessions wait for a lock.
    pub(crate) async fn waiting_for_locks(&self, wanted: i64) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while self.number(waiting).await < wanted {}
    }

    pub(crate) async fn commit(&self, run: &Run, batch: &Batch) {
        commit(&self.store, run, batch).await.unwrap();
    }

    pub(crate) async fn text(&self, sql: &str) -> String {
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Every row of every table that a commit writes.
    pub(crate) async fn everything(&self) -> String {
        let mut all = String::new();
        for table in ["campaigns", "campaign_history", "dead_letters", "sync_runs", "spent_permits"] {
            all += &self
                .text(&format!(
                    "SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {table} t"
                ))
                .await;
        }
        all
    }

    pub(crate) async fn history_of(&self, id: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM campaign_history WHERE id = '{id}'")).await
    }
}

/// Commits for one run.
pub(crate) async fn commit(store: &PgStore, run: &Run, batch: &Batch) -> Result<(), StoreError> {
    let share = Share { run: Arc::new(run.clone()), batch: batch.clone() };
    owned(store.commit(&[share]).await?)
}

/// Records for one run.
pub(crate) async fn save_spent(store: &PgStore, run: &Run, spent: &Spent) -> Result<(), StoreError> {
    owned(store.save_spent(&[(Arc::new(run.clone()), spent.clone())]).await?)
}

/// A run that owns nothing any more is told so in an error's words.
fn owned(mut disowned: Vec<Disowned>) -> Result<(), StoreError> {
    disowned.pop().map_or(Ok(()), |disowned| Err(StoreError::Broken(disowned.cause)))
}

/// Begins a run, or resumes one that was left within the last hour.
pub(crate) async fn begin(store: &PgStore, account: &str) -> Result<Run, StoreError> {
    store.begin_run(&account.into(), Some(Duration::from_secs(3600))).await
}

pub(crate) async fn connect(postgres: &PrivatePostgres, user: &str) -> Client {
    let socket = postgres.socket_directory().to_str().unwrap();
    let config = format!("host='{socket}' user={user} dbname=ads");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Whole microseconds, as PostgreSQL keeps them.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

pub(crate) fn campaign(id: &str) -> Campaign {
    Campaign {
        id: id.into(),
        name: format!("Campaign {id}"),
        status: "active".into(),
        budget: "1000.50".into(),
        impressions: 10,
        clicks: 5,
        conversions: 1,
        created_at: at(0),
        payload: "{}".into(),
    }
}

pub(crate) fn synced(campaign: Campaign) -> SyncedCampaign {
    SyncedCampaign { campaign: Arc::new(campaign), synced_at: at(100) }
}

pub(crate) fn batch(campaigns: impl IntoIterator<Item = Campaign>) -> Batch {
    Batch { synced: campaigns.into_iter().map(synced).collect(), dead_letters: Vec::new() }
}

pub(crate) fn letter(id: &str) -> DeadLetter {
    DeadLetter {
        id: id.into(),
        class: FailureClass::Timeout,
        message: "no answer within 10 s".into(),
        attempts: 8,
        payload: r#"{"id":"x"}"#.into(),
        first_failed_at: at(1),
        last_failed_at: at(9),
    }
}

pub(crate) fn letters(letters: impl IntoIterator<Item = DeadLetter>) -> Batch {
    Batch { synced: Vec::new(), dead_letters: letters.into_iter().collect() }
}

pub(crate) fn ids(ids: &[&str]) -> Vec<CampaignId> {
    ids.iter().map(|id| CampaignId::from(*id)).collect()
}

pub(crate) fn report(run: &Run) -> AccountReport {
    AccountReport {
        account: run.account.clone(),
        run_id: Some(run.id),
        status: Status::Partial,
        listing_proven: false,
        resumed: false,
        campaigns: Default::default(),
        dead_lettered_by_class: Default::default(),
        requests: Default::default(),
        restarts: Default::default(),
        duration: Duration::from_millis(1500),
        lower_bound: Duration::from_millis(1400),
        quota_back_in: None,
        limits: vec![],
        problems: Vec::new(),
    }
}

/// A run that was never begun.
pub(crate) fn no_run() -> Run {
    Run {
        id: uuid::Uuid::nil(),
        account: ACCOUNT.into(),
        epoch: 1,
        resumed: false,
        stored_before: 0,
        numbered_below: 0,
        listed_before: None,
        replay: None,
    }
}

/// By this process, in the order of the ids.
pub(crate) async fn settled(
    store: &PgStore,
    run: &Run,
    ids: &[CampaignId],
) -> Result<Vec<SettledCampaign>, StoreError> {
    let question = Question { run: Arc::new(run.clone()), ids: ids.to_vec() };
    store.settled(&[question]).await.map(|mut answers| answers.remove(0))
}

pub(crate) fn settled_now(settled: Vec<SettledCampaign>) -> Vec<CampaignId> {
    assert!(settled.iter().all(|settled| settled.by == SettledBy::ThisProcess), "{settled:?}");
    let mut ids: Vec<_> = settled.into_iter().map(|settled| settled.id).collect();
    ids.sort();
    ids
}

#[track_caller]
pub(crate) fn refused(outcome: Result<(), StoreError>) -> String {
    match outcome {
        Err(StoreError::Refused(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn broken<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Broken(message)) => message,
        other => panic!("not broken: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable(message)) => message,
        other => panic!("not unavailable: {other:?}"),
    }
}

pub(crate) fn share(run: &Run, batch: Batch) -> Share {
    Share { run: Arc::new(run.clone()), batch }
}

pub(crate) async fn begin_all(store: &PgStore, accounts: &[&str]) -> Vec<Run> {
    join_all(accounts.iter().map(|account| async { begin(store, account).await.unwrap() })).await
}

/// What stands in `sync_runs`: stored and given up, by account.
pub(crate) async fn counts(database: &Database) -> HashMap<String, (i64, i64)> {
    let rows =
        database.sql.query("SELECT account_id, stored, dead_lettered FROM sync_runs", &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
}

pub(crate) fn counted(wanted: &[(&str, i64, i64)]) -> HashMap<String, (i64, i64)> {
    wanted.iter().map(|(account, stored, buried)| ((*account).to_owned(), (*stored, *buried))).collect()
}
