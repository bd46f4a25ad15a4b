//! `deploy/roles.sql`: the role has what the program needs, all of it is needed, and it has nothing else.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{Batch, LetterFilter, Spent};
use actors::ports::{Share, Store, StoreError};
use campaign_sync::store::{AuditFilter, Audited, DatabaseUrl, PgStore};

use crate::support::{
    ACCOUNT, Database, PEER, batch, begin, broken, campaign, connect, ids, letter, report, save_spent,
    settled,
};

/// A name that has to be quoted wherever it stands.
const ROLE: &str = "sync's \"own\"";
/// All that the script grants, as a person would say it.
const GRANTED: [&str; 9] = [
    "account_owners: INSERT, SELECT, UPDATE",
    "audit_log: INSERT (account_id), INSERT (details), INSERT (run_id), INSERT (what), INSERT (who), SELECT",
    "campaign_history: INSERT",
    "campaigns: INSERT, SELECT, UPDATE",
    "dead_letters: DELETE, INSERT, SELECT, UPDATE",
    "paused_accounts: DELETE, INSERT, SELECT, UPDATE",
    "refinery_schema_history: SELECT",
    "spent_permits: INSERT, SELECT, UPDATE",
    "sync_runs: INSERT, SELECT, UPDATE",
];

impl Database {
    /// Runs the script as the owner.
    fn apply_roles(&self, schema: &str) {
        assert_eq!(self.roles("campaign_sync", ROLE, schema), (true, String::new()));
    }

    /// Whether the script succeeds as this user for this role, and what it says.
    fn roles(&self, user: &str, role: &str, schema: &str) -> (bool, String) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/roles.sql");
        let output = Command::new("psql")
            .args(["-X", "-q", "-U", user, "-d", "ads", "-f", script, "-h"])
            .arg(self.postgres.socket_directory())
            .args(["-v", &format!("role={role}"), "-v", &format!("schema={schema}")])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn url_of_role(&self, more: &str) -> DatabaseUrl {
        let socket = self.postgres.socket_directory().display();
        let role = ROLE.replace('\'', "\\'");
        format!("host='{socket}' user='{role}' dbname=ads {more}").parse().unwrap()
    }

    async fn store_of_role(&self) -> PgStore {
        PgStore::connect(&self.url_of_role("")).await.unwrap()
    }
}

/// Everything that the program does with its tables, but for what takes an owner. Leaves the account without a run.
async fn everything(store: &PgStore) -> Result<(), StoreError> {
    let (account, all) = (ACCOUNT.into(), LetterFilter::default());
    let accounts = [ACCOUNT.into()];
    assert_eq!(store.migrate().await?, Vec::<String>::new());
    store.require_current_schema().await?;
    store.require_writable().await?;
    // A run with dead letters that is left unfinished and resumed.
    let run = begin(store, ACCOUNT).await?;
    let spent = Spent { counted: vec![(Duration::from_secs(1), 1)], ..Spent::default() };
    store.load_spent(&account).await?;
    for _ in 0..2 {
        save_spent(store, &run, &spent).await?;
    }
    let share = |run: &actors::model::Run, batch: Batch| [Share { run: Arc::new(run.clone()), batch }];
    let mixed = Batch { dead_letters: vec![letter("d1"), letter("d2")], ..batch([campaign("c1")]) };
    assert!(store.commit(&share(&run, mixed.clone())).await?.is_empty());
    assert!(store.commit(&share(&run, mixed)).await?.is_empty());
    settled(store, &run, &ids(&["c1", "d1"])).await?;
    store.forget_nameless(&run).await?;
    store.finish_run(&run, &report(&run)).await?;
    let proven = actors::report::AccountReport { listing_proven: true, ..report(&run) };
    let next = begin(store, ACCOUNT).await?;
    assert!(store.commit(&share(&next, batch([campaign("d1")]))).await?.is_empty(), "it heals");
    store.finish_run(&next, &actors::report::AccountReport { run_id: Some(next.id), ..proven }).await?;
    // A replay, a plan, and what commands and service ask.
    let replay = store.begin_replay(&account, &all).await?;
    settled(store, &replay, &ids(&["d2"])).await?;
    store.untried(&replay).await?;
    store.finish_run(&replay, &report(&replay)).await?;
    let borrowed = store.borrow_account(&account).await?;
    store.give_back(&borrowed).await;
    store.recent_runs(None, 9).await?;
    store.sample_campaigns(&account, 9).await?;
    store.last_completes(&accounts).await?;
    store.last_begun(&accounts).await?;
    store.dead_letter_counts(&accounts).await?;
    let shown = store.dead_letters(None, &all, 9).await?;
    store.discard(&shown, None, &all).await?;
    for _ in 0..2 {
        store.pause(&account, PEER).await?;
    }
    store.paused(&accounts).await?;
    store.resume(&account, PEER).await?;
    store.audit_request(&account, Some(&all), PEER).await?;
    store.audit_configuration(Audited::ConfigurationLoaded, &accounts, "1").await?;
    store.audit_rows(&AuditFilter::default(), 9).await?;
    Ok(())
}

