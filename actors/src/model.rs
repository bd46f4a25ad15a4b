//! What flows through the pipeline: accounts, campaigns, pages, tokens, batches.
//! Plain values; nothing here waits, sends or fails.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use serde::Serialize;
use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use crate::settings::RateLimit;

/// One client on a platform: its own credentials, its own rate limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct AccountId(Arc<str>);

/// What the platform calls a campaign. Opaque: never parsed, never a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct CampaignId(Arc<str>);

macro_rules! opaque_id {
    ($name:ident) => {
        impl $name {
            /// The id as the platform or the user wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }
        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
opaque_id!(AccountId);
opaque_id!(CampaignId);

/// How an id begins that was made from a payload; a UUID follows.
pub const NAMELESS: &str = "malformed-";

impl CampaignId {
    /// For an entry that has no id of its own: the same payload gets the same id in every run, so that it is one dead
    /// letter and not a new one each time.
    pub fn of_payload(payload: &str) -> Self {
        Self::from(format!("{NAMELESS}{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, payload.as_bytes())))
    }
}

/// One sync of one account, as the process that is at work on it holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The row of `sync_runs`. A run that is taken over keeps it. Nil where the account is only borrowed.
    pub id: Uuid,
    /// Whose campaigns are synced.
    pub account: AccountId,
    /// How often the account had been taken when this process took it. The highest owns the account: nothing is stored
    /// for a lower one any more.
    pub epoch: i64,
    /// Whether an earlier process had begun it.
    pub resumed: bool,
    /// Campaigns that earlier processes of the run had stored.
    pub stored_before: u64,
    /// Their numbers are below this: as many as they are, or somewhat more, where batches were numbered and not stored.
    pub numbered_below: u64,
    /// Campaigns in the account's last listing that was proven complete; none where there was none.
    pub listed_before: Option<u64>,
    /// Set where only dead letters are tried again.
    pub replay: Option<Replay>,
}

/// What a replay is to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Which of the account's dead letters.
    pub filter: LetterFilter,
    /// How many these were when it began.
    pub letters: u64,
}

/// A campaign that needs nothing more in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledCampaign {
    /// Which one.
    pub id: CampaignId,
    /// Since when.
    pub by: SettledBy,
}

/// Which process of a run settled a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledBy {
    /// The one that asks: it is stored, or a dead letter.
    ThisProcess,
    /// One that was there before: it is stored.
    EarlierProcess {
        /// Its own among all that were stored before, less than [`Run::numbered_below`].
        number: u64,
    },
    /// Nobody: it is none of the dead letters that the run is to replay.
    NotToReplay,
}

/// A campaign as the platform listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Identifies it within its account.
    pub id: CampaignId,
    /// Free text; may hold anything that JSON can carry.
    pub name: String,
    /// As the platform spells it, for example `active`.
    pub status: String,
    /// The decimal number exactly as it stood in the JSON, so that no float ever rounds it.
    pub budget: Box<str>,
    /// Times shown.
    pub impressions: i64,
    /// Times clicked.
    pub clicks: i64,
    /// Times it led to what it was for.
    pub conversions: i64,
    /// When the platform says that it was created.
    pub created_at: SystemTime,
    /// The JSON object as received, kept for a dead letter.
    pub payload: Box<str>,
}

/// An entry of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A campaign that can be synced.
    Campaign(Arc<Campaign>),
    /// JSON that is no campaign: a missing id, a number out of range, a wrong type.
    Malformed {
        /// The entry's own id; where it has none, one derived from its payload, the same every time.
        id: CampaignId,
        /// What is wrong with it, for a person.
        message: String,
        /// The JSON as received.
        payload: Box<str>,
    },
}

impl Listed {
    /// The id under which the entry is counted.
    pub fn id(&self) -> &CampaignId {
        match self {
            Listed::Campaign(campaign) => &campaign.id,
            Listed::Malformed { id, .. } => id,
        }
    }
}

/// Which part of the listing to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Counted from 1.
    pub page: u32,
    /// Entries wished for; a platform may give fewer.
    pub limit: NonZeroU32,
}

/// One response of the list endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the platform's order, repeats included.
    pub entries: Vec<Listed>,
    /// Whether the platform says that another page follows.
    pub has_more: bool,
    /// How many campaigns the platform says that there are in all; it can be wrong.
    pub total: Option<u64>,
}

/// What a login yields.
#[derive(Clone, Debug)]
pub struct Login {
    /// The bearer token.
    pub token: SecretString,
    /// How long it is valid, from the moment the platform issued it.
    pub expires_in: Duration,
}

