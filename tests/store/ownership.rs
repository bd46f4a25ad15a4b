//! An account is one process's at a time.

use std::time::Duration;

use actors::model::{Run, Spent};
use actors::ports::Store;

use crate::support::{
    ACCOUNT, ACCOUNT_LOCKS, Database, batch, begin, broken, campaign, commit, connect, letter, letters,
    report, save_spent,
};

#[tokio::test]
async fn a_second_run_of_an_account_is_told_of_the_first_and_changes_nothing() {
    let database = Database::new().await;
    let run = database.run().await;
    let before = database.everything().await;
    let held_by = database.number(&format!("SELECT pid::bigint FROM {ACCOUNT_LOCKS}")).await;
    let other = database.other_store().await;
    for store in [&other, &database.store] {
        let message = broken(begin(store, ACCOUNT).await);
        for expected in [
            "another campaign-sync is syncing account acme",
            &format!("run {} since 20", run.id),
            &format!("server process {held_by}"),
            "wait until it has ended",
        ] {
            assert!(message.contains(expected), "{expected} is missing: {message}");
        }
    }
    assert_eq!(database.everything().await, before);
    begin(&other, "other").await.expect("the account is another one");
    database.commit(&run, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn an_account_is_given_back_by_the_end_of_its_run_and_of_its_process() {
    let database = Database::new().await;
    let run = database.run().await;
    database.store.finish_run(&run, &report(&run)).await.unwrap();
    let other = database.other_store().await;
    begin(&other, ACCOUNT).await.expect("the first run has finished");
    let clone = other.clone();
    drop(other);
    database.accounts_held(1).await;
    drop(clone);
    // Without a wait: what has just ended is waited for.
    database.run().await;
}

#[tokio::test]
async fn a_run_whose_lock_was_lost_takes_it_again_and_goes_on() {
    let database = Database::new().await;
    let run = database.run().await;
    database.end_lock_connections().await;
    // The client may hear of it only after its next commit.
    while database.number(&format!("SELECT count(*) FROM {ACCOUNT_LOCKS}")).await == 0 {
        database.commit(&run, &batch([campaign("c1")])).await;
    }
    broken(begin(&database.other_store().await, ACCOUNT).await);
}

#[tokio::test]
async fn a_process_that_was_taken_over_stores_nothing_any_more() {
    for resume in [Some(Duration::from_secs(60)), None] {
        let database = Database::new().await;
        let run = database.run().await;
        database.commit(&run, &batch([campaign("c1")])).await;
        database.end_lock_connections().await;
        let other = database.other_store().await;
        let successor = other.begin_run(&ACCOUNT.into(), resume).await.unwrap();
        assert_eq!((successor.epoch, successor.id == run.id), (run.epoch + 1, resume.is_some()));
        let spent = Spent { counted: vec![(Duration::from_secs(1), 1)], ..Spent::default() };
        save_spent(&other, &successor, &spent).await.unwrap();

        let before = database.everything().await;
        let taken_over = |message: String| {
            let wanted =
                format!("another process has taken over account acme (run {} since 20", successor.id);
            assert!(message.contains(&wanted) && message.contains("leave the rest"), "{message}");
        };
        for batch in [batch([campaign("c2")]), letters([letter("d1")])] {
            taken_over(broken(commit(&database.store, &run, &batch).await));
        }
        taken_over(broken(save_spent(&database.store, &run, &Spent::default()).await));
        taken_over(broken(database.store.finish_run(&run, &report(&run)).await));
        assert_eq!(database.everything().await, before);

        commit(&other, &successor, &batch([campaign("c2")])).await.unwrap();
        assert_eq!(database.number("SELECT count(*) FROM campaigns").await, 2);
        broken(begin(&database.store, ACCOUNT).await);
        // And when the successor has ended, the account is not its predecessor's again.
        other.finish_run(&successor, &report(&successor)).await.unwrap();
        let message = broken(commit(&database.store, &run, &batch([campaign("c3")])).await);
        taken_over(message);
    }
}

#[tokio::test]
async fn an_unfinished_run_stays_as_it_was_while_its_account_is_borrowed_and_is_resumed_after() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1")])).await;
    database.end_lock_connections().await;
    let other = database.other_store().await;
    let before = database.everything().await;
    let borrowed = other.borrow_account(&ACCOUNT.into()).await.unwrap();
    assert_eq!((borrowed.epoch, borrowed.id.is_nil(), borrowed.resumed), (2, true, false));
    assert_eq!(database.everything().await, before);

    let message = broken(commit(&database.store, &run, &batch([campaign("c2")])).await);
    assert!(message.contains("another process has taken over account acme (a plan since 20"), "{message}");
    broken(save_spent(&database.store, &run, &Spent::default()).await);
    broken(commit(&other, &borrowed, &batch([campaign("c2")])).await);
    assert_eq!(database.everything().await, before, "neither stores anything");
    let spent = Spent { counted: vec![(Duration::from_secs(1), 2)], ..Spent::default() };
    save_spent(&other, &borrowed, &spent).await.unwrap();
    other.give_back(&borrowed).await;

    let next = begin(&database.other_store().await, ACCOUNT).await.unwrap();
    assert_eq!(next, Run { epoch: 3, resumed: true, stored_before: 1, numbered_below: 1, ..run });
    assert_eq!(database.store.load_spent(&ACCOUNT.into()).await.unwrap().counted[0].1, 2);
    broken(save_spent(&other, &borrowed, &Spent::default()).await);
}

#[tokio::test]
async fn an_account_is_not_lent_while_a_run_is_at_work_and_no_run_begins_while_it_is_lent() {
    let database = Database::new().await;
    let other = database.other_store().await;
    let borrowed = other.borrow_account(&ACCOUNT.into()).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM sync_runs").await, 0);
    let message = broken(begin(&database.store, ACCOUNT).await);
    let wanted = "another campaign-sync is syncing account acme here (a plan since 20";
    assert!(message.contains(wanted) && message.contains("wait until it has ended"), "{message}");
    other.give_back(&borrowed).await;

    let run = database.run().await;
    assert_eq!((run.epoch, run.resumed), (2, false));
    let message = broken(other.borrow_account(&ACCOUNT.into()).await);
    let wanted = format!("another campaign-sync is syncing account acme here (run {} since 20", run.id);
    assert!(message.contains("plan a run in") && message.contains(&wanted), "{message}");
    database.store.finish_run(&run, &report(&run)).await.unwrap();
    other.borrow_account(&ACCOUNT.into()).await.expect("the run has ended");
}

#[tokio::test]
async fn an_account_is_lent_after_what_the_process_before_was_still_recording() {
    let spent = Spent { counted: vec![(Duration::from_secs(1), 1)], ..Spent::default() };
    let database = Database::new().await;
    let run = database.run().await;
    save_spent(&database.store, &run, &Spent::default()).await.unwrap();
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; SELECT FROM spent_permits FOR UPDATE").await.unwrap();
    let other = database.other_store().await;
    let borrow = async {
        database.waiting_for_locks(1).await;
        database.end_lock_connections().await;
        other.borrow_account(&ACCOUNT.into()).await.unwrap()
    };
    let let_go = async {
        database.waiting_for_locks(2).await;
        blocker.batch_execute("COMMIT").await.unwrap();
    };
    let (recorded, _, ()) = tokio::join!(save_spent(&database.store, &run, &spent), borrow, let_go);
    assert_eq!(recorded, Ok(()));
    assert_eq!(other.load_spent(&ACCOUNT.into()).await.unwrap().counted.len(), 1);
}

#[tokio::test]
async fn a_run_that_was_taken_over_within_one_process_does_not_give_its_successors_account_back() {
    let database = Database::new().await;
    let run = database.run().await;
    database.end_lock_connections().await;
    let successor = database.run().await;
    assert_eq!((successor.id, successor.epoch), (run.id, 2));
    broken(database.store.finish_run(&run, &report(&run)).await);
    broken(begin(&database.other_store().await, ACCOUNT).await);
    database.commit(&successor, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn a_server_that_ends_idle_connections_does_not_end_the_one_that_holds_the_account() {
    let database = Database::new().await;
    database.sql.batch_execute("ALTER DATABASE ads SET idle_session_timeout = '100ms'").await.unwrap();
    let store = database.other_store().await;
    begin(&store, ACCOUNT).await.unwrap();
    let younger = connect(&database.postgres, "campaign_sync").await;
    while !younger.is_closed() {
        tokio::task::yield_now().await;
    }
    database.accounts_held(1).await;
}
