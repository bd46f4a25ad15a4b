//! Many accounts share a store: its commits, its records, and the connection that holds the accounts.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actors::model::{Batch, CampaignId, LetterFilter, Run, SettledBy, Spent};
use actors::ports::{Disowned, Question, Share, Store};
use futures_util::future::join_all;

use crate::support::{
    ACCOUNT_LOCKS, Database, at, batch, begin, begin_all, broken, campaign, commit, counted, counts, ids,
    letter, letters, report, save_spent, share,
};

/// Polls it no more often than that, and only when it is woken; none where it takes more.
async fn woken<T>(mut future: Pin<&mut impl Future<Output = T>>, times: usize) -> Option<T> {
    let mut left = times;
    poll_fn(|context| match left.checked_sub(1) {
        None => Poll::Ready(None),
        Some(fewer) => {
            left = fewer;
            future.as_mut().poll(context).map(Some)
        }
    })
    .await
}

fn indexes(disowned: &[Disowned]) -> Vec<usize> {
    disowned.iter().map(|disowned| disowned.index).collect()
}

#[tokio::test]
async fn one_commit_stores_and_counts_for_each_of_its_runs_apart() {
    let database = Database::new().await;
    let [a, b, c] = &begin_all(&database.store, &["a", "b", "c"]).await[..] else { unreachable!() };
    let both = |synced: &[&str], buried: &[&str]| Batch {
        dead_letters: buried.iter().map(|id| letter(id)).collect(),
        ..batch(synced.iter().map(|id| campaign(id)))
    };
    // The same ids in several accounts, and in one of them given up on.
    let shares = [
        share(a, both(&["c1", "c2", "c3"], &["d1"])),
        share(b, both(&["c1", "d1"], &[])),
        share(c, both(&[], &["c1", "d1"])),
    ];
    for _ in 0..2 {
        // Repeating it changes nothing.
        assert_eq!(database.store.commit(&shares).await, Ok(vec![]));
        assert_eq!(counts(&database).await, counted(&[("a", 3, 1), ("b", 2, 0), ("c", 0, 2)]));
        let numbers = "SELECT string_agg(account_id || ' ' || id || ' ' || run_number, ', ' ORDER BY account_id, run_number) \
                       FROM campaigns c WHERE run_id = (SELECT id FROM sync_runs r WHERE r.account_id = c.account_id)";
        let rows = database.text(numbers).await;
        let a_rows: Vec<&str> = rows.split(", ").filter(|row| row.starts_with("a ")).collect();
        assert_eq!(rows.split(", ").count(), 5, "{rows}");
        for (number, row) in a_rows.iter().enumerate() {
            assert!(row.ends_with(&format!(" {number}")), "{rows}");
        }
        assert!(rows.contains("b c1 ") && rows.contains("b d1 "), "{rows}");
        assert_eq!(database.history_of("c1").await, 2, "one in each account that has it");
        let by_run = "SELECT count(*) FROM dead_letters d JOIN sync_runs r ON r.id = d.run_id WHERE r.account_id = d.account_id";
        assert_eq!(
            (database.number(by_run).await, database.number("SELECT count(*) FROM dead_letters").await),
            (3, 3)
        );
    }

    // What changes in one account changes in no other, and what heals in one is left in the others.
    let mut changed = campaign("c1");
    changed.impressions += 1;
    let shares = [share(b, batch([changed])), share(c, batch([campaign("c1"), campaign("c2")]))];
    assert_eq!(database.store.commit(&shares).await, Ok(vec![]));
    assert_eq!(counts(&database).await, counted(&[("a", 3, 1), ("b", 2, 0), ("c", 2, 1)]));
    assert_eq!(database.history_of("c1").await, 4);
    let letters = "SELECT string_agg(account_id || ' ' || campaign_id, ', ' ORDER BY 1) FROM (SELECT * FROM dead_letters ORDER BY account_id) d";
    assert_eq!(database.text(letters).await, "a d1, c d1");
    let impressions = "SELECT string_agg(account_id || ' ' || impressions, ', ' ORDER BY account_id) FROM campaigns WHERE id = 'c1'";
    assert_eq!(database.text(impressions).await, "a 10, b 11, c 10");
}

