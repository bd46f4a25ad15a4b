//! What the pipeline asks of the outside world: a [`Platform`] and a [`Store`].
//! Their errors are cut by what a caller can do about them, not by where they came from.

#![expect(async_fn_in_trait, reason = "the futures stay on one arbiter and need not be Send")]

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::model::{
    AccessToken, AccountId, Batch, Campaign, CampaignId, FailureClass, IdempotencyKey, LetterFilter, Login,
    Page, PageRequest, Run, SettledCampaign, Spent, SyncedCampaign,
};
use crate::permit::Permit;
use crate::report::AccountReport;

/// An advertising platform, as one account sees it.
///
/// Every call takes a [`Permit`] by value: without the limiter's leave nothing can be sent. An
/// implementation calls [`Permit::mark_sent`] when the request leaves, [`Permit::heard`] with what the answer's head
/// says about the limits, [`Permit::answered`] when the last byte of the answer is in, [`Permit::timed_out`] when it
/// stops waiting for one, or [`Permit::disconnected`] where the connection failed.
pub trait Platform: 'static {
    /// Exchanges the account's credentials for a token.
    async fn login(&self, permit: Permit) -> Result<Login, PlatformError>;

    /// After a login that was refused: reads the credentials again where they come from; whether they are others now. The
    /// error says in words why they cannot be read. A platform whose credentials stay as they are need not say so.
    async fn renew_credentials(&self) -> Result<bool, String> {
        Ok(false)
    }

    /// Fetches one page of the listing.
    async fn list(
        &self,
        permit: Permit,
        token: &AccessToken,
        page: PageRequest,
    ) -> Result<Page, PlatformError>;

    /// Has the platform sync one campaign, and checks that its answer is about that campaign.
    async fn sync(
        &self,
        permit: Permit,
        token: &AccessToken,
        campaign: &Arc<Campaign>,
        key: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError>;
}

/// Why a request to the platform failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlatformError {
    /// Worth another attempt.
    #[error("{message}")]
    Transient {
        /// Timeout, connection, 5xx or unparsable.
        class: FailureClass,
        /// What happened, to which request.
        message: String,
    },
    /// The limit was hit: everyone on the account waits; not an attempt.
    #[error("the platform answered 429 (too many requests)")]
    Throttled {
        /// How long the platform asks to wait, from any of its sources.
        retry_after: Option<Duration>,
    },
    /// 401: the token is not valid any more, or, at a login, the credentials never were.
    #[error("{message}")]
    Unauthorized {
        /// What was refused.
        message: String,
    },
    /// Another attempt would get the same answer.
    #[error("{message}")]
    Rejected {
        /// What was refused, and how.
        message: String,
    },
}

impl PlatformError {
    /// What kind of failure it is.
    pub fn class(&self) -> FailureClass {
        match self {
            PlatformError::Transient { class, .. } => *class,
            PlatformError::Throttled { .. } => FailureClass::Throttled,
            PlatformError::Unauthorized { .. } => FailureClass::Unauthorized,
            PlatformError::Rejected { .. } => FailureClass::Rejected,
        }
    }
}

/// Where the pipeline keeps what it has done.
pub trait Store: 'static {
    /// Takes the account, and takes over its newest run where that is unfinished and something was stored for it (or it
    /// began) no longer ago than `resume_within`; else, and always where that is none, opens a new one. An older
    /// run that was left unfinished is closed. With this, every [`Run`] of the account that was given out before owns
    /// nothing any more: what it still wants to store is an error.
    async fn begin_run(
        &self,
        account: &AccountId,
        resume_within: Option<Duration>,
    ) -> Result<Run, StoreError>;

    /// Takes the account as [`Self::begin_run`] does, but for requests that belong to no run: what it returns can record
    /// what they spend and stores nothing else. An unfinished run stays as resumable as it was. To be given back.
    async fn borrow_account(&self, account: &AccountId) -> Result<Run, StoreError>;

    /// Gives back an account that was borrowed, or taken for a run whose report cannot be stored.
    async fn give_back(&self, run: &Run);

    /// Takes the account, and opens a run that tries these dead letters of it again. It is never resumed, and an
    /// unfinished run stays what the next [`Store::begin_run`] takes over.
    async fn begin_replay(&self, account: &AccountId, letters: &LetterFilter) -> Result<Run, StoreError>;

    /// Which of each question's campaigns its run has stored already, or this process of it buried; in a replay also all
    /// that it is not to try. An answer for each question, in their order. This is what lets a listing of any length be
    /// handed on once each without a set of all ids in memory.
    async fn settled(&self, questions: &[Question]) -> Result<Vec<Vec<SettledCampaign>>, StoreError>;

    /// Stores all of it in one transaction, or nothing; of runs that own nothing any more, nothing: which these are.
    /// Repeating a committed batch changes nothing.
    async fn commit(&self, shares: &[Share]) -> Result<Vec<Disowned>, StoreError>;

    /// After a listing that was proven complete: removes the letters of entries without an id (see
    /// [`CampaignId::of_payload`]) that this process has not met with; a replay only those that it was to try. How many.
    async fn forget_nameless(&self, run: &Run) -> Result<u64, StoreError>;

    /// The letters that a replay was to try, and that it has neither stored nor buried again: how many, and a few of
    /// them to be named.
    async fn untried(&self, run: &Run) -> Result<(u64, Vec<CampaignId>), StoreError>;

    /// What the account's last process, however it ended, has spent of the limits and may have.
    async fn load_spent(&self, account: &AccountId) -> Result<Spent, StoreError>;

    /// Replaces the records of what accounts have spent, one each; durable when it returns. But not those of runs that own
    /// nothing any more: which these are.
    async fn save_spent(&self, records: &[(Arc<Run>, Spent)]) -> Result<Vec<Disowned>, StoreError>;

    /// Closes the run with its report. Where that says that the listing was proven, the account's campaigns that the run
    /// did not list are marked as removed from the platform, until one is stored again; repeating it changes nothing.
    async fn finish_run(&self, run: &Run, report: &AccountReport) -> Result<(), StoreError>;
}

/// What a run wants to know of the campaigns that a page has shown it.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose page it is.
    pub run: Arc<Run>,
    /// The page's campaigns, each once.
    pub ids: Vec<CampaignId>,
}

/// A run's part of a transaction that it shares with other runs.
#[derive(Clone, Debug)]
pub struct Share {
    /// Whose campaigns they are.
    pub run: Arc<Run>,
    /// What is to be stored of it.
    pub batch: Batch,
}

/// A run that can store nothing any more, because another process has taken its account, or its row is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disowned {
    /// Its place in what was to be stored.
    pub index: usize,
    /// For people.
    pub cause: String,
}

/// Why the store failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The database is away, busy or full: the same again later will do.
    #[error("{0}")]
    Unavailable(String),
    /// Something in this batch cannot be stored; a smaller one can.
    #[error("{0}")]
    Refused(String),
    /// Someone has to act: a missing table, a missing right.
    #[error("{0}")]
    Broken(String),
}

impl StoreError {
    /// The name that metrics and traces use.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Refused(_) => "refused",
            StoreError::Broken(_) => "broken",
        }
    }
}
