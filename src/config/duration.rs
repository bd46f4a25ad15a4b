//! Lengths of time: a whole number and a unit.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::problem::Refusal;

/// The units and their milliseconds, from the largest; of two names the first is used in messages.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// `10s`, `200ms`, `15min` or `15m`, `1h`, `1d`. (Libraries also read `1M`, as a month; whoever writes that here
/// means a minute.)
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*milliseconds)?))
}

/// As [`parse`] would read it.
pub(crate) fn display(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |unit: &&(&str, u64)| milliseconds >= unit.1 && milliseconds.is_multiple_of(unit.1);
    let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("s", 1000));
    format!("{}{name}", milliseconds / unit)
}

/// A duration within the range.
pub(super) fn within(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Refusal> {
    move |text| {
        parse(text)
            .filter(|duration| range.contains(duration))
            .ok_or_else(|| refusal(*range.start(), *range.end()))
    }
}

/// Of a text that is no duration from `start` to `end`.
pub(super) fn refusal(start: Duration, end: Duration) -> Refusal {
    let (start, end) = (display(start), display(end));
    Refusal::new(format!("a duration from {start} to {end}, as a whole number and a unit (ms, s, min, h, d)"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_a_whole_number_and_a_unit() {
        let cases = [
            ("10s", Some(10_000)),
            ("200ms", Some(200)),
            ("15min", Some(900_000)),
            ("1m", Some(60_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("0s", Some(0)),
            ("007s", Some(7000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1M", None),
            ("1.5s", None),
            ("-1s", None),
            ("+1s", None),
            ("1 s", None),
            (" 1s", None),
            ("1s ", None),
            ("1h30m", None),
            ("1y", None),
            ("99999999999999999999s", None),
            ("9999999999999999999d", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(parse(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn a_duration_out_of_range_is_refused_with_the_range() {
        let parse = within(Duration::from_millis(10)..=Duration::from_secs(600));
        assert_eq!(parse("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(parse("10min"), Ok(Duration::from_secs(600)));
        for text in ["9ms", "601s", "0s", "soon"] {
            let allowed = "a duration from 10ms to 10min, as a whole number and a unit (ms, s, min, h, d)";
            assert_eq!(parse(text), Err(Refusal::new(allowed)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_parsed_again(milliseconds in any::<u32>()) {
            let duration = Duration::from_millis(milliseconds.into());
            prop_assert_eq!(parse(&display(duration)), Some(duration));
        }
    }
}
