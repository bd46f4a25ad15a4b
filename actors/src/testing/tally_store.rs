//! A store that keeps a bit for each campaign: enough to tell whether one is missing, in memory that does not
//! grow with what is stored.

use std::cell::{Cell, RefCell};

use uuid::Uuid;

use super::scripted_platform::number_of;
use crate::model::{AccountId, Batch, CampaignId, Run, Spent};
use crate::ports::{Store, StoreError};
use crate::report::AccountReport;

/// See the module.
#[derive(Debug)]
pub struct TallyStore {
    stored: RefCell<Vec<u64>>,
    doubled: Cell<u64>,
}

impl TallyStore {
    /// For campaigns with numbers below this.
    pub fn for_campaigns(most: u64) -> Self {
        let words = usize::try_from(most.div_ceil(64)).expect("fits into memory");
        Self { stored: RefCell::new(vec![0; words]), doubled: Cell::new(0) }
    }

    /// How many different campaigns it stored.
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

impl Store for TallyStore {
    async fn begin_run(&self, account: &AccountId) -> Result<Run, StoreError> {
        Ok(Run { id: Uuid::nil(), account: account.clone() })
    }

    async fn settled(&self, _: &Run, ids: &[CampaignId]) -> Result<Vec<CampaignId>, StoreError> {
        let stored = self.stored.borrow();
        let is_stored = |id: &&CampaignId| {
            let (word, bit) = Self::bit(id);
            stored[word] & bit != 0
        };
        Ok(ids.iter().filter(is_stored).cloned().collect())
    }

    async fn commit(&self, _: &Run, batch: &Batch) -> Result<(), StoreError> {
        let mut stored = self.stored.borrow_mut();
        for synced in &batch.synced {
            let (word, bit) = Self::bit(&synced.campaign.id);
            self.doubled.set(self.doubled.get() + u64::from(stored[word] & bit != 0));
            stored[word] |= bit;
        }
        Ok(())
    }

    async fn load_spent(&self, _: &AccountId) -> Result<Spent, StoreError> {
        Ok(Spent::default())
    }

    async fn save_spent(&self, _: &AccountId, _: &Spent) -> Result<(), StoreError> {
        Ok(())
    }

    async fn finish_run(&self, _: &Run, _: &AccountReport) -> Result<(), StoreError> {
        Ok(())
    }
}
