//! What a batch leaves in the tables of campaigns and of their history.

use std::time::{Duration, SystemTime};

use actors::model::{Batch, Campaign, DeadLetter};
use actors::ports::Store;

use crate::support::{
    ACCOUNT, Database, at, batch, begin, broken, campaign, commit, connect, ids, letter, letters, no_run,
    refused, report, settled, settled_now, synced,
};

#[tokio::test]
async fn a_campaign_is_stored_as_it_came_and_replaced_by_its_next_state() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1"), campaign("c2")])).await;
    let first = database.store.sample_campaigns(&ACCOUNT.into(), 10).await.unwrap();
    assert_eq!(first.len(), 2);
    let row = &first[0];
    assert_eq!((row.id.as_str(), row.name.as_str(), row.status.as_str()), ("c1", "Campaign c1", "active"));
    assert_eq!((row.impressions, row.clicks, row.conversions), (10, 5, 1));
    assert_eq!((row.budget.as_str(), row.created_at, row.synced_at), ("1000.50", at(0), at(100)));

    let seen = database.text("SELECT first_seen_at::text FROM campaigns WHERE id = 'c1'").await;
    let next = database.run_after(&run).await;
    database
        .commit(
            &next,
            &batch([Campaign { clicks: 6, name: "x'); DROP TABLE campaigns; --".into(), ..campaign("c1") }]),
        )
        .await;
    let second = database.store.sample_campaigns(&ACCOUNT.into(), 10).await.unwrap();
    assert_eq!(
        (second.len(), second[0].clicks, second[0].name.as_str()),
        (2, 6, "x'); DROP TABLE campaigns; --")
    );
    assert_eq!(database.text("SELECT first_seen_at::text FROM campaigns WHERE id = 'c1'").await, seen);
}

#[tokio::test]
async fn accounts_do_not_share_campaigns() {
    let database = Database::new().await;
    let run = database.run().await;
    let other = begin(&database.store, "other").await.unwrap();
    database.commit(&run, &batch([campaign("c1")])).await;
    database.commit(&other, &batch([Campaign { clicks: 99, ..campaign("c1") }])).await;
    let mine = database.store.sample_campaigns(&ACCOUNT.into(), 10).await.unwrap();
    assert_eq!((mine.len(), mine[0].clicks), (1, 5));
    assert_eq!(database.number("SELECT count(*) FROM campaign_history").await, 2);
}

#[tokio::test]
async fn history_has_a_row_for_the_first_sight_and_for_each_change_and_no_other() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &batch([campaign("c1")])).await;
    assert_eq!(database.history_of("c1").await, 1);

    let second = database.run_after(&first).await;
    let mut again = synced(campaign("c1"));
    again.synced_at = at(200);
    database.commit(&second, &Batch { synced: vec![again], dead_letters: Vec::new() }).await;
    assert_eq!(database.history_of("c1").await, 1, "content did not change");
    let row = "SELECT run_id::text FROM campaigns WHERE extract(epoch FROM synced_at) = 1700000200";
    assert_eq!(database.text(row).await, second.id.to_string(), "the sync itself is recorded");

    let changes: [fn(&mut Campaign); 7] = [
        |c| c.name.push('!'),
        |c| c.status = "paused".into(),
        |c| c.budget = "1000.51".into(),
        |c| c.impressions += 1,
        |c| c.clicks += 1,
        |c| c.conversions += 1,
        |c| c.created_at = at(1),
    ];
    let mut changed = campaign("c1");
    for (number, change) in (2..).zip(changes) {
        change(&mut changed);
        database.commit(&second, &batch([changed.clone()])).await;
        assert_eq!(database.history_of("c1").await, number);
        let newest = "SELECT (h.name, h.status, h.budget, h.impressions, h.clicks, h.conversions, h.created_at)
                           = (c.name, c.status, c.budget, c.impressions, c.clicks, c.conversions, c.created_at)
                         AND h.recorded_at = c.changed_at
                      FROM campaigns c JOIN campaign_history h USING (account_id, id) ORDER BY recorded_at DESC LIMIT 1";
        assert!(database.sql.query_one(newest, &[]).await.unwrap().get::<_, bool>(0));
    }
    let mut same_value = changed.clone();
    same_value.budget = "1000.510".into();
    database.commit(&second, &batch([same_value])).await;
    assert_eq!(database.history_of("c1").await, 8, "1000.51 and 1000.510 are one number");
}

