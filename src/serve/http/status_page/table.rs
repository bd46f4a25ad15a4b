//! The rows of all accounts, drawn at most twice a second however many look: whoever has seen a row before tells by its
//! pointer whether it is another one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::model::AccountId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::row::{Facts, Row};
use super::standing::Condition;
use crate::serve::letters::LetterCounts;
use crate::serve::live::Live;
use crate::serve::scheduler::Snapshot;

/// What is shown is no older. A thousand rows take some milliseconds.
const REDRAWN_AFTER: Duration = Duration::from_millis(500);

/// In the order of the ids.
pub(super) type Rows = Arc<BTreeMap<AccountId, Arc<Row>>>;

/// See the module.
pub(in super::super) struct Table {
    accounts: watch::Receiver<Snapshot>,
    live: Live,
    letters: LetterCounts,
    drawn: Mutex<Option<(Instant, Rows)>>,
}

impl Table {
    pub(in super::super) fn new(
        accounts: watch::Receiver<Snapshot>,
        live: Live,
        letters: LetterCounts,
    ) -> Self {
        Self { accounts, live, letters, drawn: Mutex::default() }
    }

    pub(super) fn rows(&self) -> Rows {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let before = match &*drawn {
            Some((at, rows)) if now.saturating_duration_since(*at) < REDRAWN_AFTER => return rows.clone(),
            Some((_, rows)) => rows.clone(),
            None => Rows::default(),
        };
        let accounts = self.accounts.borrow().clone();
        let rows = accounts.iter().map(|(id, status)| {
            let (progress, hour, letters) = (self.live.progress(id), self.live.hour(id), self.letters.of(id));
            let facts = Facts { id, status, progress: progress.as_ref(), hour: &hour, letters: &letters };
            let row = Row::new(&facts);
            let same = before.get(id).filter(|before| ***before == row).cloned();
            (id.clone(), same.unwrap_or_else(|| Arc::new(row)))
        });
        let rows = Rows::new(rows.collect());
        *drawn = Some((now, rows.clone()));
        rows
    }

    /// Nothing changes any more.
    pub(super) fn has_ended(&self) -> bool {
        self.accounts.has_changed().is_err()
    }
}

/// How many accounts are in each condition, in the order of [`Condition::ALL`].
pub(super) fn counts(rows: &Rows) -> [usize; Condition::ALL.len()] {
    Condition::ALL.map(|condition| rows.values().filter(|row| row.condition == condition).count())
}
