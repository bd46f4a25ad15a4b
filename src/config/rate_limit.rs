//! Rate limits: `N/WINDOW`, several by commas, `none`, or `auto`.

use std::time::Duration;

use actors::settings::RateLimit;

use super::problem::Refusal;
use super::{duration, number};

/// Platforms have one or two; every permit looks at each.
const MAX_LIMITS: usize = 16;
/// The ranges are those of [`RateLimit::new`], which decides.
const ALLOWED: &str = "N/WINDOW such as 10/60s, 600/1m or 1000/1d, up to 16 of them by commas, or none \
                       (N from 1 to 1000000, WINDOW from 10ms to 31d)";

/// What holds under `auto` until the platform states its limits: the reference platform's, and slow enough for most.
const ASSUMED: (u32, Duration) = (10, Duration::from_secs(60));

/// Where an account's limits come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimits {
    /// From the user. All of them hold at once; empty: no limit.
    Fixed(Vec<RateLimit>),
    /// From the platform, as soon as it states them.
    Auto,
}

impl RateLimits {
    /// What holds from the first request on.
    pub fn at_first(&self) -> Vec<RateLimit> {
        match self {
            RateLimits::Fixed(limits) => limits.clone(),
            RateLimits::Auto => vec![RateLimit::new(ASSUMED.0, ASSUMED.1).expect("it is in range")],
        }
    }
}

/// As [`parse`], or `auto`.
pub(super) fn parse_or_auto(text: &str) -> Result<RateLimits, Refusal> {
    match text {
        "auto" => Ok(RateLimits::Auto),
        _ => parse(text).map(RateLimits::Fixed).map_err(|refusal| {
            Refusal::new(format!("auto, for what the platform states, or {}", refusal.allowed))
        }),
    }
}

/// All of them hold at once; empty for `none`.
pub(super) fn parse(text: &str) -> Result<Vec<RateLimit>, Refusal> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let limits: Option<Vec<_>> = text.split(',').map(|limit| one(limit.trim())).collect();
    limits.filter(|limits| limits.len() <= MAX_LIMITS).ok_or_else(|| Refusal::new(ALLOWED))
}

fn one(text: &str) -> Option<RateLimit> {
    let (requests, window) = text.split_once('/')?;
    RateLimit::new(number::digits(requests)?, duration::parse(window)?).ok()
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
                let limit =
                    |&(n, ms)| RateLimit::new(n, Duration::from_millis(ms)).expect("one that is allowed");
                limits.iter().map(limit).collect::<Vec<_>>()
            });
            assert_eq!(parse(text).ok(), limits, "{text:?}");
        }
    }

    #[test]
    fn auto_assumes_a_slow_limit_and_stands_alone() {
        let assumed = RateLimits::Auto.at_first();
        assert_eq!(assumed.iter().map(RateLimit::to_string).collect::<Vec<_>>(), ["10/60s"]);
        assert_eq!(parse_or_auto("auto"), Ok(RateLimits::Auto));
        assert_eq!(parse_or_auto("10/60s"), Ok(RateLimits::Fixed(assumed)));
        for text in ["auto,10/60s", "10/60s,auto", "Auto", ""] {
            assert!(
                parse_or_auto(text).is_err_and(|refusal| refusal.allowed.starts_with("auto, ")),
                "{text}"
            );
        }
        assert!(parse("auto").is_err(), "a platform cannot have it");
    }

    #[test]
    fn more_limits_than_a_platform_has_are_refused() {
        assert!(parse(&["1/1s"; MAX_LIMITS].join(",")).is_ok());
        assert!(parse(&["1/1s"; MAX_LIMITS + 1].join(",")).is_err());
    }

    #[test]
    fn what_is_said_to_be_allowed_is_what_is_allowed() {
        let (_, ranges) = ALLOWED.split_once("(N from ").expect("the ranges");
        let (requests, window) =
            ranges.trim_end_matches(')').split_once(", WINDOW from ").expect("two of them");
        let (fewest, most) = requests.split_once(" to ").expect("a range");
        let (shortest, longest) = window.split_once(" to ").expect("a range");
        let edges = (fewest, most, shortest, longest);
        assert_eq!(edges, ("1", "1000000", "10ms", "31d"), "what is next to them is refused above");
        assert!(parse(&format!("{fewest}/{shortest},{most}/{longest}")).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_limits_or_refused(text in "[0-9]{0,8}/?[0-9]{0,6}(ms|s|m|min|h|d|M)?,?.{0,3}") {
            for limit in parse(&text).unwrap_or_default() {
                prop_assert!(limit.requests() >= 1 && !limit.window().is_zero());
            }
        }
    }
}