#[tokio::test]
async fn the_state_at_any_time_can_be_read_also_where_the_clock_was_set_back() {
    let database = Database::new().await;
    let run = database.run().await;
    database.commit(&run, &batch([campaign("c1")])).await;
    // As if the first row had been written by a clock that was ahead.
    let ahead = "UPDATE campaigns SET changed_at = changed_at + interval '1 day';
                 UPDATE campaign_history SET recorded_at = recorded_at + interval '1 day'";
    database.sql.batch_execute(ahead).await.unwrap();
    database.commit(&run, &batch([campaign("c1")])).await;
    assert_eq!(database.history_of("c1").await, 1, "nothing has changed");
    database.commit(&run, &batch([Campaign { clicks: 6, ..campaign("c1") }])).await;
    database.commit(&run, &batch([Campaign { clicks: 7, ..campaign("c1") }])).await;
    let clicks = database
        .text("SELECT string_agg(clicks::text, ',' ORDER BY recorded_at) FROM campaign_history")
        .await;
    assert_eq!(clicks, "5,6,7");
}

#[tokio::test]
async fn repeating_a_committed_batch_changes_nothing() {
    let database = Database::new().await;
    let run = database.run().await;
    let both = Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1"), campaign("c2")]) };
    database.commit(&run, &both).await;
    let before = database.everything().await;
    assert!(before.contains("Campaign c2") && before.contains("d1"));
    database.commit(&run, &both).await;
    assert_eq!(database.everything().await, before);
    let counters = "SELECT stored::text || ',' || dead_lettered::text FROM sync_runs";
    assert_eq!(database.text(counters).await, "2,1");
}

#[tokio::test]
async fn a_campaign_that_stands_twice_in_a_batch_is_stored_as_it_stands_last() {
    let database = Database::new().await;
    let run = database.run().await;
    let twice = [campaign("c1"), campaign("c2"), Campaign { clicks: 7, ..campaign("c1") }];
    let late = DeadLetter { attempts: 9, ..letter("d1") };
    database
        .commit(&run, &Batch { dead_letters: vec![letter("d1"), late, letter("c1")], ..batch(twice) })
        .await;
    assert_eq!(database.number("SELECT clicks FROM campaigns WHERE id = 'c1'").await, 7);
    assert_eq!(
        database.number("SELECT attempts FROM dead_letters").await,
        9,
        "and one that was synced is no dead letter"
    );
    assert_eq!(
        database.text("SELECT stored::text || ',' || dead_lettered::text FROM sync_runs").await,
        "2,1"
    );
}

#[tokio::test]
async fn two_commits_at_once_that_see_one_change_write_its_history_once() {
    let database = Database::new().await;
    let run = database.run().await;
    let other = database.store.clone();
    for round in 1..=20 {
        let change = batch([Campaign { clicks: round, ..campaign("c1") }]);
        let (one, two) = tokio::join!(commit(&database.store, &run, &change), commit(&other, &run, &change));
        assert_eq!((one, two), (Ok(()), Ok(())));
        assert_eq!(database.history_of("c1").await, round);
    }
    assert_eq!(database.number("SELECT stored FROM sync_runs").await, 1);
}

#[tokio::test]
async fn a_row_that_postgresql_refuses_is_refused_with_its_cause_and_nothing_of_its_batch_is_stored() {
    let database = Database::new().await;
    let run = database.run().await;
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
    let long = "i".repeat(1_000_000);
    let poison: [(Campaign, &str); 9] = [
        (Campaign { name: "a\0b".into(), ..campaign("p") }, "0x00"),
        (Campaign { status: "\0".into(), ..campaign("p") }, "0x00"),
        (campaign("p\0"), "0x00"),
        (Campaign { budget: "1e200000".into(), ..campaign("p") }, "overflow"),
        (Campaign { budget: "1e-20000".into(), ..campaign("p") }, "overflow"),
        (Campaign { budget: format!("0.{}", "1".repeat(17_000)).into(), ..campaign("p") }, "overflow"),
        (Campaign { budget: "much".into(), ..campaign("p") }, "\"much\""),
        (Campaign { created_at: far, ..campaign("p") }, "beyond a timestamp's range"),
        (campaign(&long), "campaign_id_at_most_1024_bytes"),
    ];
    for (row, cause) in poison {
        let message = refused(commit(&database.store, &run, &batch([campaign("good"), row])).await);
        assert!(message.contains(cause) && message.len() < 1500, "{message}");
        assert_eq!(database.number("SELECT count(*) FROM campaigns").await, 0);
    }
    database.commit(&run, &batch([campaign("good")])).await;
}

