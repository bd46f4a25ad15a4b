//! Dead letters are kept, listed, discarded and replayed.

use std::time::{Duration, SystemTime};

use actors::model::{Batch, CampaignId, DeadLetter, FailureClass, LetterFilter, Replay, SettledBy};
use actors::ports::Store;
use actors::report::{AccountReport, Status};

use crate::support::{
    ACCOUNT, Database, at, batch, begin, broken, campaign, ids, letter, letters, report, settled, settled_now,
};

#[tokio::test]
async fn a_dead_letter_keeps_its_first_failure_and_goes_when_its_campaign_is_stored() {
    let database = Database::new().await;
    let first = database.run().await;
    database.commit(&first, &letters([letter("d1"), letter("d2")])).await;
    let second = database.run_after(&first).await;
    let again = DeadLetter {
        class: FailureClass::Rejected,
        message: "404".into(),
        attempts: 1,
        first_failed_at: at(50),
        last_failed_at: at(51),
        ..letter("d1")
    };
    database.commit(&second, &letters([again])).await;
    let row = "SELECT concat_ws(' ', error_class, message, attempts, extract(epoch FROM first_failed_at)::bigint,
                                extract(epoch FROM last_failed_at)::bigint, run_id) FROM dead_letters WHERE campaign_id = 'd1'";
    let expected = format!("rejected 404 1 1700000001 1700000051 {}", second.id);
    assert_eq!(database.text(row).await, expected);
    let counted = "SELECT string_agg(dead_lettered::text, ',' ORDER BY id) FROM sync_runs";
    assert_eq!(database.text(counted).await, "2,1");

    database.commit(&second, &batch([campaign("d1"), campaign("d2")])).await;
    assert_eq!(database.number("SELECT count(*) FROM dead_letters").await, 0);
    assert_eq!(database.text(counted).await, "2,0", "what another run counted stays counted");
}

#[tokio::test]
async fn a_dead_letter_is_stored_whatever_it_holds() {
    let database = Database::new().await;
    let run = database.run().await;
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
    let long = "🦀".repeat(250_000);
    let hostile = DeadLetter {
        message: "name \"a\0b\" cannot be stored".into(),
        payload: "{\"name\":\"a\\u0000\\ud800b\", \"raw\":\"\0\"}".into(),
        first_failed_at: far,
        last_failed_at: far,
        ..letter("nul\0id")
    };
    let wide = DeadLetter { payload: "1".repeat(1_000_000).into(), attempts: u32::MAX, ..letter(&long) };
    database.commit(&run, &letters([hostile, wide])).await;
    let row = "SELECT message || payload FROM dead_letters WHERE campaign_id = 'nul␀id'";
    assert_eq!(
        database.text(row).await,
        "name \"a␀b\" cannot be stored{\"name\":\"a\\u0000\\ud800b\", \"raw\":\"␀\"}"
    );
    assert_eq!(
        database.number("SELECT length(payload)::bigint FROM dead_letters WHERE attempts = 4294967295").await,
        1_000_000
    );

    let asked = ids(&["nul\0id", &long, "unknown"]);
    let settled = settled_now(settled(&database.store, &run, &asked).await.unwrap());
    assert_eq!(settled, ids(&["nul\0id", &long]), "known under the ids that the platform uses");
}

/// The dead letters of these campaigns and classes.
fn filter(campaigns: &[&str], classes: &[FailureClass]) -> LetterFilter {
    LetterFilter { campaigns: ids(campaigns), classes: classes.to_vec() }
}

