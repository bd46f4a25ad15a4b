//! How long a 429 asks to wait, from whichever of its sources says so. A hint that makes no sense is no hint:
//! the pipeline has a wait of its own, and a wrong one here would either hammer the platform or stop the run.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::object;

/// A longer wait is taken for a mistake of the platform: its windows are minutes, at most a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait that a response asks for: its `Retry-After` header (seconds, or an HTTP date less the response's
/// own `Date`, never the local clock), else `{"retry_after": n}` in its body. Always above zero, at most a day.
pub(super) fn retry_after(retry_after: Option<&str>, date: Option<&str>, body: &[u8]) -> Option<Duration> {
    retry_after.and_then(|header| seconds(header).or_else(|| until(header, date?))).or_else(|| in_body(body))
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse::<f64>().ok()?;
    sensible(Duration::try_from_secs_f64(seconds).ok()?)
}

fn until(then: &str, now: &str) -> Option<Duration> {
    let then = httpdate::parse_http_date(then.trim()).ok()?;
    let now = httpdate::parse_http_date(now.trim()).ok()?;
    sensible(then.duration_since(now).ok()?)
}

fn in_body(body: &[u8]) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Hint<'a> {
        #[serde(borrow)]
        retry_after: &'a RawValue,
    }
    let text = object::<Hint<'_>>(std::str::from_utf8(body).ok()?).ok()?.retry_after.get();
    match serde_json::from_str::<String>(text) {
        Ok(string) => seconds(&string),
        Err(_) => seconds(text),
    }
}

fn sensible(wait: Duration) -> Option<Duration> {
    (wait > Duration::ZERO && wait <= LONGEST).then_some(wait)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;

    /// `Retry-After`, `Date`, body, and the seconds that they mean.
    type Case = (Option<&'static str>, Option<&'static str>, &'static str, Option<f64>);

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn every_source_of_the_wait_is_read_and_nonsense_is_none() {
        let cases: &[Case] = &[
            (Some("60"), None, "", Some(60.0)),
            (Some(" 7 "), Some(DATE), "", Some(7.0)),
            (Some("0.25"), None, "", Some(0.25)),
            (Some("86400"), None, "", Some(86400.0)),
            (Some("86401"), None, "", None),
            (Some("0"), None, "", None),
            (Some("-5"), None, "", None),
            (Some("soon"), None, "", None),
            (Some("inf"), None, "", None),
            (Some("NaN"), None, "", None),
            (Some(""), None, "", None),
            (Some("Sun, 06 Nov 1994 08:50:07 GMT"), Some(DATE), "", Some(30.0)),
            // The local clock is decades away from these dates: it must have no say.
            (Some("Sun, 06 Nov 1994 08:50:07 GMT"), None, "", None),
            (Some("Sun, 06 Nov 1994 08:50:07 GMT"), Some("today"), "", None),
            (Some(DATE), Some(DATE), "", None),
            (Some("Sun, 06 Nov 1994 08:49:07 GMT"), Some(DATE), "", None),
            (Some("Tue, 08 Nov 1994 08:49:37 GMT"), Some(DATE), "", None),
            (None, None, r#"{"retry_after": 60}"#, Some(60.0)),
            (None, None, r#"{"error":"slow down","retry_after": 1.5}"#, Some(1.5)),
            (None, None, r#"{"retry_after": "12"}"#, Some(12.0)),
            (None, None, r#"{"retry_after": 0}"#, None),
            (None, None, r#"{"retry_after": -1}"#, None),
            (None, None, r#"{"retry_after": 1e9}"#, None),
            (None, None, r#"{"retry_after": null}"#, None),
            (None, None, r#"{"retry_after": [60]}"#, None),
            (None, None, r#"{"retry_after": "later"}"#, None),
            (None, None, "[60]", None),
            (None, None, "<html>slow down</html>", None),
            (None, None, "", None),
            // A header that cannot be read does not hide the body's hint; one that can goes before it.
            (Some("soon"), None, r#"{"retry_after": 3}"#, Some(3.0)),
            (Some("5"), None, r#"{"retry_after": 3}"#, Some(5.0)),
        ];
        for &(header, date, body, wanted) in cases {
            assert_eq!(
                retry_after(header, date, body.as_bytes()),
                wanted.map(Duration::from_secs_f64),
                "Retry-After {header:?}, Date {date:?}, body {body}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_platform_says_the_wait_is_above_zero_and_at_most_a_day(
            header in proptest::option::of(".*"), date in proptest::option::of(".*"), body in ".*",
        ) {
            if let Some(wait) = retry_after(header.as_deref(), date.as_deref(), body.as_bytes()) {
                prop_assert!(wait > Duration::ZERO && wait <= LONGEST);
            }
        }

        #[test]
        fn any_number_in_the_body_is_a_sensible_wait_or_none(number in any::<f64>()) {
            prop_assume!(!(1e-10..1e-8).contains(&number)); // where a nanosecond begins is not the point
            let body = format!(r#"{{"retry_after": {number:e}}}"#);
            let wait = retry_after(None, None, body.as_bytes());
            prop_assert_eq!(wait.is_some(), number > 1e-9 && number <= 86400.0);
        }

        #[test]
        fn whole_seconds_are_read_exactly(seconds in 1..=86_400_u64) {
            let wanted = Some(Duration::from_secs(seconds));
            let body = format!(r#"{{"retry_after":{seconds}}}"#);
            prop_assert_eq!(retry_after(Some(&seconds.to_string()), None, b""), wanted);
            prop_assert_eq!(retry_after(None, None, body.as_bytes()), wanted);
        }

        #[test]
        fn a_date_means_the_time_since_the_responses_own_date(now in 0..4_000_000_000_u64, wait in 1..=86_400_u64) {
            let at = |seconds| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            prop_assert_eq!(
                retry_after(Some(&at(now + wait)), Some(&at(now)), b""),
                Some(Duration::from_secs(wait))
            );
        }
    }
}
