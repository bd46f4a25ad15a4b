//! What is done is recorded where it is done, and what is recorded stays.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{Batch, LetterFilter};
use actors::ports::{Share, Store};
use campaign_sync::store::{AuditFilter, AuditRow, Audited, PgStore};

use crate::support::{
    ACCOUNT, Database, PEER, batch, begin, broken, campaign, commit, letter, letters, report,
};

const DAY: Duration = Duration::from_secs(86_400);

async fn rows(store: &PgStore, filter: AuditFilter) -> Vec<AuditRow> {
    store.audit_rows(&filter, 100).await.unwrap()
}

/// The kinds of all rows but those of the migrations, the oldest first.
async fn kinds(store: &PgStore) -> Vec<String> {
    let all = rows(store, AuditFilter::default()).await;
    all.into_iter().rev().map(|row| row.what).filter(|what| what != "migration_applied").collect()
}

impl Database {
    /// Whether the newest row of the log and this row of a table were written by one transaction.
    async fn same_transaction(&self, row: &str) -> bool {
        let newest = "(SELECT xmin FROM audit_log ORDER BY id DESC LIMIT 1)";
        let same = format!("SELECT (SELECT xmin FROM {row})::text = {newest}::text");
        self.sql.query_one(&same, &[]).await.unwrap().get(0)
    }

    /// Rows that are this old, past the trigger that says when they were written.
    async fn old_rows(&self, number: i64, age: Duration) {
        let insert = format!(
            "ALTER TABLE audit_log DISABLE TRIGGER stamp;
             INSERT INTO audit_log (at, what) SELECT now() - interval '{} seconds', 'account_paused' FROM generate_series(1, {number});
             ALTER TABLE audit_log ENABLE TRIGGER stamp",
            age.as_secs()
        );
        self.sql.batch_execute(&insert).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_done_is_recorded_in_the_transaction_that_does_it() {
    let database = Database::new().await;
    let store = &database.store;
    assert!(database.same_transaction("refinery_schema_history WHERE version = 12").await);
    let run = database.run().await;
    assert!(database.same_transaction("sync_runs").await);
    database.commit(&run, &batch([campaign("c1"), campaign("c2")])).await;
    assert!(database.same_transaction("campaigns WHERE id = 'c1'").await);
    database.commit(&run, &letters([letter("d1")])).await;
    assert!(database.same_transaction("dead_letters").await);
    store.finish_run(&run, &report(&run)).await.unwrap();
    assert!(database.same_transaction("sync_runs").await);
    store.pause(&ACCOUNT.into(), PEER).await.unwrap();
    assert!(database.same_transaction("paused_accounts").await);
    store.resume(&ACCOUNT.into(), PEER).await.unwrap();
    let all = LetterFilter::default();
    let replay = store.begin_replay(&ACCOUNT.into(), &all).await.unwrap();
    store.finish_run(&replay, &report(&replay)).await.unwrap();
    let shown = store.dead_letters(None, &all, 9).await.unwrap();
    assert_eq!(store.discard(&shown, None, &all).await.unwrap(), 1);
    let expected = [
        "run_begun",
        "batch_committed",
        "batch_committed",
        "run_ended",
        "account_paused",
        "account_resumed",
        "replay_begun",
        "run_ended",
        "letters_discarded",
    ];
    assert_eq!(kinds(store).await, expected);

    let of_run = rows(store, AuditFilter { run: Some(run.id), ..AuditFilter::default() }).await;
    let [ended, buried, stored, begun] = &of_run[..] else { panic!("{of_run:?}") };
    assert!(of_run.iter().all(|row| (row.account.as_deref(), row.run) == (Some(ACCOUNT), Some(run.id))));
    assert_eq!(begun.details, serde_json::json!({}));
    assert_eq!(stored.details, serde_json::json!({ "campaigns": 2, "dead_letters": 0 }));
    assert_eq!(buried.details, serde_json::json!({ "campaigns": 0, "dead_letters": 1 }));
    assert_eq!(
        (&ended.details["status"], &ended.details["stored"], &ended.details["dead_lettered"]),
        (&"partial".into(), &2.into(), &1.into())
    );
    let discarded = &rows(store, AuditFilter::default()).await[0];
    assert_eq!((discarded.account.as_deref(), &discarded.details["letters"]), (Some(ACCOUNT), &1.into()));
}

#[tokio::test]
async fn a_transaction_is_one_row_whatever_it_stores_and_is_found_by_each_account_and_run() {
    let database = Database::new().await;
    let store = &database.store;
    let mut shares = vec![];
    for account in ["a", "b", "idle"] {
        let run = Arc::new(begin(store, account).await.unwrap());
        let of_run = match account {
            "idle" => Batch::default(),
            _ => Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1"), campaign("c2")]) },
        };
        shares.push(Share { run, batch: of_run });
    }
    store.commit(&shares).await.unwrap();
    let of = |account: Option<&str>, run| AuditFilter {
        account: account.map(Into::into),
        run,
        what: vec![Audited::BatchCommitted],
        ..AuditFilter::default()
    };
    let all = rows(store, of(None, None)).await;
    let [row] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&row.details["campaigns"], &row.details["dead_letters"]), (&4.into(), &2.into()));
    assert_eq!(row.details["accounts"], serde_json::json!(["a", "b"]));
    assert_eq!((&row.account, row.run), (&None, None));
    for share in &shares[..2] {
        assert_eq!(rows(store, of(Some(share.run.account.as_str()), None)).await, all);
        assert_eq!(rows(store, of(None, Some(share.run.id))).await, all);
    }
    assert_eq!(rows(store, of(Some("idle"), None)).await, []);
    assert_eq!(rows(store, of(None, Some(shares[2].run.id))).await, []);
}

