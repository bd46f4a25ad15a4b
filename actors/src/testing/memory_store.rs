//! A store that keeps everything in memory, and fails as it is told to.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::model::{AccountId, Batch, CampaignId, DeadLetter, Run, Spent, SyncedCampaign};
use crate::ports::{Store, StoreError};
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

/// See the module.
pub struct MemoryStore {
    fault: Box<dyn Fn(u64) -> CommitFault>,
    lookup: Duration,
    refuses: Box<dyn Fn(&CampaignId) -> bool>,
    commits: Cell<u64>,
    rows: RefCell<HashMap<CampaignId, SyncedCampaign>>,
    dead_letters: RefCell<HashMap<CampaignId, DeadLetter>>,
    batches: RefCell<Vec<usize>>,
    finished: RefCell<Vec<AccountReport>>,
    spent: RefCell<Option<(Instant, Spent)>>,
    records: Cell<u64>,
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
            refuses: Box::new(|_| false),
            commits: Cell::new(0),
            rows: RefCell::default(),
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

    /// The rows.
    pub fn rows(&self) -> HashMap<CampaignId, SyncedCampaign> {
        self.rows.borrow().clone()
    }

    /// The dead letters.
    pub fn dead_letters(&self) -> HashMap<CampaignId, DeadLetter> {
        self.dead_letters.borrow().clone()
    }

    /// The sizes of the batches that were committed.
    pub fn batches(&self) -> Vec<usize> {
        self.batches.borrow().clone()
    }

    /// How often what was spent was recorded.
    pub fn records(&self) -> u64 {
        self.records.get()
    }

    /// The reports of the runs that were finished.
    pub fn finished(&self) -> Vec<AccountReport> {
        self.finished.borrow().clone()
    }
}

impl Store for MemoryStore {
    async fn begin_run(&self, account: &AccountId) -> Result<Run, StoreError> {
        Ok(Run { id: Uuid::nil(), account: account.clone() })
    }

    async fn settled(&self, _: &Run, ids: &[CampaignId]) -> Result<Vec<CampaignId>, StoreError> {
        sleep(self.lookup).await;
        let (rows, dead_letters) = (self.rows.borrow(), self.dead_letters.borrow());
        Ok(ids.iter().filter(|id| rows.contains_key(id) || dead_letters.contains_key(id)).cloned().collect())
    }

    async fn commit(&self, _: &Run, batch: &Batch) -> Result<(), StoreError> {
        let number = self.commits.replace(self.commits.get() + 1);
        sleep(Duration::from_millis(5)).await;
        let fault = (self.fault)(number);
        match fault {
            CommitFault::Unavailable => return Err(StoreError::Unavailable("the database is away".into())),
            CommitFault::Broken => return Err(StoreError::Broken("the table is gone".into())),
            CommitFault::PanicBefore => panic!("the script says so: commit {number}"),
            CommitFault::None | CommitFault::PanicAfter => {}
        }
        if batch.synced.iter().any(|synced| (self.refuses)(&synced.campaign.id)) {
            return Err(StoreError::Refused("a value that cannot be stored".into()));
        }
        for synced in &batch.synced {
            self.rows.borrow_mut().insert(synced.campaign.id.clone(), synced.clone());
        }
        for letter in &batch.dead_letters {
            self.dead_letters.borrow_mut().insert(letter.id.clone(), letter.clone());
        }
        self.batches.borrow_mut().push(batch.len());
        assert!(fault != CommitFault::PanicAfter, "the script says so: after commit {number}");
        Ok(())
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

    async fn save_spent(&self, _: &AccountId, spent: &Spent) -> Result<(), StoreError> {
        sleep(Duration::from_millis(1)).await;
        self.records.set(self.records.get() + 1);
        *self.spent.borrow_mut() = Some((Instant::now(), spent.clone()));
        Ok(())
    }

    async fn finish_run(&self, _: &Run, report: &AccountReport) -> Result<(), StoreError> {
        self.finished.borrow_mut().push(report.clone());
        Ok(())
    }
}
