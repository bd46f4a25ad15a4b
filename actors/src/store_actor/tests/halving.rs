//! Rows that the database refuses.

use super::*;

#[test]
fn halving_finds_the_rows_that_cannot_be_stored_with_few_commits_and_stores_the_others() {
    in_virtual_time(async {
        let poison = [0, 7, 8, 250, 333, 499];
        let scene = Scene::with_poison(500, well, poison);
        scene.keep(0..500);
        sleep(60 * SECOND).await;
        let poison = HashSet::from(poison);
        assert_eq!(scene.buried(), poison);
        assert_eq!(scene.stored(), (0..500).filter(|id| !poison.contains(id)).collect());
        assert_eq!((*scene.store.rows.borrow()).len(), 494);
        // Each costs at most two commits for each of nine halvings, and one for its dead letter.
        let commits = scene.sizes().len();
        assert!(commits <= poison.len() * (2 * 9 + 2) + 1, "{commits} commits");
        assert!(scene.alarms.borrow().is_empty());
    });
}

#[test]
fn what_comes_while_a_batch_is_halved_waits_and_is_stored_too() {
    in_virtual_time(async {
        let scene = Scene::with_poison(8, well, [3]);
        scene.keep(0..8);
        sleep(COMMIT / 2).await;
        scene.keep(8..20);
        sleep(SECOND).await;
        assert_eq!(scene.stored(), (0..20).filter(|id| *id != 3).collect());
        let letter = unstorable_of(3);
        assert_eq!((letter.class, letter.message.as_str()), (FailureClass::Unstorable, "poison"));
        assert_eq!(letter.attempts, 2);
        assert_eq!(&*letter.payload, "payload of 3");
    });
}

fn unstorable_of(id: u32) -> DeadLetter {
    match synced(id) {
        Settled::Synced(synced, attempts) => unstorable(&synced, attempts, "poison".into()),
        Settled::GivenUp(letter) => letter,
    }
}

#[test]
fn a_dead_letter_that_cannot_be_stored_needs_someone() {
    in_virtual_time(async {
        let scene = Scene::with_poison(2, well, [UNSPEAKABLE]);
        scene.keep([1]);
        scene.actor.do_send(Keep(scene.member.clone(), given_up(UNSPEAKABLE)));
        sleep(SECOND).await;
        assert_eq!((scene.stored(), scene.buried()), ([1].into(), [].into()));
        let tried = scene.sizes().len();
        scene.keep([2, 3]);
        sleep(SECOND).await;
        assert_eq!(scene.sizes().len(), tried, "nothing more is tried");
        let alarms = scene.alarms.borrow();
        assert_eq!(alarms.len(), 1);
        assert_eq!(alarms[0].0, format!("the dead letter of {UNSPEAKABLE} cannot be stored: poison"));
    });
}
