//! A store that keeps everything in memory, and fails as it is told to.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::run_book::RunBook;
use crate::model::{
    AccountId, Batch, CampaignId, DeadLetter, LetterFilter, Replay, Run, SettledBy, SettledCampaign, Spent,
    SyncedCampaign,
};
use crate::ports::{Disowned, Question, Share, Store, StoreError};
use crate::report::AccountReport;

/// What a commit meets with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// Nothing.
    None,
    /// The database is away.
    Unavailable,
    /// Someone has to act.
    Broken,
    /// A panic before anything is stored.
    PanicBefore,
    /// A panic after everything is stored.
    PanicAfter,
}

impl CommitFault {
    /// What it does to the commit of this number before anything is stored.
    pub(super) fn before(&self, number: u64) -> Result<(), StoreError> {
        match self {
            Self::Unavailable => Err(StoreError::Unavailable("the database is away".into())),
            Self::Broken => Err(StoreError::Broken("the table is gone".into())),
            Self::PanicBefore => panic!("the script says so: commit {number}"),
            Self::None | Self::PanicAfter => Ok(()),
        }
    }

    /// And after everything is.
    pub(super) fn after(&self, number: u64) {
        assert!(*self != Self::PanicAfter, "the script says so: after commit {number}");
    }
}

/// See the module.
pub struct MemoryStore {
    fault: Box<dyn Fn(u64) -> CommitFault>,
    pub(super) lookup: Duration,
    finish: Duration,
    refuses: Box<dyn Fn(&CampaignId) -> bool>,
    commits: Cell<u64>,
    runs: RunBook,
    rows: RefCell<HashMap<CampaignId, Row>>,
    removed: RefCell<HashSet<CampaignId>>,
    /// With the process that gave up.
    dead_letters: RefCell<HashMap<CampaignId, (DeadLetter, Run)>>,
    batches: RefCell<Vec<usize>>,
    finished: RefCell<Vec<AccountReport>>,
    spent: RefCell<Option<(Instant, Spent)>>,
    records: Cell<u64>,
}

struct Row {
    synced: SyncedCampaign,
    run: Uuid,
    number: u64,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            fault: Box::new(|_| CommitFault::None),
            lookup: Duration::from_millis(1),
            finish: Duration::ZERO,
            refuses: Box::new(|_| false),
            commits: Cell::new(0),
            runs: RunBook::default(),
            rows: RefCell::default(),
            removed: RefCell::default(),
            dead_letters: RefCell::default(),
            batches: RefCell::default(),
            finished: RefCell::default(),
            spent: RefCell::default(),
            records: Cell::new(0),
        }
    }
}

impl MemoryStore {
    /// One whose n-th commit, counted from 0, fails like this.
    pub fn failing(fault: impl Fn(u64) -> CommitFault + 'static) -> Self {
        Self { fault: Box::new(fault), ..Self::default() }
    }

    /// One that refuses these campaigns' rows.
    pub fn refusing(refuses: impl Fn(&CampaignId) -> bool + 'static) -> Self {
        Self { refuses: Box::new(refuses), ..Self::default() }
    }

    /// One that takes so long to say what it has settled.
    pub fn looking_up_in(lookup: Duration) -> Self {
        Self { lookup, ..Self::default() }
    }

    /// One that takes so long to close a run.
    pub fn finishing_in(finish: Duration) -> Self {
        Self { finish, ..Self::default() }
    }

    /// The rows.
    pub fn rows(&self) -> HashMap<CampaignId, SyncedCampaign> {
        self.rows.borrow().iter().map(|(id, row)| (id.clone(), row.synced.clone())).collect()
    }

    /// Which of the rows are marked as removed from the platform.
    pub fn removed(&self) -> HashSet<CampaignId> {
        self.removed.borrow().clone()
    }

    /// The dead letters.
    pub fn dead_letters(&self) -> HashMap<CampaignId, DeadLetter> {
        self.dead_letters.borrow().iter().map(|(id, (letter, _))| (id.clone(), letter.clone())).collect()
    }

