//! The store on a real PostgreSQL: what a batch leaves in the tables, and what errors say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{
    AccountId, Batch, Campaign, CampaignId, DeadLetter, FailureClass, LetterFilter, Replay, Run, SettledBy,
    SettledCampaign, Spent, SyncedCampaign,
};
use actors::ports::{Store, StoreError};
use actors::report::{AccountReport, Problem, ProblemClass, Status};
use actors::settings::RateLimit;
use campaign_sync::private_postgres::{
    Durability, PrivatePostgres, PrivatePostgresSettings, ThrowawayPostgres, throwaway,
};
use campaign_sync::store::{DatabaseUrl, PgStore};
use tokio_postgres::{Client, NoTls};

const ACCOUNT: &str = "acme";
const ACCOUNT_LOCKS: &str = "pg_locks WHERE locktype = 'advisory' AND granted";

/// A server of its own, the store, and a way to look at the tables past the store.
struct Database {
    store: PgStore,
    sql: Client,
    postgres: ThrowawayPostgres,
}

impl Database {
    async fn new() -> Self {
        let database = Self::without_tables().await;
        database.store.migrate().await.unwrap();
        database
    }

    async fn without_tables() -> Self {
        let postgres = throwaway().await.unwrap();
        postgres.create_database("ads").await.unwrap();
        let store = PgStore::connect(&postgres.database_url("ads")).await.unwrap();
        Self { store, sql: connect(&postgres, "campaign_sync").await, postgres }
    }

    async fn run(&self) -> Run {
        begin(&self.store, ACCOUNT).await.unwrap()
    }

    /// The account's next run, after the one that is given.
    async fn run_after(&self, earlier: &Run) -> Run {
        self.store.finish_run(earlier, &report(earlier)).await.unwrap();
        self.run().await
    }

    /// A store of another process.
    async fn other_store(&self) -> PgStore {
        PgStore::connect(&self.postgres.database_url("ads")).await.unwrap()
    }

    /// Ends the connections that hold accounts, and waits until the server has given these back.
    async fn end_lock_connections(&self) {
        let end = format!("SELECT count(pg_terminate_backend(pid)) FROM {ACCOUNT_LOCKS}");
        assert!(self.number(&end).await > 0, "no account is held");
        self.accounts_held(0).await;
    }

    async fn accounts_held(&self, wanted: i64) {
        while self.number(&format!("SELECT count(*) FROM {ACCOUNT_LOCKS}")).await != wanted {}
    }

    /// Until so many sessions wait for a lock.
    async fn waiting_for_locks(&self, wanted: i64) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while self.number(waiting).await < wanted {}
    }

    async fn commit(&self, run: &Run, batch: &Batch) {
        self.store.commit(run, batch).await.unwrap();
    }

    async fn text(&self, sql: &str) -> String {
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn number(&self, sql: &str) -> i64 {
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Every row of every table that a commit writes.
    async fn everything(&self) -> String {
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

    async fn history_of(&self, id: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM campaign_history WHERE id = '{id}'")).await
    }
}

/// Begins a run, or resumes one that was left within the last hour.
async fn begin(store: &PgStore, account: &str) -> Result<Run, StoreError> {
    store.begin_run(&account.into(), Some(Duration::from_secs(3600))).await
}

async fn connect(postgres: &PrivatePostgres, user: &str) -> Client {
    let socket = postgres.socket_directory().to_str().unwrap();
    let config = format!("host='{socket}' user={user} dbname=ads");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Whole microseconds, as PostgreSQL keeps them.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn campaign(id: &str) -> Campaign {
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

fn synced(campaign: Campaign) -> SyncedCampaign {
    SyncedCampaign { campaign: Arc::new(campaign), synced_at: at(100) }
}

fn batch(campaigns: impl IntoIterator<Item = Campaign>) -> Batch {
    Batch { synced: campaigns.into_iter().map(synced).collect(), dead_letters: Vec::new() }
}

fn letter(id: &str) -> DeadLetter {
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

fn letters(letters: impl IntoIterator<Item = DeadLetter>) -> Batch {
    Batch { synced: Vec::new(), dead_letters: letters.into_iter().collect() }
}

fn ids(ids: &[&str]) -> Vec<CampaignId> {
    ids.iter().map(|id| CampaignId::from(*id)).collect()
}

fn report(run: &Run) -> AccountReport {
    AccountReport {
        account: run.account.clone(),
        run_id: Some(run.id),
        status: Status::Partial,
        listing_proven: false,
        resumed: false,
        campaigns: Default::default(),
        requests: Default::default(),
        restarts: Default::default(),
        duration: Duration::from_millis(1500),
        lower_bound: Duration::from_millis(1400),
        limits: vec![],
        problems: Vec::new(),
    }
}

/// A run that was never begun.
fn no_run() -> Run {
    Run {
        id: uuid::Uuid::nil(),
        account: ACCOUNT.into(),
        epoch: 1,
        resumed: false,
        stored_before: 0,
        listed_before: None,
        replay: None,
    }
}

/// By this process, in the order of the ids.
fn settled_now(settled: Vec<SettledCampaign>) -> Vec<CampaignId> {
    assert!(settled.iter().all(|settled| settled.by == SettledBy::ThisProcess), "{settled:?}");
    let mut ids: Vec<_> = settled.into_iter().map(|settled| settled.id).collect();
    ids.sort();
    ids
}

#[track_caller]
fn refused(outcome: Result<(), StoreError>) -> String {
    match outcome {
        Err(StoreError::Refused(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn broken<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Broken(message)) => message,
        other => panic!("not broken: {other:?}"),
    }
}

#[track_caller]
fn unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable(message)) => message,
        other => panic!("not unavailable: {other:?}"),
    }
}

#[tokio::test]
async fn a_campaign_is_stored_as_it_came_and_replaced_by_its_next_state() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1"), campaign("c2")])).await;
    let first = database.store.sample_campaigns(&ACCOUNT.into(), 10).await.unwrap();
    assert_eq!(first.len(), 2);
    let row = &first[0];
    assert_eq!((row.id.as_str(), row.name.as_str(), row.status.as_str()), ("c1", "Campaign c1", "active"));
    assert_eq!((row.impressions, row.clicks, row.conversions), (10, 5, 1));
    assert_eq!((row.budget.as_str(), row.created_at, row.synced_at), ("1000.50", at(0), at(100)));

    let seen = database.text("SELECT first_seen_at::text FROM campaigns WHERE id = 'c1'").await;
    let next = database.run_after(&run).await;
    database
        .commit(
            &next,
            &batch([Campaign { clicks: 6, name: "x'); DROP TABLE campaigns; --".into(), ..campaign("c1") }]),
        )
        .await;
    let second = database.store.sample_campaigns(&ACCOUNT.into(), 10).await.unwrap();
    assert_eq!(
        (second.len(), second[0].clicks, second[0].name.as_str()),
        (2, 6, "x'); DROP TABLE campaigns; --")
    );
    assert_eq!(database.text("SELECT first_seen_at::text FROM campaigns WHERE id = 'c1'").await, seen);
}

#[tokio::test]
async fn accounts_do_not_share_campaigns() {
    let database = Database::new().await;
    let run = database.run().await;
    let other = begin(&database.store, "other").await.unwrap();
    database.commit(&run, &batch([campaign("c1")])).await;
    database.commit(&other, &batch([Campaign { clicks: 99, ..campaign("c1") }])).await;
    let mine = database.store.sample_campaigns(&ACCOUNT.into(), 10).await.unwrap();
    assert_eq!((mine.len(), mine[0].clicks), (1, 5));
    assert_eq!(database.number("SELECT count(*) FROM campaign_history").await, 2);
}

#[tokio::test]
async fn history_has_a_row_for_the_first_sight_and_for_each_change_and_no_other() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &batch([campaign("c1")])).await;
    assert_eq!(database.history_of("c1").await, 1);

    let second = database.run_after(&first).await;
    let mut again = synced(campaign("c1"));
    again.synced_at = at(200);
    database.commit(&second, &Batch { synced: vec![again], dead_letters: Vec::new() }).await;
    assert_eq!(database.history_of("c1").await, 1, "content did not change");
    let row = "SELECT run_id::text FROM campaigns WHERE extract(epoch FROM synced_at) = 1700000200";
    assert_eq!(database.text(row).await, second.id.to_string(), "the sync itself is recorded");

    let changes: [fn(&mut Campaign); 7] = [
        |c| c.name.push('!'),
        |c| c.status = "paused".into(),
        |c| c.budget = "1000.51".into(),
        |c| c.impressions += 1,
        |c| c.clicks += 1,
        |c| c.conversions += 1,
        |c| c.created_at = at(1),
    ];
    let mut changed = campaign("c1");
    for (number, change) in (2..).zip(changes) {
        change(&mut changed);
        database.commit(&second, &batch([changed.clone()])).await;
        assert_eq!(database.history_of("c1").await, number);
        let newest = "SELECT (h.name, h.status, h.budget, h.impressions, h.clicks, h.conversions, h.created_at)
                           = (c.name, c.status, c.budget, c.impressions, c.clicks, c.conversions, c.created_at)
                         AND h.recorded_at = c.changed_at
                      FROM campaigns c JOIN campaign_history h USING (account_id, id) ORDER BY recorded_at DESC LIMIT 1";
        assert!(database.sql.query_one(newest, &[]).await.unwrap().get::<_, bool>(0));
    }
    let mut same_value = changed.clone();
    same_value.budget = "1000.510".into();
    database.commit(&second, &batch([same_value])).await;
    assert_eq!(database.history_of("c1").await, 8, "1000.51 and 1000.510 are one number");
}

