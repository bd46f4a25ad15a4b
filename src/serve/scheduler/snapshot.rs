//! What the [`super::Scheduler`] publishes: each account as it is now. Plain values.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::model::{AccountId, LetterFilter};
use actors::report::AccountReport;
use jiff::Timestamp;

use crate::serve::schedule::Schedule;

/// All accounts. A clone is cheap: what has not changed is shared.
pub type Snapshot = BTreeMap<AccountId, Arc<AccountStatus>>;

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The account, or the rest of it.
    Sync,
    /// These of its dead letters.
    Replay(LetterFilter),
}

/// One account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountStatus {
    /// What it is doing.
    pub state: State,
    /// As the configuration has it now; what runs was started under the one that it had then.
    pub schedule: Schedule,
    /// Since when it is paused: nothing is begun until it is resumed.
    pub paused_since: Option<Timestamp>,
    /// It is not in the configuration any more, and is forgotten when what runs has ended.
    pub leaving: bool,
    /// Its next time by the schedule, not before now unless it has been missed. None where it is paused or leaving.
    pub next_time: Option<Timestamp>,
    /// The run that ended last.
    pub last: Option<Arc<Ended>>,
    /// Set from the first failure on until a run gets through.
    pub failing: Option<Failing>,
}

/// What an account is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A run is at work.
    Running {
        /// When it was started.
        since: Timestamp,
        /// What for.
        purpose: Purpose,
    },
    /// Nothing is to do yet.
    Waiting {
        /// When the next run is started; [`Timestamp::MAX`] is never.
        until: Timestamp,
        /// What for.
        because: Because,
    },
    /// Nothing runs, and nothing will.
    Paused,
}

/// What an account waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// Its next time.
    Schedule,
    /// The next attempt after so many failures in a row.
    Retry(u32),
    /// The credentials were refused: not tried again before, whatever the schedule says.
    Refused,
    /// The quota is used up and comes back then, whatever the schedule says.
    Quota,
    /// A run was interrupted, and nobody knows for how long.
    Interrupted,
    /// Dead letters that may heal.
    Replay,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// When it was started.
    pub started_at: Timestamp,
    /// When its report came.
    pub ended_at: Timestamp,
    /// What it was for.
    pub purpose: Purpose,
    /// What it did.
    pub report: AccountReport,
}

/// That runs fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// When the first of them ended.
    pub since: Timestamp,
    /// How many in a row.
    pub failures: u32,
    /// Why the last one failed, for a person.
    pub cause: String,
}
