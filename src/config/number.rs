//! Numbers within their ranges.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::problem::Refusal;

/// A number of which nothing but digits is written.
pub(super) fn digits<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// A whole number within the range, in digits.
pub(super) fn whole(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, Refusal> {
    move |text| {
        digits(text)
            .filter(|number| range.contains(number))
            .ok_or_else(|| Refusal::new(format!("a whole number from {} to {}", range.start(), range.end())))
    }
}

/// The same for what counts in 32 bits.
pub(super) fn whole_u32(range: RangeInclusive<u32>) -> impl Fn(&str) -> Result<u32, Refusal> {
    let parse = whole(u64::from(*range.start())..=u64::from(*range.end()));
    move |text| parse(text).map(|number| u32::try_from(number).expect("the range is one of 32 bits"))
}

/// A whole number of at least one.
pub(super) fn from_one_to(greatest: u32) -> impl Fn(&str) -> Result<NonZeroU32, Refusal> {
    let parse = whole_u32(1..=greatest);
    move |text| parse(text).map(|number| NonZeroU32::new(number).expect("the range begins at one"))
}

/// A share of a whole: 0 for never, 1 for always.
pub(super) fn share(text: &str) -> Result<f64, Refusal> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| Refusal::new("a share from 0 (never) to 1 (always)"))
}

/// Every how many times, or `none`.
pub(super) fn every(text: &str) -> Result<Option<u32>, Refusal> {
    match text {
        "none" => Ok(None),
        _ => whole_u32(1..=u32::MAX)(text)
            .map(Some)
            .map_err(|refusal| Refusal::new(format!("{}, or none", refusal.allowed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_digits_within_the_range() {
        let parse = whole_u32(1..=1024);
        for (text, number) in [
            ("1", Some(1)),
            ("1024", Some(1024)),
            ("016", Some(16)),
            ("0", None),
            ("1025", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("1e2", None),
            ("0x10", None),
            (" 1", None),
            ("", None),
            ("many", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(parse(text).ok(), number, "{text:?}");
        }
        assert_eq!(parse("0"), Err(Refusal::new("a whole number from 1 to 1024")));
        assert_eq!(whole(0..=u64::MAX)("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn shares_are_between_0_and_1() {
        for (text, wanted) in [("0", Some(0.0)), ("0.2", Some(0.2)), ("1", Some(1.0))] {
            assert_eq!(share(text).ok(), wanted);
        }
        for text in ["-0.1", "1.1", "NaN", "inf", "20%", ""] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_is_a_count_or_none() {
        assert_eq!(every("5"), Ok(Some(5)));
        assert_eq!(every("none"), Ok(None));
        assert!(every("0").is_err_and(|refusal| refusal.allowed.ends_with(", or none")));
    }
}
