//! Reads settings one after the other and collects what is wrong with them.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use secrecy::SecretString;

use super::environment::Environment;
use super::problem::{InvalidConfig, Problem, Refusal};
use super::setting::{Secret, Setting};
use super::source::{Found, Source};

/// A password or a connection string, with much room.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Problems are collected, so that a user corrects all of them at once: a wrong setting is `None` meanwhile.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, problems: environment.problems() }
    }

    /// The setting's value from its strongest source, the default included. `None`: not given, or wrong.
    pub(super) fn optional<T>(
        &mut self,
        setting: &Setting,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let Found { value, source } = flag
            .map(|value| Found { value: value.to_owned(), source: Source::Flag(setting.flag) })
            .or_else(|| setting.variable.and_then(|variable| self.environment.get(variable)))
            .or_else(|| {
                setting.default.map(|value| Found { value: value.to_owned(), source: Source::Default })
            })?;
        self.checked(setting.flag, &value, source, parse)
    }

    /// The same, and a problem where there is none.
    pub(super) fn required<T>(
        &mut self,
        setting: &Setting,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let before = self.problems.len();
        let value = self.optional(setting, flag, parse);
        if value.is_none() && self.problems.len() == before {
            let or_set = setting.variable.map(|variable| format!(" or set {variable}")).unwrap_or_default();
            let ways = format!("give {}{or_set} (in the environment or in .env)", setting.flag);
            self.problems.push(Problem::Missing { setting: setting.flag.to_owned(), ways });
        }
        value
    }

    /// A secret from its flag, its variable or the file that its other variable names.
    pub(super) fn optional_secret(
        &mut self,
        secret: &Secret,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Option<SecretString> {
        let Found { value, source } = self.find_secret(secret, flag)?;
        self.checked(secret.name, &value, source, |value| {
            let hidden = |refusal: Refusal| Refusal::hidden(refusal.allowed);
            parse(value).map(|()| SecretString::from(value)).map_err(hidden)
        })
    }

    /// The same, and a problem where there is none.
    pub(super) fn required_secret(
        &mut self,
        secret: &Secret,
        parse: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Option<SecretString> {
        let before = self.problems.len();
        let value = self.optional_secret(secret, None, parse);
        if value.is_none() && self.problems.len() == before {
            let ways = format!(
                "set {} (in the environment or in .env), or {} to the path of a file that holds it",
                secret.variable, secret.file_variable
            );
            self.problems.push(Problem::Missing { setting: secret.name.to_owned(), ways });
        }
        value
    }

    /// What is wrong with settings that are right each for itself.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Not a setting: where this user's data are.
    pub(super) fn private_postgres_directory(&self) -> Option<PathBuf> {
        self.environment.private_postgres_directory()
    }

    fn find_secret(&mut self, secret: &Secret, flag: Option<&str>) -> Option<Found> {
        if let (Some(name), Some(value)) = (secret.flag, flag) {
            return Some(Found { value: value.to_owned(), source: Source::Flag(name) });
        }
        // Either of the two that is really set goes before both of `.env`.
        let levels = [Environment::real, Environment::dot_env];
        let level = |get: fn(&Environment, &str) -> Option<Found>| {
            (get(self.environment, secret.variable), get(self.environment, secret.file_variable))
        };
        match levels.map(level).into_iter().find(|found| !matches!(found, (None, None)))? {
            (Some(one), Some(other)) => {
                self.problems.push(Problem::Both { one: one.source, other: other.source });
                None
            }
            (Some(value), None) => Some(value),
            (None, path) => self.secret_file(path?),
        }
    }

    fn secret_file(&mut self, path: Found) -> Option<Found> {
        match read_secret(&path.value) {
            Ok(value) => Some(Found { value, source: path.source }),
            Err(reason) => {
                self.problems.push(Problem::File { path: path.value, at: Some(path.source), reason });
                None
            }
        }
    }

    fn checked<T>(
        &mut self,
        setting: &str,
        value: &str,
        at: Source,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(Refusal { allowed, hide }) => {
                let value = (!hide).then(|| value.to_owned());
                self.problems.push(Problem::Wrong { setting: setting.to_owned(), at, value, allowed });
                None
            }
        }
    }

    /// The configuration that was built, unless anything was wrong.
    pub(super) fn finish<T>(self, config: Option<T>) -> Result<T, InvalidConfig> {
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(InvalidConfig(self.problems)),
        }
    }
}

/// The file's text without the newline that editors put at its end.
fn read_secret(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err("is larger than 64 KiB".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() { Err("is empty".to_owned()) } else { Ok(line.to_owned()) }
}
