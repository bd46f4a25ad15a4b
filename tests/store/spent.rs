//! What was spent of the limits.

use std::time::Duration;

use actors::model::{AccountId, Spent};
use actors::ports::Store;
use actors::settings::RateLimit;

use crate::support::{ACCOUNT, Database, batch, campaign, commit, connect, save_spent};

#[tokio::test]
async fn what_was_spent_grows_older_by_the_servers_clock_and_is_replaced_as_a_whole() {
    let database = Database::new().await;
    let (acme, other) = (AccountId::from(ACCOUNT), AccountId::from("other"));
    assert_eq!(database.store.load_spent(&acme).await, Ok(Spent::default()));
    let run = database.run().await;
    let minute = Duration::from_secs(60);
    let day = RateLimit::new(1000, 1440 * minute).unwrap();
    let spent = Spent { counted: vec![(minute, 3), (2 * minute, 4)], leased: (minute, 5), stated: vec![day] };
    save_spent(&database.store, &run, &spent).await.unwrap();
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

    save_spent(&database.store, &run, &Spent::default()).await.unwrap();
    assert_eq!(database.store.load_spent(&acme).await, Ok(Spent::default()));
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
        save_spent(&database.store, &run, &Spent::default()).await.unwrap();
        blocker.batch_execute("COMMIT").await.unwrap();
    };
    let (committed, ()) = tokio::join!(commit(&database.store, &run, &last), beside);
    assert_eq!(committed, Ok(()));
}