#[tokio::test]
async fn what_did_not_happen_is_not_recorded_and_what_is_repeated_is_recorded_once() {
    let database = Database::new().await;
    let store = &database.store;
    let run = database.run().await;
    let other = database.other_store().await;
    let refused = campaign("nul\0");
    assert!(commit(store, &run, &batch([campaign("c1"), refused])).await.is_err());
    for _ in 0..2 {
        store.finish_run(&run, &report(&run)).await.unwrap();
        store.pause(&ACCOUNT.into(), PEER).await.unwrap();
    }
    other.resume(&"elsewhere".into(), PEER).await.unwrap();
    assert_eq!(other.discard(&[], None, &LetterFilter::default()).await.unwrap(), 0);
    begin(&other, ACCOUNT).await.unwrap();
    assert!(commit(store, &run, &batch([campaign("c1")])).await.is_err(), "another has the account");
    assert_eq!(kinds(store).await, ["run_begun", "run_ended", "account_paused", "run_begun"]);
}

#[tokio::test]
async fn a_run_that_is_taken_over_and_one_that_is_closed_are_recorded_as_that() {
    let database = Database::new().await;
    let killed = database.run().await;
    database.commit(&killed, &batch([campaign("c1")])).await;
    database.end_lock_connections().await;
    let other = database.other_store().await;
    let resumed = begin(&other, ACCOUNT).await.unwrap();
    assert!(resumed.resumed);
    database.end_lock_connections().await;
    let fresh = database.other_store().await.begin_run(&ACCOUNT.into(), None).await.unwrap();
    let all = rows(&database.store, AuditFilter::default()).await;
    let [begun, closed, taken, ..] = &all[..] else { panic!("{all:?}") };
    assert_eq!((taken.what.as_str(), taken.run), ("run_resumed", Some(killed.id)));
    assert_eq!(taken.details, serde_json::json!({ "stored": 1 }));
    assert_eq!((closed.what.as_str(), closed.run), ("run_ended", Some(killed.id)));
    let of_closed = serde_json::json!({ "status": "interrupted", "stored": 1, "dead_lettered": 0, "found_unfinished": true });
    assert_eq!(closed.details, of_closed);
    assert_eq!((begun.what.as_str(), begun.run), ("run_begun", Some(fresh.id)));
}

#[tokio::test]
async fn a_row_says_who_it_was_and_time_and_database_user_are_the_servers_word() {
    let database = Database::new().await;
    database.store.pause(&ACCOUNT.into(), PEER).await.unwrap();
    database.run().await;
    let all = rows(&database.store, AuditFilter::default()).await;
    for row in &all {
        assert_eq!(row.who["process"], std::process::id(), "{row:?}");
        assert_eq!(
            (row.database_user.as_str(), &row.who["command"]),
            ("campaign_sync", &"campaign-sync".into())
        );
        assert!(row.who["os_user"].is_string() && row.who["host"].is_string(), "{row:?}");
        let operator = if row.what == "account_paused" { Some(PEER) } else { None };
        assert_eq!(row.who["operator"].as_str(), operator);
    }
    assert_eq!(all.last().unwrap().what, "migration_applied");

    let forged =
        "INSERT INTO audit_log (what, at, database_user) VALUES ('run_begun', '2001-01-01', 'nobody')";
    database.sql.batch_execute(forged).await.unwrap();
    let newest = &rows(&database.store, AuditFilter::default()).await[0];
    assert_eq!(newest.database_user, "campaign_sync");
    assert!(newest.at.elapsed().unwrap_or_default() < DAY);
    let unknown =
        database.sql.batch_execute("INSERT INTO audit_log (what) VALUES ('slept')").await.unwrap_err();
    assert_eq!(unknown.as_db_error().unwrap().constraint(), Some("audited_what"));
}