#[tokio::test]
async fn the_role_has_what_all_of_the_program_needs_and_the_script_can_be_repeated() {
    let database = Database::new().await;
    for _ in 0..2 {
        database.apply_roles("public");
        let store = database.store_of_role().await;
        assert_eq!(store.require_rights().await, Ok(()));
        assert_eq!(everything(&store).await, Ok(()));
        // Of other tables, and more than is needed.
        database
            .sql
            .batch_execute("GRANT ALL ON campaigns, audit_log TO \"sync's \"\"own\"\"\"")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_role_has_exactly_the_rights_that_are_listed() {
    let database = Database::new().await;
    database
        .sql
        .batch_execute("CREATE TABLE theirs (a int); GRANT SELECT ON sync_runs TO PUBLIC")
        .await
        .unwrap();
    database.apply_roles("public");
    let granted = "WITH whole AS (
                       SELECT grantee, table_name, privilege_type FROM information_schema.table_privileges
                       WHERE grantee <> 'campaign_sync' AND table_schema NOT IN ('pg_catalog', 'information_schema')
                   ), every AS (
                       SELECT table_name, privilege_type FROM whole
                       UNION ALL
                       SELECT table_name, privilege_type || ' (' || column_name || ')' FROM information_schema.column_privileges c
                       WHERE grantee <> 'campaign_sync' AND table_schema NOT IN ('pg_catalog', 'information_schema')
                         AND (grantee, table_name, privilege_type) NOT IN (SELECT grantee, table_name, privilege_type FROM whole)
                   )
                   SELECT table_name || ': ' || string_agg(privilege_type, ', ' ORDER BY privilege_type)
                   FROM every GROUP BY table_name ORDER BY table_name";
    let granted: Vec<String> =
        database.sql.query(granted, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(granted, GRANTED);
    let elsewhere = "SELECT (SELECT count(*) FROM information_schema.role_routine_grants WHERE grantee LIKE 'sync%')
                          + (SELECT count(*) FROM information_schema.role_usage_grants WHERE grantee LIKE 'sync%')";
    assert_eq!(database.number(elsewhere).await, 0);
    let is_plain = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'sync%' AND rolcanlogin
                    AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
                    AND NOT EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)";
    assert_eq!(database.number(is_plain).await, 1);

    everything(&database.store).await.unwrap();
    let role = connect(&database.postgres, r#"'sync\'s "own"'"#).await;
    for beyond in [
        "CREATE TABLE mine (a int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "DROP TABLE campaigns",
        "ALTER TABLE campaigns ADD a int",
        "TRUNCATE sync_runs",
        "DELETE FROM sync_runs",
        "DELETE FROM campaigns",
        "DELETE FROM account_owners",
        "SELECT * FROM campaign_history",
        "UPDATE campaign_history SET name = ''",
        "SELECT * FROM theirs",
        "INSERT INTO refinery_schema_history VALUES (99, 'x', 'x', '1')",
        "DELETE FROM refinery_schema_history",
        "INSERT INTO audit_log (what, at) VALUES ('run_begun', '2001-01-01')",
        "INSERT INTO audit_log (what, database_user) VALUES ('run_begun', 'nobody')",
        "INSERT INTO audit_log (what, id) VALUES ('run_begun', gen_random_uuid())",
        "UPDATE audit_log SET what = 'run_begun'",
        "DELETE FROM audit_log",
        "BEGIN; SET LOCAL campaign_sync.audit_prune = 'on'; DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DROP TABLE audit_log",
        "DROP TRIGGER keep ON audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION audit_log_keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "SET session_replication_role = replica",
    ] {
        let error = role.batch_execute(beyond).await.expect_err(beyond);
        assert_eq!(error.code().unwrap().code(), "42501", "{beyond}: {error}");
        let _ = role.batch_execute("ROLLBACK").await;
    }
    role.batch_execute("INSERT INTO audit_log (what) VALUES ('run_begun')").await.unwrap();
    let written = "SELECT database_user || ' ' || (at > now() - interval '1 hour')::text FROM audit_log ORDER BY at DESC LIMIT 1";
    assert_eq!(database.text(written).await, format!("{ROLE} true"));
    let message = broken(database.store_of_role().await.require_may_prune().await);
    assert!(message.contains("may not delete from audit_log; only the owner"), "{message}");
}

#[tokio::test]
async fn each_right_that_is_taken_away_is_missed_and_named() {
    let database = Database::new().await;
    database.apply_roles("public");
    let store = database.store_of_role().await;
    everything(&store).await.unwrap();
    let mut taken = 0;
    for (table, rights) in GRANTED.iter().map(|granted| granted.split_once(": ").unwrap()) {
        for right in rights.split(", ") {
            let revoke = format!("REVOKE {right} ON {table} FROM \"sync's \"\"own\"\"\"");
            database.sql.batch_execute(&revoke).await.unwrap();
            let store = database.store_of_role().await;
            let message = broken(everything(&store).await);
            assert!(message.contains(&format!("permission denied for table {table}")), "{right}: {message}");
            assert!(message.contains("run deploy/roles.sql again as the owner"), "{message}");
            if table != "refinery_schema_history" {
                let message = broken(store.require_rights().await);
                assert!(message.contains(&format!("the user lacks {right} on {table};")), "{message}");
                assert!(message.contains("run deploy/roles.sql again as the owner"), "{message}");
            }
            drop(store);
            database.apply_roles("public");
            taken += 1;
        }
    }
    assert_eq!(taken, 28);
    assert_eq!(everything(&database.store_of_role().await).await, Ok(()));
}

#[tokio::test]
async fn a_schema_that_the_role_may_not_use_is_no_schema_without_tables() {
    let database = Database::new().await;
    database.apply_roles("public");
    let revoke = "REVOKE USAGE ON SCHEMA public FROM PUBLIC, \"sync's \"\"own\"\"\"";
    database.sql.batch_execute(revoke).await.unwrap();
    let store = database.store_of_role().await;
    for message in [broken(store.require_current_schema().await), broken(store.migrate().await)] {
        assert!(message.contains("may use no schema of its search_path"), "{message}");
        assert!(message.contains("run deploy/roles.sql again as the owner"), "{message}");
    }
    database.apply_roles("public");
    assert_eq!(everything(&database.store_of_role().await).await, Ok(()));
}

#[tokio::test]
async fn an_owner_who_may_not_do_all_of_it_is_told_who_may_and_the_role_never_gets_too_much() {
    let database = Database::without_tables().await;
    // As it is in public until PostgreSQL 14; whoever owns the tables owns neither schema nor database.
    let shared = "CREATE ROLE keeper LOGIN CREATEROLE; GRANT CREATE ON SCHEMA public TO PUBLIC;
                  CREATE ROLE strong; GRANT CREATE ON SCHEMA public TO strong; CREATE ROLE member LOGIN; GRANT strong TO member";
    database.sql.batch_execute(shared).await.unwrap();
    let socket = database.postgres.socket_directory().display();
    let owner: DatabaseUrl = format!("host='{socket}' user=keeper dbname=ads").parse().unwrap();
    let owner = PgStore::connect(&owner).await.unwrap();
    owner.migrate().await.unwrap();

    let apply = || database.roles("keeper", ROLE, "public");
    let undo = async |change: &str| database.sql.batch_execute(change).await.unwrap();
    for (told, mended) in [
        (
            "may make tables and functions in the schema \"public\"",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC;
             GRANT USAGE ON SCHEMA public TO keeper",
        ),
        (
            "may not use the schema \"public\"",
            "GRANT USAGE ON SCHEMA public TO PUBLIC; REVOKE CONNECT ON DATABASE ads FROM PUBLIC;
             GRANT CONNECT ON DATABASE ads TO keeper",
        ),
        ("may not connect to the database \"ads\"", "GRANT CONNECT ON DATABASE ads TO PUBLIC"),
    ] {
        let (success, said) = apply();
        assert!(!success && said.contains(told) && said.contains("\"campaign_sync\" has to act: "), "{said}");
        undo(mended).await;
    }
    let (success, said) = apply();
    assert!(success, "{said}");
    assert_eq!(everything(&database.store_of_role().await).await, Ok(()));

    let (success, said) = database.roles("campaign_sync", "member", "public");
    assert!(!success && said.contains("may make tables and functions"), "{said}");
    undo("REVOKE CREATE ON SCHEMA public FROM strong; GRANT DELETE ON audit_log TO strong").await;
    let (success, said) = database.roles("campaign_sync", "member", "public");
    assert!(!success && said.contains("may change audit_log as a member"), "{said}");
    undo("REVOKE DELETE ON audit_log FROM strong; GRANT keeper TO strong").await;
    for (role, told) in [
        ("member", "is the owner of the tables (\"keeper\") or a member of it"),
        ("keeper", "is the owner of the tables (\"keeper\") or a member of it"),
        ("campaign_sync", "is a superuser"),
    ] {
        let (success, said) = database.roles("campaign_sync", role, "public");
        assert!(!success && said.contains(told), "{said}");
    }
    assert_eq!(owner.require_rights().await, Ok(()), "nothing was taken from the owner");
}

#[tokio::test]
async fn the_script_grants_in_the_schema_that_it_is_given() {
    let database = Database::without_tables().await;
    database.sql.batch_execute("CREATE SCHEMA \"Own\"").await.unwrap();
    let path = r#"options='-csearch_path="Own"'"#;
    let socket = database.postgres.socket_directory().display();
    let owner: DatabaseUrl = format!("host='{socket}' user=campaign_sync dbname=ads {path}").parse().unwrap();
    PgStore::connect(&owner).await.unwrap().migrate().await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'Own'").await, 9);
    database.apply_roles("Own");
    let store = PgStore::connect(&database.url_of_role(path)).await.unwrap();
    assert_eq!(store.require_rights().await, Ok(()));
    assert_eq!(everything(&store).await, Ok(()));
}
