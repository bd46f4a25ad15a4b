//! What a run that was proven complete did not list is marked.

use actors::model::{Batch, DeadLetter, FailureClass, Run};
use actors::ports::Store;
use actors::report::{AccountReport, Status};

use crate::support::{Database, batch, begin, broken, campaign, commit, letter, letters, report};

const REMOVED: &str = "\
    SELECT coalesce(string_agg(account_id || ' ' || id, ', ' ORDER BY id), '') FROM campaigns WHERE removed_at IS NOT NULL";

/// Of a run that came to its end with a listing of so many campaigns.
fn proven(run: &Run, distinct: u64) -> AccountReport {
    let mut report = AccountReport { listing_proven: true, ..report(run) };
    report.campaigns.distinct = distinct;
    report
}

#[tokio::test]
async fn what_a_proven_run_did_not_list_is_marked_as_removed_until_it_is_stored_again() {
    let database = Database::new().await;
    let other = database.other_store().await;
    let others = begin(&other, "other").await.unwrap();
    commit(&other, &others, &batch([campaign("o1")])).await.unwrap();
    let first = database.run().await;
    assert_eq!(first.listed_before, None);
    database.commit(&first, &batch(["c1", "c2", "c3", "c4"].map(campaign))).await;
    database.commit(&first, &letters([letter("gone")])).await;
    let second = database.run_after(&first).await;
    assert_eq!(
        (second.listed_before, database.text(REMOVED).await.as_str()),
        (None, ""),
        "it was not proven"
    );

    database.commit(&second, &Batch { dead_letters: vec![letter("c2")], ..batch([campaign("c1")]) }).await;
    database.store.finish_run(&second, &proven(&second, 2)).await.unwrap();
    assert_eq!(database.text(REMOVED).await, "acme c3, acme c4", "c2 was listed, and given up on");
    let rows = "SELECT string_agg(t::text || xmin, ',' ORDER BY id) FROM campaigns t";
    let before = database.text(rows).await;
    database.store.finish_run(&second, &proven(&second, 2)).await.unwrap();
    assert_eq!(database.text(rows).await, before, "and its end can be repeated");

    let third = database.run().await;
    assert_eq!((third.id == second.id, third.listed_before), (false, Some(2)));
    database.commit(&third, &batch([campaign("c3")])).await;
    assert_eq!(database.text(REMOVED).await, "acme c4");
    assert_eq!(database.history_of("c3").await, 1, "its content is the same");
    let message = broken(database.store.finish_run(&second, &proven(&second, 2)).await);
    assert!(message.contains("another process has taken over"), "{message}");
    assert_eq!(database.text(REMOVED).await, "acme c4");
}

#[tokio::test]
async fn a_run_that_is_resumed_has_listed_what_its_processes_stored() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &batch(["c1", "c2"].map(campaign))).await;
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&first) };
    database.store.finish_run(&first, &interrupted).await.unwrap();
    let second = database.run().await;
    database.commit(&second, &batch([campaign("c3")])).await;
    database.store.finish_run(&second, &proven(&second, 3)).await.unwrap();
    assert_eq!((second.resumed, database.text(REMOVED).await.as_str()), (true, ""));
}

#[tokio::test]
async fn an_entry_without_an_id_can_be_any_campaign_so_nothing_is_marked_as_removed() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &batch(["c1", "c2"].map(campaign))).await;
    let mut next = database.run_after(&first).await;
    for (id, removed) in [("malformed-0", ""), ("c3", "acme c1, acme c2")] {
        let nameless = DeadLetter { class: FailureClass::Malformed, ..letter(id) };
        database.commit(&next, &letters([nameless])).await;
        database.store.finish_run(&next, &proven(&next, 1)).await.unwrap();
        assert_eq!(database.text(REMOVED).await, removed, "{id}");
        next = database.run().await;
    }
}
