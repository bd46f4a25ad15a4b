//! What an answer's head and body say about waits and limits: nothing absurd is believed, and nothing is made up.
//! The input is an answer to a request too many: its fields, an empty line, its body.

use std::collections::HashSet;
use std::time::Duration;

use actors::ports::PlatformError;
use actors::quota_signals::QuotaSignals;
use campaign_sync::platform::fuzzing;

use super::head::{self, Fields};
use super::{json, time};

const DAY: Duration = Duration::from_secs(86_400);
/// The longest window that a limit may have.
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);
/// Members of one field that are looked at, and fields that state a limit.
const MOST_REMAINING: usize = 8;
const MOST_POLICIES: usize = 4 * MOST_REMAINING;

/// Asserts it of one answer.
pub fn holds(input: &[u8]) {
    let (fields, body) = head::and_body(input);
    let PlatformError::Throttled { retry_after } = fuzzing::refusal(429, &fields, body, &[]) else {
        panic!("a 429 is a request too many")
    };
    if let Some(wait) = retry_after {
        assert!(wait > Duration::ZERO && wait <= DAY, "a wait of {wait:?}");
    }
    if let Some(written) = wait(&fields, body) {
        assert_eq!(retry_after, written);
    }
    let signals = fuzzing::quota_signals(&fields);
    assert_eq!(signals, fuzzing::quota_signals(&fields), "the same head says the same");
    nothing_is_made_up(&signals, &fields);
}

/// The wait, where the text leaves no doubt about it: in seconds, by dates in their usual form, or none.
fn wait(fields: &Fields<'_>, body: &[u8]) -> Option<Option<Duration>> {
    if let Some(header) = head::field(fields, "retry-after") {
        let header = header.trim();
        let named = time::http_date(header);
        let date = head::field(fields, "date").and_then(|date| time::http_date(date.trim()));
        match (plain(header), named, date) {
            (Some(seconds), ..) if sensible(seconds) => return Some(Some(Duration::from_secs(seconds))),
            (None, Some(then), Some(now)) => {
                let wait = then.duration_since(now).ok().filter(|wait| sensible(wait.as_secs()));
                if wait.is_some() {
                    return Some(wait);
                }
            }
            (Some(_), ..) => {}
            _ if header.starts_with('-') || header.is_empty() => {}
            _ => return None,
        }
    } else if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"retry-after")) {
        return None;
    }
    let Some(text) = json::valid(body) else {
        return (!body.iter().any(u8::is_ascii_digit)).then_some(None);
    };
    let Some(body) = json::members(text) else { return Some(None) };
    if !json::readable(&body, &["retry_after"]) {
        return Some(None);
    }
    match json::only(&body, "retry_after") {
        None => Some(None),
        Some(number) if number.starts_with('-') => Some(None),
        Some(number) => plain(number).map(|seconds| sensible(seconds).then(|| Duration::from_secs(seconds))),
    }
}

fn plain(text: &str) -> Option<u64> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn sensible(seconds: u64) -> bool {
    (1..=DAY.as_secs()).contains(&seconds)
}

/// Every number of a signal stands in the head, as a number and not as a part of one.
fn nothing_is_made_up(signals: &QuotaSignals, fields: &Fields<'_>) {
    let QuotaSignals { remaining, policies } = signals;
    assert!(remaining.len() <= MOST_REMAINING && policies.len() <= MOST_POLICIES);
    let stated = numbers(fields);
    for policy in policies {
        assert!(
            policy.requests() > 0 && policy.window() > Duration::ZERO && policy.window() <= LONGEST_WINDOW
        );
        assert!(stated.contains(&(policy.requests() as u64)), "a limit of {}", policy.requests());
        assert!(stated.contains(&policy.window().as_secs()), "a window of {:?}", policy.window());
    }
    let by_a_moment =
        stated.iter().any(|number| *number >= 1_000_000_000) && head::field(fields, "date").is_some();
    for remaining in remaining {
        let renewed_in = remaining.renewed_in();
        assert!(renewed_in > Duration::ZERO && renewed_in <= DAY, "renewed in {renewed_in:?}");
        assert!(stated.contains(&remaining.requests()), "{} left", remaining.requests());
        assert!(by_a_moment || stated.contains(&renewed_in.as_secs()), "renewed in {renewed_in:?}");
    }
}

/// The whole numbers of at most 15 digits in the fields about limits, without those with a sign, a fraction or letters.
fn numbers(fields: &Fields<'_>) -> HashSet<u64> {
    let about_limits =
        fields.iter().filter(|(name, _)| name.to_ascii_lowercase().windows(4).any(|part| part == b"rate"));
    let texts = about_limits.filter_map(|(_, value)| std::str::from_utf8(value).ok());
    let words = texts.flat_map(|text| text.split([' ', '\t', '"', ',', ';', '=']));
    let numbers = words.filter(|word| word.len() <= 15 && word.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.filter_map(|word| word.parse().ok()).collect()
}
