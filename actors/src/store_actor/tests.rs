//! On a store that notes down every commit, in virtual time.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use actix::Addr;
use tokio::sync::watch;
use uuid::Uuid;

use super::*;
use crate::model::{AccountId, Campaign};
use crate::progress::Progress;
use crate::report::AccountReport;
use crate::settings::RestartIntensity;
use crate::supervision::{ActorKind, Crashed, guard};
use crate::testing::{in_virtual_time, witness};

const MS: Duration = Duration::from_millis(1);
const COMMIT: Duration = Duration::from_millis(10);
const LINGER: Duration = Duration::from_millis(200);
const SECOND: Duration = Duration::from_secs(1);

/// Poison even as a dead letter.
const UNSPEAKABLE: u32 = 666;

/// What a commit or a question meets with.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Well,
    Away,
    Broken,
    PanicBefore,
    PanicAfter,
}

#[derive(Clone, Debug)]
struct Attempt {
    begun: Instant,
    ids: Vec<u32>,
}

struct NotingStore {
    /// Of the n-th commit.
    fate: Box<dyn Fn(usize) -> Fate>,
    poison: HashSet<u32>,
    attempts: RefCell<Vec<Attempt>>,
    rows: RefCell<HashSet<u32>>,
    buried: RefCell<HashSet<u32>>,
    busy: Cell<bool>,
    questions: RefCell<Vec<Instant>>,
}

impl Store for NotingStore {
    async fn begin_run(&self, _: &AccountId) -> Result<Run, StoreError> {
        unreachable!("the run began before")
    }

    async fn settled(&self, _: &Run, ids: &[CampaignId]) -> Result<Vec<CampaignId>, StoreError> {
        let number = self.questions.borrow().len();
        self.questions.borrow_mut().push(Instant::now());
        sleep(COMMIT).await;
        match (self.fate)(number) {
            Fate::Well => Ok(ids.to_vec()),
            Fate::Away => Err(StoreError::Unavailable("away".into())),
            _ => Err(StoreError::Broken("broken".into())),
        }
    }

    async fn commit(&self, _: &Run, batch: &Batch) -> Result<(), StoreError> {
        assert!(!self.busy.replace(true), "one commit at a time");
        let synced: Vec<u32> = batch.synced.iter().map(|synced| number(&synced.campaign.id)).collect();
        let letters: Vec<u32> = batch.dead_letters.iter().map(|letter| number(&letter.id)).collect();
        let fate = (self.fate)(self.attempts.borrow().len());
        let ids = synced.iter().chain(&letters).copied().collect();
        self.attempts.borrow_mut().push(Attempt { begun: Instant::now(), ids });
        sleep(COMMIT).await;
        self.busy.set(false);
        match fate {
            Fate::Away => return Err(StoreError::Unavailable("away".into())),
            Fate::Broken => return Err(StoreError::Broken("broken".into())),
            Fate::PanicBefore => panic!("before the commit"),
            _ if synced.iter().any(|id| self.poison.contains(id)) || self.is_unspeakable(&letters) => {
                return Err(StoreError::Refused("poison".into()));
            }
            _ => {}
        }
        self.rows.borrow_mut().extend(synced);
        self.buried.borrow_mut().extend(letters);
        assert!(fate != Fate::PanicAfter, "after the commit");
        Ok(())
    }

    async fn finish_run(&self, _: &Run, _: &AccountReport) -> Result<(), StoreError> {
        unreachable!("the run goes on")
    }
}

impl NotingStore {
    fn is_unspeakable(&self, letters: &[u32]) -> bool {
        self.poison.contains(&UNSPEAKABLE) && letters.contains(&UNSPEAKABLE)
    }
}

struct Scene {
    store: Rc<NotingStore>,
    actor: Addr<StoreActor<NotingStore>>,
    acknowledged: Rc<RefCell<Vec<BatchCommitted>>>,
    alarms: Rc<RefCell<Vec<StoreBroke>>>,
    crashes: Rc<RefCell<Vec<Crashed>>>,
    progress: watch::Receiver<Progress>,
}

impl Scene {
    fn new(size: usize, fate: impl Fn(usize) -> Fate + 'static) -> Self {
        Self::with_poison(size, fate, [])
    }

    fn with_poison(
        size: usize,
        fate: impl Fn(usize) -> Fate + 'static,
        poison: impl IntoIterator<Item = u32>,
    ) -> Self {
        let store = Rc::new(NotingStore {
            fate: Box::new(fate),
            poison: poison.into_iter().collect(),
            attempts: RefCell::default(),
            rows: RefCell::default(),
            buried: RefCell::default(),
            busy: Cell::new(false),
            questions: RefCell::default(),
        });
        let run = Run { id: Uuid::nil(), account: "test".into() };
        let limits = BatchLimits::new(size, LINGER).expect("in range");
        let ((acknowledge, acknowledged), (alarm, alarms)) = (witness(), witness());
        let (sender, progress) = watch::channel(Progress::default());
        let actor = StoreActor::new(store.clone(), run, limits, acknowledge, alarm, Rc::new(sender));
        let (supervisor, crashes) = witness();
        let (actor, _) = guard(ActorKind::Store, RestartIntensity::SINGLETON, supervisor, actor);
        Self { store, actor, acknowledged, alarms, crashes, progress }
    }