#[tokio::test]
async fn the_state_at_any_time_can_be_read_also_where_the_clock_was_set_back() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1")])).await;
    // As if the first row had been written by a clock that was ahead.
    let ahead = "UPDATE campaigns SET changed_at = changed_at + interval '1 day';
                 UPDATE campaign_history SET recorded_at = recorded_at + interval '1 day'";
    database.sql.batch_execute(ahead).await.unwrap();
    database.commit(&run, &batch([Campaign { clicks: 6, ..campaign("c1") }])).await;
    database.commit(&run, &batch([Campaign { clicks: 7, ..campaign("c1") }])).await;
    let clicks = database
        .text("SELECT string_agg(clicks::text, ',' ORDER BY recorded_at) FROM campaign_history")
        .await;
    assert_eq!(clicks, "5,6,7");
}

#[tokio::test]
async fn repeating_a_committed_batch_changes_nothing() {
    let database = Database::new().await;
    let run = database.run().await;
    let both = Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1"), campaign("c2")]) };
    database.commit(&run, &both).await;
    let before = database.everything().await;
    assert!(before.contains("Campaign c2") && before.contains("d1"));
    database.commit(&run, &both).await;
    assert_eq!(database.everything().await, before);
    let counters = "SELECT stored::text || ',' || dead_lettered::text FROM sync_runs";
    assert_eq!(database.text(counters).await, "2,1");
}

#[tokio::test]
async fn a_campaign_that_stands_twice_in_a_batch_is_stored_as_it_stands_last() {
    let database = Database::new().await;
    let run = database.run().await;
    let twice = [campaign("c1"), campaign("c2"), Campaign { clicks: 7, ..campaign("c1") }];
    let late = DeadLetter { attempts: 9, ..letter("d1") };
    database
        .commit(&run, &Batch { dead_letters: vec![letter("d1"), late, letter("c1")], ..batch(twice) })
        .await;
    assert_eq!(database.number("SELECT clicks FROM campaigns WHERE id = 'c1'").await, 7);
    assert_eq!(
        database.number("SELECT attempts FROM dead_letters").await,
        9,
        "and one that was synced is no dead letter"
    );
    assert_eq!(
        database.text("SELECT stored::text || ',' || dead_lettered::text FROM sync_runs").await,
        "2,1"
    );
}

#[tokio::test]
async fn two_commits_at_once_that_see_one_change_write_its_history_once() {
    let database = Database::new().await;
    let run = database.run().await;
    let other = database.store.clone();
    for round in 1..=20 {
        let change = batch([Campaign { clicks: round, ..campaign("c1") }]);
        let (one, two) = tokio::join!(database.store.commit(&run, &change), other.commit(&run, &change));
        assert_eq!((one, two), (Ok(()), Ok(())));
        assert_eq!(database.history_of("c1").await, round);
    }
    assert_eq!(database.number("SELECT stored FROM sync_runs").await, 1);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_first_failure_and_goes_when_its_campaign_is_stored() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &letters([letter("d1"), letter("d2")])).await;
    let second = database.run_after(&first).await;
    let again = DeadLetter {
        class: FailureClass::Rejected,
        message: "404".into(),
        attempts: 1,
        first_failed_at: at(50),
        last_failed_at: at(51),
        ..letter("d1")
    };
    database.commit(&second, &letters([again])).await;
    let row = "SELECT concat_ws(' ', error_class, message, attempts, extract(epoch FROM first_failed_at)::bigint,
                                extract(epoch FROM last_failed_at)::bigint, run_id) FROM dead_letters WHERE campaign_id = 'd1'";
    let expected = format!("rejected 404 1 1700000001 1700000051 {}", second.id);
    assert_eq!(database.text(row).await, expected);
    let counted = "SELECT string_agg(dead_lettered::text, ',' ORDER BY id) FROM sync_runs";
    assert_eq!(database.text(counted).await, "2,1");

    database.commit(&second, &batch([campaign("d1"), campaign("d2")])).await;
    assert_eq!(database.number("SELECT count(*) FROM dead_letters").await, 0);
    assert_eq!(database.text(counted).await, "2,0", "what another run counted stays counted");
}

#[tokio::test]
async fn a_row_that_postgresql_refuses_is_refused_with_its_cause_and_nothing_of_its_batch_is_stored() {
    let database = Database::new().await;
    let run = database.run().await;
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
    let long = "i".repeat(1_000_000);
    let poison: [(Campaign, &str); 9] = [
        (Campaign { name: "a\0b".into(), ..campaign("p") }, "0x00"),
        (Campaign { status: "\0".into(), ..campaign("p") }, "0x00"),
        (campaign("p\0"), "0x00"),
        (Campaign { budget: "1e200000".into(), ..campaign("p") }, "overflow"),
        (Campaign { budget: "1e-20000".into(), ..campaign("p") }, "overflow"),
        (Campaign { budget: format!("0.{}", "1".repeat(17_000)).into(), ..campaign("p") }, "overflow"),
        (Campaign { budget: "much".into(), ..campaign("p") }, "\"much\""),
        (Campaign { created_at: far, ..campaign("p") }, "beyond a timestamp's range"),
        (campaign(&long), "campaign_id_at_most_1024_bytes"),
    ];
    for (row, cause) in poison {
        let message = refused(database.store.commit(&run, &batch([campaign("good"), row])).await);
        assert!(message.contains(cause) && message.len() < 1500, "{message}");
        assert_eq!(database.number("SELECT count(*) FROM campaigns").await, 0);
    }
    database.commit(&run, &batch([campaign("good")])).await;
}