#[tokio::test]
async fn of_the_runs_of_a_commit_only_those_that_lost_their_account_store_nothing() {
    let taken = "b";
    let database = Database::new().await;
    let runs = begin_all(&database.store, &["a", "b", "c"]).await;
    let index = runs.iter().position(|run| run.account.as_str() == taken).unwrap();
    database.end_lock_connections().await;
    let other = database.other_store().await;
    let successor = begin(&other, taken).await.unwrap();
    commit(&other, &successor, &batch([campaign("theirs")])).await.unwrap();
    let shares: Vec<Share> = runs
        .iter()
        .map(|run| share(run, Batch { dead_letters: vec![letter("d1")], ..batch([campaign("ours")]) }))
        .collect();
    let disowned = database.store.commit(&shares).await.unwrap();
    assert_eq!(indexes(&disowned), [index]);
    let cause = &disowned[0].cause;
    assert!(
        cause.contains(&format!("another process has taken over account {taken} (run {}", successor.id)),
        "{cause}"
    );
    let rows = "SELECT string_agg(account_id || ' ' || id, ', ' ORDER BY account_id, id) FROM campaigns";
    let expected: Vec<String> = ["a", "b", "c"]
        .map(|account| format!("{account} {}", if account == taken { "theirs" } else { "ours" }))
        .into();
    assert_eq!(database.text(rows).await, expected.join(", "));
    assert_eq!(
        database.number(&format!("SELECT count(*) FROM dead_letters WHERE account_id = '{taken}'")).await,
        0
    );
    assert_eq!(database.number("SELECT count(*) FROM dead_letters").await, 2);
    // The others have taken their locks again, and the successor has its own.
    let held = format!("SELECT count(*) FROM {ACCOUNT_LOCKS}");
    while database.number(&held).await != 3 {
        // The client may hear of its loss only after its next commit.
        database.store.commit(&shares).await.unwrap();
    }
    let holders = format!("SELECT count(DISTINCT pid) FROM {ACCOUNT_LOCKS}");
    assert_eq!(database.number(&holders).await, 2);
}

#[tokio::test]
async fn a_run_whose_row_is_gone_is_told_so_and_the_others_are_stored() {
    let database = Database::new().await;
    let runs = begin_all(&database.store, &["a", "b", "c"]).await;
    let delete = format!("DELETE FROM sync_runs WHERE id = '{}'", runs[1].id);
    database.sql.batch_execute(&delete).await.unwrap();
    for what in [batch([campaign("c1")]), letters([letter("d1")])] {
        let shares: Vec<Share> = runs.iter().map(|run| share(run, what.clone())).collect();
        let disowned = database.store.commit(&shares).await.unwrap();
        assert_eq!(indexes(&disowned), [1]);
        assert!(disowned[0].cause.contains("is not in sync_runs any more"), "{}", disowned[0].cause);
    }
    assert_eq!(counts(&database).await, counted(&[("a", 1, 1), ("c", 1, 1)]));
    assert_eq!(database.number("SELECT count(*) FROM campaigns WHERE account_id = 'b'").await, 0);
    assert_eq!(database.number("SELECT count(*) FROM dead_letters WHERE account_id = 'b'").await, 0);
}

