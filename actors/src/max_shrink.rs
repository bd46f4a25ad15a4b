//! How much smaller than the last one a listing may be and still be believed. Pure.

use crate::settings::OutOfRange;

/// The share of the campaigns that may be gone since the last listing that was proven complete. Where more are, the
/// platform's own mistake is likelier than theirs who removed them, and nothing is marked as removed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxShrink(f64);

/// It is a number.
impl Eq for MaxShrink {}

impl MaxShrink {
    /// All may be gone.
    pub const ANY: Self = Self(1.0);

    /// 0 (none may be gone) to 1 (all may).
    pub fn new(share: f64) -> Result<Self, OutOfRange> {
        let in_range = (0.0..=1.0).contains(&share);
        in_range
            .then_some(Self(share))
            .ok_or_else(|| OutOfRange::new(share.to_string(), "a share from 0 to 1"))
    }

    /// Whether too many are gone. There is no number below which an account is too small for this: an empty listing is
    /// as suspicious after three campaigns as after a thousand, and to accept it costs one run.
    pub(crate) fn is_exceeded(self, before: u64, now: u64) -> bool {
        // Divided and not multiplied: 7 of 10 is then exactly the 0.7 that was set.
        before > now && (before - now) as f64 / before as f64 > self.0
    }
}

impl Default for MaxShrink {
    /// Half: nobody clears away half of an account between two runs without knowing it, and a listing that a bug cuts
    /// short seldom keeps more.
    fn default() -> Self {
        Self(0.5)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_is_from_none_to_all() {
        for (share, allowed) in [(0.0, true), (1.0, true), (-0.01, false), (1.01, false), (f64::NAN, false)] {
            assert_eq!(MaxShrink::new(share).is_ok(), allowed, "{share}");
        }
    }

    #[test]
    fn half_may_be_gone_and_not_one_more_and_of_a_small_account_too() {
        for (before, now, exceeded) in [(100, 50, false), (100, 49, true), (2, 1, false), (1, 0, true)] {
            assert_eq!(MaxShrink::default().is_exceeded(before, now), exceeded, "{before} to {now}");
        }
    }

    proptest! {
        #[test]
        fn exactly_the_share_is_allowed_and_growth_always_and_with_any_everything(
            gone in 0..1000_u64,
            rest in 0..1000_u64,
        ) {
            let before = gone + rest;
            if before > 0 {
                let share = MaxShrink::new(gone as f64 / before as f64).expect("in range");
                prop_assert!(!share.is_exceeded(before, rest));
                prop_assert_eq!(share.is_exceeded(before, rest.saturating_sub(1)), rest > 0);
            }
            prop_assert!(!MaxShrink::new(0.0).expect("in range").is_exceeded(rest, before));
            prop_assert!(!MaxShrink::ANY.is_exceeded(before, rest));
        }
    }
}
