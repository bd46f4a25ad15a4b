//! Which configuration an account has now, and the runs that are at work, each with the one that it was started with.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use actors::model::AccountId;
use actors::progress::Progress;
use actors::report::{AccountReport, Problem, ProblemClass};
use futures_util::FutureExt;
use tokio::sync::{oneshot, watch};

use super::letter_counting::LetterCounting;
use crate::config::AccountConfig;
use crate::metrics::{Metrics, plan_end};
use crate::serve::live::Live;
use crate::serve::scheduler::{Purpose, Running, Start};
use crate::syncer::{Syncer, pipeline_settings};

/// See the module. A clone is the same board.
#[derive(Clone)]
pub(super) struct Board {
    syncer: Rc<Syncer>,
    metrics: Arc<Metrics>,
    letters: Rc<LetterCounting>,
    live: Live,
    accounts: Rc<RefCell<HashMap<AccountId, Rc<AccountConfig>>>>,
}

impl Board {
    pub(super) fn new(
        syncer: Rc<Syncer>,
        metrics: Arc<Metrics>,
        letters: Rc<LetterCounting>,
        live: Live,
    ) -> Self {
        Self { syncer, metrics, letters, live, accounts: Rc::default() }
    }

    /// From their next run on, the accounts work like this.
    pub(super) fn configure(&self, accounts: &[AccountConfig]) {
        let account = |config: &AccountConfig| (config.platform.account.clone(), Rc::new(config.clone()));
        *self.accounts.borrow_mut() = accounts.iter().map(account).collect();
        self.live.keep(|account| self.accounts.borrow().contains_key(account));
    }

    /// How a run is started.
    pub(super) fn start(&self) -> Start {
        let board = self.clone();
        Rc::new(move |account, purpose| board.run(account, purpose))
    }

    fn run(&self, account: AccountId, purpose: Purpose) -> Running {
        let (stop, stopped) = oneshot::channel();
        let board = self.clone();
        let config = self.accounts.borrow().get(&account).cloned();
        let run = async move {
            let Some(config) = config else {
                let message = "it is not configured any more".to_owned();
                return AccountReport::failed(
                    account,
                    Problem { class: ProblemClass::PipelineFailed, message },
                );
            };
            let mut config = (*config).clone();
            if let Purpose::Replay(letters) = purpose {
                config.pipeline.replay = Some(letters);
            }
            let (progress, watched) = watch::channel(Progress::default());
            board.live.watch(&account, watched.clone());
            let settings = pipeline_settings(&account, config.platform.request_timeout, &config.pipeline);
            let metrics = board.metrics.account(&account);
            let planned = metrics.map(|metrics| actix_rt::spawn(plan_end(watched, settings, metrics)));
            // Nobody stops it any more where the other end is gone: then the program ends, too.
            let report = board.syncer.sync(&config, progress, stopped.map(drop)).await;
            if let Some(planned) = planned {
                planned.abort();
            }
            board.letters.run_ended(account);
            report
        };
        // A run that has ended needs not be stopped.
        Running { stop: Box::new(move || _ = stop.send(())), done: run.boxed_local() }
    }
}
