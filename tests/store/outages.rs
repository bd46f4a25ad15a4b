//! What a server says that is away, full, read-only or not the right one.

use std::future::pending;
use std::time::Duration;

use actors::ports::{Store, StoreError};
use campaign_sync::private_postgres::{Durability, PrivatePostgres, PrivatePostgresSettings};
use campaign_sync::store::{DatabaseUrl, PgStore};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{
    ACCOUNT, Database, batch, begin, broken, campaign, commit, connect, ids, report, settled, unavailable,
};

#[tokio::test]
async fn a_full_disk_is_waited_for_and_says_what_it_is() {
    let database = Database::new().await;
    let run = database.run().await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                RAISE EXCEPTION 'could not extend file \"base/5/1259\": No space left on device' USING ERRCODE = '53100'; \
                END $$; \
                CREATE TRIGGER full_disk BEFORE INSERT ON campaigns EXECUTE FUNCTION full_disk()";
    database.sql.batch_execute(full).await.unwrap();
    let message = unavailable(commit(&database.store, &run, &batch([campaign("c1")])).await);
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
    let message = unavailable(commit(&store, &run, &batch([campaign("c1")])).await);
    assert!(message.contains("read-only") && message.contains("primary"), "{message}");
    // As after a failover: the next connection leads to a server that takes writes.
    database.sql.batch_execute("ALTER DATABASE ads RESET default_transaction_read_only").await.unwrap();
    assert_eq!(commit(&store, &run, &batch([campaign("c1")])).await, Ok(()));
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
    commit(&store, &run, &batch([campaign("c1")])).await.unwrap();

    postgres.stop().await;
    let message = unavailable(commit(&store, &run, &batch([campaign("c2")])).await);
    assert!(message.contains(r#"database "ads""#) && !message.contains("timed out in bb8"), "{message}");
    assert!(message.contains("no server listens") || message.contains("refused"), "{message}");

    let _postgres = PrivatePostgres::start(&settings).await.unwrap();
    commit(&store, &run, &batch([campaign("c2")])).await.unwrap();
    assert_eq!(store.recent_runs(None, 1).await.unwrap()[0].stored, 2);
}

#[tokio::test]
async fn who_cannot_wait_is_told_why_the_server_does_not_answer() {
    const LIMIT: Duration = Duration::from_secs(1);
    let database = Database::new().await;
    let check = async || database.store.require_current_schema_within(LIMIT).await;
    assert_eq!(check().await, Ok(()));

    let processes = server_processes(&database).await;
    signal(&processes, Signal::SIGSTOP);
    let message = unavailable(check().await);
    assert!(message.contains(r#"database "ads""#) && message.contains("no answer within 1 s"), "{message}");
    signal(&processes, Signal::SIGCONT);
    assert_eq!(check().await, Ok(()));

    signal(&processes[..1], Signal::SIGQUIT);
    while database.postgres.socket_directory().join("data/postmaster.pid").exists() {}
    for _ in 0..2 {
        let message = unavailable(check().await);
        assert!(message.contains("no server listens") || message.contains("refused"), "{message}");
        // Nor does one who asks take the cause away from others.
        let message = unavailable(database.store.recent_runs(None, 1).await);
        assert!(message.contains("no server listens") || message.contains("refused"), "{message}");
    }
}

/// The server's own process and all that it has started.
async fn server_processes(database: &Database) -> Vec<Pid> {
    let own = database.postgres.process_id();
    let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
    let children = children.split_whitespace().map(|id| id.parse().unwrap());
    [i32::try_from(own).unwrap()].into_iter().chain(children).map(Pid::from_raw).collect()
}

fn signal(processes: &[Pid], signal: Signal) {
    // Some may have ended by themselves.
    processes.iter().for_each(|process| kill(*process, signal).unwrap_or_default());
}

#[tokio::test]
async fn a_pool_that_is_used_up_says_so() {
    let database = Database::new().await;
    let run = database.run().await;
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; LOCK TABLE campaigns").await.unwrap();
    let asked = ids(&["c1"]);
    let waiting = (0..10).map(|_| settled(&database.store, &run, &asked));
    let account = "other".into();
    let message = tokio::select! {
        biased;
        _ = futures_util::future::join_all(waiting) => pending().await,
        outcome = database.store.load_spent(&account) => unavailable(outcome),
    };
    assert!(message.contains("all 10 connections were in use"), "{message}");
}
