//! What is known of accounts between their runs, of the pool, and that the metrics show both.

use actors::model::{DeadLetter, FailureClass};
use actors::ports::Store;
use actors::report::Status;
use campaign_sync::metrics::Metrics;
use campaign_sync::store::PoolState;
use futures_util::future::join_all;

use crate::support::{Database, begin, letter, letters, report};

#[tokio::test]
async fn accounts_are_shown_as_they_stand_in_the_database() {
    let database = Database::new().await;
    for (account, ends, dead) in [
        ("north", vec![Status::Complete, Status::Complete, Status::Partial], 2),
        ("south", vec![Status::Failed], 0),
        ("elsewhere", vec![Status::Complete], 1),
    ] {
        for status in ends {
            let run = begin(&database.store, account).await.unwrap();
            let buried = (0..dead).map(|n| letter(&format!("c{n}")));
            database.commit(&run, &letters(buried)).await;
            let mut report = report(&run);
            report.status = status;
            database.store.finish_run(&run, &report).await.unwrap();
        }
    }
    let wanted = "SELECT extract(epoch FROM max(finished_at))::bigint FROM sync_runs
                  WHERE account_id = 'north' AND status = 'complete'";
    let last = database.number(wanted).await;

    let metrics = Metrics::new().unwrap();
    metrics.follow(["north", "south", "new"].map(Into::into));
    metrics.recall_last_completes(database.store.last_completes(&metrics.followed()).await.unwrap());
    let text = metrics.render();
    let shown = |metric: &str, account: &str| -> f64 {
        let begin = format!("campaign_sync_{metric}{{account=\"{account}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&begin)).unwrap().parse().unwrap()
    };
    let complete = |account| shown("last_complete_timestamp_seconds", account);
    assert!((complete("north") - last as f64).abs() <= 1.0, "{} is not {last}", complete("north"));
    assert_eq!((complete("south"), complete("new")), (0.0, 0.0));
    assert!(!text.contains("elsewhere"), "it is not followed");
}

#[tokio::test]
async fn dead_letters_are_counted_by_account_and_class_also_where_there_are_none() {
    let database = Database::new().await;
    for (account, classes) in [
        ("north", vec![FailureClass::Timeout, FailureClass::Malformed, FailureClass::Timeout]),
        ("south", vec![]),
        ("elsewhere", vec![FailureClass::Rejected]),
    ] {
        let run = begin(&database.store, account).await.unwrap();
        let buried = classes.into_iter().enumerate();
        let buried = buried.map(|(n, class)| DeadLetter { class, ..letter(&format!("c{n}")) });
        database.commit(&run, &letters(buried)).await;
    }
    let counts = database.store.dead_letter_counts(&["north", "south", "new"].map(Into::into)).await.unwrap();
    let wanted = [
        ("north".into(), vec![(FailureClass::Malformed, 1), (FailureClass::Timeout, 2)]),
        ("south".into(), vec![]),
        ("new".into(), vec![]),
    ];
    assert_eq!(counts, wanted.into());
}

#[tokio::test]
async fn a_replay_that_is_complete_makes_no_account_fresh() {
    let database = Database::new().await;
    let run = begin(&database.store, "north").await.unwrap();
    database.store.finish_run(&run, &report(&run)).await.unwrap();
    let replay = database.store.begin_replay(&"north".into(), &Default::default()).await.unwrap();
    let mut complete = report(&replay);
    complete.status = Status::Complete;
    database.store.finish_run(&replay, &complete).await.unwrap();
    assert_eq!(database.store.last_completes(&["north".into()]).await.unwrap(), []);
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_seen_with_who_waits_for_it() {
    let database = Database::new().await;
    let pool = database.store.watch_pool();
    let metrics = Metrics::new().unwrap();
    metrics.watch_pool(Some(database.store.watch_pool()));
    database.sql.batch_execute("BEGIN; LOCK TABLE sync_runs").await.unwrap();
    // On a slow machine some may give up before the pool has all its connections.
    let calls = join_all((0..13).map(async |_| while database.store.recent_runs(None, 1).await.is_err() {}));
    let watch = async {
        let is_used_up =
            |state: PoolState| (state.in_use, state.idle, state.most, state.waiting) == (10, 0, 10, 3);
        while !is_used_up(pool.state()) {
            tokio::task::yield_now().await;
        }
        let during = metrics.render();
        database.sql.batch_execute("ROLLBACK").await.unwrap();
        during
    };
    let (_, during) = tokio::join!(calls, watch);
    for line in [
        "connections{state=\"in_use\"} 10",
        "connections{state=\"idle\"} 0",
        "connections_max 10",
        "waiting 3",
    ] {
        assert!(during.contains(&format!("campaign_sync_pool_{line}\n")), "no {line} in {during}");
    }
    let state = pool.state();
    assert_eq!((state.in_use, state.waiting), (0, 0));
    // Whoever closes the database stops to look first.
    metrics.watch_pool(None);
}

#[tokio::test]
async fn a_run_that_was_left_unfinished_makes_the_next_one_overdue() {
    let database = Database::new().await;
    let begun = async || database.store.last_begun(&["north".into(), "new".into()]).await.unwrap();
    let overdue = [("north".into(), std::time::SystemTime::UNIX_EPOCH)];
    let run = begin(&database.store, "north").await.unwrap();
    assert_eq!(begun().await, overdue, "as of one that was killed");
    let mut interrupted = report(&run);
    interrupted.status = Status::Interrupted;
    database.store.finish_run(&run, &interrupted).await.unwrap();
    assert_eq!(begun().await, overdue);
    let run = begin(&database.store, "north").await.unwrap();
    let mut failed = report(&run);
    failed.status = Status::Failed;
    database.store.finish_run(&run, &failed).await.unwrap();
    let seconds = "SELECT extract(epoch FROM max(started_at))::bigint FROM sync_runs";
    let started_at = database.number(seconds).await;
    let known = begun().await.remove(0).1.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!((known.as_secs() as i64 - started_at).abs() <= 1, "{known:?}");
}