#[tokio::test]
async fn records_of_several_runs_are_kept_in_one_call_but_not_of_one_that_was_taken_over() {
    let database = Database::new().await;
    let runs = begin_all(&database.store, &["a", "b", "c", "d"]).await;
    let spent = |n: u32| Spent {
        counted: (0..n).map(|ago| (Duration::from_secs(u64::from(ago)), n)).collect(),
        leased: (Duration::from_secs(60), n),
        stated: (0..n % 3)
            .map(|n| actors::settings::RateLimit::new(n + 1, Duration::from_secs(60)).unwrap())
            .collect(),
    };
    let records: Vec<_> = (0..).zip(&runs).map(|(n, run)| (Arc::new(run.clone()), spent(n))).collect();
    assert_eq!(database.store.save_spent(&records).await, Ok(vec![]));
    let check = async |account: &str, n: u32| {
        let loaded = database.store.load_spent(&account.into()).await.unwrap();
        assert_eq!(
            loaded.counted.iter().map(|(_, count)| *count).collect::<Vec<_>>(),
            vec![n; n as usize],
            "{account}"
        );
        assert_eq!((loaded.leased.1, loaded.stated), (n, spent(n).stated), "{account}");
    };
    for (account, n) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
        check(account, n).await;
    }

    database.end_lock_connections().await;
    let other = database.other_store().await;
    let successor = begin(&other, "b").await.unwrap();
    save_spent(&other, &successor, &spent(7)).await.unwrap();
    let records: Vec<_> = (5..).zip(&runs).map(|(n, run)| (Arc::new(run.clone()), spent(n))).collect();
    let disowned = database.store.save_spent(&records).await.unwrap();
    assert_eq!(indexes(&disowned), [1]);
    assert!(disowned[0].cause.contains("another process has taken over account b"), "{}", disowned[0].cause);
    for (account, n) in [("a", 5), ("b", 7), ("c", 7), ("d", 8)] {
        check(account, n).await;
    }
}

