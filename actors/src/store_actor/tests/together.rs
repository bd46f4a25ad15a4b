//! Several batches are under way at the same time.

use super::*;

/// When each attempt began, in milliseconds.
fn begins(scene: &Scene, begun: Instant) -> Vec<u128> {
    scene.store.attempts.borrow().iter().map(|attempt| (attempt.begun - begun).as_millis()).collect()
}

#[test]
fn two_batches_are_committed_at_the_same_time_and_the_third_follows_the_first_of_them() {
    in_virtual_time(async {
        let (scene, begun) = (Scene::new(10, well), Instant::now());
        scene.keep(0..30);
        sleep(COMMIT / 2).await;
        assert_eq!(scene.sizes(), [10, 10]);
        assert!(scene.acknowledged.borrow().is_empty());
        sleep(COMMIT + 2 * MS).await;
        let begins = begins(&scene, begun);
        assert!(begins[1] <= 1 && (10..=12).contains(&begins[2]), "{begins:?}");
        sleep(COMMIT).await;
        assert_eq!(scene.stored(), (0..30).collect());
    });
}

#[test]
fn a_batch_that_is_not_full_fills_while_another_is_under_way() {
    in_virtual_time(async {
        let scene = Scene::new(10, well);
        scene.keep(0..3);
        scene.actor.do_send(Flush);
        sleep(COMMIT / 2).await;
        scene.keep(3..5);
        scene.actor.do_send(Flush);
        sleep(COMMIT / 4).await;
        scene.keep(5..9);
        sleep(2 * COMMIT).await;
        assert_eq!((scene.sizes(), scene.stored()), (vec![3, 6], (0..9).collect()));
    });
}

#[test]
fn an_absence_that_two_batches_meet_with_is_one_and_one_of_them_finds_out_when_it_is_over() {
    in_virtual_time(async {
        let (scene, begun) =
            (Scene::new(10, |n| if n < 4 { Fate::Away } else { Fate::Well }), Instant::now());
        scene.keep(0..20);
        sleep(10 * SECOND).await;
        let tenths: Vec<u128> = begins(&scene, begun).iter().map(|at| at / 100).collect();
        assert_eq!(tenths, [0, 0, 2, 7, 17, 17], "after 0.25, 0.5 and 1 s: each wait once");
        assert_eq!(
            (scene.stored(), scene.progress.borrow().database_away.clone()),
            ((0..20).collect(), None)
        );
    });
}

#[test]
fn what_is_stored_beside_a_batch_that_found_the_database_away_shows_that_it_is_back() {
    in_virtual_time(async {
        let (scene, begun) =
            (Scene::new(10, |n| if n == 0 { Fate::Away } else { Fate::Well }), Instant::now());
        scene.keep(0..20);
        sleep(3 * COMMIT).await;
        assert!(begun.elapsed() < BACKOFF);
        assert_eq!((scene.sizes(), scene.stored()), (vec![10; 3], (0..20).collect()));
        // The wait that it had begun is over with it.
        sleep(2 * BACKOFF).await;
        assert_eq!(scene.sizes(), [10; 3]);
    });
}

#[test]
fn a_batch_that_cannot_be_stored_beside_others_that_can_holds_them_up_and_waits() {
    in_virtual_time(async {
        let scene = Scene::new(10, |n| if [0, 2].contains(&n) { Fate::Away } else { Fate::Well });
        scene.keep(0..40);
        sleep(10 * SECOND).await;
        let attempts = scene.store.attempts.borrow();
        let [first, _, second, third, ..] = &attempts[..] else { panic!("{attempts:?}") };
        assert_eq!((&second.ids, &third.ids), (&first.ids, &first.ids), "it comes first");
        assert!(third.begun - second.begun >= 2 * BACKOFF, "it is the same absence");
        assert_eq!(
            (scene.stored(), scene.progress.borrow().database_away.clone()),
            ((0..40).collect(), None)
        );
    });
}

#[test]
fn a_batch_that_is_refused_beside_another_is_halved_by_itself() {
    in_virtual_time(async {
        let scene = Scene::with_poison(8, well, [3]);
        scene.keep(0..16);
        sleep(SECOND).await;
        assert_eq!((scene.stored(), scene.buried()), ((0..16).filter(|id| *id != 3).collect(), [3].into()));
        assert_eq!(scene.sizes()[..3], [8, 8, 4]);
        let halves = &scene.store.attempts.borrow()[2..];
        let apart = halves.windows(2).all(|two| two[1].begun - two[0].begun >= COMMIT);
        assert!(apart, "one after another: {halves:?}");
    });
}
