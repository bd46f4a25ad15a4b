//! A run as the `StoreActor` knows it, which stores for many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Span;

use super::*;
use crate::progress::Progress;

/// A run, and whom to tell about it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) run: Arc<Run>,
    acknowledge: Recipient<BatchCommitted>,
    alarm: Recipient<StoreBroke>,
    progress: Arc<ProgressSender>,
    broke: AtomicBool,
    span: Span,
}

impl Member {
    /// To be made in the run's span.
    pub(crate) fn new(
        run: Arc<Run>,
        acknowledge: Recipient<BatchCommitted>,
        alarm: Recipient<StoreBroke>,
        progress: Arc<ProgressSender>,
    ) -> Arc<Self> {
        let (broke, span) = (AtomicBool::new(false), Span::current());
        Arc::new(Self { run, acknowledge, alarm, progress, broke, span })
    }

    /// Of a transaction that begins now.
    pub(super) fn part(&self, entries: usize) -> Part {
        let run = self.span.clone();
        let commit = spans::commit(&run, &self.run.account, entries);
        Part { run, commit, entries }
    }

    /// Nobody waits any more for what it had to store: its run has ended, or is about to.
    pub(super) fn is_gone(&self) -> bool {
        self.broke.load(Ordering::Relaxed) || !self.acknowledge.connected()
    }

    pub(super) fn acknowledge(&self, batch: Batch) {
        self.acknowledge.do_send(BatchCommitted {
            stored: batch.synced.into_iter().map(|synced| synced.campaign.id.clone()).collect(),
            dead_lettered: batch.dead_letters.into_iter().map(|letter| (letter.id, letter.class)).collect(),
        });
    }

    pub(super) fn alarm(&self, cause: &str) {
        if self.broke.swap(true, Ordering::Relaxed) {
            return;
        }
        error!(account = %self.run.account, run = %self.run.id, %cause, "nothing more can be stored of the run");
        self.alarm.do_send(StoreBroke(cause.to_owned()));
    }

    pub(super) fn show(&self, database_away: Option<&str>) {
        let shown = |progress: &Progress| progress.database_away.as_deref() == database_away;
        if !shown(&self.progress.borrow()) {
            let away = database_away.map(str::to_owned);
            self.progress.send_modify(|progress| progress.database_away = away);
        }
    }
}

/// A run's part of a transaction, for the log and the trace of each.
pub(super) struct Part {
    pub(super) run: Span,
    pub(super) commit: Span,
    pub(super) entries: usize,
}

/// Something of a run that is to be stored.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) member: Arc<Member>,
    pub(super) settled: Settled,
}

/// Each once, in the order of their first entries.
pub(super) fn members<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Arc<Member>> {
    let mut seen = std::collections::HashSet::new();
    entries.map(|entry| &entry.member).filter(|member| seen.insert(Arc::as_ptr(member))).cloned().collect()
}

/// The entries by their runs, each run's in their order.
pub(super) fn shares(entries: &[Entry]) -> (Vec<Arc<Member>>, Vec<Share>) {
    let members = members(entries.iter());
    let places: HashMap<_, _> =
        members.iter().enumerate().map(|(n, member)| (Arc::as_ptr(member), n)).collect();
    let share = |member: &Arc<Member>| Share { run: member.run.clone(), batch: Batch::default() };
    let mut shares: Vec<Share> = members.iter().map(share).collect();
    for Entry { member, settled } in entries {
        let batch = &mut shares[places[&Arc::as_ptr(member)]].batch;
        match settled.clone() {
            Settled::Synced(campaign, _) => batch.synced.push(campaign),
            Settled::GivenUp(letter) => batch.dead_letters.push(letter),
        }
    }
    (members, shares)
}