#[tokio::test]
async fn a_budget_is_kept_to_its_last_digit() {
    let database = Database::new().await;
    let run = database.run().await;
    for (budget, kept) in [
        ("0.1", "0.1"),
        (
            "12345678901234567890.123456789012345678901234567890",
            "12345678901234567890.123456789012345678901234567890",
        ),
        ("1.50", "1.50"),
        ("-0.00000000000000000001", "-0.00000000000000000001"),
        ("25e-1", "2.5"),
        ("1e400", &format!("1{}", "0".repeat(400))),
    ] {
        database.commit(&run, &batch([Campaign { budget: budget.into(), ..campaign("c1") }])).await;
        assert_eq!(database.store.sample_campaigns(&ACCOUNT.into(), 1).await.unwrap()[0].budget, kept);
    }
}

#[tokio::test]
async fn a_dead_letter_is_stored_whatever_it_holds() {
    let database = Database::new().await;
    let run = database.run().await;
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
    let long = "🦀".repeat(250_000);
    let hostile = DeadLetter {
        message: "name \"a\0b\" cannot be stored".into(),
        payload: "{\"name\":\"a\\u0000\\ud800b\", \"raw\":\"\0\"}".into(),
        first_failed_at: far,
        last_failed_at: far,
        ..letter("nul\0id")
    };
    let wide = DeadLetter { payload: "1".repeat(1_000_000).into(), attempts: u32::MAX, ..letter(&long) };
    database.commit(&run, &letters([hostile, wide])).await;
    let row = "SELECT message || payload FROM dead_letters WHERE campaign_id = 'nul␀id'";
    assert_eq!(
        database.text(row).await,
        "name \"a␀b\" cannot be stored{\"name\":\"a\\u0000\\ud800b\", \"raw\":\"␀\"}"
    );
    assert_eq!(
        database.number("SELECT length(payload)::bigint FROM dead_letters WHERE attempts = 4294967295").await,
        1_000_000
    );

    let asked = ids(&["nul\0id", &long, "unknown"]);
    let settled = settled_now(database.store.settled(&run, &asked).await.unwrap());
    assert_eq!(settled, ids(&["nul\0id", &long]), "known under the ids that the platform uses");
}

#[tokio::test]
async fn settled_is_what_this_run_stored_or_buried() {
    let database = Database::new().await;
    let earlier = database.run().await;
    database
        .commit(
            &earlier,
            &Batch { dead_letters: vec![letter("d-old")], ..batch([campaign("c-old"), campaign("c1")]) },
        )
        .await;
    let run = database.run_after(&earlier).await;
    database.commit(&run, &Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1")]) }).await;
    let elsewhere = begin(&database.store, "other").await.unwrap();
    database.commit(&elsewhere, &batch([campaign("c2")])).await;

    let asked = ids(&["c-old", "d-old", "c1", "d1", "c2", "new"]);
    let settled = settled_now(database.store.settled(&run, &asked).await.unwrap());
    assert_eq!(settled, ids(&["c1", "d1"]));
    assert_eq!(database.store.settled(&run, &[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_run_is_recorded_from_its_begin_to_its_report() {
    let database = Database::new().await;
    let run = database.run().await;
    let begun = &database.store.recent_runs(None, 10).await.unwrap()[0];
    assert_eq!((begun.id, begun.account.as_str(), begun.status.as_str()), (run.id, ACCOUNT, "running"));
    assert_eq!((begun.finished_at, begun.listed), (None, None));

    database.commit(&run, &batch([campaign("c1")])).await;
    let mut report = report(&run);
    report.campaigns.listed = 12;
    report.campaigns.distinct = 11;
    report.campaigns.reported_total = Some(13);
    report.campaigns.skipped = 4;
    report.requests.total = 30;
    report.requests.throttled = u64::MAX;
    report.problems =
        vec![Problem { class: ProblemClass::ListingIncomplete, message: "a\0b \\u0000".into() }];
    database.store.finish_run(&run, &report).await.unwrap();
    let row = &database.store.recent_runs(Some(ACCOUNT), 10).await.unwrap()[0];
    assert_eq!((row.status.as_str(), row.stored, row.dead_lettered), ("partial", 1, 0));
    assert_eq!((row.listed, row.distinct_listed, row.reported_total), (Some(12), Some(11), Some(13)));
    assert_eq!((row.skipped, row.requests, row.throttled), (Some(4), Some(30), Some(i64::MAX)));
    assert_eq!(row.duration_seconds, Some(1.5));
    assert!(row.finished_at.unwrap() >= row.started_at);
    let kept = database.text("SELECT report->'problems'->0->>'message' FROM sync_runs").await;
    assert_eq!(kept, "a␀b \\u0000");
    assert_eq!(database.number("SELECT (report->'campaigns'->>'listed')::bigint FROM sync_runs").await, 12);
}

const REMOVED: &str = "\
    SELECT coalesce(string_agg(account_id || ' ' || id, ', ' ORDER BY id), '') FROM campaigns WHERE removed_at IS NOT NULL";

/// Of a run that came to its end with a listing of so many campaigns.
fn proven(run: &Run, distinct: u64) -> AccountReport {
    let mut report = AccountReport { listing_proven: true, ..report(run) };
    report.campaigns.distinct = distinct;
    report
}

#[tokio::test]
async fn what_a_proven_run_did_not_list_is_marked_as_removed_until_it_is_stored_again() {
    let database = Database::new().await;
    let other = database.other_store().await;
    let others = begin(&other, "other").await.unwrap();
    other.commit(&others, &batch([campaign("o1")])).await.unwrap();
    let first = database.run().await;
    assert_eq!(first.listed_before, None);
    database.commit(&first, &batch(["c1", "c2", "c3", "c4"].map(campaign))).await;
    database.commit(&first, &letters([letter("gone")])).await;
    let second = database.run_after(&first).await;
    assert_eq!(
        (second.listed_before, database.text(REMOVED).await.as_str()),
        (None, ""),
        "it was not proven"
    );

    database.commit(&second, &Batch { dead_letters: vec![letter("c2")], ..batch([campaign("c1")]) }).await;
    database.store.finish_run(&second, &proven(&second, 2)).await.unwrap();
    assert_eq!(database.text(REMOVED).await, "acme c3, acme c4", "c2 was listed, and given up on");
    let rows = "SELECT string_agg(t::text || xmin, ',' ORDER BY id) FROM campaigns t";
    let before = database.text(rows).await;
    database.store.finish_run(&second, &proven(&second, 2)).await.unwrap();
    assert_eq!(database.text(rows).await, before, "and its end can be repeated");

    let third = database.run().await;
    assert_eq!((third.id == second.id, third.listed_before), (false, Some(2)));
    database.commit(&third, &batch([campaign("c3")])).await;
    assert_eq!(database.text(REMOVED).await, "acme c4");
    assert_eq!(database.history_of("c3").await, 1, "its content is the same");
    let message = broken(database.store.finish_run(&second, &proven(&second, 2)).await);
    assert!(message.contains("another process has taken over"), "{message}");
    assert_eq!(database.text(REMOVED).await, "acme c4");
}

#[tokio::test]
async fn a_run_that_is_resumed_has_listed_what_its_processes_stored() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &batch(["c1", "c2"].map(campaign))).await;
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&first) };
    database.store.finish_run(&first, &interrupted).await.unwrap();
    let second = database.run().await;
    database.commit(&second, &batch([campaign("c3")])).await;
    database.store.finish_run(&second, &proven(&second, 3)).await.unwrap();
    assert_eq!((second.resumed, database.text(REMOVED).await.as_str()), (true, ""));
}

#[tokio::test]
async fn an_entry_without_an_id_can_be_any_campaign_so_nothing_is_marked_as_removed() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &batch(["c1", "c2"].map(campaign))).await;
    let mut next = database.run_after(&first).await;
    for (id, removed) in [("malformed-0", ""), ("c3", "acme c1, acme c2")] {
        let nameless = DeadLetter { class: FailureClass::Malformed, ..letter(id) };
        database.commit(&next, &letters([nameless])).await;
        database.store.finish_run(&next, &proven(&next, 1)).await.unwrap();
        assert_eq!(database.text(REMOVED).await, removed, "{id}");
        next = database.run().await;
    }
}

