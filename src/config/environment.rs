//! The environment and the `.env` file as values. This is the only place that reads either; the process's own
//! environment is never changed.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::private_postgres::default_directory;

use super::likeness;
use super::problem::Problem;
use super::setting;
use super::source::{Found, Source};

/// Whatever begins with these is meant for us.
const OUR_PREFIXES: [&str; 2] = ["CAMPAIGN_SYNC_", "AD_PLATFORM_"];
/// Some dozens of lines; a larger file is not what it is taken for.
const MAX_DOT_ENV_BYTES: u64 = 1024 * 1024;
/// The configuration file of the working directory.
const DEFAULT_FILE: &str = "campaign-sync.toml";

/// The variables that settings are read from, and those that a configuration file names for its secrets. It has no `Debug`: it holds secrets.
pub struct Environment {
    real: Vec<Found>,
    dot_env: Vec<Found>,
    problems: Vec<Problem>,
    /// `XDG_DATA_HOME` and `HOME`.
    data_homes: [Option<OsString>; 2],
    /// The working directory's configuration file, where there is one.
    default_file: Option<&'static str>,
}

impl Environment {
    /// The process's, with the `.env` file of the working directory where there is one.
    pub fn of_process() -> Self {
        let (text, problem) = match dot_env_file() {
            Ok(text) => (text, None),
            Err(reason) => (None, Some(Problem::File { path: ".env".to_owned(), at: None, reason })),
        };
        let mut environment = Self::new(std::env::vars_os(), text.as_deref());
        environment.problems.extend(problem);
        environment.default_file = Path::new(DEFAULT_FILE).exists().then_some(DEFAULT_FILE);
        environment
    }

    /// These variables, and a `.env` file of this text. Of one name set twice in the file, the first counts.
    pub fn new(real: impl IntoIterator<Item = (OsString, OsString)>, dot_env: Option<&str>) -> Self {
        let mut environment = Self {
            real: Vec::new(),
            dot_env: Vec::new(),
            problems: Vec::new(),
            data_homes: [None, None],
            default_file: None,
        };
        for (name, value) in real {
            match name.to_str() {
                Some("XDG_DATA_HOME") => environment.data_homes[0] = Some(value.clone()),
                Some("HOME") => environment.data_homes[1] = Some(value.clone()),
                _ => {}
            }
            let Some(name) = name.to_str() else { continue };
            let source = Source::Environment(name.to_owned());
            match value.into_string() {
                Ok(value) => environment.real.push(Found { value, source }),
                Err(_) if !is_ours(name) => {}
                Err(_) => environment.problems.push(Problem::Wrong {
                    setting: name.to_owned(),
                    at: source,
                    value: None,
                    allowed: "UTF-8".to_owned(),
                }),
            }
        }
        environment.read_dot_env(dot_env.unwrap_or_default());
        environment.real.sort_by_key(|found| found.source.to_string());
        environment
    }

    fn read_dot_env(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for entry in dotenvy::from_read_iter(text.as_bytes()) {
            match entry {
                Ok((variable, value)) => {
                    let line = line_of(text, &variable);
                    self.dot_env.push(Found { value, source: Source::DotEnv { variable, line } });
                }
                // The library's own message quotes the line, which may hold a secret.
                Err(error) => self.problems.push(Problem::File {
                    path: ".env".to_owned(),
                    at: None,
                    reason: unreadable_line(text, &error),
                }),
            }
        }
    }

    /// Where the private PostgreSQL of this user is.
    pub(super) fn private_postgres_directory(&self) -> Option<PathBuf> {
        let [xdg_data_home, home] = &self.data_homes;
        default_directory(xdg_data_home.as_deref(), home.as_deref())
    }

    /// The configuration file that is used where none is named.
    pub(super) fn default_file(&self) -> Option<&str> {
        self.default_file
    }

    /// The variable's value. An empty one counts as unset.
    pub(super) fn get(&self, variable: &str) -> Option<Found> {
        self.real(variable).or_else(|| self.dot_env(variable))
    }

    /// Only where it is really set.
    pub(super) fn real(&self, variable: &str) -> Option<Found> {
        find(&self.real, variable)
    }

    /// Only where `.env` sets it.
    pub(super) fn dot_env(&self, variable: &str) -> Option<Found> {
        find(&self.dot_env, variable)
    }

    /// What is wrong whatever command is run: variables that nobody knows, not even the configuration file (none: that
    /// is not known), and lines that nobody can read.
    pub(super) fn problems(&self, named_by_file: Option<&HashSet<&str>>) -> Vec<Problem> {
        let is_known = |name: &str| {
            !is_ours(name)
                || setting::variables().any(|known| known == name)
                || named_by_file.is_none_or(|named| named.contains(name))
        };
        let unknown = self.real.iter().chain(&self.dot_env).filter(|found| !found.value.is_empty());
        let unknown = unknown.filter(|found| !is_known(name(&found.source)));
        let unknown = unknown.map(|found| Problem::Unknown {
            at: found.source.clone(),
            suggestion: suggestion(name(&found.source)),
        });
        self.problems.iter().cloned().chain(unknown).collect()
    }
}

fn find(variables: &[Found], variable: &str) -> Option<Found> {
    let found = variables.iter().find(|found| name(&found.source) == variable)?;
    (!found.value.is_empty()).then(|| found.clone())
}

fn name(source: &Source) -> &str {
    match source {
        Source::Environment(variable) | Source::DotEnv { variable, .. } => variable,
        Source::Flag(_) | Source::File { .. } | Source::Default => "",
    }
}

fn is_ours(name: &str) -> bool {
    OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || setting::variables().any(|known| known == name)
}

/// The known name that looks most like it.
fn suggestion(unknown: &str) -> Option<&'static str> {
    let like = likeness::suggestion(ours(unknown), setting::variables().map(ours))?;
    setting::variables().find(|known| ours(known) == like)
}

/// A name without its prefix: all names are alike in that.
fn ours(name: &str) -> &str {
    OUR_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// The library does not say on which line it is.
fn line_of(text: &str, variable: &str) -> usize {
    let assigns = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(variable).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    1 + text.lines().position(assigns).unwrap_or_default()
}

fn unreadable_line(text: &str, error: &dotenvy::Error) -> String {
    let hint = "is not of the form NAME=value; a value with spaces, quotes, # or $ stands in single quotes";
    match error {
        dotenvy::Error::LineParse(line, _) => {
            // The library hands over what it could not parse: the line, or what stands behind its `=`.
            let culprit = line.lines().next().unwrap_or_default().trim_end();
            let found =
                text.lines().position(|line| !culprit.is_empty() && line.trim_end().ends_with(culprit));
            match found {
                Some(before) => format!("cannot be read: line {} {hint}", before + 1),
                None => format!("cannot be read: a line {hint}"),
            }
        }
        _ => "cannot be read".to_owned(),
    }
}

fn dot_env_file() -> Result<Option<String>, String> {
    let file = match File::open(".env") {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    // A directory of this name is a Python environment, not ours.
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(None);
    }
    let mut text = String::new();
    match file.take(MAX_DOT_ENV_BYTES + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > MAX_DOT_ENV_BYTES => Err("is larger than 1 MiB".to_owned()),
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}
