//! What an answer's head says about the client's limits, truthfully: as they stood when the request was let in or
//! refused. Times are rounded up to whole seconds, so that nothing is promised too early.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::http::Headers;
use crate::limiter::{SlidingLog, Usage};
use crate::settings::{RateLimit, RateLimitHeaders};

/// The headers of the style that is set, for these limits.
pub(crate) fn quota_headers(
    style: RateLimitHeaders,
    limits: &[RateLimit],
    log: &SlidingLog,
    now: Instant,
) -> Headers {
    let usages: Vec<Usage> = limits.iter().map(|limit| log.usage(limit, now)).collect();
    match style {
        RateLimitHeaders::Draft if !limits.is_empty() => {
            let policies: Vec<String> = limits.iter().enumerate().map(policy).collect();
            let left: Vec<String> = usages.iter().enumerate().map(service_limit).collect();
            vec![("ratelimit-policy", policies.join(", ")), ("ratelimit", left.join(", "))]
        }
        RateLimitHeaders::X => {
            // There is room for one limit: the one that binds first.
            let tightest = limits.iter().zip(&usages).min_by_key(|(_, usage)| usage.left);
            let Some((limit, usage)) = tightest else { return Vec::new() };
            let reset = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default() + usage.more_in;
            vec![
                ("x-ratelimit-limit", limit.requests.to_string()),
                ("x-ratelimit-remaining", usage.left.to_string()),
                ("x-ratelimit-reset", whole_seconds(reset).to_string()),
            ]
        }
        RateLimitHeaders::Draft | RateLimitHeaders::None => Vec::new(),
    }
}

/// The draft knows whole seconds only; a window that is none is left out.
fn policy((number, limit): (usize, &RateLimit)) -> String {
    let policy = format!("\"limit{number}\";q={}", limit.requests);
    if limit.window.subsec_nanos() == 0 { format!("{policy};w={}", limit.window.as_secs()) } else { policy }
}

fn service_limit((number, usage): (usize, &Usage)) -> String {
    format!("\"limit{number}\";r={};t={}", usage.left, whole_seconds(usage.more_in))
}

pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: [RateLimit; 2] = [
        RateLimit { requests: 3, window: Duration::from_millis(2500) },
        RateLimit { requests: 2, window: Duration::from_secs(60) },
    ];

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let rounded = |nanos| whole_seconds(Duration::from_nanos(nanos));
        assert_eq!((rounded(1), rounded(1_000_000_000), rounded(1_000_000_001)), (1, 1, 2));
    }

    #[test]
    fn the_draft_states_every_limit_and_x_the_one_with_the_least_left() {
        let (mut log, start) = (SlidingLog::default(), Instant::now());
        log.admit(&LIMITS, start).expect("it is empty");
        let now = start + Duration::from_millis(700);
        let draft = quota_headers(RateLimitHeaders::Draft, &LIMITS, &log, now);
        assert_eq!(draft[0], ("ratelimit-policy", "\"limit0\";q=3, \"limit1\";q=2;w=60".to_owned()));
        assert_eq!(draft[1], ("ratelimit", "\"limit0\";r=2;t=2, \"limit1\";r=1;t=60".to_owned()));
        let earliest = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970") + Duration::from_millis(59_300);
        let x = quota_headers(RateLimitHeaders::X, &LIMITS, &log, now);
        assert_eq!(
            x[..2],
            [("x-ratelimit-limit", "2".to_owned()), ("x-ratelimit-remaining", "1".to_owned())]
        );
        let reset = Duration::from_secs(x[2].1.parse().expect("a number"));
        assert!(x[2].0 == "x-ratelimit-reset" && reset >= earliest, "{x:?}");
        assert!(reset < earliest + Duration::from_secs(60), "{x:?}");
    }

    #[test]
    fn without_limits_or_unasked_there_are_none() {
        let (log, now) = (SlidingLog::default(), Instant::now());
        for style in [RateLimitHeaders::None, RateLimitHeaders::Draft, RateLimitHeaders::X] {
            assert_eq!(quota_headers(style, &[], &log, now), []);
        }
        assert_eq!(quota_headers(RateLimitHeaders::None, &LIMITS, &log, now), []);
    }
}
