//! On a store that notes down every commit, in virtual time.

mod absence;
mod halving;
mod restart;
mod sharing;
mod together;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use tokio::sync::watch;
use tokio::time::sleep;

use super::away::{BACKOFF, BACKOFF_CAP};
use super::*;
use crate::model::{AccountId, Campaign, LetterFilter, SettledBy, Spent};
use crate::ports::Question;
use crate::progress::Progress;
use crate::report::AccountReport;
use crate::settings::RestartIntensity;
use crate::supervision::{ActorKind, Crashed, guard};
use crate::testing::{in_virtual_time, nobodys_run, witness};

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
    busy: Rc<Cell<usize>>,
    /// Times, and how many were asked together.
    questions: RefCell<Vec<(Instant, usize)>>,
    records: RefCell<Vec<Spent>>,
    /// Accounts that another process has taken.
    disowned: RefCell<HashSet<AccountId>>,
}

/// A commit that is under way.
struct Busy(Rc<Cell<usize>>);

impl Busy {
    fn begin(busy: &Rc<Cell<usize>>) -> Self {
        busy.set(busy.get() + 1);
        assert!(busy.get() <= MOST_COMMITTING, "too many at a time");
        Self(busy.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Store for NotingStore {
    async fn begin_run(&self, _: &AccountId, _: Option<Duration>) -> Result<Run, StoreError> {
        unreachable!("the run began before")
    }

    async fn borrow_account(&self, _: &AccountId) -> Result<Run, StoreError> {
        unreachable!("the run began before")
    }

    async fn give_back(&self, _: &Run) {
        unreachable!("nothing was borrowed")
    }

    async fn begin_replay(&self, _: &AccountId, _: &LetterFilter) -> Result<Run, StoreError> {
        unreachable!("the run began before")
    }

    async fn settled(&self, questions: &[Question]) -> Result<Vec<Vec<SettledCampaign>>, StoreError> {
        let number = self.questions.borrow().len();
        self.questions.borrow_mut().push((Instant::now(), questions.len()));
        sleep(COMMIT).await;
        let answer = |question: &Question| question.ids.iter().cloned().map(settled).collect();
        match (self.fate)(number) {
            Fate::Well => Ok(questions.iter().map(answer).collect()),
            Fate::Away => Err(StoreError::Unavailable("away".into())),
            _ => Err(StoreError::Broken("broken".into())),
        }
    }

    async fn commit(&self, shares: &[Share]) -> Result<Vec<Disowned>, StoreError> {
        let _busy = Busy::begin(&self.busy);
        let disowned = self.disowned_of(shares.iter().map(|share| &*share.run));
        let owned = shares.iter().filter(|share| !self.disowned.borrow().contains(&share.run.account));
        let shares: Vec<&Share> = owned.collect();
        let synced = shares.iter().flat_map(|share| &share.batch.synced);
        let synced: Vec<u32> = synced.map(|synced| number(&synced.campaign.id)).collect();
        let letters = shares.iter().flat_map(|share| &share.batch.dead_letters);
        let letters: Vec<u32> = letters.map(|letter| number(&letter.id)).collect();
        let fate = (self.fate)(self.attempts.borrow().len());
        let ids = synced.iter().chain(&letters).copied().collect();
        self.attempts.borrow_mut().push(Attempt { begun: Instant::now(), ids });
        sleep(COMMIT).await;
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
        Ok(disowned)
    }

    async fn forget_nameless(&self, _: &Run) -> Result<u64, StoreError> {
        unreachable!("the run does not end")
    }

    async fn untried(&self, _: &Run) -> Result<(u64, Vec<CampaignId>), StoreError> {
        unreachable!("the run does not end")
    }

    async fn load_spent(&self, _: &AccountId) -> Result<Spent, StoreError> {
        Ok(Spent::default())
    }

    /// Meets with what the next question would.
    async fn save_spent(&self, records: &[(Arc<Run>, Spent)]) -> Result<Vec<Disowned>, StoreError> {
        self.settled(&[]).await?;
        self.records.borrow_mut().extend(records.iter().map(|(_, spent)| spent.clone()));
        Ok(self.disowned_of(records.iter().map(|(run, _)| &**run)))
    }

    async fn finish_run(&self, _: &Run, _: &AccountReport) -> Result<(), StoreError> {
        unreachable!("the run goes on")
    }
}

impl NotingStore {
    fn disowned_of<'a>(&self, runs: impl Iterator<Item = &'a Run>) -> Vec<Disowned> {
        let disowned = runs.enumerate().filter(|(_, run)| self.disowned.borrow().contains(&run.account));
        disowned
            .map(|(index, run)| Disowned { index, cause: format!("{} is another's", run.account) })
            .collect()
    }

    fn is_unspeakable(&self, letters: &[u32]) -> bool {
        self.poison.contains(&UNSPEAKABLE) && letters.contains(&UNSPEAKABLE)
    }
}

fn settled(id: CampaignId) -> SettledCampaign {
    SettledCampaign { id, by: SettledBy::ThisProcess }
}

struct Scene {
    store: Rc<NotingStore>,
    actor: Addr<StoreActor<NotingStore>>,
    member: Arc<Member>,
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
            busy: Rc::default(),
            questions: RefCell::default(),
            records: RefCell::default(),
            disowned: RefCell::default(),
        });
        let limits = BatchLimits::new(size, LINGER).expect("in range");
        let ((acknowledge, acknowledged), (alarm, alarms)) = (witness(), witness());
        let (sender, progress) = watch::channel(Progress::default());
        let actor = StoreActor::new(store.clone(), limits);
        let member = Member::new(nobodys_run(), acknowledge, alarm, Arc::new(sender));
        let (supervisor, crashes) = witness();
        let (actor, _) = guard(ActorKind::Store, RestartIntensity::SINGLETON, supervisor, actor);
        Self { store, actor, member, acknowledged, alarms, crashes, progress }
    }

    fn keep(&self, ids: impl IntoIterator<Item = u32>) {
        ids.into_iter().for_each(|id| self.actor.do_send(Keep(self.member.clone(), synced(id))));
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
        once_each(self.acknowledged.borrow().iter().flat_map(|batch| &batch.dead_lettered).map(|(id, _)| id))
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
    let synced = SyncedCampaign { campaign: Arc::new(campaign), synced_at: SystemTime::UNIX_EPOCH };
    Settled::Synced(synced, 2)
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
        scene.actor.do_send(Keep(scene.member.clone(), given_up(3)));
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
        let mut sizes = scene.sizes();
        sizes.sort_unstable();
        assert_eq!((sizes, scene.stored().len()), (vec![5, 10, 10, 10], 35));
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
fn a_database_that_needs_someone_is_reported_at_once() {
    in_virtual_time(async {
        let scene = Scene::new(1, |_| Fate::Broken);
        scene.keep([1, 2, 3]);
        sleep(SECOND).await;
        assert_eq!((scene.sizes().len(), scene.alarms.borrow().len()), (2, 1), "two were under way");
        assert_eq!(scene.alarms.borrow()[0].0, "broken");
        assert!(scene.acknowledged.borrow().is_empty());
    });
}
