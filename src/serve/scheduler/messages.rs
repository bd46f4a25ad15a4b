//! What the [`super::Scheduler`] can be asked.

use actix::{Message, MessageResponse};
use actors::model::{AccountId, LetterFilter};
use actors::report::AccountReport;
use jiff::Timestamp;
use thiserror::Error;

use crate::serve::schedule::Schedule;

/// These are the accounts from now on, whichever there were before. Those that come wait for their time, those that go
/// are forgotten when what runs has ended, those that change do so from their next run on.
#[derive(Debug, Message)]
#[rtype(result = "Changes")]
pub struct Configure(pub Vec<AccountPlan>);

/// One account of a [`Configure`].
#[derive(Clone, Debug)]
pub struct AccountPlan {
    /// Which.
    pub id: AccountId,
    /// When it is to run.
    pub schedule: Schedule,
    /// Another one for other settings.
    pub fingerprint: u64,
    /// When its last run began, in this process or another. A time of the schedule that has passed since was missed. For an
    /// account that is known already, it is not looked at.
    pub last_begun: Option<Timestamp>,
    /// Since when it is paused, if it is. For an account that is known already, it is not looked at.
    pub paused_since: Option<Timestamp>,
}

/// What a [`Configure`] has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, MessageResponse)]
pub struct Changes {
    /// Accounts that were not there before.
    pub added: Vec<AccountId>,
    /// Accounts that are not there any more.
    pub removed: Vec<AccountId>,
    /// Accounts with another schedule or other settings.
    pub changed: Vec<AccountId>,
}

/// Starts the account now.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotStarted>")]
pub struct RunNow(pub AccountId);

/// Starts a replay of these dead letters of the account now.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotStarted>")]
pub struct ReplayNow(pub AccountId, pub LetterFilter);

/// Starts nothing more for the account until it is resumed, and shows it as paused since then; what runs is left to finish.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UnknownAccount>")]
pub struct Pause(pub AccountId, pub Timestamp);

/// Ends a pause. A time that has passed in the meantime was missed.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UnknownAccount>")]
pub struct Resume(pub AccountId);

/// Starts nothing more and stops what runs. Answered when all has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// Answered by a scheduler that is alive.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ping;

/// Why nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotStarted {
    /// There is no such account.
    #[error(transparent)]
    Unknown(#[from] UnknownAccount),
    /// An account has one run at a time.
    #[error("a run of the account {0} is at work already")]
    Running(AccountId),
    /// It was paused.
    #[error("the account {0} is paused: resume it first")]
    Paused(AccountId),
    /// The program is about to end.
    #[error("the program is stopping")]
    Stopping,
}

/// There is no such account in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no account {0} in the configuration")]
pub struct UnknownAccount(pub AccountId);

/// A run has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct RunEnded {
    pub(super) account: AccountId,
    pub(super) report: AccountReport,
}
