//! The database is away, for a while or for good.

use super::*;

#[test]
fn a_database_that_is_away_is_tried_again_with_waits_that_double_to_their_cap() {
    in_virtual_time(async {
        let scene = Scene::new(5, |n| if n < 8 { Fate::Away } else { Fate::Well });
        scene.keep(0..5);
        sleep(3 * SECOND).await;
        assert_eq!(scene.progress.borrow().database_away.as_deref(), Some("away"));
        assert!(scene.acknowledged.borrow().is_empty());
        sleep(60 * SECOND).await;
        assert_eq!(scene.stored(), (0..5).collect());
        assert_eq!(scene.progress.borrow().database_away, None);
        for (wait, expected) in scene.waits().into_iter().zip([250, 500, 1000, 2000, 4000, 5000, 5000, 5000])
        {
            let expected = expected * MS + COMMIT;
            assert!((expected..=expected + 3 * MS).contains(&wait), "{wait:?} instead of {expected:?}");
        }
        assert_eq!(scene.sizes(), [5; 9]);
    });
}

#[test]
fn a_second_absence_has_its_own_waits_and_its_own_patience() {
    in_virtual_time(async {
        let away = |begun: Instant| {
            let since = begun.elapsed();
            let (first, second) = (10 * 60 * SECOND, 20 * 60 * SECOND);
            since < first || (since > first + 60 * SECOND && since < second)
        };
        let begun = Instant::now();
        let scene = Scene::new(1, move |_| if away(begun) { Fate::Away } else { Fate::Well });
        scene.keep([1]);
        sleep(10 * 60 * SECOND + 30 * SECOND).await;
        assert_eq!(scene.stored(), HashSet::from([1]));
        sleep(60 * SECOND).await;
        let before = scene.sizes().len();
        scene.keep([2]);
        sleep(10 * 60 * SECOND).await;
        assert!(scene.alarms.borrow().is_empty());
        assert_eq!(scene.stored(), HashSet::from([1, 2]));
        let first_wait = scene.waits()[before];
        assert!((BACKOFF..BACKOFF + COMMIT + 3 * MS).contains(&first_wait), "{first_wait:?}");
    });
}

#[test]
fn a_refusal_between_two_absences_shows_that_the_database_was_back() {
    in_virtual_time(async {
        let scene = Scene::with_poison(2, |n| if n == 4 || n > 9 { Fate::Well } else { Fate::Away }, [1]);
        scene.keep([1, 2]);
        sleep(60 * SECOND).await;
        let waits: Vec<u128> = scene.waits().iter().map(|wait| wait.as_millis() / 100).collect();
        assert_eq!(waits[3..6], [20, 0, 2], "after the refusal the first half goes out at once");
        assert_eq!((scene.stored(), scene.buried()), ([2].into(), [1].into()));
    });
}

#[test]
fn patience_with_a_database_ends_and_nothing_is_tried_any_more() {
    in_virtual_time(async {
        let (scene, begun) = (Scene::new(1, |_| Fate::Away), Instant::now());
        scene.keep([1]);
        while scene.alarms.borrow().is_empty() {
            assert!(begun.elapsed() < DATABASE_PATIENCE + BACKOFF_CAP + SECOND);
            sleep(SECOND).await;
        }
        assert!(begun.elapsed() >= DATABASE_PATIENCE);
        assert!(scene.alarms.borrow()[0].0.contains("away (waited for 900 s)"), "{:?}", scene.alarms);
        let tried = scene.sizes().len();
        scene.actor.do_send(Flush);
        sleep(DATABASE_PATIENCE).await;
        assert_eq!((scene.sizes().len(), scene.alarms.borrow().len()), (tried, 1));
    });
}

