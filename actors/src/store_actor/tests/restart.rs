//! The actor panics, wherever it is.

use super::*;

/// Makes the actor panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Stumble;

impl Handler<Stumble> for StoreActor<NotingStore> {
    type Result = ();

    fn handle(&mut self, Stumble: Stumble, _: &mut Context<Self>) {
        panic!("the test told it to");
    }
}

#[test]
fn a_panic_before_or_after_a_commit_repeats_it_and_loses_nothing() {
    in_virtual_time(async {
        for fate in [Fate::PanicBefore, Fate::PanicAfter] {
            let scene = Scene::new(4, move |n| if n == 1 { fate } else { Fate::Well });
            scene.keep(0..10);
            sleep(COMMIT + COMMIT / 2).await;
            scene.keep(10..14);
            sleep(SECOND).await;
            assert_eq!(scene.crashes.borrow().len(), 1);
            let attempts = scene.store.attempts.borrow();
            assert_eq!(attempts[1].ids, attempts[2].ids, "the same batch again");
            assert_eq!((scene.stored(), scene.store.rows.borrow().len()), ((0..14).collect(), 14));
        }
    });
}

#[test]
fn all_that_was_under_way_when_it_panics_is_repeated() {
    in_virtual_time(async {
        let scene = Scene::new(4, well);
        scene.keep(0..12);
        sleep(COMMIT / 2).await;
        scene.actor.do_send(Stumble);
        sleep(SECOND).await;
        let attempts = scene.store.attempts.borrow();
        let tried = |id| attempts.iter().filter(|attempt| attempt.ids.contains(&id)).count();
        assert!((0..8).all(|id| tried(id) == 2) && (8..12).all(|id| tried(id) == 1), "{attempts:?}");
        assert_eq!((scene.crashes.borrow().len(), scene.stored()), (1, (0..12).collect()));
    });
}

#[test]
fn what_waits_in_the_buffer_when_it_panics_still_goes_out_after_its_linger() {
    in_virtual_time(async {
        // The question panics; the entry waits for its linger, and nothing else comes.
        let scene = Scene::new(10, |_| Fate::Well);
        scene.keep([1]);
        scene.actor.do_send(Stumble);
        sleep(RestartIntensity::SINGLETON.backoff + LINGER + COMMIT + 5 * MS).await;
        assert_eq!((scene.crashes.borrow().len(), scene.stored()), (1, HashSet::from([1])));
        // A flush that it had got is not forgotten either.
        scene.keep(2..7);
        scene.actor.do_send(Flush);
        scene.keep([7]);
        scene.actor.do_send(Stumble);
        sleep(SECOND).await;
        assert_eq!(scene.stored(), (1..8).collect());
    });
}

#[test]
fn halves_and_the_wait_for_a_database_outlive_a_panic() {
    in_virtual_time(async {
        let fate = |n| match n {
            2 => Fate::Away,
            5 => Fate::PanicBefore,
            _ => Fate::Well,
        };
        let scene = Scene::with_poison(8, fate, [2, 5]);
        scene.keep(0..8);
        sleep(3 * COMMIT + BACKOFF / 2).await;
        // In the middle of its wait.
        scene.actor.do_send(Stumble);
        sleep(60 * SECOND).await;
        assert_eq!(scene.crashes.borrow().len(), 2);
        assert_eq!(scene.stored(), [0, 1, 3, 4, 6, 7].into());
        assert_eq!(scene.buried(), [2, 5].into());
    });
}
