//! What is done is recorded where it is done, and what is recorded stays.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{Batch, DeadLetter, FailureClass, LetterFilter, NAMELESS};
use actors::ports::{Share, Store};
use actors::report::AccountReport;
use campaign_sync::store::{AuditFilter, AuditRow, Audited, PgStore};

use crate::support::{
    ACCOUNT, Database, PEER, batch, begin, broken, campaign, commit, letter, letters, report,
};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) async fn rows(store: &PgStore, filter: AuditFilter) -> Vec<AuditRow> {
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
        let newest = "(SELECT xmin FROM audit_log ORDER BY at DESC LIMIT 1)";
        let same = format!("SELECT (SELECT xmin FROM {row})::text = {newest}::text");
        self.sql.query_one(&same, &[]).await.unwrap().get(0)
    }

    /// What was deleted from a table, and so has no row any more, went in the transaction of the newest row of the log.
    async fn watch_deletions(&self, table: &str) {
        let watch = format!(
            "CREATE TABLE IF NOT EXISTS deletions (xid text);
             CREATE OR REPLACE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO deletions VALUES (mod(pg_current_xact_id()::text::numeric, 4294967296)::text); RETURN NULL; END $$;
             CREATE TRIGGER watch AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION watch()"
        );
        self.sql.batch_execute(&watch).await.unwrap();
    }

    async fn deleted_in_same_transaction(&self) -> bool {
        let same = "SELECT (SELECT string_agg(DISTINCT xid, ' ') FROM deletions)
                         = (SELECT xmin FROM audit_log ORDER BY at DESC LIMIT 1)::text";
        let same = self.sql.query_one(same, &[]).await.unwrap().get::<_, Option<bool>>(0) == Some(true);
        self.sql.batch_execute("TRUNCATE deletions").await.unwrap();
        same
    }

    /// How many rows of the log the server reads for what a store does.
    pub(crate) async fn rows_read<T>(&self, work: impl AsyncFnOnce(&PgStore) -> T) -> (T, i64) {
        let reset = "SELECT pg_stat_reset_single_table_counters('audit_log'::regclass)";
        self.sql.batch_execute(reset).await.unwrap();
        let store = self.other_store().await;
        let done = work(&store).await;
        // The server counts when the connection ends.
        drop(store);
        let read = "SELECT (seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables WHERE relname = 'audit_log'";
        let mut rows_read = 0;
        while rows_read == 0 {
            rows_read = self.number(read).await;
        }
        (done, rows_read)
    }

    /// Rows that are this old, each a moment younger than the one before.
    pub(crate) async fn old_rows(&self, what: &str, number: i64, age: Duration) {
        let insert = format!(
            "INSERT INTO audit_log (at, what)
             SELECT now() - interval '{} seconds' + n * interval '1 microsecond', '{what}' FROM generate_series(1, {number}) n",
            age.as_secs()
        );
        self.sql.batch_execute(&insert).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_done_is_recorded_in_the_transaction_that_does_it() {
    let database = Database::new().await;
    let store = &database.store;
    assert!(database.same_transaction("refinery_schema_history WHERE version = 13").await);
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
    database.watch_deletions("paused_accounts").await;
    store.resume(&ACCOUNT.into(), PEER).await.unwrap();
    assert!(database.deleted_in_same_transaction().await, "a pause ends");
    let all = LetterFilter::default();
    let replay = store.begin_replay(&ACCOUNT.into(), &all).await.unwrap();
    let of_replay = format!("sync_runs WHERE id = '{}'", replay.id);
    assert!(database.same_transaction(&of_replay).await, "a replay begins");
    store.finish_run(&replay, &report(&replay)).await.unwrap();
    assert!(database.same_transaction(&of_replay).await, "a replay ends");
    let shown = store.dead_letters(None, &all, 9).await.unwrap();
    database.watch_deletions("dead_letters").await;
    assert_eq!(store.discard(&shown, None, &all).await.unwrap(), 1);
    assert!(database.deleted_in_same_transaction().await, "letters are discarded");
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
    assert_eq!(stored.details, serde_json::json!({ "runs": 1, "campaigns": 2, "dead_letters": 0 }));
    assert_eq!(buried.details, serde_json::json!({ "runs": 1, "campaigns": 0, "dead_letters": 1 }));
    assert_eq!(
        (&ended.details["status"], &ended.details["stored"], &ended.details["dead_lettered"]),
        (&"partial".into(), &2.into(), &1.into())
    );
    assert_eq!((&ended.details["batches"], &ended.details["removed"]), (&2.into(), &0.into()));
}

#[tokio::test]
async fn the_end_of_a_run_counts_its_batches_once_each_and_what_is_gone_from_the_platform() {
    let database = Database::new().await;
    let store = &database.store;
    let first = database.run().await;
    database.commit(&first, &batch([campaign("c1"), campaign("c2"), campaign("c3")])).await;
    let run = database.run_after(&first).await;
    let mixed = Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1")]) };
    for _ in 0..2 {
        database.commit(&run, &mixed).await;
    }
    // Of a campaign that it has, a letter that is new.
    database.commit(&run, &Batch { dead_letters: vec![letter("d2")], ..batch([campaign("c1")]) }).await;
    database.commit(&run, &letters([letter("d3")])).await;
    let proven = AccountReport { listing_proven: true, ..report(&run) };
    store.finish_run(&run, &proven).await.unwrap();
    let ended = AuditFilter { run: Some(run.id), what: vec![Audited::RunEnded], ..AuditFilter::default() };
    let ended = &rows(store, ended).await[0].details;
    assert_eq!((&ended["batches"], &ended["removed"]), (&3.into(), &2.into()), "{ended}");
    assert!(
        database.same_transaction("campaigns WHERE id = 'c2'").await,
        "it is marked and recorded at once"
    );
}

#[tokio::test]
async fn a_discard_is_a_row_for_each_account_with_the_first_campaigns_by_name() {
    let database = Database::new().await;
    let store = &database.store;
    for (account, number) in [("north", 25), ("south", 2)] {
        let run = begin(store, account).await.unwrap();
        let of_run = letters((1..=number).map(|n| letter(&format!("d{n:02}"))));
        commit(store, &run, &of_run).await.unwrap();
    }
    let all = LetterFilter::default();
    let shown = store.dead_letters(None, &all, 99).await.unwrap();
    assert_eq!(store.discard(&shown, None, &all).await.unwrap(), 27);
    for (account, number) in [("north", 25), ("south", 2)] {
        let of_account = AuditFilter {
            account: Some(account.into()),
            what: vec![Audited::LettersDiscarded],
            ..AuditFilter::default()
        };
        let of_account = rows(store, of_account).await;
        let [row] = &of_account[..] else { panic!("{of_account:?}") };
        let named: Vec<_> = (1..=number.min(20)).map(|n| format!("d{n:02}")).collect();
        assert_eq!((&row.details["letters"], &row.details["campaigns"]), (&number.into(), &named.into()));
    }
}

#[tokio::test]
async fn letters_of_entries_without_an_id_that_a_run_forgets_are_recorded_where_there_are_any() {
    let database = Database::new().await;
    let store = &database.store;
    let run = database.run().await;
    let nameless = DeadLetter {
        class: FailureClass::Malformed,
        ..letter(&format!("{NAMELESS}{}", uuid::Uuid::from_u128(1)))
    };
    database.commit(&run, &letters([nameless])).await;
    let next = database.run_after(&run).await;
    database.watch_deletions("dead_letters").await;
    assert_eq!(store.forget_nameless(&next).await.unwrap(), 1);
    assert!(database.deleted_in_same_transaction().await);
    assert_eq!(store.forget_nameless(&next).await.unwrap(), 0);
    let of_run = AuditFilter { run: Some(next.id), ..AuditFilter::default() };
    let of_run = rows(store, of_run).await;
    let [forgotten, begun] = &of_run[..] else { panic!("{of_run:?}") };
    assert_eq!((forgotten.what.as_str(), begun.what.as_str()), ("letters_forgotten", "run_begun"));
    assert_eq!(
        (forgotten.account.as_deref(), &forgotten.details),
        (Some(ACCOUNT), &serde_json::json!({ "letters": 1 }))
    );
}

#[tokio::test]
async fn a_transaction_is_one_small_row_whatever_it_stores_and_each_run_says_in_the_end_what_it_has() {
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
    let batches = AuditFilter { what: vec![Audited::BatchCommitted], ..AuditFilter::default() };
    let batches = rows(store, batches).await;
    let [row] = &batches[..] else { panic!("{batches:?}") };
    assert_eq!(row.details, serde_json::json!({ "runs": 2, "campaigns": 4, "dead_letters": 2 }));
    assert_eq!((&row.account, row.run), (&None, None));
    for (share, batches) in shares.iter().zip([1, 1, 0]) {
        store.finish_run(&share.run, &report(&share.run)).await.unwrap();
        let by_account = AuditFilter { account: Some(share.run.account.clone()), ..AuditFilter::default() };
        let by_run = AuditFilter { run: Some(share.run.id), ..AuditFilter::default() };
        let of_run = rows(store, by_run).await;
        assert_eq!(rows(store, by_account).await, of_run);
        let [ended, _begun] = &of_run[..] else { panic!("{of_run:?}") };
        assert_eq!(
            (&ended.details["stored"], &ended.details["dead_lettered"], &ended.details["batches"]),
            (&(2 * batches).into(), &batches.into(), &batches.into())
        );
    }
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
    let of_closed = serde_json::json!({ "status": "interrupted", "stored": 1, "dead_lettered": 0, "batches": 1, "found_unfinished": true });
    assert_eq!(closed.details, of_closed);
    assert_eq!((begun.what.as_str(), begun.run), ("run_begun", Some(fresh.id)));
}

#[tokio::test]
async fn a_row_says_who_it_was() {
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
}

#[tokio::test]
async fn a_log_that_is_restored_is_the_same_and_is_added_to_as_before() {
    let database = Database::new().await;
    database.old_rows("account_paused", 3, DAY * 3000).await;
    database.run().await;
    let saved = rows(&database.store, AuditFilter::default()).await;
    database.postgres.create_database("restored").await.unwrap();
    let restored = PgStore::connect(&database.postgres.database_url("restored")).await.unwrap();
    restored.migrate().await.unwrap();
    let own = rows(&restored, AuditFilter::default()).await.len();
    let socket = database.postgres.socket_directory().display();
    let line = format!(
        "pg_dump -h '{socket}' -U campaign_sync --data-only -t audit_log ads |
         psql -h '{socket}' -U campaign_sync -X -q -v ON_ERROR_STOP=1 -d restored"
    );
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all = rows(&restored, AuditFilter::default()).await;
    assert_eq!(all.len(), own + saved.len());
    assert!(saved.iter().all(|row| all.contains(row)), "{all:?}");
    let run = begin(&restored, ACCOUNT).await.unwrap();
    commit(&restored, &run, &batch([campaign("c1")])).await.unwrap();
    assert_eq!(rows(&restored, AuditFilter::default()).await.len(), all.len() + 2);
}

#[tokio::test]
async fn what_the_log_does_not_take_is_no_campaigns_fault() {
    let database = Database::new().await;
    let run = database.run().await;
    let strange = "ALTER TABLE audit_log ADD CONSTRAINT theirs CHECK (what <> 'batch_committed')";
    database.sql.batch_execute(strange).await.unwrap();
    let message = broken(commit(&database.store, &run, &batch([campaign("c1")])).await);
    assert!(message.contains("theirs") && message.contains("the audit log has a constraint"), "{message}");
}

#[tokio::test]
async fn the_log_is_only_added_to_also_by_the_owner() {
    let database = Database::new().await;
    database.old_rows("account_paused", 1, DAY * 29).await;
    let count = "SELECT count(*) FROM audit_log";
    let before = database.number(count).await;
    for slip in [
        "DELETE FROM audit_log",
        "UPDATE audit_log SET what = 'run_begun'",
        "UPDATE audit_log SET what = 'run_begun' WHERE false",
        "TRUNCATE audit_log",
        "BEGIN; SET LOCAL campaign_sync.audit_prune = 'on'; DELETE FROM audit_log",
        "BEGIN; SET LOCAL campaign_sync.audit_prune = 'on'; DELETE FROM audit_log WHERE at < now() - interval '1 day'",
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
async fn a_filter_reads_little_more_than_it_shows_of_a_large_table() {
    let database = Database::new().await;
    let run = database.run().await;
    database.store.audit_request(&"rare".into(), None, PEER).await.unwrap();
    let fill = "INSERT INTO audit_log (at, what, account_id, run_id)
                SELECT now() - interval '100 days' + n * interval '1 minute',
                       (ARRAY['run_begun', 'batch_committed', 'batch_committed', 'run_ended'])[1 + n % 4],
                       CASE WHEN n % 3 > 0 THEN 'a' || n % 100 END, CASE WHEN n % 3 > 0 THEN gen_random_uuid() END
                FROM generate_series(1, 100000) n;
                VACUUM ANALYZE audit_log";
    for statement in fill.split(';') {
        database.sql.batch_execute(statement).await.unwrap();
    }
    let (all, rare) = (AuditFilter::default(), Some("rare".into()));
    let day = |ago: u32| Some(SystemTime::now() - DAY * ago);
    let until = AuditFilter { until: day(60), ..all.clone() };
    let (middle, _) = database.rows_read(async |store| rows(store, until).await).await;
    let middle = middle[0].id;
    let letters = vec![Audited::LettersDiscarded, Audited::RunRequested];
    for (filter, shown) in [
        (all.clone(), 100),
        (AuditFilter { account: Some("a7".into()), ..all.clone() }, 100),
        (AuditFilter { account: rare.clone(), ..all.clone() }, 1),
        (AuditFilter { run: Some(run.id), ..all.clone() }, 1),
        (AuditFilter { what: vec![Audited::RunRequested], ..all.clone() }, 1),
        (AuditFilter { what: letters, ..all.clone() }, 1),
        (AuditFilter { what: vec![Audited::RunEnded], ..all.clone() }, 100),
        (AuditFilter { since: day(61), until: day(60), ..all.clone() }, 100),
        (AuditFilter { until: day(60), ..all.clone() }, 100),
        (AuditFilter { until: day(99), since: day(200), what: vec![Audited::RunEnded], ..all.clone() }, 100),
        (AuditFilter { before: Some(middle), ..all.clone() }, 100),
    ] {
        let of_filter = filter.clone();
        let (found, rows_read) = database.rows_read(async |store| rows(store, of_filter).await).await;
        assert_eq!(found.len(), shown, "{filter:?}");
        assert!(rows_read < 2000, "{rows_read} rows read for {filter:?}");
    }
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
    assert!(all.is_sorted_by(|newer, older| (newer.at, newer.id) > (older.at, older.id)));
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
