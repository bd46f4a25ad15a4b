//! Where tables are looked for: in our schema, whatever role and database say.

use std::time::Duration;

use actors::model::LetterFilter;
use actors::ports::Store;
use campaign_sync::store::{DatabaseUrl, PgStore};

use crate::support::{
    ACCOUNT, Database, batch, begin, broken, campaign, commit, letter, letters, report, unavailable,
};

/// Tables and functions of the names of ours and of the server's, in a schema that comes before.
const TRAP: &str = "
CREATE SCHEMA trap;
CREATE TABLE trap.refinery_schema_history (LIKE public.refinery_schema_history);
CREATE TABLE trap.campaigns (LIKE public.campaigns);
CREATE TABLE trap.sync_runs (LIKE public.sync_runs);
CREATE TABLE trap.account_owners (LIKE public.account_owners);
CREATE TABLE trap.audit_log (LIKE public.audit_log);
CREATE TABLE trap.dead_letters (LIKE public.dead_letters);
CREATE FUNCTION trap.fail() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT trap.fail()::timestamptz';
CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT trap.fail()::timestamptz';
CREATE FUNCTION trap.quote_ident(text) RETURNS text LANGUAGE sql AS 'SELECT trap.fail()';
CREATE FUNCTION trap.set_config(text, text, bool) RETURNS text LANGUAGE sql AS 'SELECT trap.fail()';
CREATE FUNCTION trap.concat(text, text) RETURNS text LANGUAGE sql AS 'SELECT trap.fail()';
CREATE FUNCTION trap.hashtextextended(text, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT trap.fail()::bigint';
CREATE FUNCTION trap.current_schema() RETURNS name LANGUAGE sql AS 'SELECT trap.fail()::name'";

#[tokio::test]
async fn neither_the_role_nor_the_database_says_which_tables_are_ours() {
    let database = Database::new().await;
    database.sql.batch_execute(TRAP).await.unwrap();
    for path in [
        "ALTER DATABASE ads SET search_path = trap, pg_catalog, public",
        "ALTER ROLE campaign_sync SET search_path = trap, pg_catalog",
        "ALTER ROLE campaign_sync IN DATABASE ads SET search_path = trap",
    ] {
        database.sql.batch_execute(path).await.unwrap();
        let store = database.other_store().await;
        assert_eq!(store.require_current_schema().await, Ok(()), "{path}");
        let run = begin(&store, ACCOUNT).await.unwrap();
        commit(&store, &run, &batch([campaign("c1")])).await.unwrap();
        commit(&store, &run, &letters([letter("d1")])).await.unwrap();
        store.finish_run(&run, &report(&run)).await.unwrap();
        assert_eq!(store.dead_letters(None, &LetterFilter::default(), 9).await.unwrap().len(), 1, "{path}");
        for table in ["campaigns", "sync_runs", "account_owners", "audit_log", "dead_letters"] {
            assert_eq!(database.number(&format!("SELECT count(*) FROM trap.{table}")).await, 0, "{path}");
        }
    }
}

#[tokio::test]
async fn a_search_path_of_the_url_names_our_schema_and_no_other() {
    let database = Database::without_tables().await;
    database
        .sql
        .batch_execute("CREATE SCHEMA own; ALTER ROLE campaign_sync SET search_path = public")
        .await
        .unwrap();
    let socket = database.postgres.socket_directory().display();
    let url = |path: &str| -> DatabaseUrl {
        format!("host='{socket}' user=campaign_sync dbname=ads options='-csearch_path={path}'")
            .parse()
            .unwrap()
    };
    let store = PgStore::connect(&url("gone,own,public")).await.unwrap();
    store.migrate().await.unwrap();
    let run = begin(&store, ACCOUNT).await.unwrap();
    commit(&store, &run, &batch([campaign("c1")])).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM own.campaigns").await, 1);
    assert_eq!(database.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await, 0);
    // A function that comes with a migration looks there, too, whoever calls it and whatever the schema is called by then.
    let next = "INSERT INTO own.refinery_schema_history VALUES (99, 'x', 'x', '1');
                ALTER SCHEMA own RENAME TO \"Now\";
                INSERT INTO \"Now\".refinery_schema_history VALUES (100, 'x', 'x', '1')";
    database.sql.batch_execute(next).await.unwrap();
    let recorded = "SELECT count(*) FROM \"Now\".audit_log WHERE (details ->> 'version')::int > 98";
    assert_eq!(database.number(recorded).await, 2);

    let message = broken(PgStore::connect(&url("gone")).await.unwrap().migrate().await);
    assert!(message.contains("may use no schema of its search_path; create the schema"), "{message}");
}

#[tokio::test]
async fn a_session_gives_up_on_a_lock_before_its_statement_is_given_up_on() {
    let database = Database::new().await;
    let tell = "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    RAISE EXCEPTION 'lock % statement % path %', current_setting('lock_timeout'),
                        current_setting('statement_timeout'), current_setting('search_path'); END $$;
                CREATE TRIGGER tell BEFORE INSERT ON paused_accounts FOR EACH ROW EXECUTE FUNCTION tell()";
    database.sql.batch_execute(tell).await.unwrap();
    let message = broken(database.store.pause(&ACCOUNT.into(), "here").await);
    assert!(message.contains("lock 40s statement 50s path public, pg_temp"), "{message}");
}

#[tokio::test]
async fn a_migration_does_not_queue_before_others_for_long_and_can_be_tried_again() {
    let database = Database::new().await;
    let undo = "DELETE FROM refinery_schema_history WHERE version >= 12;
                DROP TRIGGER audited ON refinery_schema_history;
                DROP TABLE audit_log;
                ALTER TABLE sync_runs DROP COLUMN batches, DROP COLUMN next_number;
                DROP FUNCTION audit_migration, audit_log_keep";
    database.sql.batch_execute(undo).await.unwrap();
    // Readers and whoever looks which migrations are applied pass; a trigger on the table does not.
    database.sql.batch_execute("BEGIN; LOCK TABLE refinery_schema_history IN SHARE MODE").await.unwrap();
    let begun = tokio::time::Instant::now();
    let message = unavailable(database.store.migrate().await);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "not as long as a session waits, or for another's migrations"
    );
    assert!(message.contains("apply the migrations") && message.contains("lock timeout"), "{message}");
    database.sql.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(
        database.store.migrate().await,
        Ok(vec!["V12__audit".to_owned(), "V13__next_number".to_owned()])
    );
}
