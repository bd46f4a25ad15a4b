//! What a request gets, as a value: decided first, carried out later. A new way to misbehave is a new
//! [`Delivery`] or a new [`Manner`], and nothing that decides needs to know how it is written.

use std::time::Duration;

use crate::clients::ClientId;
use crate::http::{Headers, Response};
use crate::stats::Endpoint;

/// The answer to one request.
pub(crate) struct Answer {
    /// What was asked.
    pub(crate) endpoint: Endpoint,
    /// How long after its arrival.
    pub(crate) after: Duration,
    /// Which bytes, and how.
    pub(crate) delivery: Delivery,
    /// The campaign, by number, that has been synced for this client once `after` has passed: whether the client
    /// still waits for the answer by then or not.
    pub(crate) carries_out: Option<(ClientId, u64)>,
}

/// How an answer is delivered.
pub(crate) enum Delivery {
    /// These bytes, in this way.
    Sent(Response, Manner),
    /// Not at all: the connection is held open, and read, until the client closes it.
    Never,
    /// Not at all: the connection is closed.
    Closed,
    /// Not at all: the connection is reset.
    Reset,
}

/// How a response is written.
pub(crate) enum Manner {
    /// All of it, at once.
    Whole,
    /// The same, but the connection is closed over the next request.
    Stale,
    /// In chunks of a few bytes.
    Chunked,
    /// Half of the body, then the connection is closed.
    Cut,
    /// A byte of the body at a time.
    Dripping,
    /// The body in chunks, and then these bytes again and again, until the client closes the connection.
    Endless(Vec<u8>),
}

impl Answer {
    /// This response, when it is due.
    pub(crate) fn sent(endpoint: Endpoint, response: Response, after: Duration) -> Answer {
        Answer { endpoint, after, delivery: Delivery::Sent(response, Manner::Whole), carries_out: None }
    }

    /// This response, at once.
    pub(crate) fn at_once(endpoint: Endpoint, response: Response) -> Answer {
        Answer::sent(endpoint, response, Duration::ZERO)
    }

    /// With these headers too, where there is a response.
    pub(crate) fn stating(mut self, headers: Headers) -> Answer {
        if let Delivery::Sent(response, _) = &mut self.delivery {
            response.headers.extend(headers);
        }
        self
    }

    /// No response, ever.
    pub(crate) fn never(endpoint: Endpoint) -> Answer {
        Answer { endpoint, after: Duration::ZERO, delivery: Delivery::Never, carries_out: None }
    }
}
