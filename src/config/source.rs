//! Where a setting's value came from.

use std::fmt;
use std::sync::Arc;

/// From the strongest to the weakest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// The command line.
    Flag(&'static str),
    /// A variable that is really set.
    Environment(String),
    /// A variable of the `.env` file in the working directory.
    DotEnv {
        /// Its name.
        variable: String,
        /// Counted from 1.
        line: usize,
    },
    /// The configuration file.
    File {
        /// As it was named.
        path: Arc<str>,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// Nowhere.
    #[default]
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(flag) => write!(f, "flag {flag}"),
            Source::Environment(variable) => write!(f, "environment variable {variable}"),
            Source::DotEnv { variable, line } => write!(f, ".env line {line}, {variable}"),
            Source::File { path, line, column } => write!(f, "{path} line {line}, column {column}"),
            Source::Default => f.write_str("default"),
        }
    }
}

/// A value as it was written, and where.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) value: String,
    pub(super) source: Source,
}