#[tokio::test]
async fn dead_letters_are_read_by_filter_and_discarded_unless_they_failed_again() {
    let database = Database::new().await;
    let (run, long) = (database.run().await, "i".repeat(2000));
    let malformed =
        DeadLetter { class: FailureClass::Malformed, last_failed_at: at(1_000_000), ..letter("d2") };
    database.commit(&run, &letters([letter("d1"), malformed, letter(&long)])).await;
    let other = begin(&database.store, "other").await.unwrap();
    database.commit(&other, &letters([letter("d1")])).await;
    let read = async |account, filter, limit| {
        let rows = database.store.dead_letters(account, &filter, limit).await.unwrap();
        rows.into_iter().map(|row| (row.account, row.campaign.chars().take(2).collect())).collect::<Vec<_>>()
    };
    let pair = |account: &str, campaign: &str| (account.to_owned(), campaign.to_owned());
    let all = filter(&[], &[]);
    assert_eq!(read(None, all.clone(), 1).await, [pair(ACCOUNT, "d2")], "the newest failure first");
    assert_eq!(read(Some("other"), all.clone(), 9).await, [pair("other", "d1")]);
    let of_d1 = read(None, filter(&["d1"], &[]), 9).await;
    assert_eq!(of_d1, [pair(ACCOUNT, "d1"), pair("other", "d1")]);
    assert_eq!(read(None, filter(&[&long], &[]), 9).await, [pair(ACCOUNT, "ii")], "by the id as it was sent");
    assert_eq!(read(None, filter(&[], &[FailureClass::Malformed]), 9).await, [pair(ACCOUNT, "d2")]);
    assert_eq!(read(None, filter(&["d1"], &[FailureClass::Malformed]), 9).await, []);

    let shown = database.store.dead_letters(Some(ACCOUNT), &all, 9).await.unwrap();
    database.commit(&run, &letters([DeadLetter { last_failed_at: at(7), ..letter("d1") }])).await;
    assert_eq!(database.store.discard(&shown, Some(ACCOUNT), &all).await.unwrap(), 2);
    assert_eq!(read(None, all, 9).await, [pair("other", "d1"), pair(ACCOUNT, "d1")]);
}

#[tokio::test]
async fn a_replay_is_told_what_is_not_to_be_tried_and_what_it_has_not_met() {
    let database = Database::new().await;
    let run = database.run().await;
    let long = "i".repeat(2000);
    let malformed = |id: &str| DeadLetter { class: FailureClass::Malformed, ..letter(id) };
    let buried = letters([letter("d1"), letter("d2"), letter(&long), letter("d4"), malformed("m1")]);
    database.commit(&run, &buried).await;
    database.commit(&run, &batch([campaign("c1")])).await;
    database.store.finish_run(&run, &report(&run)).await.unwrap();

    let asked = filter(&["d1", "d2", &long, "m1"], &[letter("d1").class]);
    let replay = database.store.begin_replay(&ACCOUNT.into(), &asked).await.unwrap();
    assert_eq!(replay.replay, Some(Replay { filter: asked, letters: 3 }));
    let all = ids(&["d1", "d2", &long, "d4", "m1", "c1", "new"]);
    let by = async |wanted| {
        let settled = settled(&database.store, &replay, &all).await.unwrap();
        let mut ids: Vec<_> = settled.into_iter().filter(|s| s.by == wanted).map(|s| s.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(by(SettledBy::NotToReplay).await, ids(&["c1", "d4", "m1", "new"]));
    assert_eq!(by(SettledBy::ThisProcess).await, []);
    let (untried, named) = database.store.untried(&replay).await.unwrap();
    assert_eq!((untried, &named[..2]), (3, &ids(&["d1", "d2"])[..]));

    // What it stores or buries again is done; also where it is of another class now.
    database.commit(&replay, &Batch { dead_letters: vec![malformed("d2")], ..batch([campaign("d1")]) }).await;
    assert_eq!(by(SettledBy::NotToReplay).await, ids(&["c1", "d4", "m1", "new"]));
    assert_eq!(by(SettledBy::ThisProcess).await, ids(&["d1", "d2"]));
    assert_eq!(database.store.untried(&replay).await.unwrap().0, 1);
    assert_eq!(database.number("SELECT count(*) FROM dead_letters WHERE campaign_id = 'd1'").await, 0);
    let rows = database.store.recent_runs(None, 9).await.unwrap();
    let row = &rows[0];
    assert_eq!((&*row.kind, row.stored, row.dead_lettered, &*rows[1].kind), ("replay", 1, 1, "sync"));
}

#[tokio::test]
async fn letters_of_entries_without_an_id_are_forgotten_unless_this_process_has_met_them() {
    let database = Database::new().await;
    let run = database.run().await;
    let [gone, met] = ["{}", "[]"].map(CampaignId::of_payload);
    let malformed = |id: &str| DeadLetter { class: FailureClass::Malformed, ..letter(id) };
    let with_id = malformed("malformed-7");
    database.commit(&run, &letters([malformed(gone.as_str()), malformed(met.as_str()), with_id])).await;
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&run) };
    database.store.finish_run(&run, &interrupted).await.unwrap();
    let resumed = database.run().await;
    assert!(resumed.resumed, "the same run, and another process");
    database.commit(&resumed, &letters([malformed(met.as_str())])).await;
    assert_eq!(database.store.forget_nameless(&resumed).await.unwrap(), 1);
    assert_eq!(database.store.forget_nameless(&resumed).await.unwrap(), 0);
    let left = "SELECT string_agg(campaign_id, ' ' ORDER BY length(campaign_id) DESC) FROM dead_letters";
    assert_eq!(database.text(left).await, format!("{met} malformed-7"));
    database.store.finish_run(&resumed, &report(&resumed)).await.unwrap();

    let asked = filter(&[], &[FailureClass::Timeout]);
    let replay = database.store.begin_replay(&ACCOUNT.into(), &asked).await.unwrap();
    assert_eq!(database.store.forget_nameless(&replay).await.unwrap(), 0, "it was not asked to");
    database.store.finish_run(&replay, &report(&replay)).await.unwrap();
    broken(database.store.forget_nameless(&resumed).await);
}