    /// The dead letters with a property, of themselves and of the process that gave up.
    fn letters(&self, which: impl Fn(&CampaignId, &DeadLetter, &Run) -> bool) -> Vec<CampaignId> {
        let letters = self.dead_letters.borrow();
        let mut ids: Vec<_> = letters
            .iter()
            .filter(|(id, (letter, by))| which(id, letter, by))
            .map(|(id, _)| id.clone())
            .collect();
        ids.sort();
        ids
    }

    /// The sizes of the batches that were committed.
    pub fn batches(&self) -> Vec<usize> {
        self.batches.borrow().clone()
    }

    /// How often what was spent was recorded.
    pub fn records(&self) -> u64 {
        self.records.get()
    }

    /// Whether one of the rows is one that it refuses.
    pub(super) fn refuses(&self, batch: &Batch) -> bool {
        batch.synced.iter().any(|synced| (self.refuses)(&synced.campaign.id))
    }

    /// Why nothing is stored for the run any more, if so.
    pub(super) fn disowns(&self, run: &Run) -> Option<String> {
        self.runs.fence([run].into_iter()).1.pop().map(|disowned| disowned.cause)
    }

    pub(super) fn record(&self, spent: &Spent) {
        self.records.set(self.records.get() + 1);
        *self.spent.borrow_mut() = Some((Instant::now(), spent.clone()));
    }

    pub(super) fn store(&self, run: &Run, batch: &Batch) {
        for synced in &batch.synced {
            let (id, mut rows) = (&synced.campaign.id, self.rows.borrow_mut());
            let number = rows.get(id).filter(|row| row.run == run.id).map(|row| row.number);
            // With gaps, as where batches were numbered and not stored.
            let number =
                number.unwrap_or_else(|| if run.replay.is_some() { 0 } else { 3 * self.runs.count() });
            rows.insert(id.clone(), Row { synced: synced.clone(), run: run.id, number });
            self.dead_letters.borrow_mut().remove(id);
            self.removed.borrow_mut().remove(id);
        }
        for letter in &batch.dead_letters {
            self.dead_letters.borrow_mut().insert(letter.id.clone(), (letter.clone(), run.clone()));
        }
    }

    /// The reports of the runs that were finished.
    pub fn finished(&self) -> Vec<AccountReport> {
        self.finished.borrow().clone()
    }

    pub(super) fn settled_of(&self, run: &Run, ids: &[CampaignId]) -> Vec<SettledCampaign> {
        let (rows, dead_letters) = (self.rows.borrow(), self.dead_letters.borrow());
        let by = |id: &CampaignId| match rows.get(id) {
            Some(&Row { run: by, number, .. }) if by == run.id && number < run.numbered_below => {
                Some(SettledBy::EarlierProcess { number })
            }
            Some(row) if row.run == run.id => Some(SettledBy::ThisProcess),
            _ => match (dead_letters.get(id), &run.replay) {
                (Some((_, by)), _) if by == run => Some(SettledBy::ThisProcess),
                (Some((letter, _)), Some(replay)) if replay.filter.fits(id, letter.class) => None,
                (_, Some(_)) => Some(SettledBy::NotToReplay),
                (_, None) => None,
            },
        };
        ids.iter().filter_map(|id| Some(SettledCampaign { id: id.clone(), by: by(id)? })).collect()
    }
}

impl Store for MemoryStore {
    async fn begin_run(
        &self,
        account: &AccountId,
        resume_within: Option<Duration>,
    ) -> Result<Run, StoreError> {
        Ok(self.runs.begin(account, resume_within))
    }

    async fn borrow_account(&self, account: &AccountId) -> Result<Run, StoreError> {
        Ok(self.runs.borrow(account))
    }

    async fn give_back(&self, _: &Run) {}