/// A bearer token with its place in the order of logins, so that a 401 can say which token it was for.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The secret itself; `Debug` hides it.
    pub secret: SecretString,
    /// 1 for the first login of the run, counting up.
    pub generation: u64,
}

/// The same over all attempts to sync one campaign in one run, so that a repeat changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Derived, not stored: a resumed run repeats a campaign under the same key.
    pub fn new(run: Uuid, campaign: &CampaignId) -> Self {
        let name = Sha1::new().chain_update(run.as_bytes()).chain_update(campaign.as_str()).finalize();
        let (name, _) = name.split_first_chunk().expect("SHA-1 has 20 bytes");
        Self(Builder::from_sha1_bytes(*name).into_uuid().to_string())
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A campaign whose sync the platform confirmed, as [`crate::ports::Platform::sync`] yields it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedCampaign {
    /// As listed.
    pub campaign: Arc<Campaign>,
    /// When the platform says that it synced it.
    pub synced_at: SystemTime,
}

/// A campaign that was given up on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which one.
    pub id: CampaignId,
    /// What kind of failure, for filters and for deciding whether it can heal.
    pub class: FailureClass,
    /// What happened, for a person.
    pub message: String,
    /// Requests made for it.
    pub attempts: u32,
    /// The JSON as received.
    pub payload: Box<str>,
    /// When the first attempt failed.
    pub first_failed_at: SystemTime,
    /// When it was given up on.
    pub last_failed_at: SystemTime,
}

/// Why a campaign became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The platform did not answer in time.
    Timeout,
    /// No connection, or one that broke.
    Connection,
    /// The platform answered with a 5xx or another status that is worth a retry.
    Unavailable,
    /// The answer was not what the API promises.
    Unparsable,
    /// The platform said no: a 4xx that a retry does not change.
    Rejected,
    /// Answered 429 more often than one campaign is waited for.
    Throttled,
    /// Answered 401 also with new tokens.
    Unauthorized,
    /// The listing's entry is no campaign.
    Malformed,
    /// PostgreSQL refuses the row.
    Unstorable,
    /// The program's own code failed on it twice.
    Panicked,
}

impl FailureClass {
    /// All of them.
    pub const ALL: [Self; 10] = [
        FailureClass::Timeout,
        FailureClass::Connection,
        FailureClass::Unavailable,
        FailureClass::Unparsable,
        FailureClass::Rejected,
        FailureClass::Throttled,
        FailureClass::Unauthorized,
        FailureClass::Malformed,
        FailureClass::Unstorable,
        FailureClass::Panicked,
    ];

    /// The class of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// The name that the report and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureClass::Timeout => "timeout",
            FailureClass::Connection => "connection",
            FailureClass::Unavailable => "unavailable",
            FailureClass::Unparsable => "unparsable",
            FailureClass::Rejected => "rejected",
            FailureClass::Throttled => "throttled",
            FailureClass::Unauthorized => "unauthorized",
            FailureClass::Malformed => "malformed",
            FailureClass::Unstorable => "unstorable",
            FailureClass::Panicked => "panicked",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which dead letters of an account are meant: those that fit each list. An empty list fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Of any of these campaigns.
    pub campaigns: Vec<CampaignId>,
    /// Of any of these classes.
    pub classes: Vec<FailureClass>,
}

impl LetterFilter {
    /// Whether the letter of this campaign and class is meant.
    pub fn fits(&self, campaign: &CampaignId, class: FailureClass) -> bool {
        (self.campaigns.is_empty() || self.campaigns.contains(campaign))
            && (self.classes.is_empty() || self.classes.contains(&class))
    }
}

/// What one database transaction stores. No campaign stands in it twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// To be upserted.
    pub synced: Vec<SyncedCampaign>,
    /// To be kept until replayed or discarded.
    pub dead_letters: Vec<DeadLetter>,
}

impl Batch {
    /// Entries of both kinds.
    pub fn len(&self) -> usize {
        self.synced.len() + self.dead_letters.len()
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an account has spent of its rate limits, in time from now. Whoever comes next has to assume it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests that the platform has counted: how long ago at the least, and how many; the youngest first.
    pub counted: Vec<(Duration, u32)>,
    /// Requests that it may yet count: for how long from now at the most, and how many.
    pub leased: (Duration, u32),
    /// The limits that only the platform named: they are kept from the first request on, until it names others.
    pub stated: Vec<RateLimit>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_the_name_based_uuid_of_run_and_campaign(run in any::<u128>(), id in ".{1,80}") {
            let run = Uuid::from_u128(run);
            let wanted = IdempotencyKey(Uuid::new_v5(&run, id.as_bytes()).to_string());
            prop_assert_eq!(IdempotencyKey::new(run, &CampaignId::from(id)), wanted);
        }
    }
}
