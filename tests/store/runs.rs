//! A run from its begin to its report, and what the next one takes over.

use std::time::Duration;

use actors::model::{Batch, Run, SettledBy, Spent};
use actors::ports::Store;
use actors::report::{AccountReport, Problem, ProblemClass, Status};

use crate::support::{
    ACCOUNT, Database, batch, begin, campaign, commit, connect, ids, letter, report, save_spent, settled,
    settled_now,
};

#[tokio::test]
async fn a_run_is_recorded_from_its_begin_to_its_report() {
    let database = Database::new().await;
    let run = database.run().await;
    let begun = &database.store.recent_runs(None, 10).await.unwrap()[0];
    assert_eq!((begun.id, begun.account.as_str(), begun.status.as_str()), (run.id, ACCOUNT, "running"));
    assert_eq!((begun.finished_at, begun.listed), (None, None));

    database.commit(&run, &batch([campaign("c1")])).await;
    let mut report = report(&run);
    report.campaigns.listed = 12;
    report.campaigns.distinct = 11;
    report.campaigns.reported_total = Some(13);
    report.campaigns.skipped = 4;
    report.requests.total = 30;
    report.requests.throttled = u64::MAX;
    report.problems =
        vec![Problem { class: ProblemClass::ListingIncomplete, message: "a\0b \\u0000".into() }];
    database.store.finish_run(&run, &report).await.unwrap();
    let row = &database.store.recent_runs(Some(ACCOUNT), 10).await.unwrap()[0];
    assert_eq!((row.status.as_str(), row.stored, row.dead_lettered), ("partial", 1, 0));
    assert_eq!((row.listed, row.distinct_listed, row.reported_total), (Some(12), Some(11), Some(13)));
    assert_eq!((row.skipped, row.requests, row.throttled), (Some(4), Some(30), Some(i64::MAX)));
    assert_eq!(row.duration_seconds, Some(1.5));
    assert!(row.finished_at.unwrap() >= row.started_at);
    let kept = database.text("SELECT report->'problems'->0->>'message' FROM sync_runs").await;
    assert_eq!(kept, "a␀b \\u0000");
    assert_eq!(database.number("SELECT (report->'campaigns'->>'listed')::bigint FROM sync_runs").await, 12);
}

#[tokio::test]
async fn a_run_that_is_taken_over_keeps_its_id_and_knows_what_was_stored_before() {
    let database = Database::new().await;
    let first = database.run().await;
    assert_eq!((first.epoch, first.resumed, first.stored_before), (1, false, 0));
    let both =
        Batch { dead_letters: vec![letter("d1"), letter("d2")], ..batch([campaign("c1"), campaign("c2")]) };
    database.commit(&first, &both).await;
    database.commit(&first, &batch([campaign("c1"), campaign("c2"), campaign("c3")])).await;
    database.commit(&first, &both).await;
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&first) };
    database.store.finish_run(&first, &interrupted).await.unwrap();

    let second = begin(&database.other_store().await, ACCOUNT).await.unwrap();
    let expected = Run { epoch: 2, resumed: true, stored_before: 3, numbered_below: 5, ..first.clone() };
    assert_eq!(second, expected, "five numbers were given, three of them are used");
    let row = &database.store.recent_runs(None, 10).await.unwrap()[0];
    assert_eq!((row.status.as_str(), row.finished_at, row.resumed), ("running", None, true));
    let all = ids(&["c1", "c2", "c3", "c4", "d1", "d2"]);
    let mut numbers: Vec<_> =
        settled(&database.store, &second, &all).await.unwrap().into_iter().map(|s| s.by).collect();
    numbers.sort_by_key(|by| format!("{by:?}"));
    let expected = [0, 1, 4].map(|number| SettledBy::EarlierProcess { number });
    assert_eq!(numbers, expected, "each has its own number, and the dead letters are tried again");

    let third = Batch { dead_letters: vec![letter("d2")], ..batch([campaign("c4"), campaign("d1")]) };
    database.commit(&second, &third).await;
    let settled = settled(&database.store, &second, &all).await.unwrap();
    let now: Vec<_> = settled.into_iter().filter(|s| s.by == SettledBy::ThisProcess).collect();
    assert_eq!(settled_now(now), ids(&["c4", "d1", "d2"]));
    let counters = "SELECT stored::text || ',' || dead_lettered::text FROM sync_runs";
    assert_eq!(database.text(counters).await, "5,1", "of all processes of the run, each campaign once");
    let numbers = "SELECT string_agg(run_number::text, ',' ORDER BY run_number) FROM campaigns";
    assert_eq!(database.text(numbers).await, "0,1,4,7,8", "above whatever the process before had given");
}

#[tokio::test]
async fn what_a_process_has_stored_that_did_not_keep_the_next_number_is_still_told_from_what_comes_later() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &batch([campaign("c1"), campaign("c2")])).await;
    database.sql.batch_execute("UPDATE sync_runs SET next_number = 0").await.unwrap();
    database.end_lock_connections().await;
    let second = begin(&database.other_store().await, ACCOUNT).await.unwrap();
    assert_eq!((second.stored_before, second.numbered_below), (2, 2));
}

