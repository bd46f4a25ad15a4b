//! What is wrong with the settings: everything at once, each by name, source, value and what is allowed.

use std::fmt;

use super::source::Source;

/// A value in a message is cut here; more of it would only hide the rest.
const SHOWN_CHARS: usize = 80;

/// A file of a thousand accounts can be wrong a thousand times in the same way.
const SHOWN_PROBLEMS: usize = 50;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The configuration file is not TOML. None of its text is repeated: it may hold a secret.
    Syntax {
        /// Where.
        at: Source,
        /// The parser's words.
        message: String,
    },
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
        /// Whose it is, if not everybody's.
        at: Option<Source>,
        /// How to give it.
        ways: String,
    },
    /// A variable with our prefix, or a key of the configuration file, that means nothing: most likely a slip of the pen.
    Unknown {
        /// Where it stands.
        at: Source,
        /// The name that was meant.
        suggestion: Option<&'static str>,
    },
    /// A key of the configuration file that stands where it does not belong.
    Misplaced {
        /// Its name.
        setting: &'static str,
        /// Where it stands.
        at: Source,
        /// Where it should stand.
        belongs: &'static str,
    },
    /// An account that is in the file twice.
    Twice {
        /// Its id.
        account: String,
        /// The second one.
        at: Source,
        /// The first one.
        first: Source,
    },
    /// What is given once for several accounts although one has its own.
    OneLoginForAll {
        /// The part of the login.
        setting: &'static str,
        /// What is given for all.
        given: Source,
        /// What it would replace.
        stated: Source,
    },
    /// A secret that is not where it is said to be.
    Secret {
        /// What it is.
        secret: &'static str,
        /// Where it is said.
        at: Source,
        /// Why it cannot be had; without any part of it.
        reason: String,
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

impl Problem {
    /// The place in the configuration file that it is about, if it is about one.
    pub(super) fn place(&self) -> Option<&Source> {
        let at = match self {
            Problem::Wrong { at, .. }
            | Problem::Syntax { at, .. }
            | Problem::Unknown { at, .. }
            | Problem::Misplaced { at, .. }
            | Problem::Twice { at, .. }
            | Problem::Secret { at, .. } => at,
            Problem::Missing { .. }
            | Problem::OneLoginForAll { .. }
            | Problem::Both { .. }
            | Problem::File { .. } => return None,
        };
        matches!(at, Source::File { .. }).then_some(at)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Syntax { at, message } => write!(f, "not TOML: {message} ({at})"),
            Problem::Misplaced { setting, at, belongs } => {
                write!(f, "{setting} belongs {belongs} ({at})")
            }
            Problem::Twice { account, at, first } => {
                write!(f, "two accounts have the id {} ({first} and {at})", shown(account))
            }
            Problem::OneLoginForAll { setting, given, stated } => write!(
                f,
                "one {setting} is given for all accounts ({given}), but an account has its own ({stated}): \
                 take one of the two away, or name one account with --account"
            ),
            Problem::Secret { secret, at, reason } => write!(f, "{secret} cannot be had: {reason} ({at})"),
            Problem::Wrong { setting, at, value: Some(value), allowed } => {
                write!(f, "{setting} must be {allowed}, not {} ({at})", shown(value))
            }
            Problem::Wrong { setting, at, value: None, allowed } => {
                write!(f, "{setting} must be {allowed}; its value is not shown ({at})")
            }
            Problem::Missing { setting, at: None, ways } => write!(f, "{setting} is missing: {ways}"),
            Problem::Missing { setting, at: Some(at), ways } => {
                write!(f, "{setting} is missing: {ways} ({at})")
            }
            Problem::Unknown { at: at @ Source::File { .. }, suggestion: None } => {
                write!(f, "unknown setting ({at}); campaign-sync.example.toml lists the known ones")
            }
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
                all.iter().take(SHOWN_PROBLEMS).try_for_each(|problem| write!(f, "\n  - {problem}"))?;
                match all.len().saturating_sub(SHOWN_PROBLEMS) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
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
