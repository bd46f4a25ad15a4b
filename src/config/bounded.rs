//! Texts -> the pipeline's own settings. What is allowed is decided by their constructors; here stands only how it is
//! said to a user.

use std::time::Duration;

use actors::max_shrink::MaxShrink;
use actors::retry_budget::RetryShare;
use actors::settings::{BatchLimits, Concurrency};

use super::duration;
use super::number;
use super::problem::Refusal;

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