#[tokio::test]
async fn a_second_run_of_an_account_is_told_of_the_first_and_changes_nothing() {
    let database = Database::new().await;
    let run = database.run().await;
    let before = database.everything().await;
    let held_by = database.number(&format!("SELECT pid::bigint FROM {ACCOUNT_LOCKS}")).await;
    let other = database.other_store().await;
    for store in [&other, &database.store] {
        let message = broken(begin(store, ACCOUNT).await);
        for expected in [
            "another campaign-sync is syncing account acme",
            &format!("run {} since 20", run.id),
            &format!("server process {held_by}"),
            "wait until it has ended",
        ] {
            assert!(message.contains(expected), "{expected} is missing: {message}");
        }
    }
    assert_eq!(database.everything().await, before);
    begin(&other, "other").await.expect("the account is another one");
    database.commit(&run, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn an_account_is_given_back_by_the_end_of_its_run_and_of_its_process() {
    let database = Database::new().await;
    let run = database.run().await;
    database.store.finish_run(&run, &report(&run)).await.unwrap();
    let other = database.other_store().await;
    begin(&other, ACCOUNT).await.expect("the first run has finished");
    let clone = other.clone();
    drop(other);
    database.accounts_held(1).await;
    drop(clone);
    // Without a wait: what has just ended is waited for.
    database.run().await;
}

#[tokio::test]
async fn a_run_whose_lock_was_lost_takes_it_again_and_goes_on() {
    let database = Database::new().await;
    let run = database.run().await;
    database.end_lock_connections().await;
    // The client may hear of it only after its next commit.
    while database.number(&format!("SELECT count(*) FROM {ACCOUNT_LOCKS}")).await == 0 {
        database.commit(&run, &batch([campaign("c1")])).await;
    }
    broken(begin(&database.other_store().await, ACCOUNT).await);
}

#[tokio::test]
async fn a_process_that_was_taken_over_stores_nothing_any_more() {
    for resume in [Some(Duration::from_secs(60)), None] {
        let database = Database::new().await;
        let run = database.run().await;
        database.commit(&run, &batch([campaign("c1")])).await;
        database.end_lock_connections().await;
        let other = database.other_store().await;
        let successor = other.begin_run(&ACCOUNT.into(), resume).await.unwrap();
        assert_eq!((successor.epoch, successor.id == run.id), (run.epoch + 1, resume.is_some()));
        let spent = Spent { counted: vec![(Duration::from_secs(1), 1)], ..Spent::default() };
        other.save_spent(&successor, &spent).await.unwrap();

        let before = database.everything().await;
        let taken_over = |message: String| {
            let wanted =
                format!("another process has taken over account acme (run {} since 20", successor.id);
            assert!(message.contains(&wanted) && message.contains("leave the rest"), "{message}");
        };
        for batch in [batch([campaign("c2")]), letters([letter("d1")])] {
            taken_over(broken(database.store.commit(&run, &batch).await));
        }
        taken_over(broken(database.store.save_spent(&run, &Spent::default()).await));
        taken_over(broken(database.store.finish_run(&run, &report(&run)).await));
        assert_eq!(database.everything().await, before);

        other.commit(&successor, &batch([campaign("c2")])).await.unwrap();
        assert_eq!(database.number("SELECT count(*) FROM campaigns").await, 2);
        broken(begin(&database.store, ACCOUNT).await);
        // And when the successor has ended, the account is not its predecessor's again.
        other.finish_run(&successor, &report(&successor)).await.unwrap();
        let message = broken(database.store.commit(&run, &batch([campaign("c3")])).await);
        taken_over(message);
    }
}

#[tokio::test]
async fn a_run_that_is_taken_over_keeps_its_id_and_knows_what_was_stored_before() {
    let database = Database::new().await;
    let first = database.run().await;
    assert_eq!((first.epoch, first.resumed, first.stored_before), (1, false, 0));
    let both =
        Batch { dead_letters: vec![letter("d1"), letter("d2")], ..batch([campaign("c1"), campaign("c2")]) };
    database.commit(&first, &both).await;
    database.commit(&first, &batch([campaign("c1"), campaign("c2"), campaign("c3")])).await;
    database.commit(&first, &both).await;
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&first) };
    database.store.finish_run(&first, &interrupted).await.unwrap();

    let second = begin(&database.other_store().await, ACCOUNT).await.unwrap();
    let expected = Run { epoch: 2, resumed: true, stored_before: 3, ..first.clone() };
    assert_eq!(second, expected);
    let row = &database.store.recent_runs(None, 10).await.unwrap()[0];
    assert_eq!((row.status.as_str(), row.finished_at, row.resumed), ("running", None, true));
    let all = ids(&["c1", "c2", "c3", "c4", "d1", "d2"]);
    let mut numbers: Vec<_> =
        database.store.settled(&second, &all).await.unwrap().into_iter().map(|s| s.by).collect();
    numbers.sort_by_key(|by| format!("{by:?}"));
    let expected = (0..3).map(|number| SettledBy::EarlierProcess { number }).collect::<Vec<_>>();
    assert_eq!(numbers, expected, "each has its own number, and the dead letters are tried again");

    let third = Batch { dead_letters: vec![letter("d2")], ..batch([campaign("c4"), campaign("d1")]) };
    database.commit(&second, &third).await;
    let settled = database.store.settled(&second, &all).await.unwrap();
    let now: Vec<_> = settled.into_iter().filter(|s| s.by == SettledBy::ThisProcess).collect();
    assert_eq!(settled_now(now), ids(&["c4", "d1", "d2"]));
    let counters = "SELECT stored::text || ',' || dead_lettered::text FROM sync_runs";
    assert_eq!(database.text(counters).await, "5,1", "of all processes of the run, each campaign once");
    let numbers = "SELECT string_agg(run_number::text, ',' ORDER BY run_number) FROM campaigns";
    assert_eq!(database.text(numbers).await, "0,1,2,3,4");
}

#[tokio::test]
async fn an_unfinished_run_stays_as_it_was_while_its_account_is_borrowed_and_is_resumed_after() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1")])).await;
    database.end_lock_connections().await;
    let other = database.other_store().await;
    let before = database.everything().await;
    let borrowed = other.borrow_account(&ACCOUNT.into()).await.unwrap();
    assert_eq!((borrowed.epoch, borrowed.id.is_nil(), borrowed.resumed), (2, true, false));
    assert_eq!(database.everything().await, before);

    let message = broken(database.store.commit(&run, &batch([campaign("c2")])).await);
    assert!(message.contains("another process has taken over account acme (a plan since 20"), "{message}");
    broken(database.store.save_spent(&run, &Spent::default()).await);
    broken(other.commit(&borrowed, &batch([campaign("c2")])).await);
    assert_eq!(database.everything().await, before, "neither stores anything");
    let spent = Spent { counted: vec![(Duration::from_secs(1), 2)], ..Spent::default() };
    other.save_spent(&borrowed, &spent).await.unwrap();
    other.give_back(&borrowed).await;

    let next = begin(&database.other_store().await, ACCOUNT).await.unwrap();
    assert_eq!(next, Run { epoch: 3, resumed: true, stored_before: 1, ..run });
    assert_eq!(database.store.load_spent(&ACCOUNT.into()).await.unwrap().counted[0].1, 2);
    broken(other.save_spent(&borrowed, &Spent::default()).await);
}