#[tokio::test]
async fn only_the_newest_run_is_resumed_and_only_if_it_is_unfinished_and_has_not_rested_too_long() {
    let database = Database::new().await;
    let ago = |minutes: u32| format!("progressed_at = now() - interval '{minutes} minutes'");
    for (left_as, resumed) in [
        ("status = 'running'".to_owned(), true),
        ("status = 'interrupted', finished_at = now()".to_owned(), true),
        ("status = 'failed', finished_at = now()".to_owned(), true),
        ("status = 'complete'".to_owned(), false),
        ("status = 'partial'".to_owned(), false),
        (format!("started_at = now() - interval '3 weeks', {}", ago(59)), true),
        (ago(61), false),
    ] {
        let store = database.other_store().await;
        let earlier = store.begin_run(&ACCOUNT.into(), None).await.unwrap();
        drop(store);
        let leave = format!("UPDATE sync_runs SET {left_as} WHERE id = '{}'", earlier.id);
        database.sql.batch_execute(&leave).await.unwrap();
        let store = database.other_store().await;
        let run = begin(&store, ACCOUNT).await.unwrap();
        assert_eq!((run.resumed, run.id == earlier.id), (resumed, resumed), "{left_as}");
        let running = "SELECT string_agg(id::text, ' ') FROM sync_runs WHERE status = 'running'";
        assert_eq!(database.text(running).await, run.id.to_string(), "whatever else was left is closed");
    }
    let closed =
        "SELECT count(*) FROM sync_runs WHERE status = 'interrupted' AND finished_at = progressed_at";
    assert!(database.number(closed).await >= 3);
}

#[tokio::test]
async fn a_run_is_resumed_after_what_the_process_before_was_still_storing() {
    let spent = Spent { counted: vec![(Duration::from_secs(1), 1)], ..Spent::default() };
    // Each waits when it has the account's row already.
    let block = ["LOCK TABLE campaigns", "SELECT FROM spent_permits FOR UPDATE"];
    for (block, stored, recorded) in [(block[0], 2, 0), (block[1], 1, 1)] {
        let database = Database::new().await;
        let run = database.run().await;
        // From here on its statements are prepared: the next ones wait within their transactions.
        database.commit(&run, &batch([campaign("c1")])).await;
        save_spent(&database.store, &run, &Spent::default()).await.unwrap();
        let blocker = connect(&database.postgres, "campaign_sync").await;
        blocker.batch_execute(&format!("BEGIN; {block}")).await.unwrap();
        let other = database.other_store().await;
        let last = batch([campaign("c2")]);
        let storing = async {
            match recorded {
                0 => commit(&database.store, &run, &last).await,
                _ => save_spent(&database.store, &run, &spent).await,
            }
        };
        let take_over = async {
            database.waiting_for_locks(1).await;
            database.end_lock_connections().await;
            begin(&other, ACCOUNT).await.unwrap()
        };
        let let_go = async {
            database.waiting_for_locks(2).await;
            blocker.batch_execute("COMMIT").await.unwrap();
        };
        let (done, successor, ()) = tokio::join!(storing, take_over, let_go);
        assert_eq!((done, successor.stored_before), (Ok(()), stored));
        assert_eq!(other.load_spent(&ACCOUNT.into()).await.unwrap().counted.len(), recorded);
    }
}

#[tokio::test]
async fn a_begin_whose_answer_was_lost_is_resumed() {
    let database = Database::new().await;
    // The answer does not come, because the commit waits; the row comes when nobody waits for the answer any more.
    let deferred = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
                        'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
                    CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON sync_runs DEFERRABLE INITIALLY DEFERRED
                        FOR EACH ROW EXECUTE FUNCTION wait();
                    SELECT pg_advisory_lock(1)";
    database.sql.batch_execute(deferred).await.unwrap();
    tokio::select! {
        begun = begin(&database.store, ACCOUNT) => panic!("nobody has let it go on: {begun:?}"),
        () = async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            while database.number(waiting).await == 0 {}
        } => {}
    }
    database.sql.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    while database.number("SELECT count(*) FROM sync_runs").await == 0 {}
    let run = database.run().await;
    assert!(run.resumed);
    assert_eq!(database.number("SELECT count(*) FROM sync_runs").await, 1);
    database.commit(&run, &batch([campaign("c1")])).await;
    assert_eq!(database.store.finish_run(&run, &report(&run)).await, Ok(()));
    assert_eq!(database.store.finish_run(&run, &report(&run)).await, Ok(()), "and its end can be repeated");
}

#[tokio::test]
async fn recent_runs_are_the_newest_first_and_of_one_account_where_asked() {
    let database = Database::new().await;
    let first = database.run().await;
    let other = begin(&database.store, "other").await.unwrap();
    let last = database.run_after(&first).await;
    let runs = |rows: Vec<campaign_sync::store::RunRow>| rows.into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(runs(database.store.recent_runs(None, 10).await.unwrap()), [last.id, other.id, first.id]);
    assert_eq!(runs(database.store.recent_runs(None, 2).await.unwrap()), [last.id, other.id]);
    assert_eq!(runs(database.store.recent_runs(Some(ACCOUNT), 10).await.unwrap()), [last.id, first.id]);
}
