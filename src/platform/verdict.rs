//! What a status means for the caller.

use actors::permit::Answer;
use awc::http::StatusCode;

/// The kinds of answer that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 2xx: the body decides.
    Success,
    /// 401.
    Unauthorized,
    /// 429.
    Throttled,
    /// Worth another attempt.
    Unavailable,
    /// The same request would be refused again.
    Rejected,
}

impl Verdict {
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Verdict::Success,
            401 => Verdict::Unauthorized,
            429 => Verdict::Throttled,
            // Not implemented, and HTTP version not supported: the only 5xx that time does not heal.
            501 | 505 => Verdict::Rejected,
            408 | 425 | 500..=599 => Verdict::Unavailable,
            // Elsewhere for now: to a page that says that there is maintenance, as a rule. It is not followed.
            302 | 303 | 307 => Verdict::Unavailable,
            _ => Verdict::Rejected,
        }
    }

    /// How the limiter counts it. A success is one only when its body is.
    pub(super) fn answer(self) -> Answer {
        match self {
            Verdict::Unauthorized => Answer::Unauthorized,
            Verdict::Throttled => Answer::Throttled,
            Verdict::Unavailable => Answer::Unavailable,
            Verdict::Success => Answer::Unparsable,
            Verdict::Rejected => Answer::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_status_has_its_verdict() {
        for code in 100..=999 {
            let wanted = match code {
                200..=299 => Verdict::Success,
                401 => Verdict::Unauthorized,
                429 => Verdict::Throttled,
                302 | 303 | 307 | 408 | 425 | 500 | 502 | 503 | 504 | 520 | 599 => Verdict::Unavailable,
                100..=499 | 501 | 505 | 600.. => Verdict::Rejected,
                _ => continue,
            };
            assert_eq!(Verdict::of(StatusCode::from_u16(code).unwrap()), wanted, "{code}");
        }
    }
}
