//! Several runs share the actor.

use super::*;
use crate::model::Replay;

/// A pipeline that can end.
#[derive(Default)]
struct Ends(Rc<RefCell<Vec<BatchCommitted>>>);

impl Actor for Ends {
    type Context = Context<Self>;
}

impl Handler<BatchCommitted> for Ends {
    type Result = ();

    fn handle(&mut self, committed: BatchCommitted, _: &mut Context<Self>) {
        self.0.borrow_mut().push(committed);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct End;

impl Handler<End> for Ends {
    type Result = ();

    fn handle(&mut self, End: End, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Another run of the scene's actor, and what it is told.
struct Other {
    member: Arc<Member>,
    pipeline: Addr<Ends>,
    acknowledged: Rc<RefCell<Vec<BatchCommitted>>>,
    alarms: Rc<RefCell<Vec<StoreBroke>>>,
}

impl Other {
    fn new(account: &str) -> Self {
        Self::of(Run { account: account.into(), ..(*nobodys_run()).clone() })
    }

    fn replaying(account: &str) -> Self {
        let replay = Some(Replay { filter: LetterFilter::default(), letters: 1 });
        Self::of(Run { account: account.into(), replay, ..(*nobodys_run()).clone() })
    }

    fn of(run: Run) -> Self {
        let pipeline = Ends::default();
        let acknowledged = pipeline.0.clone();
        let (pipeline, (alarm, alarms)) = (pipeline.start(), witness());
        let run = Arc::new(run);
        let progress = Arc::new(watch::Sender::new(Progress::default()));
        let member = Member::new(run, pipeline.clone().recipient(), alarm, progress);
        Self { member, pipeline, acknowledged, alarms }
    }

    fn keep(&self, scene: &Scene, ids: impl IntoIterator<Item = u32>) {
        ids.into_iter().for_each(|id| scene.actor.do_send(Keep(self.member.clone(), synced(id))));
    }

    async fn end(&self) {
        self.pipeline.send(End).await.expect("it lived");
        while self.pipeline.connected() {
            tokio::task::yield_now().await;
        }
    }

    fn stored(&self) -> HashSet<u32> {
        once_each(self.acknowledged.borrow().iter().flat_map(|batch| &batch.stored))
    }
}

/// Its records are told apart by the account.
fn record(account: usize, leased: u32) -> KeepSpent {
    let run = Arc::new(Run { account: format!("{account:05}").into(), ..(*nobodys_run()).clone() });
    KeepSpent { run, spent: Spent { leased: (SECOND, leased), ..Spent::default() } }
}

#[test]
fn runs_fill_a_batch_together_and_each_is_told_of_its_own() {
    in_virtual_time(async {
        let (scene, other) = (Scene::new(10, well), Other::new("other"));
        scene.keep(0..6);
        other.keep(&scene, 100..104);
        sleep(COMMIT + 3 * MS).await;
        assert_eq!(scene.sizes(), [10], "without a linger");
        assert_eq!((scene.stored(), other.stored()), ((0..6).collect(), (100..104).collect()));
    });
}

#[test]
fn a_flush_of_one_run_waits_for_no_other() {
    in_virtual_time(async {
        let (scene, other) = (Scene::new(10, well), Other::new("other"));
        scene.keep(0..3);
        other.keep(&scene, 100..102);
        scene.actor.do_send(Flush);
        sleep(COMMIT + 3 * MS).await;
        assert_eq!((scene.sizes(), scene.stored().len(), other.stored().len()), (vec![5], 3, 2));
    });
}

#[test]
fn a_broken_commit_ends_the_runs_that_had_a_share_in_it_and_no_other() {
    in_virtual_time(async {
        let scene = Scene::new(4, |n| if n == 0 { Fate::Broken } else { Fate::Well });
        let (with, without) = (Other::new("with"), Other::new("without"));
        scene.keep(0..2);
        with.keep(&scene, 100..102);
        sleep(COMMIT / 2).await;
        without.keep(&scene, 200..204);
        with.keep(&scene, 102..104);
        scene.keep(2..4);
        sleep(SECOND).await;
        assert_eq!((scene.alarms.borrow().len(), with.alarms.borrow().len()), (1, 1));
        assert_eq!((without.alarms.borrow().len(), without.stored()), (0, (200..204).collect()));
        // What else they had is not tried any more.
        assert_eq!(*scene.store.rows.borrow(), (200..204).collect());
    });
}

#[test]
fn a_dead_letter_that_cannot_be_stored_ends_only_its_own_run() {
    in_virtual_time(async {
        let scene = Scene::with_poison(4, well, [UNSPEAKABLE]);
        let other = Other::new("other");
        scene.actor.do_send(Keep(scene.member.clone(), given_up(UNSPEAKABLE)));
        other.keep(&scene, 100..103);
        sleep(SECOND).await;
        assert_eq!((scene.alarms.borrow().len(), other.alarms.borrow().len()), (1, 0));
        assert_eq!(other.stored(), (100..103).collect());
        other.keep(&scene, [103]);
        sleep(SECOND).await;
        assert_eq!(other.stored(), (100..104).collect());
    });
}

#[test]
fn what_a_run_left_in_the_buffer_is_not_stored_after_its_end() {
    in_virtual_time(async {
        let (scene, other) = (Scene::new(10, well), Other::new("other"));
        other.keep(&scene, 100..105);
        scene.keep(0..2);
        other.end().await;
        sleep(SECOND).await;
        assert_eq!((scene.stored(), scene.sizes()), ((0..2).collect(), vec![2]));
        assert_eq!(*scene.store.rows.borrow(), (0..2).collect());
        // Nor is a commit made for it alone.
        other.keep(&scene, 105..120);
        scene.actor.do_send(Flush);
        sleep(SECOND).await;
        assert_eq!(scene.sizes(), [2]);
    });
}

#[test]
fn what_waits_for_a_database_that_is_away_is_not_stored_for_a_run_that_ended_meanwhile() {
    in_virtual_time(async {
        let scene = Scene::new(4, |n| if n < 4 { Fate::Away } else { Fate::Well });
        let other = Other::new("other");
        scene.keep(0..2);
        other.keep(&scene, 100..104);
        sleep(SECOND).await;
        other.end().await;
        sleep(60 * SECOND).await;
        assert_eq!((scene.stored(), scene.sizes()), ((0..2).collect(), vec![4, 4, 4, 2, 2]));
        assert_eq!(*scene.store.rows.borrow(), (0..2).collect());
    });
}

#[test]
fn an_absence_that_all_who_waited_gave_up_on_is_over() {
    in_virtual_time(async {
        let away = Rc::new(Cell::new(true));
        let fate = away.clone();
        let scene = Scene::new(1, move |_| if fate.get() { Fate::Away } else { Fate::Well });
        let other = Other::new("other");
        other.keep(&scene, [100]);
        sleep(SECOND).await;
        other.end().await;
        sleep(2 * DATABASE_PATIENCE).await;
        let tried = scene.sizes().len();
        scene.keep([1]);
        sleep(10 * SECOND).await;
        assert!(scene.sizes().len() > tried + 3, "it is tried again and again");
        assert!(scene.alarms.borrow().is_empty(), "its own patience has just begun");
        away.set(false);
        sleep(10 * SECOND).await;
        assert_eq!(scene.stored(), HashSet::from([1]));
    });
}

#[test]
fn a_run_that_has_lost_its_account_is_alarmed_once_and_the_other_is_acknowledged() {
    in_virtual_time(async {
        let (scene, lost) = (Scene::new(4, well), Other::new("lost"));
        scene.store.disowned.borrow_mut().insert("lost".into());
        scene.keep(0..2);
        lost.keep(&scene, 100..106);
        sleep(SECOND).await;
        assert_eq!((scene.stored(), lost.stored()), ((0..2).collect(), HashSet::new()));
        let alarms: Vec<String> = lost.alarms.borrow().iter().map(|alarm| alarm.0.clone()).collect();
        assert_eq!(alarms, ["lost is another's"]);
        assert!(scene.alarms.borrow().is_empty());
        assert_eq!(*scene.store.rows.borrow(), (0..2).collect());
    });
}

#[test]
fn records_that_come_during_a_write_are_written_together_after_it() {
    in_virtual_time(async {
        let scene = Scene::new(1, well);
        let records = (0..20).map(|n| scene.actor.send(record(n, 1)));
        let kept = futures_util::future::join_all(records).await;
        assert!(kept.iter().all(|kept| *kept == Ok(Ok(()))), "{kept:?}");
        assert_eq!((scene.store.questions.borrow().len(), scene.store.records.borrow().len()), (2, 20));
    });
}

#[test]
fn a_record_of_a_run_that_has_lost_its_account_is_refused_and_the_others_are_kept() {
    in_virtual_time(async {
        let scene = Scene::new(1, well);
        scene.store.disowned.borrow_mut().insert("00003".into());
        let kept = futures_util::future::join_all((0..6).map(|n| scene.actor.send(record(n, 1)))).await;
        for (n, kept) in kept.into_iter().enumerate() {
            let expected = if n == 3 { Err(StoreError::Broken("00003 is another's".into())) } else { Ok(()) };
            assert_eq!(kept, Ok(expected), "{n}");
        }
    });
}

#[test]
fn who_waits_for_a_record_is_served_in_order_however_many_ask_again_meanwhile() {
    in_virtual_time(async {
        let scene = Scene::new(1, well);
        let latest = Rc::new(Cell::new(Duration::ZERO));
        // More than three writes' worth, each of which asks for its next record at once.
        let asking = (0..1600).map(|n| {
            let (actor, latest) = (scene.actor.clone(), latest.clone());
            actix::spawn(async move {
                for _ in 0..5 {
                    let asked = Instant::now();
                    assert_eq!(actor.send(record(n, 1)).await, Ok(Ok(())));
                    latest.set(latest.get().max(asked.elapsed()));
                }
            })
        });
        for asking in asking.collect::<Vec<_>>() {
            asking.await.expect("it does not panic");
        }
        assert!(latest.get() <= 5 * (COMMIT + 2 * MS), "{:?}", latest.get());
    });
}

/// When each of these is answered, in times of a commit: questions about so many campaigns.
async fn answer_times(scene: &Scene, campaigns: impl IntoIterator<Item = u32>) -> Vec<u128> {
    let begun = Instant::now();
    let ask = |(n, campaigns): (usize, u32)| {
        let ids: Vec<CampaignId> = (0..campaigns).map(|id| CampaignId::from(format!("{n}-{id}"))).collect();
        let answer = scene.actor.send(FindSettled { member: scene.member.clone(), ids: ids.clone() });
        async move {
            assert_eq!(answer.await, Ok(Ok(ids.into_iter().map(settled).collect())), "{n}");
            begun.elapsed().as_millis() / COMMIT.as_millis()
        }
    };
    futures_util::future::join_all(campaigns.into_iter().enumerate().map(ask)).await
}

#[test]
fn questions_that_come_during_a_question_are_asked_together_after_it() {
    in_virtual_time(async {
        let scene = Scene::new(10, well);
        assert_eq!(answer_times(&scene, [1, 2, 0, 3, 1]).await, [1, 2, 2, 2, 2]);
        let together: Vec<usize> = scene.store.questions.borrow().iter().map(|(_, asked)| *asked).collect();
        assert_eq!(together, [1, 4]);
    });
}

#[test]
fn no_more_is_asked_together_than_the_largest_page_holds_but_for_one_that_is_larger() {
    in_virtual_time(async {
        let scene = Scene::new(10, well);
        let times = answer_times(&scene, [1, 6_000, 4_000, 1, 20_000, 1]).await;
        assert_eq!(times, [1, 2, 2, 3, 4, 5]);
    });
}

#[test]
fn a_question_that_is_refused_together_with_others_is_asked_again_by_itself() {
    in_virtual_time(async {
        // The second is three questions.
        let scene = Scene::new(10, |n| if n == 1 { Fate::Broken } else { Fate::Well });
        assert_eq!(answer_times(&scene, [1, 1, 1, 1]).await, [1, 3, 4, 5]);
        let together: Vec<usize> = scene.store.questions.borrow().iter().map(|(_, asked)| *asked).collect();
        assert_eq!(together, [1, 3, 1, 1, 1]);
    });
}

#[test]
fn what_a_replay_asks_is_asked_by_itself() {
    in_virtual_time(async {
        let (scene, replay) = (Scene::new(10, well), Other::replaying("other"));
        let ask =
            |member: &Arc<Member>| scene.actor.send(FindSettled { member: member.clone(), ids: vec![] });
        let (sync, other) = (&scene.member, &replay.member);
        let answers = [sync, sync, other, sync, sync].map(ask);
        assert!(futures_util::future::join_all(answers).await.iter().all(|answer| *answer == Ok(Ok(vec![]))));
        let together: Vec<usize> = scene.store.questions.borrow().iter().map(|(_, asked)| *asked).collect();
        assert_eq!(together, [1, 1, 1, 2]);
    });
}

#[test]
fn a_question_whose_run_has_ended_is_not_asked() {
    in_virtual_time(async {
        let (scene, other) = (Scene::new(10, well), Other::new("other"));
        let ask =
            |member: &Arc<Member>| scene.actor.send(FindSettled { member: member.clone(), ids: vec![] });
        let (first, second, third) = (ask(&scene.member), ask(&scene.member), ask(&other.member));
        sleep(COMMIT / 2).await;
        other.end().await;
        let (first, second, third, fourth) = tokio::join!(first, second, third, ask(&scene.member));
        assert!([first, second, fourth].iter().all(|answer| *answer == Ok(Ok(vec![]))));
        assert!(third.is_err(), "nobody is there to be answered: {third:?}");
        let together: Vec<usize> = scene.store.questions.borrow().iter().map(|(_, asked)| *asked).collect();
        assert_eq!(together, [1, 2]);
    });
}