#[tokio::test]
async fn all_accounts_are_held_on_one_connection_whose_loss_is_healed_for_each() {
    let database = Database::new().await;
    let names: Vec<String> = (0..50).map(|n| format!("account-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let runs = begin_all(&database.store, &names).await;
    database.accounts_held(50).await;
    let connections = format!("SELECT count(DISTINCT pid) FROM {ACCOUNT_LOCKS}");
    assert_eq!(database.number(&connections).await, 1);
    let other = database.other_store().await;
    let message = broken(begin(&other, "account-7").await);
    let holder = database.number(&format!("SELECT min(pid)::bigint FROM {ACCOUNT_LOCKS}")).await;
    for expected in [format!("account-7 here (run {}", runs[7].id), format!("server process {holder})")] {
        assert!(message.contains(&expected), "{expected} is missing: {message}");
    }

    database.end_lock_connections().await;
    let shares: Vec<Share> = runs.iter().map(|run| share(run, batch([campaign("c1")]))).collect();
    // The client may hear of it only after its next commit.
    while database.number(&format!("SELECT count(*) FROM {ACCOUNT_LOCKS}")).await != 50 {
        assert_eq!(database.store.commit(&shares).await, Ok(vec![]));
    }
    assert_eq!(database.number(&connections).await, 1);

    // Each is given back by itself, and the last one ends the connection.
    for (left, run) in (0..50).rev().zip(&runs) {
        database.store.finish_run(run, &report(run)).await.unwrap();
        database.accounts_held(left).await;
    }
    begin(&other, "account-7").await.expect("it was given back");
}

#[tokio::test]
async fn a_begin_that_is_dropped_wherever_it_is_leaves_its_account_free() {
    let database = Database::new().await;
    let other = database.other_store().await;
    // Another one holds the connection open, so only what is given back is free.
    let anchor = begin(&database.store, "anchor").await.unwrap();
    let mut cut_off = 0;
    for steps in 0.. {
        let account = format!("account-{steps}");
        let finished = {
            let begin = pin!(begin(&database.store, &account));
            woken(begin, steps).await
        };
        if let Some(begun) = finished {
            begun.unwrap();
            break;
        }
        cut_off += 1;
        // It is given back with the next account that is taken.
        let next = begin(&database.store, "next").await.unwrap();
        database.store.finish_run(&next, &report(&next)).await.unwrap();
        let run = begin(&other, &account).await;
        let run = run.unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        other.finish_run(&run, &report(&run)).await.unwrap();
    }
    assert!(cut_off > 3, "{cut_off} places");
    database.commit(&anchor, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn what_comes_late_for_a_run_that_has_ended_does_not_take_its_account_again() {
    let database = Database::new().await;
    let anchor = begin(&database.store, "anchor").await.unwrap();
    let run = database.run().await;
    database.store.finish_run(&run, &report(&run)).await.unwrap();
    // As a commit that was under way when it ended.
    let _ = commit(&database.store, &run, &batch([campaign("c1")])).await;
    database.accounts_held(1).await;
    let next = begin(&database.other_store().await, run.account.as_str()).await.expect("nobody holds it");
    assert!(next.epoch > run.epoch);
    database.commit(&anchor, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn an_account_whose_report_could_not_be_stored_can_be_given_back() {
    let database = Database::new().await;
    let anchor = begin(&database.store, "anchor").await.unwrap();
    let run = database.run().await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$; \
                CREATE TRIGGER full_disk BEFORE UPDATE ON sync_runs FOR EACH ROW EXECUTE FUNCTION full_disk()";
    database.sql.batch_execute(full).await.unwrap();
    assert!(database.store.finish_run(&run, &report(&run)).await.is_err());
    database.accounts_held(2).await;
    database.store.give_back(&run).await;
    database.accounts_held(1).await;
    database.sql.batch_execute("DROP TRIGGER full_disk ON sync_runs").await.unwrap();
    let again = database.run().await;
    assert_eq!((again.id, again.resumed), (run.id, true));
    // What the run before had is not given back twice.
    database.store.give_back(&run).await;
    database.accounts_held(2).await;
    database.commit(&anchor, &batch([campaign("c1")])).await;
}

#[tokio::test]
async fn more_accounts_than_connections_begin_and_end() {
    let database = Database::new().await;
    let names: Vec<String> = (0..300).map(|n| format!("account-{n}")).collect();
    let turns = tokio::sync::Semaphore::new(4);
    let sync = async |name: &String| {
        let turn = turns.acquire().await.unwrap();
        let run = begin(&database.store, name).await.unwrap();
        drop(turn);
        let id = CampaignId::from(format!("of {name}"));
        let mut mine = campaign(id.as_str());
        mine.created_at = at(7);
        commit(&database.store, &run, &batch([mine])).await.unwrap();
        let _turn = turns.acquire().await.unwrap();
        database.store.finish_run(&run, &report(&run)).await.unwrap();
    };
    join_all(names.iter().map(sync)).await;
    assert_eq!(database.number("SELECT count(*) FROM campaigns").await, 300);
    assert_eq!(
        database.number("SELECT count(*) FROM sync_runs WHERE finished_at IS NOT NULL AND stored = 1").await,
        300
    );
    database.accounts_held(0).await;
    let connections =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'ads' AND pid <> pg_backend_pid()";
    assert!(database.number(connections).await <= 11, "the pool's ten, and one for the locks");
}

#[tokio::test]
async fn questions_of_several_runs_are_answered_together_and_of_each_for_itself() {
    let database = Database::new().await;
    let earlier = begin(&database.store, "replayed").await.unwrap();
    database.commit(&earlier, &letters([letter("c1"), letter("c2")])).await;
    database.store.finish_run(&earlier, &report(&earlier)).await.unwrap();
    let (one, other) =
        (begin(&database.store, "one").await.unwrap(), begin(&database.store, "other").await.unwrap());
    database.commit(&one, &batch([campaign("c1")])).await;
    database.commit(&other, &letters([letter("c2"), letter("nul\0")])).await;
    let only = LetterFilter { campaigns: ids(&["c2"]), classes: vec![] };
    let replay = database.store.begin_replay(&"replayed".into(), &only).await.unwrap();

    let asked = ids(&["c1", "c2", "c3", "nul\0"]);
    let question = |run: &Run, ids: &[CampaignId]| Question { run: Arc::new(run.clone()), ids: ids.to_vec() };
    let questions =
        [question(&one, &asked), question(&replay, &asked), question(&one, &[]), question(&other, &asked)];
    let mut answers = database.store.settled(&questions).await.unwrap();
    for answer in &mut answers {
        answer.sort_by(|a, b| a.id.cmp(&b.id));
    }
    let answers: Vec<Vec<_>> =
        answers.iter().map(|answer| answer.iter().map(|s| (s.id.as_str(), s.by)).collect()).collect();
    use SettledBy::{NotToReplay, ThisProcess};
    assert_eq!(
        answers,
        [
            vec![("c1", ThisProcess)],
            vec![("c1", NotToReplay), ("c3", NotToReplay), ("nul\0", NotToReplay)],
            vec![],
            vec![("c2", ThisProcess), ("nul\0", ThisProcess)],
        ]
    );
}