#[tokio::test]
async fn a_budget_is_kept_to_its_last_digit() {
    let database = Database::new().await;
    let run = database.run().await;
    for (budget, kept) in [
        ("0.1", "0.1"),
        (
            "12345678901234567890.123456789012345678901234567890",
            "12345678901234567890.123456789012345678901234567890",
        ),
        ("1.50", "1.50"),
        ("-0.00000000000000000001", "-0.00000000000000000001"),
        ("25e-1", "2.5"),
        ("1e400", &format!("1{}", "0".repeat(400))),
    ] {
        database.commit(&run, &batch([Campaign { budget: budget.into(), ..campaign("c1") }])).await;
        assert_eq!(database.store.sample_campaigns(&ACCOUNT.into(), 1).await.unwrap()[0].budget, kept);
    }
}

#[tokio::test]
async fn settled_is_what_this_run_stored_or_buried() {
    let database = Database::new().await;
    let earlier = database.run().await;
    database
        .commit(
            &earlier,
            &Batch { dead_letters: vec![letter("d-old")], ..batch([campaign("c-old"), campaign("c1")]) },
        )
        .await;
    let run = database.run_after(&earlier).await;
    database.commit(&run, &Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1")]) }).await;
    let elsewhere = begin(&database.store, "other").await.unwrap();
    database.commit(&elsewhere, &batch([campaign("c2")])).await;

    let asked = ids(&["c-old", "d-old", "c1", "d1", "c2", "new"]);
    let by_run = settled_now(settled(&database.store, &run, &asked).await.unwrap());
    assert_eq!(by_run, ids(&["c1", "d1"]));
    assert_eq!(settled(&database.store, &run, &[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn nothing_is_committed_for_a_run_that_is_not_there() {
    let database = Database::new().await;
    for gone in ["the account is nobody's", "the run is gone"] {
        let run = match gone {
            "the run is gone" => database.run().await,
            _ => no_run(),
        };
        database.sql.batch_execute("DELETE FROM sync_runs").await.unwrap();
        let cause = if run.id.is_nil() { "nobody has taken account acme" } else { "is not in sync_runs" };
        for batch in [batch([campaign("c1")]), letters([letter("d1")])] {
            let message = broken(commit(&database.store, &run, &batch).await);
            assert!(message.contains(cause), "{message}");
        }
        let message = broken(database.store.finish_run(&run, &report(&run)).await);
        assert!(message.contains(cause), "{message}");
        assert_eq!(database.everything().await, "");
    }
}

#[tokio::test]
async fn an_empty_batch_needs_no_database() {
    let database = Database::without_tables().await;
    let run = no_run();
    assert_eq!(commit(&database.store, &run, &Batch::default()).await, Ok(()));
}

#[tokio::test]
async fn a_commit_that_is_cut_off_leaves_neither_rows_nor_a_broken_connection() {
    let database = Database::new().await;
    let run = database.run().await;
    let blocker = connect(&database.postgres, "campaign_sync").await;
    blocker.batch_execute("BEGIN; LOCK TABLE campaigns").await.unwrap();
    let cut_off = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while database.number(waiting).await == 0 {}
    };
    let first = batch([campaign("c1")]);
    tokio::select! {
        done = commit(&database.store, &run, &first) => panic!("the table is locked: {done:?}"),
        () = cut_off => {}
    }
    blocker.batch_execute("COMMIT").await.unwrap();
    for number in 0..20 {
        database.commit(&run, &batch([campaign(&format!("later {number}"))])).await;
    }
    assert_eq!(database.number("SELECT count(*) FROM campaigns WHERE id LIKE 'later%'").await, 20);
    assert_eq!(
        database.number("SELECT stored FROM sync_runs").await,
        database.number("SELECT count(*) FROM campaigns").await
    );
}
