//! A store that is away at times, loses answers, refuses rows and takes the `StoreActor` down with it; and that knows
//! which process it stored what for.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{AccountId, Batch, CampaignId, LetterFilter, Run, SettledCampaign, Spent};
use actors::ports::{Disowned, Question, Share, Store, StoreError};
use actors::report::AccountReport;
use actors::testing::MemoryStore;
use tokio::time::sleep;
use uuid::Uuid;

use super::world::{Sky, StoreCall};
use crate::chaos::invariants::Rows;

/// See the module.
pub(super) struct UnsteadyStore {
    memory: MemoryStore,
    sky: Rc<Sky>,
    epoch: Cell<i64>,
    run: Cell<Uuid>,
    /// By run.
    stored: RefCell<HashMap<Uuid, HashSet<CampaignId>>>,
    by_process: RefCell<HashMap<i64, Settled>>,
}

/// What a process has got committed.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) stored: HashSet<CampaignId>,
    pub(super) given_up: HashSet<CampaignId>,
}

impl UnsteadyStore {
    pub(super) fn new(sky: &Rc<Sky>) -> Self {
        Self {
            memory: MemoryStore::default(),
            sky: sky.clone(),
            epoch: Cell::new(0),
            run: Cell::new(Uuid::nil()),
            stored: RefCell::default(),
            by_process: RefCell::default(),
        }
    }

    /// How often the account was taken.
    pub(super) fn epoch(&self) -> i64 {
        self.epoch.get()
    }

    /// The run that it was taken for last.
    pub(super) fn run(&self) -> Uuid {
        self.run.get()
    }

    /// Whether the run has this campaign stored.
    pub(super) fn has_stored(&self, run: Uuid, id: &CampaignId) -> bool {
        self.stored.borrow().get(&run).is_some_and(|stored| stored.contains(id))
    }

    /// What the process of that epoch has got committed.
    pub(super) fn settled_by(&self, epoch: i64) -> Ref<'_, Settled> {
        self.by_process.borrow_mut().entry(epoch).or_default();
        Ref::map(self.by_process.borrow(), |all| &all[&epoch])
    }

    pub(super) fn table(&self) -> Rows {
        let rows = self.memory.rows().into_values();
        rows.map(|row| (row.campaign.id.to_string(), format!("{:?}", row.campaign))).collect()
    }

    pub(super) fn dead_letters(&self) -> BTreeMap<String, (String, String)> {
        let letters = self.memory.dead_letters().into_iter();
        letters.map(|(id, letter)| (id.to_string(), (letter.class.to_string(), letter.message))).collect()
    }

    /// An error while it is away.
    async fn reach(&self) -> Result<(), StoreError> {
        if self.sky.database_is_away() {
            sleep(Duration::from_millis(20)).await;
            return Err(StoreError::Unavailable("the database is away".into()));
        }
        Ok(())
    }

    fn note_commit(&self, run: &Run, batch: &Batch) {
        if run.epoch != self.epoch.get() {
            self.sky.notice(format!(
                "epoch {} stored {} campaigns while epoch {} owned the account",
                run.epoch,
                batch.len(),
                self.epoch.get()
            ));
        }
        let synced = batch.synced.iter().map(|synced| synced.campaign.id.clone());
        self.stored.borrow_mut().entry(run.id).or_default().extend(synced.clone());
        let mut by_process = self.by_process.borrow_mut();
        let settled = by_process.entry(run.epoch).or_default();
        settled.stored.extend(synced);
        settled.given_up.extend(batch.dead_letters.iter().map(|letter| letter.id.clone()));
        self.sky.dead_letters.set(self.sky.dead_letters.get() + batch.dead_letters.len() as u64);
        self.sky.trace("commit", batch.len() as u64);
    }
}

impl Store for UnsteadyStore {
    async fn begin_run(
        &self,
        account: &AccountId,
        resume_within: Option<Duration>,
    ) -> Result<Run, StoreError> {
        self.reach().await?;
        let run = self.memory.begin_run(account, resume_within).await?;
        self.epoch.set(run.epoch);
        self.run.set(run.id);
        let stored_before = self.stored.borrow().get(&run.id).map_or(0, HashSet::len) as u64;
        if run.stored_before != stored_before {
            let message = format!("{} stored before, in truth {stored_before}", run.stored_before);
            self.sky.notice(message);
        }
        Ok(run)
    }

    async fn borrow_account(&self, account: &AccountId) -> Result<Run, StoreError> {
        self.memory.borrow_account(account).await
    }

    async fn give_back(&self, run: &Run) {
        self.memory.give_back(run).await;
    }

    async fn begin_replay(&self, account: &AccountId, letters: &LetterFilter) -> Result<Run, StoreError> {
        self.memory.begin_replay(account, letters).await
    }

    async fn settled(&self, questions: &[Question]) -> Result<Vec<Vec<SettledCampaign>>, StoreError> {
        self.sky.panic_in(StoreCall::Lookup);
        self.reach().await?;
        self.memory.settled(questions).await
    }

    async fn commit(&self, shares: &[Share]) -> Result<Vec<Disowned>, StoreError> {
        self.reach().await?;
        let refused = |id: &CampaignId| self.sky.refuses(id);
        if shares.iter().flat_map(|share| &share.batch.synced).any(|synced| refused(&synced.campaign.id)) {
            return Err(StoreError::Refused("a value that cannot be stored".into()));
        }
        let after = self.sky.panic_in(StoreCall::Commit);
        let disowned = self.memory.commit(shares).await?;
        let owned = |(index, _): &(usize, &Share)| disowned.iter().all(|d| d.index != *index);
        let owned = shares.iter().enumerate().filter(owned);
        owned.for_each(|(_, share)| self.note_commit(&share.run, &share.batch));
        assert!(!after, "the script says so: after a commit");
        if self.sky.loses_the_answer() {
            return Err(StoreError::Unavailable("the connection broke, and who knows".into()));
        }
        Ok(disowned)
    }

    async fn forget_nameless(&self, run: &Run) -> Result<u64, StoreError> {
        self.reach().await?;
        self.memory.forget_nameless(run).await
    }

    async fn untried(&self, run: &Run) -> Result<(u64, Vec<CampaignId>), StoreError> {
        self.reach().await?;
        self.memory.untried(run).await
    }

    async fn load_spent(&self, account: &AccountId) -> Result<Spent, StoreError> {
        self.reach().await?;
        self.memory.load_spent(account).await
    }

    async fn save_spent(&self, records: &[(Arc<Run>, Spent)]) -> Result<Vec<Disowned>, StoreError> {
        self.sky.panic_in(StoreCall::Record);
        self.reach().await?;
        self.memory.save_spent(records).await
    }

    async fn finish_run(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError> {
        self.reach().await?;
        self.memory.finish_run(run, report).await
    }
}