#[tokio::test]
async fn an_account_is_not_lent_while_a_run_is_at_work_and_no_run_begins_while_it_is_lent() {
    let database = Database::new().await;
    let other = database.other_store().await;
    let borrowed = other.borrow_account(&ACCOUNT.into()).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM sync_runs").await, 0);
    let message = broken(begin(&database.store, ACCOUNT).await);
    let wanted = "another campaign-sync is syncing account acme here (a plan since 20";
    assert!(message.contains(wanted) && message.contains("wait until it has ended"), "{message}");
    other.give_back(&borrowed).await;

    let run = database.run().await;
    assert_eq!((run.epoch, run.resumed), (2, false));
    let message = broken(other.borrow_account(&ACCOUNT.into()).await);
    let wanted = format!("another campaign-sync is syncing account acme here (run {} since 20", run.id);
    assert!(message.contains("plan a run in") && message.contains(&wanted), "{message}");
    database.store.finish_run(&run, &report(&run)).await.unwrap();
    other.borrow_account(&ACCOUNT.into()).await.expect("the run has ended");
}

#[tokio::test]
async fn an_account_is_lent_after_what_the_process_before_was_still_recording() {
    let spent = Spent { counted: vec![(Duration::from_secs(1), 1)], ..Spent::default() };
    let database = Database::new().await;
    let run = database.run().await;
    database.store.save_spent(&run, &Spent::default()).await.unwrap();
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; LOCK TABLE spent_permits").await.unwrap();
    let other = database.other_store().await;
    let borrow = async {
        database.waiting_for_locks(1).await;
        database.end_lock_connections().await;
        other.borrow_account(&ACCOUNT.into()).await.unwrap()
    };
    let let_go = async {
        database.waiting_for_locks(2).await;
        blocker.batch_execute("COMMIT").await.unwrap();
    };
    let (recorded, _, ()) = tokio::join!(database.store.save_spent(&run, &spent), borrow, let_go);
    assert_eq!(recorded, Ok(()));
    assert_eq!(other.load_spent(&ACCOUNT.into()).await.unwrap().counted.len(), 1);
}

#[tokio::test]
async fn only_the_newest_run_is_resumed_and_only_if_it_is_unfinished_and_has_not_rested_too_long() {
    let database = Database::new().await;
    let ago = |minutes: u32| format!("progressed_at = now() - interval '{minutes} minutes'");
    for (left_as, resumed) in [
        ("status = 'running'".to_owned(), true),
        ("status = 'interrupted', finished_at = now()".to_owned(), true),
        ("status = 'failed', finished_at = now()".to_owned(), true),
        ("status = 'complete'".to_owned(), false),
        ("status = 'partial'".to_owned(), false),
        (format!("started_at = now() - interval '3 weeks', {}", ago(59)), true),
        (ago(61), false),
    ] {
        let store = database.other_store().await;
        let earlier = store.begin_run(&ACCOUNT.into(), None).await.unwrap();
        drop(store);
        let leave = format!("UPDATE sync_runs SET {left_as} WHERE id = '{}'", earlier.id);
        database.sql.batch_execute(&leave).await.unwrap();
        let store = database.other_store().await;
        let run = begin(&store, ACCOUNT).await.unwrap();
        assert_eq!((run.resumed, run.id == earlier.id), (resumed, resumed), "{left_as}");
        let running = "SELECT string_agg(id::text, ' ') FROM sync_runs WHERE status = 'running'";
        assert_eq!(database.text(running).await, run.id.to_string(), "whatever else was left is closed");
    }
    let closed =
        "SELECT count(*) FROM sync_runs WHERE status = 'interrupted' AND finished_at = progressed_at";
    assert!(database.number(closed).await >= 3);
}

/// The dead letters of these campaigns and classes.
fn filter(campaigns: &[&str], classes: &[FailureClass]) -> LetterFilter {
    LetterFilter { campaigns: ids(campaigns), classes: classes.to_vec() }
}

#[tokio::test]
async fn dead_letters_are_read_by_filter_and_discarded_unless_they_failed_again() {
    let database = Database::new().await;
    let (run, long) = (database.run().await, "i".repeat(2000));
    let malformed =
        DeadLetter { class: FailureClass::Malformed, last_failed_at: at(1_000_000), ..letter("d2") };
    database.commit(&run, &letters([letter("d1"), malformed, letter(&long)])).await;
    let other = begin(&database.store, "other").await.unwrap();
    database.commit(&other, &letters([letter("d1")])).await;
    let read = async |account, filter, limit| {
        let rows = database.store.dead_letters(account, &filter, limit).await.unwrap();
        rows.into_iter().map(|row| (row.account, row.campaign.chars().take(2).collect())).collect::<Vec<_>>()
    };
    let pair = |account: &str, campaign: &str| (account.to_owned(), campaign.to_owned());
    let all = filter(&[], &[]);
    assert_eq!(read(None, all.clone(), 1).await, [pair(ACCOUNT, "d2")], "the newest failure first");
    assert_eq!(read(Some("other"), all.clone(), 9).await, [pair("other", "d1")]);
    let of_d1 = read(None, filter(&["d1"], &[]), 9).await;
    assert_eq!(of_d1, [pair(ACCOUNT, "d1"), pair("other", "d1")]);
    assert_eq!(read(None, filter(&[&long], &[]), 9).await, [pair(ACCOUNT, "ii")], "by the id as it was sent");
    assert_eq!(read(None, filter(&[], &[FailureClass::Malformed]), 9).await, [pair(ACCOUNT, "d2")]);
    assert_eq!(read(None, filter(&["d1"], &[FailureClass::Malformed]), 9).await, []);

    let shown = database.store.dead_letters(Some(ACCOUNT), &all, 9).await.unwrap();
    database.commit(&run, &letters([DeadLetter { last_failed_at: at(7), ..letter("d1") }])).await;
    assert_eq!(database.store.discard(&shown).await.unwrap(), 2);
    assert_eq!(read(None, all, 9).await, [pair("other", "d1"), pair(ACCOUNT, "d1")]);
}

#[tokio::test]
async fn a_replay_is_told_what_is_not_to_be_tried_and_what_it_has_not_met() {
    let database = Database::new().await;
    let run = database.run().await;
    let long = "i".repeat(2000);
    let malformed = |id: &str| DeadLetter { class: FailureClass::Malformed, ..letter(id) };
    let buried = letters([letter("d1"), letter("d2"), letter(&long), letter("d4"), malformed("m1")]);
    database.commit(&run, &buried).await;
    database.commit(&run, &batch([campaign("c1")])).await;
    database.store.finish_run(&run, &report(&run)).await.unwrap();

    let asked = filter(&["d1", "d2", &long, "m1"], &[letter("d1").class]);
    let replay = database.store.begin_replay(&ACCOUNT.into(), &asked).await.unwrap();
    assert_eq!(replay.replay, Some(Replay { filter: asked, letters: 3 }));
    let all = ids(&["d1", "d2", &long, "d4", "m1", "c1", "new"]);
    let by = async |wanted| {
        let settled = database.store.settled(&replay, &all).await.unwrap();
        let mut ids: Vec<_> = settled.into_iter().filter(|s| s.by == wanted).map(|s| s.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(by(SettledBy::NotToReplay).await, ids(&["c1", "d4", "m1", "new"]));
    assert_eq!(by(SettledBy::ThisProcess).await, []);
    let (untried, named) = database.store.untried(&replay).await.unwrap();
    assert_eq!((untried, &named[..2]), (3, &ids(&["d1", "d2"])[..]));

    // What it stores or buries again is done; also where it is of another class now.
    database.commit(&replay, &Batch { dead_letters: vec![malformed("d2")], ..batch([campaign("d1")]) }).await;
    assert_eq!(by(SettledBy::NotToReplay).await, ids(&["c1", "d4", "m1", "new"]));
    assert_eq!(by(SettledBy::ThisProcess).await, ids(&["d1", "d2"]));
    assert_eq!(database.store.untried(&replay).await.unwrap().0, 1);
    assert_eq!(database.number("SELECT count(*) FROM dead_letters WHERE campaign_id = 'd1'").await, 0);
    let rows = database.store.recent_runs(None, 9).await.unwrap();
    let row = &rows[0];
    assert_eq!((&*row.kind, row.stored, row.dead_lettered, &*rows[1].kind), ("replay", 1, 1, "sync"));
}

#[tokio::test]
async fn letters_of_entries_without_an_id_are_forgotten_unless_this_process_has_met_them() {
    let database = Database::new().await;
    let run = database.run().await;
    let [gone, met] = ["{}", "[]"].map(CampaignId::of_payload);
    let malformed = |id: &str| DeadLetter { class: FailureClass::Malformed, ..letter(id) };
    let with_id = malformed("malformed-7");
    database.commit(&run, &letters([malformed(gone.as_str()), malformed(met.as_str()), with_id])).await;
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&run) };
    database.store.finish_run(&run, &interrupted).await.unwrap();
    let resumed = database.run().await;
    assert!(resumed.resumed, "the same run, and another process");
    database.commit(&resumed, &letters([malformed(met.as_str())])).await;
    assert_eq!(database.store.forget_nameless(&resumed).await.unwrap(), 1);
    assert_eq!(database.store.forget_nameless(&resumed).await.unwrap(), 0);
    let left = "SELECT string_agg(campaign_id, ' ' ORDER BY length(campaign_id) DESC) FROM dead_letters";
    assert_eq!(database.text(left).await, format!("{met} malformed-7"));
    database.store.finish_run(&resumed, &report(&resumed)).await.unwrap();

    let asked = filter(&[], &[FailureClass::Timeout]);
    let replay = database.store.begin_replay(&ACCOUNT.into(), &asked).await.unwrap();
    assert_eq!(database.store.forget_nameless(&replay).await.unwrap(), 0, "it was not asked to");
    database.store.finish_run(&replay, &report(&replay)).await.unwrap();
    broken(database.store.forget_nameless(&resumed).await);
}

