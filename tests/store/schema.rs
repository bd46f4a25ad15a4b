//! Migrations, and what a schema that is not this program's says.

use std::future::pending;

use campaign_sync::store::{DatabaseUrl, PgStore};

use crate::support::{
    ACCOUNT, Database, batch, begin, broken, campaign, commit, connect, ids, no_run, settled, unavailable,
};

#[tokio::test]
async fn migrations_are_applied_once_also_by_processes_that_start_together() {
    let database = Database::without_tables().await;
    let state = database.store.schema_state().await.unwrap();
    assert_eq!((state.version, state.pending.len()), (None, 13));
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
    assert_eq!((state.version, state.pending), (Some(13), Vec::new()));
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
        broken(commit(&database.store, &run, &batch([campaign("c1")])).await),
        broken(settled(&database.store, &run, &ids(&["c1"])).await),
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
    database.sql.batch_execute("DELETE FROM refinery_schema_history WHERE version = 13").await.unwrap();
    let message = broken(database.store.require_current_schema().await);
    assert!(
        message.contains("V13__next_number") && message.contains("run `campaign-sync migrate`"),
        "{message}"
    );
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