#[tokio::test]
async fn the_log_is_only_added_to_also_by_the_owner() {
    let database = Database::new().await;
    database.old_rows(1, DAY * 29).await;
    let count = "SELECT count(*) FROM audit_log";
    let before = database.number(count).await;
    for slip in [
        "DELETE FROM audit_log",
        "UPDATE audit_log SET what = 'run_begun'",
        "UPDATE audit_log SET what = 'run_begun' WHERE false",
        "TRUNCATE audit_log",
        "BEGIN; SET LOCAL campaign_sync.audit_prune = 'on'; DELETE FROM audit_log",
        "BEGIN; SET LOCAL campaign_sync.audit_prune = 'on'; UPDATE audit_log SET what = 'run_begun'",
    ] {
        let error = database.sql.batch_execute(slip).await.unwrap_err();
        let message = error.as_db_error().unwrap().message();
        assert!(message.contains("audit_log is only added to"), "{slip}: {message}");
        database.sql.batch_execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(database.number(count).await, before);
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_pruned_in_chunks_each_of_which_says_so() {
    let database = Database::new().await;
    database.old_rows(25_000, DAY * 401).await;
    database.old_rows(3, DAY * 399).await;
    assert_eq!(database.store.audit_rows_older_than(DAY * 400).await.unwrap(), 25_000);
    assert_eq!(database.store.prune_audit(DAY * 400).await.unwrap(), 25_000);
    let pruned = AuditFilter { what: vec![Audited::AuditPruned], ..AuditFilter::default() };
    let pruned = rows(&database.store, pruned).await;
    let counts: Vec<_> = pruned.iter().map(|row| row.details["rows"].as_u64().unwrap()).collect();
    assert_eq!(counts, [5_000, 10_000, 10_000]);
    assert!(pruned.iter().all(|row| row.who["process"] == std::process::id()));
    assert_eq!(database.number("SELECT count(*) FROM audit_log WHERE what = 'account_paused'").await, 3);
    assert_eq!(database.store.prune_audit(DAY * 400).await.unwrap(), 0);
    assert_eq!(
        rows(&database.store, AuditFilter::default()).await.len(),
        7,
        "nothing is recorded of nothing"
    );
    database.old_rows(1, DAY * 2).await;
    let message = broken(database.store.prune_audit(DAY).await);
    assert!(message.contains("audit_log is only added to"), "{message}");
}

#[tokio::test]
async fn rows_are_read_by_filter_and_page_by_page() {
    let database = Database::new().await;
    let store = &database.store;
    for account in ["north", "south", "north"] {
        store.pause(&account.into(), PEER).await.unwrap();
        store.resume(&account.into(), PEER).await.unwrap();
    }
    let of = |account: &str, what: &[Audited]| AuditFilter {
        account: Some(account.into()),
        what: what.to_vec(),
        ..AuditFilter::default()
    };
    assert_eq!(rows(store, of("north", &[])).await.len(), 4);
    assert_eq!(rows(store, of("south", &[Audited::AccountPaused])).await.len(), 1);
    let both = [Audited::AccountPaused, Audited::AccountResumed];
    assert_eq!(rows(store, of("south", &both)).await.len(), 2);
    assert_eq!(rows(store, of("nobody", &[])).await.len(), 0);

    let all = rows(store, AuditFilter::default()).await;
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let (mut paged, mut before) = (vec![], None);
    loop {
        let page = store.audit_rows(&AuditFilter { before, ..AuditFilter::default() }, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let middle = all[3].at;
    let since = AuditFilter { since: Some(middle), ..AuditFilter::default() };
    assert_eq!(rows(store, since).await, all[..4]);
    let until = AuditFilter { until: Some(middle), ..AuditFilter::default() };
    assert_eq!(rows(store, until).await, all[4..]);
    let future = AuditFilter { since: Some(SystemTime::now() + DAY), ..AuditFilter::default() };
    assert_eq!(rows(store, future).await, []);
}

#[tokio::test]
async fn every_kind_that_the_program_knows_is_one_that_the_table_takes() {
    let database = Database::new().await;
    for what in Audited::ALL {
        let insert = format!("INSERT INTO audit_log (what) VALUES ('{}')", what.as_str());
        database.sql.batch_execute(&insert).await.unwrap();
    }
    let kinds = "SELECT array_length(string_to_array(pg_get_constraintdef(oid), '::text') , 1)::bigint - 1
                 FROM pg_constraint WHERE conname = 'audited_what'";
    assert_eq!(database.number(kinds).await, Audited::ALL.len() as i64);
}