    fn keep(&self, ids: impl IntoIterator<Item = u32>) {
        ids.into_iter().for_each(|id| self.actor.do_send(Keep(synced(id))));
    }

    fn sizes(&self) -> Vec<usize> {
        self.store.attempts.borrow().iter().map(|attempt| attempt.ids.len()).collect()
    }

    /// From one attempt to the next.
    fn waits(&self) -> Vec<Duration> {
        let attempts = self.store.attempts.borrow();
        attempts.windows(2).map(|two| two[1].begun - two[0].begun).collect()
    }

    /// What was acknowledged as stored, once each.
    #[track_caller]
    fn stored(&self) -> HashSet<u32> {
        once_each(self.acknowledged.borrow().iter().flat_map(|batch| &batch.stored))
    }

    #[track_caller]
    fn buried(&self) -> HashSet<u32> {
        once_each(self.acknowledged.borrow().iter().flat_map(|batch| &batch.dead_lettered))
    }
}

#[track_caller]
fn once_each<'a>(ids: impl Iterator<Item = &'a CampaignId>) -> HashSet<u32> {
    let mut seen = HashSet::new();
    ids.for_each(|id| assert!(seen.insert(number(id)), "{id} is acknowledged twice"));
    seen
}

fn number(id: &CampaignId) -> u32 {
    id.as_str().parse().expect("a number")
}

fn synced(id: u32) -> Settled {
    let campaign = Campaign {
        id: id.to_string().into(),
        name: String::new(),
        status: String::new(),
        budget: "1".into(),
        impressions: 0,
        clicks: 0,
        conversions: 0,
        created_at: SystemTime::UNIX_EPOCH,
        payload: format!("payload of {id}").into(),
    };
    Settled::Synced(SyncedCampaign { campaign: Arc::new(campaign), synced_at: SystemTime::UNIX_EPOCH })
}

fn given_up(id: u32) -> Settled {
    Settled::GivenUp(DeadLetter {
        id: id.to_string().into(),
        class: FailureClass::Rejected,
        message: "404".into(),
        attempts: 1,
        payload: "{}".into(),
        first_failed_at: SystemTime::UNIX_EPOCH,
        last_failed_at: SystemTime::UNIX_EPOCH,
    })
}

fn well(_: usize) -> Fate {
    Fate::Well
}

#[test]
fn a_full_batch_goes_out_at_once_and_what_is_left_after_its_linger() {
    in_virtual_time(async {
        let (scene, begun) = (Scene::new(10, well), Instant::now());
        scene.keep(0..25);
        sleep(2 * COMMIT + 2 * MS).await;
        assert_eq!((scene.sizes(), scene.stored().len()), (vec![10, 10], 20));
        sleep(LINGER + COMMIT).await;
        assert_eq!((scene.sizes(), scene.stored()), (vec![10, 10, 5], (0..25).collect()));
        let last = scene.store.attempts.borrow()[2].begun - begun;
        assert!((LINGER..=LINGER + COMMIT + 2 * MS).contains(&last), "{last:?}");
    });
}

#[test]
fn an_entry_lingers_for_others_from_when_it_came() {
    in_virtual_time(async {
        let (scene, begun) = (Scene::new(10, well), Instant::now());
        for id in 0..4 {
            scene.keep([id]);
            sleep(LINGER / 5).await;
        }
        sleep(LINGER).await;
        assert_eq!(scene.sizes(), [4]);
        let first = scene.store.attempts.borrow()[0].begun - begun;
        assert!((LINGER..=LINGER + 2 * MS).contains(&first), "{first:?}");
        // The next one lingers again.
        scene.keep([4]);
        sleep(LINGER - 2 * MS).await;
        assert_eq!(scene.sizes(), [4]);
        sleep(4 * MS).await;
        assert_eq!(scene.sizes(), [4, 1]);
    });
}

#[test]
fn nothing_is_acknowledged_before_its_commit_and_all_of_it_after() {
    in_virtual_time(async {
        let scene = Scene::new(3, well);
        scene.keep([1, 2]);
        scene.actor.do_send(Keep(given_up(3)));
        sleep(COMMIT - MS).await;
        assert_eq!(scene.sizes(), [3]);
        assert!(scene.acknowledged.borrow().is_empty());
        sleep(3 * MS).await;
        assert_eq!((scene.stored(), scene.buried()), (HashSet::from([1, 2]), HashSet::from([3])));
        assert_eq!(*scene.store.buried.borrow(), HashSet::from([3]));
    });
}

