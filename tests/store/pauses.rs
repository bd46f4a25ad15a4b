//! Accounts that are paused.

use crate::support::{Database, PEER};

#[tokio::test]
async fn a_pause_lasts_from_the_first_until_it_is_ended_and_is_the_accounts_own() {
    let database = Database::new().await;
    let store = &database.store;
    let paused = async || store.paused(&["north", "south", "new"].map(Into::into)).await.unwrap();
    assert_eq!(paused().await, [].into());
    let since = store.pause(&"north".into(), PEER).await.unwrap();
    assert_eq!(store.pause(&"north".into(), PEER).await.unwrap(), since, "it was paused already");
    store.pause(&"elsewhere".into(), PEER).await.unwrap();
    assert_eq!(
        database.other_store().await.paused(&["north".into()]).await.unwrap(),
        [("north".into(), since)].into()
    );
    assert_eq!(paused().await, [("north".into(), since)].into());
    store.resume(&"south".into(), PEER).await.unwrap();
    store.resume(&"north".into(), PEER).await.unwrap();
    assert_eq!(paused().await, [].into());
    assert_eq!(database.number("SELECT count(*) FROM paused_accounts").await, 1);
}
