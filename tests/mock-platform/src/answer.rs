//! What a request gets, as a value: decided first, carried out later. A new way to misbehave is a new
//! [`Delivery`], and nothing that decides needs to know how it is written.

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

/// How an answer is written.
pub(crate) enum Delivery {
    /// All of it, at once.
    Whole(Response),
    /// Not at all: the connection is held open, and read, until the client closes it.
    Never,
}

impl Answer {
    /// This response, at once.
    pub(crate) fn at_once(endpoint: Endpoint, response: Response) -> Answer {
        Answer { endpoint, after: Duration::ZERO, delivery: Delivery::Whole(response), carries_out: None }
    }

    /// With these headers too, where there is a response.
    pub(crate) fn stating(mut self, headers: Headers) -> Answer {
        if let Delivery::Whole(response) = self.delivery {
            self.delivery = Delivery::Whole(response.with_all(headers));
        }
        self
    }

    /// No response, ever.
    pub(crate) fn never(endpoint: Endpoint) -> Answer {
        Answer { endpoint, after: Duration::ZERO, delivery: Delivery::Never, carries_out: None }
    }
}
