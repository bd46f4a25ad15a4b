//! The row of one account, as both pages and their stream show it.

use std::hash::{DefaultHasher, Hash, Hasher};

use actors::model::{AccountId, FailureClass};
use actors::progress::Progress;
use jiff::Timestamp;
use maud::{Markup, html};
use url::form_urlencoded::byte_serialize;

use super::chart::chart;
use super::standing::{Condition, Standing};
use crate::printable::printable;
use crate::serve::live::Hour;
use crate::serve::scheduler::{AccountStatus, Ended};

/// All there is to say of an account.
pub(super) struct Facts<'a> {
    pub(super) id: &'a AccountId,
    pub(super) status: &'a AccountStatus,
    pub(super) progress: Option<&'a Progress>,
    pub(super) hour: &'a Hour,
    /// How many there are of each class.
    pub(super) letters: &'a [(FailureClass, u64)],
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) condition: Condition,
    pub(super) html: String,
}

impl Row {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let standing = Standing::of(facts.status, facts.progress);
        let condition = standing.condition;
        let row = html! {
            tr data-id=(facts.id) data-condition=(condition.name()) data-version=(version(facts)) {
                th scope="row" { a href=(address(facts.id)) { (foreign(facts.id.as_str())) } }
                td .state { (state(&standing)) }
                td .progress { (progress(facts.progress)) }
                td .limit { (chart(facts.hour)) }
                td .last { (last(facts.status.last.as_deref())) }
                td .letters { (letters(facts)) }
            }
        };
        Self { condition, html: row.into_string() }
    }
}

/// Another one whenever what the account's page says beside the row may be different.
fn version(Facts { status, letters, .. }: &Facts<'_>) -> String {
    let ended_at = status.last.as_ref().map(|last| last.ended_at);
    let mut hasher = DefaultHasher::new();
    (ended_at, status.paused_since, status.schedule.to_string(), format!("{letters:?}")).hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

/// The heads of a row's cells.
pub(super) fn heads() -> Markup {
    html! {
        thead { tr {
            th scope="col" { "Account" }
            th scope="col" { "State" }
            th scope="col" { "Progress" }
            th scope="col" { "Limit used, last hour" }
            th scope="col" { "Last run" }
            th scope="col" { "Dead letters" }
        } }
    }
}

/// Of an account's page.
fn address(id: &AccountId) -> String {
    // Not as a part of the path: browsers take some ids, such as "..", for something else there.
    format!("/account?id={}", encoded(id))
}

/// As a value in an address.
pub(super) fn encoded(id: &AccountId) -> String {
    byte_serialize(id.as_str().as_bytes()).collect()
}

/// Words from elsewhere: without control characters, and whatever their direction, it ends with them.
pub(super) fn foreign(text: &str) -> Markup {
    html! { bdi { (printable(text)) } }
}

/// Without JavaScript as it stands here; with it, as the time from now.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// As [`time`], with the word before it that JavaScript takes for how to say it: since, or until.
fn span(word: &str, at: Timestamp) -> Markup {
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) data-word=(word) {
            (word) (at.strftime(" %Y-%m-%d %H:%M:%S UTC"))
        }
    }
}

fn state(standing: &Standing) -> Markup {
    html! {
        strong { (standing.condition.label()) }
        @if let Some(since) = standing.since { " " (span("since", since)) }
        @match standing.until {
            Some((None, until)) => { " " (span("until", until)) }
            Some((Some(next), until)) => { ", " (next) " " (time(until)) }
            None => {}
        }
        @if !standing.text.is_empty() { span .cause { (foreign(&standing.text)) } }
    }
}

fn progress(progress: Option<&Progress>) -> Markup {
    let Some(now) = progress else { return html! { "–" } };
    let stored = now.stored_before + now.stored;
    let total = now.reported_total.unwrap_or(now.distinct);
    html! {
        @if total > 0 { progress value=(stored.min(total)) max=(total) aria-label="campaigns stored" {} }
        span .count {
            (stored) " of " @if now.reported_total.is_some() { (total) } @else { "?" } " stored"
            @if now.dead_lettered > 0 { ", " (now.dead_lettered) " given up" }
        }
    }
}

fn last(last: Option<&Ended>) -> Markup {
    // What an earlier process ran is on the account's page.
    let Some(Ended { ended_at, report, .. }) = last else { return html! { "none since the service began" } };
    let (campaigns, throttled) = (&report.campaigns, report.requests.throttled);
    html! {
        strong data-status=(report.status) { (report.status) } " " (time(*ended_at))
        span .count {
            (campaigns.stored) " stored in " (format!("{:.1} s", report.duration.as_secs_f64()))
            @if campaigns.dead_lettered > 0 { ", " (campaigns.dead_lettered) " given up" }
            @if throttled > 0 { ", " strong { (throttled) " × 429" } }
        }
    }
}

fn letters(facts: &Facts<'_>) -> Markup {
    let total: u64 = facts.letters.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return html! { "0" };
    }
    html! {
        a href={ (address(facts.id)) "#dead-letters" } { (total) }
        span .count {
            @for (n, (class, count)) in facts.letters.iter().enumerate() {
                @if n > 0 { ", " }
                (count) " " (class)
            }
        }
    }
}
