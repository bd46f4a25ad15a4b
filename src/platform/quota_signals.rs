//! What the head of an answer says about the platform's limits: `RateLimit` and `RateLimit-Policy` (the IETF's
//! draft-ietf-httpapi-ratelimit-headers, of today and of before), else `RateLimit-*`, `X-RateLimit-*` or
//! `X-Rate-Limit-*`. Whatever makes no sense is as if it were not there; nothing is compared with the local clock.

mod field;

use std::time::{Duration, UNIX_EPOCH};

use actors::quota_signals::{QuotaSignals, Remaining};
use actors::settings::{LONGEST_COOL_DOWN, RateLimit};
use awc::http::header::{DATE, HeaderMap, HeaderName};

use field::{Member, members, number};

/// Members of one field that are looked at; platforms have two or three policies.
const MOST_MEMBERS: usize = 8;

/// A reset from here on is a moment in seconds since 1970 (2001 and later), not a wait.
const EPOCH_SECONDS: u64 = 1_000_000_000;
/// And from here on, one in milliseconds.
const EPOCH_MILLISECONDS: u64 = 1_000_000_000_000;

static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Headers of one number each, or of several by comma: limit, remaining, reset.
static TRIPLES: [[HeaderName; 3]; 3] = [
    [
        HeaderName::from_static("ratelimit-limit"),
        HeaderName::from_static("ratelimit-remaining"),
        HeaderName::from_static("ratelimit-reset"),
    ],
    [
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ],
    [
        HeaderName::from_static("x-rate-limit-limit"),
        HeaderName::from_static("x-rate-limit-remaining"),
        HeaderName::from_static("x-rate-limit-reset"),
    ],
];

/// Reads them all. Without any such header nothing is allocated.
pub(super) fn quota_signals(headers: &HeaderMap) -> QuotaSignals {
    let mut signals = QuotaSignals::default();
    if !headers.keys().any(is_about_rates) {
        // Most platforms say nothing most of the time.
        return signals;
    }
    let policies: Vec<Policy<'_>> = read(headers, &RATELIMIT_POLICY).filter_map(Policy::of).collect();
    signals.policies.extend(policies.iter().filter_map(Policy::limit));
    signals.remaining.extend(read(headers, &RATELIMIT).filter_map(|member| remaining(&member, &policies)));
    if signals.remaining.is_empty() {
        signals.remaining.extend(read_as_dictionary(headers));
    }
    for [limit, remaining, reset] in &TRIPLES {
        signals
            .policies
            .extend(read(headers, limit).filter_map(Policy::of).filter_map(|policy| policy.limit()));
        if signals.remaining.is_empty() {
            signals.remaining.extend(pairs(headers, remaining, reset));
        }
    }
    signals
}

/// Whether it could be one of those above.
fn is_about_rates(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.strip_prefix("x-").unwrap_or(name).starts_with("rate")
}

/// `"default";q=100;w=60`, or, before the draft's eighth version, `100;w=60`.
struct Policy<'a> {
    name: &'a str,
    quota: Option<u64>,
    window: Option<Duration>,
    counts_requests: bool,
}

impl<'a> Policy<'a> {
    fn of(member: Member<'a>) -> Option<Self> {
        Some(Self {
            name: member.name,
            quota: member.integer("q").or_else(|| number(member.name)),
            window: member.integer("w").map(Duration::from_secs),
            // Bytes, or requests at once, are not ours to count.
            counts_requests: member.parameter("qu").is_none_or(|unit| unit == "requests"),
        })
    }

    fn limit(&self) -> Option<RateLimit> {
        let quota = self.quota.filter(|_| self.counts_requests)?;
        RateLimit::new(u32::try_from(quota).ok()?, self.window?).ok()
    }
}

/// `"default";r=50;t=30`. Without a time, the window of the policy with that name is the longest that it can be.
fn remaining(member: &Member<'_>, policies: &[Policy<'_>]) -> Option<Remaining> {
    let policy = policies.iter().find(|policy| policy.name == member.name);
    if policy.is_some_and(|policy| !policy.counts_requests) {
        return None;
    }
    let renewed_in = match member.parameter("t") {
        Some(seconds) => Duration::from_secs(number(seconds)?),
        None => policy?.window?,
    };
    Remaining::new(member.name, member.integer("r")?, renewed_in).ok()
}

/// `limit=100, remaining=50, reset=30`, the draft's seventh version.
fn read_as_dictionary(headers: &HeaderMap) -> Option<Remaining> {
    let value = |key| read(headers, &RATELIMIT).find_map(|member| member.entry(key));
    Remaining::new("", value("remaining")?, Duration::from_secs(value("reset")?)).ok()
}

/// What is left by what the reset of the same place says, or the only one.
fn pairs(headers: &HeaderMap, remaining: &HeaderName, reset: &HeaderName) -> Vec<Remaining> {
    let numbers = |name| read(headers, name).map(|member| number(member.name));
    if !headers.contains_key(remaining) {
        return Vec::new();
    }
    let resets: Vec<Option<u64>> = numbers(reset).collect();
    let paired = numbers(remaining).enumerate().filter_map(|(place, left)| {
        let reset = if resets.len() == 1 { resets[0] } else { *resets.get(place)? };
        Remaining::new(PLACES[place], left?, renewed_in(reset?, headers)?).ok()
    });
    paired.collect()
}

/// The policies of headers that have no names for them.
const PLACES: [&str; MOST_MEMBERS] = ["", "2", "3", "4", "5", "6", "7", "8"];

fn renewed_in(reset: u64, headers: &HeaderMap) -> Option<Duration> {
    let since_1970 = match reset {
        EPOCH_MILLISECONDS.. => Duration::from_millis(reset),
        EPOCH_SECONDS.. => Duration::from_secs(reset),
        _ => return Some(Duration::from_secs(reset)),
    };
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?.trim()).ok()?;
    let wait = since_1970.checked_sub(date.duration_since(UNIX_EPOCH).ok()?)?;
    // A reset that was cut to whole seconds is up to one too early. What was believable stays so.
    Some((wait + Duration::from_secs(1)).min(wait.max(LONGEST_COOL_DOWN)))
}

/// The members of all fields of this name, as one list, to a bound.
fn read<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = Member<'a>> {
    let texts = headers.get_all(name).filter_map(|value| value.to_str().ok());
    texts.flat_map(members).take(MOST_MEMBERS)
}

#[cfg(test)]
mod tests;
