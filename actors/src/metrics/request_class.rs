//! What became of a request that was sent, in the words of the retry policy's classes.

use crate::permit::{Answer, Fate};

/// See [`super::REQUESTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestClass {
    Succeeded,
    Unavailable,
    Rejected,
    Unparsable,
    Throttled,
    Unauthorized,
    Timeout,
    Connection,
    Abandoned,
}

impl RequestClass {
    pub(crate) const ALL: [Self; 9] = [
        Self::Succeeded,
        Self::Unavailable,
        Self::Rejected,
        Self::Unparsable,
        Self::Throttled,
        Self::Unauthorized,
        Self::Timeout,
        Self::Connection,
        Self::Abandoned,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Unparsable => "unparsable",
            Self::Throttled => "throttled",
            Self::Unauthorized => "unauthorized",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Abandoned => "abandoned",
        }
    }

    /// None where it has not ended, or was never sent.
    pub(crate) fn of(fate: &Fate) -> Option<Self> {
        match fate {
            Fate::Sent | Fate::Heard(_) | Fate::Returned => None,
            Fate::Answered(Answer::Succeeded) => Some(Self::Succeeded),
            Fate::Answered(Answer::Unavailable) => Some(Self::Unavailable),
            Fate::Answered(Answer::Rejected) => Some(Self::Rejected),
            Fate::Answered(Answer::Unparsable) => Some(Self::Unparsable),
            Fate::Answered(Answer::Throttled) => Some(Self::Throttled),
            Fate::Answered(Answer::Unauthorized) => Some(Self::Unauthorized),
            Fate::TimedOut => Some(Self::Timeout),
            Fate::Disconnected => Some(Self::Connection),
            Fate::Abandoned => Some(Self::Abandoned),
        }
    }
}
