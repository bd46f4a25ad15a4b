//! What is wrong with the settings: everything at once, each by name, source, value and what is allowed.

use std::fmt;

use super::source::Source;

/// A value in a message is cut here; more of it would only hide the rest.
const SHOWN_CHARS: usize = 80;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A value that the setting cannot have.
    Wrong {
        /// As the user knows it.
        setting: String,
        /// Where the value stands.
        at: Source,
        /// None where it is a secret, or could hold one.
        value: Option<String>,
        /// What the setting must be.
        allowed: String,
    },
    /// A setting without a default that nobody gave.
    Missing {
        /// As the user knows it.
        setting: String,
        /// How to give it.
        ways: String,
    },
    /// A variable with our prefix that means nothing: most likely a slip of the pen.
    Unknown {
        /// Where it stands.
        at: Source,
        /// The name that was meant.
        suggestion: Option<&'static str>,
    },
    /// Two values that exclude each other.
    Both {
        /// The one.
        one: Source,
        /// The other.
        other: Source,
    },
    /// A file that a setting names, or `.env` itself, cannot be used.
    File {
        /// Its path.
        path: String,
        /// Which setting names it.
        at: Option<Source>,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Wrong { setting, at, value: Some(value), allowed } => {
                write!(f, "{setting} must be {allowed}, not {} ({at})", shown(value))
            }
            Problem::Wrong { setting, at, value: None, allowed } => {
                write!(f, "{setting} must be {allowed}; its value is not shown ({at})")
            }
            Problem::Missing { setting, ways } => write!(f, "{setting} is missing: {ways}"),
            Problem::Unknown { at, suggestion: Some(name) } => {
                write!(f, "unknown setting ({at}); did you mean {name}?")
            }
            Problem::Unknown { at, suggestion: None } => {
                write!(f, "unknown setting ({at}); --help lists the known ones")
            }
            Problem::Both { one, other } => {
                write!(f, "both are set, only one can be: {one} and {other}")
            }
            Problem::File { path, at: Some(at), reason } => {
                write!(f, "the file {} {reason} ({at})", shown(path))
            }
            Problem::File { path, at: None, reason } => write!(f, "the file {} {reason}", shown(path)),
        }
    }
}

/// All that is wrong, one thing a line. The program's exit code for it is 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig(pub Vec<Problem>);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => write!(f, "{one}"),
            all => {
                write!(f, "{} settings are wrong:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}

impl std::error::Error for InvalidConfig {}

/// Quoted, on one line and not endless.
fn shown(value: &str) -> String {
    let mut chars = value.chars();
    let start: String = chars.by_ref().take(SHOWN_CHARS).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{start:?}{more}")
}

/// Why a text is no value of a setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Completes "must be …".
    pub(super) allowed: String,
    /// The text could hold a secret.
    pub(super) hide: bool,
}

impl Refusal {
    pub(super) fn new(allowed: impl Into<String>) -> Self {
        Self { allowed: allowed.into(), hide: false }
    }

    pub(super) fn hidden(allowed: impl Into<String>) -> Self {
        Self { allowed: allowed.into(), hide: true }
    }
}