#[tokio::test]
async fn an_unfinished_run_is_resumed_after_a_replay_and_counts_what_is_left_of_its_letters() {
    let database = Database::new().await;
    let run = database.run().await;
    let both =
        Batch { dead_letters: vec![letter("d1"), letter("d2"), letter("d3")], ..batch([campaign("c1")]) };
    database.commit(&run, &both).await;
    let everything = filter(&[], &[]);
    broken(database.other_store().await.begin_replay(&ACCOUNT.into(), &everything).await);
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&run) };
    database.store.finish_run(&run, &interrupted).await.unwrap();

    let replay = database.store.begin_replay(&ACCOUNT.into(), &everything).await.unwrap();
    assert_eq!((replay.resumed, replay.epoch, replay.id == run.id), (false, 2, false));
    database.commit(&replay, &batch([campaign("d1")])).await;
    // Left unfinished itself: it is never resumed, and closed by the next one.
    database.end_lock_connections().await;
    let again = database.other_store().await.begin_replay(&ACCOUNT.into(), &everything).await.unwrap();
    assert_ne!(again.id, replay.id);
    database.accounts_held(0).await;

    let resumed = begin(&database.other_store().await, ACCOUNT).await.unwrap();
    assert_eq!((resumed.id, resumed.resumed, resumed.stored_before), (run.id, true, 1));
    database
        .commit(
            &resumed,
            &Batch { dead_letters: vec![letter("d3")], ..batch([campaign("d1"), campaign("d2")]) },
        )
        .await;
    let counters =
        format!("SELECT stored::text || ',' || dead_lettered::text FROM sync_runs WHERE id = '{}'", run.id);
    assert_eq!(database.text(&counters).await, "3,1");
    let running =
        "SELECT string_agg(id::text, ' ') FROM sync_runs WHERE status = 'running' AND account_id = 'acme'";
    assert_eq!(database.text(running).await, run.id.to_string());
}

#[tokio::test]
async fn a_run_is_resumed_after_what_the_process_before_was_still_storing() {
    let spent = Spent { counted: vec![(Duration::from_secs(1), 1)], ..Spent::default() };
    for (table, stored, recorded) in [("campaigns", 2, 0), ("spent_permits", 1, 1)] {
        let database = Database::new().await;
        let run = database.run().await;
        // From here on its statements are prepared: the next ones wait within their transactions.
        database.commit(&run, &batch([campaign("c1")])).await;
        database.store.save_spent(&run, &Spent::default()).await.unwrap();
        let blocker = connect(&database.postgres, "campaign_sync").await;
        blocker.batch_execute(&format!("BEGIN; LOCK TABLE {table}")).await.unwrap();
        let other = database.other_store().await;
        let last = batch([campaign("c2")]);
        let storing = async {
            match table {
                "campaigns" => database.store.commit(&run, &last).await,
                _ => database.store.save_spent(&run, &spent).await,
            }
        };
        let take_over = async {
            database.waiting_for_locks(1).await;
            database.end_lock_connections().await;
            begin(&other, ACCOUNT).await.unwrap()
        };
        let let_go = async {
            database.waiting_for_locks(2).await;
            blocker.batch_execute("COMMIT").await.unwrap();
        };
        let (done, successor, ()) = tokio::join!(storing, take_over, let_go);
        assert_eq!((done, successor.stored_before), (Ok(()), stored));
        assert_eq!(other.load_spent(&ACCOUNT.into()).await.unwrap().counted.len(), recorded);
    }
}

#[tokio::test]
async fn a_record_of_what_is_spent_does_not_wait_for_a_commit() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1")])).await;
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; LOCK TABLE campaigns").await.unwrap();
    let last = batch([campaign("c2")]);
    let beside = async {
        database.waiting_for_locks(1).await;
        database.store.save_spent(&run, &Spent::default()).await.unwrap();
        blocker.batch_execute("COMMIT").await.unwrap();
    };
    let (committed, ()) = tokio::join!(database.store.commit(&run, &last), beside);
    assert_eq!(committed, Ok(()));
}

