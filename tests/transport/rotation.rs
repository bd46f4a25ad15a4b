//! The database's password is replaced while the store is open.

use std::sync::{Arc, Mutex};

use actors::ports::{Store, StoreError};
use campaign_sync::rotating_secret::RotatingSecret;
use campaign_sync::store::{DatabaseUrl, PgStore};
use secrecy::SecretString;

use crate::server::Cluster;

#[tokio::test]
async fn a_password_of_the_database_that_was_replaced_is_read_again_and_nothing_else_of_its_url() {
    let cluster = Cluster::new().await;
    let server = cluster.serve(None, None).await;
    let sql = server.connect().await;
    sql.batch_execute("CREATE ROLE rotated LOGIN PASSWORD 'old'").await.unwrap();
    sql.batch_execute("CREATE DATABASE ads OWNER rotated").await.unwrap();
    let url = |password: &str, dbname: &str| {
        format!("postgresql://rotated:{password}@127.0.0.1:{}/{dbname}?sslmode=disable", server.port)
    };
    let source = Arc::new(Mutex::new(url("old", "ads")));
    let read = source.clone();
    let text = SecretString::from(url("old", "ads"));
    let text = RotatingSecret::new(text, move || Ok(SecretString::from(read.lock().unwrap().as_str())));
    let database: DatabaseUrl = url("old", "ads").parse().unwrap();
    let store = PgStore::connect(&database.read_again_from(text)).await.unwrap();
    store.migrate().await.unwrap();
    let rotate = async |password: &str| {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'rotated'";
        sql.batch_execute(&format!("ALTER ROLE rotated PASSWORD '{password}'; {end}")).await.unwrap();
        let left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'rotated'";
        while sql.query_one(left, &[]).await.unwrap().get::<_, i64>(0) > 0 {}
        store.load_spent(&"acme".into()).await
    };

    *source.lock().unwrap() = url("new", "ads");
    assert!(rotate("new").await.is_ok());
    // The password of another database is none of this one.
    *source.lock().unwrap() = url("newest", "postgres");
    let Err(StoreError::Broken(message)) = rotate("newest").await else { panic!("it is refused") };
    assert!(message.contains("password authentication failed") && !message.contains("newest"), "{message}");
    *source.lock().unwrap() = url("newest", "ads");
    assert!(store.load_spent(&"acme".into()).await.is_ok());
}
