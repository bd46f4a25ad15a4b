//! Makes the accounts of a configuration those of the service. Promises that where the database cannot be asked what it
//! knows of them, or told what is about to change, nothing has changed: it is asked everything first, then everything changes
//! at once.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use actix::Addr;
use actors::model::AccountId;
use actors::ports::StoreError;
use anyhow::Context;
use jiff::Timestamp;
use tracing::info;

use super::board::Board;
use super::letter_counting::LetterCounting;
use crate::config::ServeConfig;
use crate::metrics::Metrics;
use crate::serve::scheduler::{AccountPlan, Configure, Scheduler};
use crate::store::{Audited, LettersByClass, PgStore};

/// See the module.
pub(super) struct Configurator {
    pub(super) store: PgStore,
    pub(super) metrics: Arc<Metrics>,
    pub(super) letters: Rc<LetterCounting>,
    pub(super) board: Board,
    pub(super) scheduler: Addr<Scheduler>,
}

/// What the database knows of accounts.
struct Known {
    last_begun: HashMap<AccountId, SystemTime>,
    last_completes: Vec<(AccountId, SystemTime)>,
    letters: HashMap<AccountId, LettersByClass>,
    paused: HashMap<AccountId, SystemTime>,
}

impl Configurator {
    /// From now on these are the accounts. That it is so is recorded as `what`.
    pub(super) async fn configure(&self, config: &ServeConfig, what: Audited) -> anyhow::Result<()> {
        let ids: Vec<_> = config.accounts.iter().map(|account| account.platform.account.clone()).collect();
        let known = self.ask(&ids).await?;
        self.store.audit_configuration(what, &ids, &config.fingerprint()).await?;
        // Nobody is waited for from here on until everything has changed.
        self.metrics.follow(ids);
        self.metrics.recall_last_completes(known.last_completes);
        self.letters.begin_with(known.letters);
        let now = Timestamp::now();
        let time = |at: Option<&SystemTime>| at.and_then(|at| Timestamp::try_from(*at).ok());
        let plans = config.accounts.iter().map(|account| {
            let id = account.platform.account.clone();
            if let Some(metrics) = self.metrics.account(&id) {
                metrics.scheduled_every(account.schedule.longest_pause(now));
            }
            AccountPlan {
                schedule: account.schedule.clone(),
                fingerprint: account.fingerprint(),
                last_begun: time(known.last_begun.get(&id)),
                paused_since: time(known.paused.get(&id)),
                id,
            }
        });
        let plans = Configure(plans.collect());
        self.board.configure(&config.accounts);
        let changes = self.scheduler.send(plans).await.context("the scheduler is gone")?;
        info!(
            added = changes.added.len(),
            removed = changes.removed.len(),
            changed = changes.changed.len(),
            "the accounts are configured"
        );
        Ok(())
    }

    async fn ask(&self, accounts: &[AccountId]) -> Result<Known, StoreError> {
        Ok(Known {
            last_begun: self.store.last_begun(accounts).await?.into_iter().collect(),
            last_completes: self.store.last_completes(accounts).await?,
            letters: self.store.dead_letter_counts(accounts).await?,
            paused: self.store.paused(accounts).await?,
        })
    }
}
