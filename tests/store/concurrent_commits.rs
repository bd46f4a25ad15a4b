//! Transactions that are under way at the same time, of one run, of one account, or the same once more.

use std::sync::Arc;

use actors::model::{Batch, Campaign, Spent};
use actors::ports::{Share, Store, StoreError};
use futures_util::future::join_all;
use tokio_postgres::Client;

use crate::support::{
    ACCOUNT, Database, batch, begin_all, campaign, commit, connect, counted, counts, letter, letters, share,
};

/// Holds what this statement locks, until it is told to `COMMIT`.
async fn blocker(database: &Database, lock: &str) -> Client {
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute(&format!("BEGIN; {lock}")).await.unwrap();
    blocker
}

#[tokio::test]
async fn transactions_that_share_runs_go_on_at_the_same_time_and_each_campaign_counts_once() {
    let database = Database::new().await;
    // Whatever the database's own way is.
    let strict = "ALTER DATABASE ads SET default_transaction_isolation = 'serializable'";
    database.sql.batch_execute(strict).await.unwrap();
    let store = database.other_store().await;
    let runs = begin_all(&store, &["a", "b", "c"]).await;
    // Each has all runs, in another order than the one before.
    let commits = (0..24).map(|n: usize| {
        let ids = (0..20).map(move |id| campaign(&format!("c{}", 20 * n + id)));
        let buried = if n % 6 == 5 { vec![letter(&format!("d{n}"))] } else { vec![] };
        let mut shares: Vec<Share> = runs
            .iter()
            .map(|run| share(run, Batch { dead_letters: buried.clone(), ..batch(ids.clone()) }))
            .collect();
        shares.rotate_left(n % 3);
        if n % 2 == 1 {
            shares.reverse();
        }
        shares
    });
    let commits: Vec<Vec<Share>> = commits.collect();
    let stored = join_all(commits.iter().map(|shares| store.commit(shares))).await;
    assert_eq!(stored, vec![Ok(vec![]); 24]);
    assert_eq!(counts(&database).await, counted(&["a", "b", "c"].map(|account| (account, 480, 4))));
    let numbered = "SELECT count(DISTINCT (run_id, run_number)) FROM campaigns c JOIN sync_runs r ON r.id = run_id \
                    WHERE run_number >= 0 AND run_number < next_number";
    assert_eq!(database.number(numbered).await, 3 * 480, "each has a number of its own");
    assert_eq!(database.number("SELECT count(*) FROM campaign_history").await, 3 * 480);
    assert_eq!(database.number("SELECT min(batches) + max(batches) FROM sync_runs").await, 2 * 24);
}

#[tokio::test]
async fn a_commit_that_has_to_wait_holds_up_no_other_of_the_same_account() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1")])).await;
    let blocker = blocker(&database, "SELECT FROM campaigns WHERE id = 'c1' FOR UPDATE").await;
    let (held, free) = (batch(["c1", "c2"].map(campaign)), batch([campaign("c3")]));
    let meanwhile = async {
        database.waiting_for_locks(1).await;
        database.commit(&run, &free).await;
        assert_eq!(counts(&database).await, counted(&[(ACCOUNT, 2, 0)]));
        blocker.batch_execute("COMMIT").await.unwrap();
    };
    assert_eq!(tokio::join!(commit(&database.store, &run, &held), meanwhile), (Ok(()), ()));
    assert_eq!(counts(&database).await, counted(&[(ACCOUNT, 3, 0)]));
}

#[tokio::test]
async fn an_attempt_that_is_stored_after_its_repetition_counts_nothing() {
    let database = Database::new().await;
    let run = database.run().await;
    let late = batch(["c4", "c5", "c6"].map(campaign));
    database.commit(&run, &batch(["c1", "c2", "c3"].map(campaign))).await;
    database.commit(&run, &late).await;
    // It begins with the run's first number: as an attempt that had its numbers before.
    let before = database.everything().await;
    commit(&database.other_store().await, &run, &late).await.unwrap();
    assert_eq!(database.everything().await, before);
    assert_eq!(counts(&database).await, counted(&[(ACCOUNT, 6, 0)]));
}

