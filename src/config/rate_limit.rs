//! Rate limits: `N/WINDOW`, several by commas, or `none`.

use std::time::Duration;

use super::duration;
use super::problem::Refusal;

/// Requests of one window. The limiter keeps a stamp for each.
const MAX_REQUESTS: u32 = 1_000_000;
/// Shorter windows are below what timers and networks keep apart.
const SHORTEST_WINDOW: Duration = Duration::from_millis(10);
/// A calendar month, the longest quota that platforms speak of.
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);
/// Platforms have one or two; every permit looks at each.
const MAX_LIMITS: usize = 16;

/// At most `.0` requests in any span of `.1`, all of them at once; empty for `none`.
pub(super) fn parse(text: &str) -> Result<Vec<(u32, Duration)>, Refusal> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let limits: Option<Vec<_>> = text.split(',').map(|limit| one(limit.trim())).collect();
    limits.filter(|limits| limits.len() <= MAX_LIMITS).ok_or_else(|| {
        Refusal::new(
            "N/WINDOW such as 10/60s, 600/1m or 1000/1d, up to 16 of them by commas, or none \
             (N from 1 to 1000000, WINDOW from 10ms to 31d)",
        )
    })
}

fn one(text: &str) -> Option<(u32, Duration)> {
    let (requests, window) = text.split_once('/')?;
    let digits = requests.bytes().all(|byte| byte.is_ascii_digit());
    let requests = requests.parse().ok().filter(|n| digits && (1..=MAX_REQUESTS).contains(n))?;
    let window = duration::parse(window)?;
    (SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&window).then_some((requests, window))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text and the limits that it means: requests, milliseconds.
    type Case = (&'static str, Option<&'static [(u32, u64)]>);

    #[test]
    fn limits_are_requests_by_window() {
        let cases: [Case; 23] = [
            ("10/60s", Some(&[(10, 60_000)])),
            ("600/1m", Some(&[(600, 60_000)])),
            ("1000/1d", Some(&[(1000, 86_400_000)])),
            ("10/60s,1000/1d", Some(&[(10, 60_000), (1000, 86_400_000)])),
            ("10/60s, 1000/1d", Some(&[(10, 60_000), (1000, 86_400_000)])),
            ("1/10ms", Some(&[(1, 10)])),
            ("1000000/31d", Some(&[(1_000_000, 2_678_400_000)])),
            ("none", Some(&[])),
            ("", None),
            ("10", None),
            ("10/", None),
            ("/60s", None),
            ("10/60", None),
            ("0/60s", None),
            ("-1/60s", None),
            ("+1/60s", None),
            ("1000001/60s", None),
            ("10/9ms", None),
            ("10/32d", None),
            ("10/0s", None),
            ("10/60s,", None),
            ("none,10/60s", None),
            ("10 / 60s", None),
        ];
        for (text, limits) in cases {
            let limits = limits.map(|limits| {
                limits.iter().map(|&(n, ms)| (n, Duration::from_millis(ms))).collect::<Vec<_>>()
            });
            assert_eq!(parse(text).ok(), limits, "{text:?}");
        }
    }

    #[test]
    fn more_limits_than_a_platform_has_are_refused() {
        assert!(parse(&["1/1s"; MAX_LIMITS].join(",")).is_ok());
        assert!(parse(&["1/1s"; MAX_LIMITS + 1].join(",")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_limits_within_their_ranges_or_refused(text in "[0-9]{0,8}/?[0-9]{0,6}(ms|s|m|min|h|d|M)?,?.{0,3}") {
            for (requests, window) in parse(&text).unwrap_or_default() {
                prop_assert!((1..=MAX_REQUESTS).contains(&requests));
                prop_assert!((SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&window));
            }
        }
    }
}