#[tokio::test]
async fn a_run_that_was_taken_over_within_one_process_does_not_give_its_successors_account_back() {
    let database = Database::new().await;
    let run = database.run().await;
    database.end_lock_connections().await;
    let successor = database.run().await;
    assert_eq!((successor.id, successor.epoch), (run.id, 2));
    broken(database.store.finish_run(&run, &report(&run)).await);
    broken(begin(&database.other_store().await, ACCOUNT).await);
    database.commit(&successor, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn a_begin_whose_answer_was_lost_is_resumed() {
    let database = Database::new().await;
    // The answer does not come, because the commit waits; the row comes when nobody waits for the answer any more.
    let deferred = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
                        'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
                    CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON sync_runs DEFERRABLE INITIALLY DEFERRED
                        FOR EACH ROW EXECUTE FUNCTION wait();
                    SELECT pg_advisory_lock(1)";
    database.sql.batch_execute(deferred).await.unwrap();
    tokio::select! {
        begun = begin(&database.store, ACCOUNT) => panic!("nobody has let it go on: {begun:?}"),
        () = async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            while database.number(waiting).await == 0 {}
        } => {}
    }
    database.sql.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    while database.number("SELECT count(*) FROM sync_runs").await == 0 {}
    let run = database.run().await;
    assert!(run.resumed);
    assert_eq!(database.number("SELECT count(*) FROM sync_runs").await, 1);
    database.commit(&run, &batch([campaign("c1")])).await;
    assert_eq!(database.store.finish_run(&run, &report(&run)).await, Ok(()));
    assert_eq!(database.store.finish_run(&run, &report(&run)).await, Ok(()), "and its end can be repeated");
}

#[tokio::test]
async fn a_server_that_ends_idle_connections_does_not_end_the_one_that_holds_the_account() {
    let database = Database::new().await;
    database.sql.batch_execute("ALTER DATABASE ads SET idle_session_timeout = '100ms'").await.unwrap();
    let store = database.other_store().await;
    begin(&store, ACCOUNT).await.unwrap();
    let younger = connect(&database.postgres, "campaign_sync").await;
    while !younger.is_closed() {
        tokio::task::yield_now().await;
    }
    database.accounts_held(1).await;
}

#[tokio::test]
async fn recent_runs_are_the_newest_first_and_of_one_account_where_asked() {
    let database = Database::new().await;
    let first = database.run().await;
    let other = begin(&database.store, "other").await.unwrap();
    let last = database.run_after(&first).await;
    let runs = |rows: Vec<campaign_sync::store::RunRow>| rows.into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(runs(database.store.recent_runs(None, 10).await.unwrap()), [last.id, other.id, first.id]);
    assert_eq!(runs(database.store.recent_runs(None, 2).await.unwrap()), [last.id, other.id]);
    assert_eq!(runs(database.store.recent_runs(Some(ACCOUNT), 10).await.unwrap()), [last.id, first.id]);
}

#[tokio::test]
async fn nothing_is_committed_for_a_run_that_is_not_there() {
    let database = Database::new().await;
    for gone in ["the account is nobody's", "the run is gone"] {
        let run = match gone {
            "the run is gone" => database.run().await,
            _ => no_run(),
        };
        database.sql.batch_execute("DELETE FROM sync_runs").await.unwrap();
        let cause = if run.id.is_nil() { "nobody has taken account acme" } else { "is not in sync_runs" };
        for batch in [batch([campaign("c1")]), letters([letter("d1")])] {
            let message = broken(database.store.commit(&run, &batch).await);
            assert!(message.contains(cause), "{message}");
        }
        let message = broken(database.store.finish_run(&run, &report(&run)).await);
        assert!(message.contains(cause), "{message}");
        assert_eq!(database.everything().await, "");
    }
}

#[tokio::test]
async fn an_empty_batch_needs_no_database() {
    let database = Database::without_tables().await;
    let run = no_run();
    assert_eq!(database.store.commit(&run, &Batch::default()).await, Ok(()));
}

#[tokio::test]
async fn a_commit_that_is_cut_off_leaves_neither_rows_nor_a_broken_connection() {
    let database = Database::new().await;
    let run = database.run().await;
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; LOCK TABLE campaigns").await.unwrap();
    let cut_off = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while database.number(waiting).await == 0 {}
    };
    let first = batch([campaign("c1")]);
    tokio::select! {
        done = database.store.commit(&run, &first) => panic!("the table is locked: {done:?}"),
        () = cut_off => {}
    }
    blocker.batch_execute("COMMIT").await.unwrap();
    for number in 0..20 {
        database.commit(&run, &batch([campaign(&format!("later {number}"))])).await;
    }
    assert_eq!(database.number("SELECT count(*) FROM campaigns WHERE id LIKE 'later%'").await, 20);
    assert_eq!(
        database.number("SELECT stored FROM sync_runs").await,
        database.number("SELECT count(*) FROM campaigns").await
    );
}

#[tokio::test]
async fn migrations_are_applied_once_also_by_processes_that_start_together() {
    let database = Database::without_tables().await;
    let state = database.store.schema_state().await.unwrap();
    assert_eq!((state.version, state.pending.len()), (None, 10));
    assert_eq!(state.pending[0], "V1__campaigns");
    let exists = "SELECT count(*) FROM pg_class WHERE relname IN ('refinery_schema_history', 'campaigns')";
    assert_eq!(database.number(exists).await, 0, "looking changes nothing");

    let url = database.postgres.database_url("ads");
    let (a, b, c) = (
        PgStore::connect(&url).await.unwrap(),
        PgStore::connect(&url).await.unwrap(),
        PgStore::connect(&url).await.unwrap(),
    );
    let (a, b, c) = tokio::join!(a.migrate(), b.migrate(), c.migrate());
    let mut applied = [a.unwrap(), b.unwrap(), c.unwrap()].concat();
    applied.sort_by_key(|name| name[1..].split('_').next().and_then(|version| version.parse::<u32>().ok()));
    assert_eq!(applied, state.pending);
    assert_eq!(database.store.migrate().await, Ok(Vec::new()));
    let state = database.store.schema_state().await.unwrap();
    assert_eq!((state.version, state.pending), (Some(10), Vec::new()));
}

#[tokio::test]
async fn a_migration_that_never_ends_is_given_up() {
    let database = Database::new().await;
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; LOCK TABLE refinery_schema_history").await.unwrap();
    let waiting = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while database.number(waiting).await == 0 {}
        // Nothing else is left to happen but the bound.
        tokio::time::pause();
        pending().await
    };
    let message = tokio::select! {
        migrated = database.store.migrate() => unavailable(migrated),
        () = waiting => unreachable!("it is pending"),
    };
    assert!(
        message.contains("apply the migrations") && message.contains("no answer within 1800 s"),
        "{message}"
    );
    tokio::time::resume();
}

#[tokio::test]
async fn a_schema_newer_than_the_program_is_an_error_that_says_so() {
    let database = Database::new().await;
    let newer = "INSERT INTO refinery_schema_history VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')";
    database.sql.batch_execute(newer).await.unwrap();
    for message in [broken(database.store.migrate().await), broken(database.store.schema_state().await)] {
        assert!(message.contains("version 99") && message.contains("newer campaign-sync"), "{message}");
    }
}

