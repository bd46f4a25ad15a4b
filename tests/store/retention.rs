//! What is old goes from the audit log, and nothing else.

use campaign_sync::store::{AuditFilter, Audited, PgStore};

use crate::audit::{DAY, rows};
use crate::support::{Database, broken};

#[tokio::test]
async fn what_is_older_than_the_retention_is_pruned_in_chunks_each_of_which_says_so() {
    let database = Database::new().await;
    database.old_rows("account_paused", 25_000, DAY * 401).await;
    database.old_rows("account_paused", 3, DAY * 399).await;
    assert_eq!(database.store.audit_rows_to_prune(DAY * 400, 30_000).await.unwrap(), 25_000);
    assert_eq!(database.store.audit_rows_to_prune(DAY * 400, 300).await.unwrap(), 300, "no further");
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
        8,
        "nothing is recorded of nothing"
    );
    database.old_rows("account_paused", 1, DAY * 2).await;
    let message = broken(database.store.prune_audit(DAY).await);
    assert!(message.contains("audit_log is only added to"), "{message}");
}

#[tokio::test]
async fn batches_are_pruned_after_a_month_whatever_the_retention() {
    let database = Database::new().await;
    // Clocks went back ten days ago: 30 days of an interval are an hour more, and the trigger is not to count so.
    let clocks = "SELECT format('ALTER DATABASE ads SET timezone = %L', format('AAA0BBB-1,J%s,J%s', 1 + (doy + 304) % 365, doy))
                  FROM (SELECT least(365, extract(doy FROM now() - interval '10 days'))::int AS doy) d";
    database.sql.batch_execute(&database.text(clocks).await).await.unwrap();
    let store = database.other_store().await;
    database.old_rows("batch_committed", 12_000, DAY * 30 + DAY / 100).await;
    database.old_rows("batch_committed", 5, DAY * 29).await;
    database.old_rows("run_ended", 7, DAY * 31).await;
    assert_eq!(store.audit_rows_to_prune(DAY * 400, 30_000).await.unwrap(), 12_000);
    // What is kept between them is not read.
    database.old_rows("run_begun", 100_000, DAY * 100).await;
    database.sql.batch_execute("ANALYZE audit_log").await.unwrap();
    drop(store);
    let prune = async |store: &PgStore| store.prune_audit(DAY * 400).await.unwrap();
    let (pruned, rows_read) = database.rows_read(prune).await;
    assert!(pruned == 12_000 && rows_read < 60_000, "{pruned} pruned, {rows_read} read");
    let kept = "SELECT string_agg(what || ' ' || n, ', ' ORDER BY what) FROM
                (SELECT what, count(*) AS n FROM audit_log WHERE what IN ('batch_committed', 'run_ended') GROUP BY what) k";
    assert_eq!(database.text(kept).await, "batch_committed 5, run_ended 7");
    let pruned = AuditFilter { what: vec![Audited::AuditPruned], ..AuditFilter::default() };
    let pruned = rows(&database.store, pruned).await;
    assert!(
        pruned.len() == 2 && pruned.iter().all(|row| row.details["of"] == "batch_committed"),
        "{pruned:?}"
    );
}

#[tokio::test]
async fn each_chunk_begins_where_the_last_one_ended() {
    let database = Database::new().await;
    database.old_rows("account_paused", 20_000, DAY * 401).await;
    // Between the chunks somebody copies a row in front of where the first ended.
    let late = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    INSERT INTO audit_log (at, what) VALUES (now() - interval '500 days', 'late'); RETURN NULL; END $$;
                CREATE TRIGGER late AFTER INSERT ON audit_log FOR EACH ROW
                    WHEN (NEW.what = 'audit_pruned') EXECUTE FUNCTION late()";
    database.sql.batch_execute(late).await.unwrap();
    assert_eq!(database.store.prune_audit(DAY * 400).await.unwrap(), 20_000);
    assert_eq!(database.number("SELECT count(*) FROM audit_log WHERE what = 'late'").await, 2);
}