#[test]
fn a_flush_sends_out_all_that_is_buffered_however_much_it_is() {
    in_virtual_time(async {
        let scene = Scene::new(10, well);
        scene.keep(0..35);
        scene.actor.do_send(Flush);
        sleep(4 * COMMIT + 8 * MS).await;
        assert_eq!((scene.sizes(), scene.stored().len()), (vec![10, 10, 10, 5], 35));
        // It is over then: what comes later waits for others again.
        scene.keep([100]);
        sleep(LINGER / 2).await;
        assert_eq!(scene.sizes().len(), 4);
        scene.actor.do_send(Flush);
        scene.actor.do_send(Flush);
        sleep(2 * COMMIT).await;
        assert_eq!((scene.sizes().len(), scene.stored().len()), (5, 36));
    });
}

#[test]
fn a_flush_of_nothing_is_forgotten() {
    in_virtual_time(async {
        let scene = Scene::new(10, well);
        scene.actor.do_send(Flush);
        scene.keep([1]);
        sleep(LINGER / 2).await;
        assert!(scene.sizes().is_empty());
    });
}

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
        assert_eq!(&*letter.payload, "payload of 3");
    });
}

fn unstorable_of(id: u32) -> DeadLetter {
    match synced(id) {
        Settled::Synced(synced) => unstorable(&synced, "poison".into()),
        Settled::GivenUp(letter) => letter,
    }
}

#[test]
fn a_dead_letter_that_cannot_be_stored_needs_someone() {
    in_virtual_time(async {
        let scene = Scene::with_poison(2, well, [UNSPEAKABLE]);
        scene.keep([1]);
        scene.actor.do_send(Keep(given_up(UNSPEAKABLE)));
        sleep(SECOND).await;
        assert_eq!((scene.stored(), scene.buried()), ([1].into(), [].into()));
        let alarms = scene.alarms.borrow();
        assert_eq!(alarms.len(), 1);
        assert_eq!(alarms[0].0, format!("the dead letter of {UNSPEAKABLE} cannot be stored: poison"));
    });
}

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
        scene.keep([2]);
        scene.actor.do_send(Flush);
        sleep(DATABASE_PATIENCE).await;
        assert_eq!((scene.sizes().len(), scene.alarms.borrow().len()), (tried, 1));
    });
}

#[test]
fn a_database_that_needs_someone_is_reported_at_once() {
    in_virtual_time(async {
        let scene = Scene::new(1, |_| Fate::Broken);
        scene.keep([1, 2, 3]);
        sleep(SECOND).await;
        assert_eq!((scene.sizes().len(), scene.alarms.borrow().len()), (1, 1));
        assert_eq!(scene.alarms.borrow()[0].0, "broken");
        assert!(scene.acknowledged.borrow().is_empty());
    });
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
fn a_question_is_asked_again_while_the_database_is_away_and_answered_then() {
    in_virtual_time(async {
        let scene = Scene::new(10, |n| if n < 3 { Fate::Away } else { Fate::Well });
        let (ids, begun) = (vec![CampaignId::from("1")], Instant::now());
        let answer = scene.actor.send(FindSettled(ids.clone())).await.expect("it is alive");
        assert_eq!(answer, Ok(ids));
        let asked: Vec<u128> =
            scene.store.questions.borrow().iter().map(|at| (*at - begun).as_millis() / 100).collect();
        assert_eq!(asked, [0, 2, 7, 17], "at 0, 0.26, 0.77 and 1.78 s");
    });
}

#[test]
fn a_question_is_given_up_when_patience_ends_and_at_once_where_someone_has_to_act() {
    in_virtual_time(async {
        let scene = Scene::new(10, |_| Fate::Away);
        let begun = Instant::now();
        let answer = scene.actor.send(FindSettled(vec![])).await.expect("it is alive");
        assert_eq!(answer, Err(StoreError::Unavailable("away".into())));
        assert!((DATABASE_PATIENCE..DATABASE_PATIENCE + 2 * BACKOFF_CAP).contains(&begun.elapsed()));
        let scene = Scene::new(10, |_| Fate::Broken);
        let answer = scene.actor.send(FindSettled(vec![])).await.expect("it is alive");
        assert_eq!(answer, Err(StoreError::Broken("broken".into())));
        assert_eq!(scene.store.questions.borrow().len(), 1);
    });
}

#[test]
fn a_question_does_not_keep_commits_waiting() {
    in_virtual_time(async {
        let scene = Scene::new(1, |n| if n < 3 { Fate::Away } else { Fate::Well });
        // The question is the store's first, the commits are counted apart.
        let question = scene.actor.send(FindSettled(vec![]));
        scene.keep([1]);
        sleep(SECOND / 10).await;
        assert_eq!(scene.sizes().len(), 1, "while the question is still open");
        assert_eq!(question.await, Ok(Ok(vec![])));
    });
}