#[tokio::test]
async fn letters_that_are_repeated_while_they_are_still_being_stored_count_once() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &letters([letter("d0")])).await;
    // The one that has compared already waits before it commits.
    let blocker = blocker(&database, "SELECT FROM sync_runs FOR UPDATE").await;
    let let_go = async {
        database.waiting_for_locks(2).await;
        blocker.batch_execute("COMMIT").await.unwrap();
    };
    let both = letters([letter("d1"), letter("d2")]);
    let once = || commit(&database.store, &run, &both);
    assert_eq!(tokio::join!(once(), once(), let_go), (Ok(()), Ok(()), ()));
    assert_eq!(counts(&database).await, counted(&[(ACCOUNT, 0, 3)]));
}

#[tokio::test]
async fn a_letter_that_is_refused_takes_the_whole_batch_back_and_leaves_no_transaction_open() {
    let database = Database::new().await;
    let run = database.run().await;
    let refuse = "ALTER TABLE dead_letters ADD CHECK (campaign_id <> 'd1')";
    database.sql.batch_execute(refuse).await.unwrap();
    let both = Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1")]) };
    let refused = commit(&database.store, &run, &both).await;
    assert!(
        matches!(&refused, Err(StoreError::Refused(why)) if why.contains("check constraint")),
        "{refused:?}"
    );
    assert_eq!(database.number("SELECT count(*) FROM campaigns").await, 0);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    assert_eq!(database.number(open).await, 0);
    database.commit(&run, &batch([campaign("c1")])).await;
    assert_eq!(counts(&database).await, counted(&[(ACCOUNT, 1, 0)]));
}

#[tokio::test]
async fn a_batch_that_is_repeated_while_it_is_still_being_stored_counts_once() {
    for buried in [vec![], vec![letter("d1"), letter("d2")]] {
        let database = Database::new().await;
        let run = database.run().await;
        database.commit(&run, &letters([letter("c1")])).await;
        let all = Batch { dead_letters: buried.clone(), ..batch(["c1", "c2", "c3"].map(campaign)) };
        let blocker = blocker(&database, "LOCK TABLE campaign_history").await;
        let let_go = async {
            database.waiting_for_locks(2).await;
            blocker.batch_execute("COMMIT").await.unwrap();
        };
        let once = || commit(&database.store, &run, &all);
        assert_eq!(tokio::join!(once(), once(), let_go), (Ok(()), Ok(()), ()));
        assert_eq!(counts(&database).await, counted(&[(ACCOUNT, 3, buried.len() as i64)]));
        assert_eq!(database.number("SELECT count(*) FROM campaign_history").await, 3);
        // A change too, is found once.
        let changed = batch(["c1", "c2"].map(|id| Campaign { clicks: 99, ..campaign(id) }));
        let once = || commit(&database.store, &run, &changed);
        assert_eq!(tokio::join!(once(), once()), (Ok(()), Ok(())));
        assert_eq!(database.number("SELECT count(*) FROM campaign_history").await, 5);
        assert_eq!(counts(&database).await, counted(&[(ACCOUNT, 3, buried.len() as i64)]));
    }
}

#[tokio::test]
async fn processes_that_commit_for_the_same_accounts_at_once_do_not_wait_for_each_other_for_ever() {
    let database = Database::new().await;
    let other = database.other_store().await;
    let names: Vec<String> = (0..12).map(|n| format!("account-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ours = begin_all(&database.store, &names).await;
    database.end_lock_connections().await;
    // Half of them have been taken over, and neither knows.
    let theirs = begin_all(&other, &names[6..]).await;
    for round in 0..60 {
        let campaigns = || batch((0..5).map(|n| campaign(&format!("c{}", (round + n) % 20))));
        let mut first: Vec<Share> = ours.iter().map(|run| share(run, campaigns())).collect();
        let mut second: Vec<Share> =
            theirs.iter().chain(&ours[..6]).map(|run| share(run, campaigns())).collect();
        // In any order.
        first.rotate_left(round % 12);
        second.reverse();
        second.rotate_left(round % 7);
        let spent: Vec<_> =
            theirs.iter().rev().map(|run| (Arc::new(run.clone()), Spent::default())).collect();
        let (first, second, recorded) =
            tokio::join!(database.store.commit(&first), other.commit(&second), other.save_spent(&spent));
        assert_eq!(first.unwrap().len(), 6, "those that were taken over, in round {round}");
        assert_eq!((second, recorded), (Ok(vec![]), Ok(vec![])), "in round {round}");
    }
    assert_eq!(database.number("SELECT count(*) FROM campaigns").await, 12 * 20);
    assert_eq!(database.number("SELECT count(*) FROM campaign_history").await, 12 * 20, "each is new once");
}
