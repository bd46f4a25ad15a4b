//! A store that keeps a bit for each campaign: enough to tell whether one is missing, in memory that does not
//! grow with what is stored.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::run_book::RunBook;
use super::scripted_platform::{campaign_id, number_of};
use crate::model::{AccountId, CampaignId, LetterFilter, Run, SettledBy, SettledCampaign, Spent};
use crate::ports::{Disowned, Question, Share, Store, StoreError};
use crate::report::AccountReport;

/// See the module.
#[derive(Debug)]
pub struct TallyStore {
    runs: RunBook,
    /// By the newest run.
    stored: RefCell<Vec<u64>>,
    /// Of these: before it was taken over.
    stored_before: RefCell<Vec<u64>>,
    doubled: Cell<u64>,
}

impl TallyStore {
    /// For campaigns with numbers below this.
    pub fn for_campaigns(most: u64) -> Self {
        let words = usize::try_from(most.div_ceil(64)).expect("fits into memory");
        Self {
            runs: RunBook::default(),
            stored: RefCell::new(vec![0; words]),
            stored_before: RefCell::new(vec![0; words]),
            doubled: Cell::new(0),
        }
    }

    /// As an interrupted run has left it that had stored the first so many.
    pub fn left_after(self, first: u64) -> Self {
        self.runs.begin(&"of the past".into(), None);
        for number in 0..first {
            let (word, bit) = Self::bit(&campaign_id(number));
            self.stored.borrow_mut()[word] |= bit;
            self.runs.count();
        }
        self
    }

    /// How many different campaigns the newest run stored.
    pub fn stored(&self) -> u64 {
        self.stored.borrow().iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many it stored again.
    pub fn doubled(&self) -> u64 {
        self.doubled.get()
    }

    fn bit(id: &CampaignId) -> (usize, u64) {
        let number = number_of(id);
        (usize::try_from(number / 64).expect("fits into memory"), 1 << (number % 64))
    }
}

fn has(bits: &[u64], id: &CampaignId) -> bool {
    let (word, bit) = TallyStore::bit(id);
    bits[word] & bit != 0
}

impl Store for TallyStore {
    async fn begin_run(
        &self,
        account: &AccountId,
        resume_within: Option<Duration>,
    ) -> Result<Run, StoreError> {
        let run = self.runs.begin(account, resume_within);
        let mut stored = self.stored.borrow_mut();
        if !run.resumed {
            stored.fill(0);
        }
        self.stored_before.borrow_mut().copy_from_slice(&stored);
        Ok(run)
    }

    async fn borrow_account(&self, account: &AccountId) -> Result<Run, StoreError> {
        Ok(self.runs.borrow(account))
    }

    async fn give_back(&self, _: &Run) {}

    async fn begin_replay(&self, _: &AccountId, _: &LetterFilter) -> Result<Run, StoreError> {
        Err(StoreError::Broken("a tally keeps no dead letters".into()))
    }

    /// A campaign's own number is as good as one in the order of storing.
    async fn settled(&self, questions: &[Question]) -> Result<Vec<Vec<SettledCampaign>>, StoreError> {
        let (stored, stored_before) = (self.stored.borrow(), self.stored_before.borrow());
        let by = |id: &CampaignId| match has(&stored_before, id) {
            true => SettledBy::EarlierProcess { number: number_of(id) },
            false => SettledBy::ThisProcess,
        };
        let settled = |Question { ids, .. }: &Question| {
            let settled = ids.iter().filter(|id| has(&stored, id));
            settled.map(|id| SettledCampaign { id: id.clone(), by: by(id) }).collect()
        };
        Ok(questions.iter().map(settled).collect())
    }

    async fn commit(&self, shares: &[Share]) -> Result<Vec<Disowned>, StoreError> {
        let (owned, disowned) = self.runs.fence(shares.iter().map(|share| &*share.run));
        let mut stored = self.stored.borrow_mut();
        for synced in owned.into_iter().flat_map(|index| &shares[index].batch.synced) {
            let (word, bit) = Self::bit(&synced.campaign.id);
            match stored[word] & bit {
                0 => _ = self.runs.count(),
                _ => self.doubled.set(self.doubled.get() + 1),
            }
            stored[word] |= bit;
        }
        Ok(disowned)
    }

    async fn forget_nameless(&self, _: &Run) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn untried(&self, _: &Run) -> Result<(u64, Vec<CampaignId>), StoreError> {
        Ok((0, vec![]))
    }

    async fn load_spent(&self, _: &AccountId) -> Result<Spent, StoreError> {
        Ok(Spent::default())
    }

    async fn save_spent(&self, records: &[(Arc<Run>, Spent)]) -> Result<Vec<Disowned>, StoreError> {
        Ok(self.runs.fence(records.iter().map(|(run, _)| &**run)).1)
    }

    async fn finish_run(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
        self.runs.finish(run, report)
    }
}