#[tokio::test]
async fn a_user_without_rights_can_use_a_migrated_schema_and_learns_what_is_missing() {
    let database = Database::new().await;
    database
        .sql
        .batch_execute("CREATE ROLE clerk LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk")
        .await
        .unwrap();
    let socket = database.postgres.socket_directory().display();
    let url: DatabaseUrl = format!("host='{socket}' user=clerk password=hunter2 dbname=ads").parse().unwrap();
    let store = PgStore::connect(&url).await.unwrap();
    assert_eq!(store.migrate().await, Ok(Vec::new()));
    let message = broken(begin(&store, ACCOUNT).await);
    assert!(
        message.contains("permission denied for table account_owners") && message.contains("grant"),
        "{message}"
    );
    assert!(message.contains(r#"database "ads""#) && message.contains(r#"user "clerk""#), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn a_missing_table_is_named_with_what_brings_it_back() {
    let database = Database::without_tables().await;
    let run = no_run();
    for message in [
        broken(begin(&database.store, ACCOUNT).await),
        broken(database.store.commit(&run, &batch([campaign("c1")])).await),
        broken(database.store.settled(&run, &ids(&["c1"])).await),
        broken(database.store.recent_runs(None, 1).await),
    ] {
        assert!(
            message.contains("does not exist") && message.contains("restore it from a backup"),
            "{message}"
        );
        assert!(message.contains(r#"database "ads""#), "{message}");
    }
}

#[tokio::test]
async fn a_schema_is_current_only_with_all_of_its_tables() {
    let database = Database::without_tables().await;
    let message = broken(database.store.require_current_schema().await);
    assert!(message.contains("no tables") && message.contains("run `campaign-sync migrate`"), "{message}");
    database.store.migrate().await.unwrap();
    assert_eq!(database.store.require_current_schema().await, Ok(()));
    database.sql.batch_execute("DELETE FROM refinery_schema_history WHERE version = 10").await.unwrap();
    let message = broken(database.store.require_current_schema().await);
    assert!(message.contains("V10__removed") && message.contains("run `campaign-sync migrate`"), "{message}");
}

#[tokio::test]
async fn a_table_that_is_lost_is_named_before_anything_is_done() {
    let database = Database::new().await;
    let tables = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables \
                  WHERE schemaname = 'public' AND tablename <> 'refinery_schema_history'";
    for table in database.text(tables).await.split(' ') {
        database.sql.batch_execute(&format!("ALTER TABLE {table} RENAME TO elsewhere")).await.unwrap();
        for message in
            [broken(database.store.require_current_schema().await), broken(database.store.migrate().await)]
        {
            assert!(message.contains(&format!("but {table} is not there")), "{message}");
            assert!(message.contains("restore it from a backup"), "{message}");
        }
        database.sql.batch_execute(&format!("ALTER TABLE elsewhere RENAME TO {table}")).await.unwrap();
    }
    assert_eq!(database.store.require_current_schema().await, Ok(()));
}

#[tokio::test]
async fn a_full_disk_is_waited_for_and_says_what_it_is() {
    let database = Database::new().await;
    let run = database.run().await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                RAISE EXCEPTION 'could not extend file \"base/5/1259\": No space left on device' USING ERRCODE = '53100'; \
                END $$; \
                CREATE TRIGGER full_disk BEFORE INSERT ON campaigns EXECUTE FUNCTION full_disk()";
    database.sql.batch_execute(full).await.unwrap();
    let message = unavailable(database.store.commit(&run, &batch([campaign("c1")])).await);
    assert!(message.contains("No space left on device"), "{message}");
    assert!(message.contains("the server's disk is full: free space on it"), "{message}");
    database.sql.batch_execute("DROP TRIGGER full_disk ON campaigns").await.unwrap();
    database.commit(&run, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn a_read_only_server_is_waited_for() {
    let database = Database::new().await;
    let run = database.run().await;
    database.store.finish_run(&run, &report(&run)).await.unwrap();
    database.sql.batch_execute("ALTER DATABASE ads SET default_transaction_read_only = on").await.unwrap();
    let store = PgStore::connect(&database.postgres.database_url("ads")).await.unwrap();
    let message = unavailable(store.commit(&run, &batch([campaign("c1")])).await);
    assert!(message.contains("read-only") && message.contains("primary"), "{message}");
    // As after a failover: the next connection leads to a server that takes writes.
    database.sql.batch_execute("ALTER DATABASE ads RESET default_transaction_read_only").await.unwrap();
    assert_eq!(store.commit(&run, &batch([campaign("c1")])).await, Ok(()));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_the_cause_and_without_the_password() {
    let url: DatabaseUrl = "postgresql://bob:hunter2@127.0.0.1:1/ads".parse().unwrap();
    let message = unavailable(PgStore::connect(&url).await.map(|_| ()));
    assert!(
        message.contains(r#"database "ads" at 127.0.0.1:1 as user "bob": connection refused"#),
        "{message}"
    );
    let url: DatabaseUrl = "host=/nowhere user=bob password=hunter2 dbname=ads".parse().unwrap();
    let no_socket = unavailable(PgStore::connect(&url).await.map(|_| ()));
    assert!(
        no_socket.contains("/nowhere/.s.PGSQL.5432") && no_socket.contains("no server listens"),
        "{no_socket}"
    );
    assert!(!message.contains("hunter2") && !no_socket.contains("hunter2"));
}

#[tokio::test]
async fn a_database_that_does_not_exist_and_a_wrong_password_are_named() {
    let database = Database::new().await;
    let message = broken(PgStore::connect(&database.postgres.database_url("adds")).await.map(|_| ()));
    assert!(
        message.contains(r#"database "adds" does not exist"#) && message.contains("create the database"),
        "{message}"
    );

    let rules = database.postgres.socket_directory().join("data/pg_hba.conf");
    std::fs::write(rules, "local all bob scram-sha-256\nlocal all all trust\n").unwrap();
    database
        .sql
        .batch_execute("CREATE ROLE bob LOGIN PASSWORD 'right'; SELECT pg_reload_conf()")
        .await
        .unwrap();
    let socket = database.postgres.socket_directory().display();
    let url: DatabaseUrl = format!("host='{socket}' user=bob password=hunter2 dbname=ads").parse().unwrap();
    let message = loop {
        // The server reads its rules again in its own time.
        if let Err(StoreError::Broken(message)) = PgStore::connect(&url).await {
            break message;
        }
    };
    assert!(message.contains("password authentication failed for user \"bob\""), "{message}");
    assert!(
        message.contains("correct the user or the password") && !message.contains("hunter2"),
        "{message}"
    );
}

#[tokio::test]
async fn the_store_goes_on_when_its_server_is_back() {
    let home = tempfile::tempdir().unwrap();
    let settings =
        PrivatePostgresSettings { directory: home.path().to_owned(), durability: Durability::Throwaway };
    let postgres = PrivatePostgres::start(&settings).await.unwrap();
    postgres.create_database("ads").await.unwrap();
    let store = PgStore::connect(&postgres.database_url("ads")).await.unwrap();
    store.migrate().await.unwrap();
    let run = begin(&store, ACCOUNT).await.unwrap();
    store.commit(&run, &batch([campaign("c1")])).await.unwrap();

    postgres.stop().await;
    let message = unavailable(store.commit(&run, &batch([campaign("c2")])).await);
    assert!(message.contains(r#"database "ads""#) && !message.contains("timed out in bb8"), "{message}");
    assert!(message.contains("no server listens") || message.contains("refused"), "{message}");

    let _postgres = PrivatePostgres::start(&settings).await.unwrap();
    store.commit(&run, &batch([campaign("c2")])).await.unwrap();
    assert_eq!(store.recent_runs(None, 1).await.unwrap()[0].stored, 2);
}

#[tokio::test]
async fn a_pool_that_is_used_up_says_so() {
    let database = Database::new().await;
    let run = database.run().await;
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; LOCK TABLE campaigns").await.unwrap();
    let asked = ids(&["c1"]);
    let waiting = (0..8).map(|_| database.store.settled(&run, &asked));
    let account = "other".into();
    let message = tokio::select! {
        biased;
        _ = futures_util::future::join_all(waiting) => pending().await,
        outcome = database.store.load_spent(&account) => unavailable(outcome),
    };
    assert!(message.contains("all 8 connections were in use"), "{message}");
}

#[tokio::test]
async fn what_was_spent_grows_older_by_the_servers_clock_and_is_replaced_as_a_whole() {
    let database = Database::new().await;
    let (acme, other) = (AccountId::from(ACCOUNT), AccountId::from("other"));
    assert_eq!(database.store.load_spent(&acme).await, Ok(Spent::default()));
    let run = database.run().await;
    let minute = Duration::from_secs(60);
    let day = RateLimit::new(1000, 1440 * minute).unwrap();
    let spent = Spent { counted: vec![(minute, 3), (2 * minute, 4)], leased: (minute, 5), stated: vec![day] };
    database.store.save_spent(&run, &spent).await.unwrap();
    let loaded = database.store.load_spent(&acme).await.unwrap();
    let counts = |spent: &Spent| spent.counted.iter().map(|(_, count)| *count).collect::<Vec<_>>();
    assert_eq!((counts(&loaded), loaded.leased.1, &loaded.stated), (vec![3, 4], 5, &vec![day]));
    assert!(loaded.counted[0].0 >= minute && loaded.counted[1].0 >= 2 * minute, "{loaded:?}");
    assert!(loaded.leased.0 <= minute && loaded.leased.0 > Duration::from_secs(30), "{loaded:?}");
    assert_eq!(database.store.load_spent(&other).await, Ok(Spent::default()));

    // A lease whose time is over has been counted, at its end.
    database
        .sql
        .execute(
            "UPDATE spent_permits SET counted_by = ARRAY(SELECT unnest(counted_by) - interval '2 min')",
            &[],
        )
        .await
        .unwrap();
    let loaded = database.store.load_spent(&acme).await.unwrap();
    assert_eq!((counts(&loaded), loaded.leased.1), (vec![5, 3, 4], 0));

    database.store.save_spent(&run, &Spent::default()).await.unwrap();
    assert_eq!(database.store.load_spent(&acme).await, Ok(Spent::default()));
}
