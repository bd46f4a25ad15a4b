//! Settings with a few words to choose from.

pub use mock_platform::{RateLimitHeaders, RetryHint};

use actors::model::FailureClass;

use super::problem::Refusal;
use crate::store::Audited;

/// What standard output gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people.
    Table,
    /// One JSON object.
    Json,
}

/// What standard error gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// One of the words.
fn one_of<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, Refusal> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Refusal::new(words.join(" or "))
    })
}

pub(super) fn report(text: &str) -> Result<ReportFormat, Refusal> {
    one_of(&[("table", ReportFormat::Table), ("json", ReportFormat::Json)], text)
}

/// A switch, as a file has it.
pub(super) fn switch(text: &str) -> Result<(), Refusal> {
    one_of(&[("true", ()), ("false", ())], text)
}

pub(super) fn failure_class(text: &str) -> Result<FailureClass, Refusal> {
    one_of(&FailureClass::ALL.map(|class| (class.as_str(), class)), text)
}

pub(super) fn audited(text: &str) -> Result<Audited, Refusal> {
    one_of(&Audited::ALL.map(|what| (what.as_str(), what)), text)
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Refusal> {
    one_of(&[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)], text)
}

pub(super) fn retry_hint(text: &str) -> Result<RetryHint, Refusal> {
    let words = [
        ("header-seconds", RetryHint::HeaderSeconds),
        ("header-date", RetryHint::HeaderDate),
        ("body", RetryHint::Body),
        ("none", RetryHint::None),
    ];
    one_of(&words, text)
}

pub(super) fn rate_limit_headers(text: &str) -> Result<RateLimitHeaders, Refusal> {
    let words =
        [("none", RateLimitHeaders::None), ("draft", RateLimitHeaders::Draft), ("x", RateLimitHeaders::X)];
    one_of(&words, text)
}

/// A filter as `tracing` reads it, kept as text.
pub(super) fn log_level(text: &str) -> Result<String, Refusal> {
    // The library takes any other word for a target, and a slip of the pen for silence.
    let is_level =
        |word: &str| !word.is_empty() && word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let bare_words = text.split(',').filter(|directive| !directive.contains(['=', '[', '{', '}', ']']));
    let only_levels = bare_words.map(str::trim).all(is_level);
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) if only_levels => Ok(text.to_owned()),
        _ => Err(Refusal::new(
            "error, warn, info, debug, trace or off, or a list such as info,campaign_sync=debug",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_one_of_its_words() {
        assert_eq!(report("table"), Ok(ReportFormat::Table));
        assert_eq!(report("json"), Ok(ReportFormat::Json));
        assert_eq!(report("yaml"), Err(Refusal::new("table or json")));
        assert_eq!(log_format("pretty"), Ok(LogFormat::Pretty));
        assert_eq!(log_format("json"), Ok(LogFormat::Json));
        assert_eq!(log_format("JSON"), Err(Refusal::new("pretty or json")));
        assert_eq!(retry_hint("header-seconds"), Ok(RetryHint::HeaderSeconds));
        assert_eq!(retry_hint("header-date"), Ok(RetryHint::HeaderDate));
        assert_eq!(retry_hint("body"), Ok(RetryHint::Body));
        assert_eq!(retry_hint("none"), Ok(RetryHint::None));
        assert_eq!(rate_limit_headers("none"), Ok(RateLimitHeaders::None));
        assert_eq!(rate_limit_headers("draft"), Ok(RateLimitHeaders::Draft));
        assert_eq!(rate_limit_headers("x"), Ok(RateLimitHeaders::X));
        assert_eq!(rate_limit_headers("X"), Err(Refusal::new("none or draft or x")));
        assert_eq!(failure_class("malformed"), Ok(FailureClass::Malformed));
        assert!(failure_class("Malformed").is_err_and(|refusal| refusal.allowed.contains("timeout or ")));
        assert_eq!(retry_hint(""), Err(Refusal::new("header-seconds or header-date or body or none")));
    }

    #[test]
    fn a_log_level_is_a_level_or_a_filter() {
        for text in ["info", "off", "warn,campaign_sync=debug", "actors[run{account=a}]=trace"] {
            assert_eq!(log_level(text), Ok(text.to_owned()));
        }
        for text in ["campaign_sync=loud", "a=b=c", "lala", "info,lala", ""] {
            assert!(log_level(text).is_err(), "{text}");
        }
    }
}
