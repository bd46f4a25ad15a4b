//! The store of many accounts: a [`MemoryStore`] for each, and what befalls all of them at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{CommitFault, MemoryStore};
use crate::model::{AccountId, CampaignId, LetterFilter, Run, SettledCampaign, Spent};
use crate::ports::{Disowned, Question, Share, Store, StoreError};
use crate::report::AccountReport;

/// See the module.
pub struct MemoryStores {
    accounts: RefCell<HashMap<AccountId, Rc<MemoryStore>>>,
    fault: Box<dyn Fn(u64) -> CommitFault>,
    away: Cell<bool>,
    attempts: Cell<u64>,
    commits: RefCell<Vec<Vec<AccountId>>>,
    lookups: Cell<usize>,
    most_lookups: Cell<usize>,
    records: RefCell<Vec<usize>>,
    given_back: RefCell<Vec<AccountId>>,
}

impl fmt::Debug for MemoryStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStores").finish_non_exhaustive()
    }
}

impl Default for MemoryStores {
    fn default() -> Self {
        Self::failing(|_| CommitFault::None)
    }
}

impl MemoryStores {
    /// Whose n-th commit, counted from 0, fails like this, whoever has a share in it.
    pub fn failing(fault: impl Fn(u64) -> CommitFault + 'static) -> Self {
        Self {
            accounts: RefCell::default(),
            fault: Box::new(fault),
            away: Cell::new(false),
            attempts: Cell::new(0),
            commits: RefCell::default(),
            lookups: Cell::new(0),
            most_lookups: Cell::new(0),
            records: RefCell::default(),
            given_back: RefCell::default(),
        }
    }

    /// With this store for this account.
    pub fn with(self, account: &str, store: MemoryStore) -> Self {
        self.accounts.borrow_mut().insert(account.into(), Rc::new(store));
        self
    }

    /// What it keeps of an account.
    pub fn of(&self, account: &str) -> Rc<MemoryStore> {
        self.accounts.borrow_mut().entry(account.into()).or_default().clone()
    }

    /// The database goes, or comes back.
    pub fn set_away(&self, away: bool) {
        self.away.set(away);
    }

    /// Attempts to commit, whatever came of them.
    pub fn attempts(&self) -> u64 {
        self.attempts.get()
    }

    /// Of each commit, the accounts that had a share in it.
    pub fn commits(&self) -> Vec<Vec<AccountId>> {
        self.commits.borrow().clone()
    }

    /// The most lookups that it had at once.
    pub fn most_lookups(&self) -> usize {
        self.most_lookups.get()
    }

    /// How many records of what was spent came with each write.
    pub fn records(&self) -> Vec<usize> {
        self.records.borrow().clone()
    }

    /// The accounts that were given back otherwise than by a report that was stored.
    pub fn given_back(&self) -> Vec<AccountId> {
        self.given_back.borrow().clone()
    }

    fn at(&self, account: &AccountId) -> Result<Rc<MemoryStore>, StoreError> {
        match self.away.get() {
            true => Err(StoreError::Unavailable("the database is away".into())),
            false => Ok(self.of(account.as_str())),
        }
    }
}

impl Store for MemoryStores {
    async fn begin_run(
        &self,
        account: &AccountId,
        resume_within: Option<Duration>,
    ) -> Result<Run, StoreError> {
        self.at(account)?.begin_run(account, resume_within).await
    }

    async fn borrow_account(&self, account: &AccountId) -> Result<Run, StoreError> {
        self.at(account)?.borrow_account(account).await
    }

    async fn give_back(&self, borrowed: &Run) {
        self.given_back.borrow_mut().push(borrowed.account.clone());
    }

    async fn begin_replay(&self, account: &AccountId, letters: &LetterFilter) -> Result<Run, StoreError> {
        self.at(account)?.begin_replay(account, letters).await
    }

    async fn settled(&self, questions: &[Question]) -> Result<Vec<Vec<SettledCampaign>>, StoreError> {
        self.lookups.set(self.lookups.get() + 1);
        self.most_lookups.set(self.most_lookups.get().max(self.lookups.get()));
        let stores = questions.iter().map(|question| self.at(&question.run.account));
        let stores = stores.collect::<Result<Vec<_>, _>>()?;
        sleep(stores.iter().map(|store| store.lookup).max().unwrap_or_default()).await;
        let answer =
            |(store, Question { run, ids }): (&Rc<MemoryStore>, &Question)| store.settled_of(run, ids);
        let settled = stores.iter().zip(questions).map(answer).collect();
        self.lookups.set(self.lookups.get() - 1);
        Ok(settled)
    }

    async fn commit(&self, shares: &[Share]) -> Result<Vec<Disowned>, StoreError> {
        let number = self.attempts.replace(self.attempts.get() + 1);
        sleep(Duration::from_millis(5)).await;
        let fault = (self.fault)(number);
        fault.before(number)?;
        let stores = shares.iter().map(|share| self.at(&share.run.account));
        let stores = stores.collect::<Result<Vec<_>, _>>()?;
        if stores.iter().zip(shares).any(|(store, share)| store.refuses(&share.batch)) {
            return Err(StoreError::Refused("a value that cannot be stored".into()));
        }
        let mut disowned = vec![];
        for (index, (store, Share { run, batch })) in stores.iter().zip(shares).enumerate() {
            match store.disowns(run) {
                Some(cause) => disowned.push(Disowned { index, cause }),
                None => store.store(run, batch),
            }
        }
        let accounts = shares.iter().map(|share| share.run.account.clone()).collect();
        self.commits.borrow_mut().push(accounts);
        fault.after(number);
        Ok(disowned)
    }

    async fn forget_nameless(&self, run: &Run) -> Result<u64, StoreError> {
        self.at(&run.account)?.forget_nameless(run).await
    }

    async fn untried(&self, run: &Run) -> Result<(u64, Vec<CampaignId>), StoreError> {
        self.at(&run.account)?.untried(run).await
    }

    async fn load_spent(&self, account: &AccountId) -> Result<Spent, StoreError> {
        self.at(account)?.load_spent(account).await
    }

    async fn save_spent(&self, records: &[(Arc<Run>, Spent)]) -> Result<Vec<Disowned>, StoreError> {
        sleep(Duration::from_millis(1)).await;
        let mut disowned = vec![];
        for (index, (run, spent)) in records.iter().enumerate() {
            let store = self.at(&run.account)?;
            match store.disowns(run) {
                Some(cause) => disowned.push(Disowned { index, cause }),
                None => store.record(spent),
            }
        }
        self.records.borrow_mut().push(records.len());
        Ok(disowned)
    }

    async fn finish_run(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
        self.at(&run.account)?.finish_run(run, report).await
    }
}
