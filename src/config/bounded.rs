//! Texts -> the pipeline's own settings. What is allowed is decided by their constructors; here stands only how it is
//! said to a user.

use std::num::NonZeroU32;
use std::time::Duration;

use actors::max_shrink::MaxShrink;
use actors::retry_budget::RetryShare;
use actors::settings::{BatchLimits, Concurrency};

use super::duration;
use super::number;
use super::problem::Refusal;

/// More campaigns than this would not fit the bound of a page's body.
const MAX_PAGE_SIZE: u32 = 10_000;
/// With backoffs of 20 s, more attempts than this would wait for half an hour.
const MAX_ATTEMPTS: u32 = 100;
/// A wait of less is what any limit makes.
const SHORTEST_MAX_WAIT: Duration = Duration::from_secs(1);
/// The longest window.
const LONGEST_MAX_WAIT: Duration = Duration::from_secs(31 * 86_400);
/// Within a shorter time not even loopback answers reliably.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// Whoever has not answered by then will not.
pub(super) const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
/// Younger rows of the audit log nobody can delete: the table's trigger knows the same number.
const SHORTEST_RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// A century is for ever.
const LONGEST_RETENTION: Duration = Duration::from_secs(36_500 * 86_400);
/// More connections than this no process of ours has at once: each needs a file descriptor.
const MAX_IN_FLIGHT: u32 = 10_000;

/// Campaigns to ask for with each page.
pub(super) fn page_size(text: &str) -> Result<NonZeroU32, Refusal> {
    number::from_one_to(MAX_PAGE_SIZE)(text)
}

/// Attempts of one request.
pub(super) fn max_attempts(text: &str) -> Result<NonZeroU32, Refusal> {
    number::from_one_to(MAX_ATTEMPTS)(text)
}

/// Whatever any number of attempts could allow.
pub(super) fn most_attempts() -> NonZeroU32 {
    NonZeroU32::new(MAX_ATTEMPTS).expect("it is not zero")
}

/// Of one attempt.
pub(super) fn request_timeout(text: &str) -> Result<Duration, Refusal> {
    duration::within(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT)(text)
}

/// The longest that a run is kept waiting.
pub(super) fn max_wait(text: &str) -> Result<Duration, Refusal> {
    duration::within(SHORTEST_MAX_WAIT..=LONGEST_MAX_WAIT)(text)
}

/// How long the rows of the audit log are kept.
pub(super) fn audit_retention(text: &str) -> Result<Duration, Refusal> {
    duration::within(SHORTEST_RETENTION..=LONGEST_RETENTION)(text)
}

/// Requests of all accounts that are under way at once.
pub(super) fn max_in_flight(text: &str) -> Result<NonZeroU32, Refusal> {
    number::from_one_to(MAX_IN_FLIGHT)(text)
}

/// A number of sync actors.
pub(super) fn concurrency(text: &str) -> Result<Concurrency, Refusal> {
    let number = number::digits(text).and_then(|number| Concurrency::new(number).ok());
    number.ok_or_else(|| Refusal::new("a whole number from 1 to 1024"))
}

/// Repeats that a run may make for each request, or `none`.
pub(super) fn retry_budget(text: &str) -> Result<Option<RetryShare>, Refusal> {
    if text == "none" {
        return Ok(None);
    }
    let share = text.parse().ok().and_then(|share| RetryShare::new(share).ok());
    share.map(Some).ok_or_else(|| Refusal::new("a number from 0 to 99 such as 0.5, or none"))
}

/// The share of the campaigns that a listing may lose, or `none` for no bound.
pub(super) fn max_shrink(text: &str) -> Result<MaxShrink, Refusal> {
    if text == "none" {
        return Ok(MaxShrink::ANY);
    }
    let share = text.parse().ok().and_then(|share| MaxShrink::new(share).ok());
    share.ok_or_else(|| Refusal::new("a number from 0 to 1 such as 0.5, or none"))
}

/// A size that a batch can have, whatever its linger.
pub(super) fn batch_size(text: &str) -> Result<usize, Refusal> {
    let size = number::digits(text).filter(|&size| BatchLimits::new(size, Duration::ZERO).is_ok());
    size.ok_or_else(|| Refusal::new("a whole number from 1 to 10000"))
}

/// A linger that a batch can have, whatever its size.
pub(super) fn batch_linger(text: &str) -> Result<Duration, Refusal> {
    let linger = duration::parse(text).filter(|&linger| BatchLimits::new(1, linger).is_ok());
    linger.ok_or_else(|| duration::refusal(Duration::ZERO, Duration::from_secs(60)))
}

/// Both together.
pub(super) fn batch(size: usize, linger: Duration) -> BatchLimits {
    BatchLimits::new(size, linger).expect("each of the two was allowed, and neither depends on the other")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The range that a message names is the one that the pipeline allows: its edges are accepted and what is next to
    /// them is not.
    #[test]
    fn what_is_said_to_be_allowed_is_what_is_allowed() {
        let whole = |refusal: Refusal| -> (usize, usize) {
            let (from, to) = refusal
                .allowed
                .strip_prefix("a whole number from ")
                .and_then(|r| r.split_once(" to "))
                .expect("a range");
            (from.parse().expect("a number"), to.parse().expect("a number"))
        };
        let (from, to) = whole(concurrency("").expect_err("empty"));
        assert_eq!(concurrency(&from.to_string()).map(Concurrency::get), Ok(from));
        assert_eq!(concurrency(&to.to_string()).map(Concurrency::get), Ok(to));
        assert!(concurrency(&(from - 1).to_string()).is_err() && concurrency(&(to + 1).to_string()).is_err());

        let (from, to) = whole(batch_size("").expect_err("empty"));
        assert_eq!((batch_size(&from.to_string()), batch_size(&to.to_string())), (Ok(from), Ok(to)));
        assert!(batch_size(&(from - 1).to_string()).is_err() && batch_size(&(to + 1).to_string()).is_err());

        let refusal = retry_budget("").expect_err("empty").allowed;
        assert!(refusal.starts_with("a number from 0 to 99 such as 0.5, or none"), "{refusal}");
        assert_eq!(retry_budget("none"), Ok(None));
        for share in [0.0, 0.5, 99.0] {
            assert_eq!(retry_budget(&share.to_string()), Ok(RetryShare::new(share).ok()));
        }
        for wrong in ["-0.1", "99.1", "NaN", "inf", "half", "1/request"] {
            assert!(retry_budget(wrong).is_err(), "{wrong}");
        }

        let refusal = batch_linger("60001ms").expect_err("too long").allowed;
        assert!(refusal.starts_with("a duration from 0s to 1min,"), "{refusal}");
        assert_eq!(batch_linger("1min"), Ok(Duration::from_secs(60)));
        assert_eq!(batch(to, Duration::from_secs(60)).size(), to);
    }
}