#[test]
fn a_question_is_asked_again_while_the_database_is_away_and_answered_then() {
    in_virtual_time(async {
        let scene = Scene::new(10, |n| if n < 3 { Fate::Away } else { Fate::Well });
        let (ids, begun) = (vec![CampaignId::from("1")], Instant::now());
        let answer = scene
            .actor
            .send(FindSettled { member: scene.member.clone(), ids: ids.clone() })
            .await
            .expect("it is alive");
        assert_eq!(answer, Ok(ids.into_iter().map(settled).collect()));
        let asked: Vec<u128> =
            scene.store.questions.borrow().iter().map(|(at, _)| (*at - begun).as_millis() / 100).collect();
        assert_eq!(asked, [0, 2, 7, 17], "at 0, 0.26, 0.77 and 1.78 s");
    });
}

#[test]
fn a_question_is_given_up_when_patience_ends_and_at_once_where_someone_has_to_act() {
    in_virtual_time(async {
        let scene = Scene::new(10, |_| Fate::Away);
        let begun = Instant::now();
        let answer = scene
            .actor
            .send(FindSettled { member: scene.member.clone(), ids: vec![] })
            .await
            .expect("it is alive");
        assert_eq!(answer, Err(StoreError::Unavailable("away".into())));
        assert!((DATABASE_PATIENCE..DATABASE_PATIENCE + 2 * BACKOFF_CAP).contains(&begun.elapsed()));
        let scene = Scene::new(10, |_| Fate::Broken);
        let answer = scene
            .actor
            .send(FindSettled { member: scene.member.clone(), ids: vec![] })
            .await
            .expect("it is alive");
        assert_eq!(answer, Err(StoreError::Broken("broken".into())));
        assert_eq!(scene.store.questions.borrow().len(), 1);
    });
}

#[test]
fn each_question_has_its_own_patience_however_many_wait_together() {
    in_virtual_time(async {
        let (scene, begun) = (Scene::new(10, |_| Fate::Away), Instant::now());
        let later = DATABASE_PATIENCE / 2;
        let ask = async |after| {
            sleep(after).await;
            let answer = scene.actor.send(FindSettled { member: scene.member.clone(), ids: vec![] }).await;
            assert_eq!(answer, Ok(Err(StoreError::Unavailable("away".into()))));
            begun.elapsed() - after
        };
        for waited in <[Duration; 2]>::from(tokio::join!(ask(Duration::ZERO), ask(later))) {
            assert!((DATABASE_PATIENCE..DATABASE_PATIENCE + 2 * BACKOFF_CAP).contains(&waited), "{waited:?}");
        }
    });
}

#[test]
fn a_question_does_not_keep_commits_waiting() {
    in_virtual_time(async {
        let scene = Scene::new(1, |n| if n < 3 { Fate::Away } else { Fate::Well });
        // The question is the store's first, the commits are counted apart.
        let question = scene.actor.send(FindSettled { member: scene.member.clone(), ids: vec![] });
        scene.keep([1]);
        sleep(SECOND / 10).await;
        assert_eq!(scene.sizes().len(), 1, "while the question is still open");
        assert_eq!(question.await, Ok(Ok(vec![])));
    });
}

#[test]
fn of_the_records_that_wait_for_the_database_only_the_newest_is_kept() {
    in_virtual_time(async {
        let scene = Scene::new(1, |n| if n < 6 { Fate::Away } else { Fate::Well });
        let record = |leased| Spent { leased: (SECOND, leased), ..Spent::default() };
        let old = scene.actor.send(KeepSpent { run: nobodys_run(), spent: record(1) });
        // While the first waits for its next attempt, which would come after the second's.
        let new = async {
            sleep(SECOND).await;
            scene.actor.send(KeepSpent { run: nobodys_run(), spent: record(2) }).await
        };
        let (old, new) = tokio::join!(old, new);
        assert!(old.is_err(), "it gets no answer: {old:?}");
        assert_eq!(new, Ok(Ok(())));
        sleep(60 * SECOND).await;
        assert_eq!(*scene.store.records.borrow(), [record(2)]);
        assert!(scene.alarms.borrow().is_empty(), "nothing is wrong with that");
    });
}