#[tokio::test]
async fn an_unfinished_run_is_resumed_after_a_replay_and_counts_what_is_left_of_its_letters() {
    let database = Database::new().await;
    let run = database.run().await;
    let both =
        Batch { dead_letters: vec![letter("d1"), letter("d2"), letter("d3")], ..batch([campaign("c1")]) };
    database.commit(&run, &both).await;
    let everything = filter(&[], &[]);
    broken(database.other_store().await.begin_replay(&ACCOUNT.into(), &everything).await);
    let interrupted = AccountReport { status: Status::Interrupted, ..report(&run) };
    database.store.finish_run(&run, &interrupted).await.unwrap();

    let replay = database.store.begin_replay(&ACCOUNT.into(), &everything).await.unwrap();
    assert_eq!((replay.resumed, replay.epoch, replay.id == run.id), (false, 2, false));
    database.commit(&replay, &batch([campaign("d1")])).await;
    // Left unfinished itself: it is never resumed, and closed by the next one.
    database.end_lock_connections().await;
    let again = database.other_store().await.begin_replay(&ACCOUNT.into(), &everything).await.unwrap();
    assert_ne!(again.id, replay.id);
    database.accounts_held(0).await;

    let resumed = begin(&database.other_store().await, ACCOUNT).await.unwrap();
    assert_eq!((resumed.id, resumed.resumed, resumed.stored_before), (run.id, true, 1));
    database
        .commit(
            &resumed,
            &Batch { dead_letters: vec![letter("d3")], ..batch([campaign("d1"), campaign("d2")]) },
        )
        .await;
    let counters =
        format!("SELECT stored::text || ',' || dead_lettered::text FROM sync_runs WHERE id = '{}'", run.id);
    assert_eq!(database.text(&counters).await, "3,1");
    let running =
        "SELECT string_agg(id::text, ' ') FROM sync_runs WHERE status = 'running' AND account_id = 'acme'";
    assert_eq!(database.text(running).await, run.id.to_string());
}