    async fn begin_replay(&self, account: &AccountId, letters: &LetterFilter) -> Result<Run, StoreError> {
        let count = self.letters(|id, letter, _| letters.fits(id, letter.class)).len() as u64;
        Ok(self.runs.begin_replay(account, Replay { filter: letters.clone(), letters: count }))
    }

    async fn settled(&self, questions: &[Question]) -> Result<Vec<Vec<SettledCampaign>>, StoreError> {
        sleep(self.lookup).await;
        Ok(questions.iter().map(|Question { run, ids }| self.settled_of(run, ids)).collect())
    }

    async fn commit(&self, shares: &[Share]) -> Result<Vec<Disowned>, StoreError> {
        let number = self.commits.replace(self.commits.get() + 1);
        sleep(Duration::from_millis(5)).await;
        let fault = (self.fault)(number);
        fault.before(number)?;
        if shares.iter().any(|share| self.refuses(&share.batch)) {
            return Err(StoreError::Refused("a value that cannot be stored".into()));
        }
        let (owned, disowned) = self.runs.fence(shares.iter().map(|share| &*share.run));
        for Share { run, batch } in owned.into_iter().map(|index| &shares[index]) {
            self.store(run, batch);
        }
        self.batches.borrow_mut().push(shares.iter().map(|share| share.batch.len()).sum());
        fault.after(number);
        Ok(disowned)
    }
    async fn forget_nameless(&self, run: &Run) -> Result<u64, StoreError> {
        let meant = |id: &CampaignId, letter: &DeadLetter| {
            run.replay.as_ref().is_none_or(|replay| replay.filter.fits(id, letter.class))
        };
        let nameless = |id: &CampaignId, letter: &DeadLetter, by: &Run| {
            *id == CampaignId::of_payload(&letter.payload) && by != run && meant(id, letter)
        };
        let forgotten = self.letters(nameless);
        forgotten.iter().for_each(|id| _ = self.dead_letters.borrow_mut().remove(id));
        Ok(forgotten.len() as u64)
    }

    async fn untried(&self, run: &Run) -> Result<(u64, Vec<CampaignId>), StoreError> {
        let filter = run.replay.as_ref().map(|replay| &replay.filter);
        let untried = self.letters(|id, letter, by| {
            filter.is_some_and(|filter| filter.fits(id, letter.class)) && by != run
        });
        Ok((untried.len() as u64, untried))
    }

    async fn load_spent(&self, _: &AccountId) -> Result<Spent, StoreError> {
        let Some((at, Spent { mut counted, leased, stated })) = self.spent.borrow().clone() else {
            return Ok(Spent::default());
        };
        let age = at.elapsed();
        counted.iter_mut().for_each(|(ago, _)| *ago += age);
        match leased.0.checked_sub(age) {
            Some(left) => Ok(Spent { counted, leased: (left, leased.1), stated }),
            None => {
                counted.insert(0, (age - leased.0, leased.1));
                Ok(Spent { counted, leased: (Duration::ZERO, 0), stated })
            }
        }
    }

    async fn save_spent(&self, records: &[(Arc<Run>, Spent)]) -> Result<Vec<Disowned>, StoreError> {
        sleep(Duration::from_millis(1)).await;
        let (owned, disowned) = self.runs.fence(records.iter().map(|(run, _)| &**run));
        for (_, spent) in owned.into_iter().map(|index| &records[index]) {
            self.record(spent);
        }
        Ok(disowned)
    }

    async fn finish_run(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
        sleep(self.finish).await;
        self.runs.finish(run, report)?;
        if report.listing_proven {
            let letters = self.dead_letters.borrow();
            let given_up = |id: &CampaignId| letters.get(id).is_some_and(|(_, by)| by.id == run.id);
            let rows = self.rows.borrow();
            let gone = rows.iter().filter(|(id, row)| row.run != run.id && !given_up(id));
            self.removed.borrow_mut().extend(gone.map(|(id, _)| id.clone()));
        }
        self.finished.borrow_mut().push(report.clone());
        Ok(())
    }
}
