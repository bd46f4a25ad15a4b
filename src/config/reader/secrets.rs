//! How the reader finds secrets: the setting's flag or variable, else where the configuration file says that it is.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::{Reader, Selected};
use crate::config::environment::Environment;
use crate::config::file::SecretSource;
use crate::config::problem::{Problem, Refusal};
use crate::config::setting::{self, Secret};
use crate::config::source::{Found, Source};
use crate::config::{secret_command, secret_file};
use crate::rotating_secret::RotatingSecret;

/// Reads it once more.
type Read = Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// A secret, where it was found, and how it can be read there again.
struct FoundSecret {
    value: SecretString,
    source: Source,
    read: Option<Read>,
}

/// One that stays as it is.
impl From<Found> for FoundSecret {
    fn from(Found { value, source }: Found) -> Self {
        Self { value: SecretString::from(value), source, read: None }
    }
}

impl Reader<'_> {
    /// A secret from its flag, its variable, the file that its other variable names, or where the file says that it is.
    pub(in crate::config) fn optional_secret(
        &mut self,
        secret: &Secret,
        flag: Option<&str>,
        judge: fn(&str) -> Result<(), Refusal>,
    ) -> Option<RotatingSecret> {
        let FoundSecret { value, source, read } = self.find_secret(secret, flag)?;
        self.checked(secret.name, value.expose_secret(), source, |text| {
            judge(text).map_err(|refusal| Refusal::hidden(refusal.allowed))
        })?;
        Some(match read {
            Some(read) => RotatingSecret::new(value, move || {
                let value = read()?;
                judge(value.expose_secret()).map_err(|refusal| format!("it must be {}", refusal.allowed))?;
                Ok(value)
            }),
            None => value.into(),
        })
    }

    /// Whether it is said where it is, be it there or not.
    pub(in crate::config) fn has(&self, secret: &Secret) -> bool {
        self.of_environment(secret).is_some() || self.tables().any(|table| table.secret(secret).is_some())
    }

    /// The same, and a problem where there is none.
    pub(in crate::config) fn required_secret(
        &mut self,
        secret: &Secret,
        judge: fn(&str) -> Result<(), Refusal>,
    ) -> Option<RotatingSecret> {
        let is_given = self.has(secret);
        let value = self.optional_secret(secret, None, judge);
        if !is_given {
            let ways = format!(
                "set {} (in the environment or in .env), or {} to the path of a file that holds it",
                secret.variable, secret.file_variable
            );
            self.missing(secret.name, Some(secret.key), ways);
        }
        value
    }

    /// Runs the commands of these accounts' passwords, several at a time: one after the other a thousand would take long.
    pub(in crate::config) fn run_commands_of(&mut self, selected: &[Selected]) {
        let secret = &setting::PASSWORD;
        if self.of_environment(secret).is_some() {
            return;
        }
        let top = self.file.top.secret(secret);
        let wanted = selected.iter().filter_map(|selected| self.table(*selected)?.secret(secret).or(top));
        let commands = wanted.filter_map(|(source, _)| match source {
            SecretSource::Command(words) => Some(words.clone()),
            SecretSource::Variable(_) | SecretSource::File(_) | SecretSource::Age(_) => None,
        });
        self.outputs.run(commands.collect(), &self.file.folder);
    }

    /// Either of the two variables that is really set goes before both of `.env`.
    pub(super) fn of_environment(&self, secret: &Secret) -> Option<(Option<Found>, Option<Found>)> {
        let levels = [Environment::real, Environment::dot_env];
        let level = |get: fn(&Environment, &str) -> Option<Found>| {
            (get(self.environment, secret.variable), get(self.environment, secret.file_variable))
        };
        levels.map(level).into_iter().find(|found| !matches!(found, (None, None)))
    }

    fn find_secret(&mut self, secret: &Secret, flag: Option<&str>) -> Option<FoundSecret> {
        if let (Some(name), Some(value)) = (secret.flag, flag) {
            return Some(Found { value: value.to_owned(), source: Source::Flag(name) }.into());
        }
        match self.of_environment(secret) {
            Some((Some(one), Some(other))) => {
                self.refuse(Problem::Both { one: one.source, other: other.source });
                None
            }
            Some((Some(value), None)) => Some(value.into()),
            Some((None, path)) => self.secret_file(path?),
            None => self.secret_of_file(secret),
        }
    }

    fn secret_file(&mut self, Found { value: path, source }: Found) -> Option<FoundSecret> {
        match secret_file::read(Path::new(&path)) {
            Ok(value) => Some(FoundSecret { value, source, read: Some(of_file(PathBuf::from(&path), path)) }),
            Err(reason) => {
                self.refuse(Problem::File { path, at: Some(source), reason });
                None
            }
        }
    }

    /// Where the configuration file says that it is.
    fn secret_of_file(&mut self, secret: &Secret) -> Option<FoundSecret> {
        let (origin, at) = self.tables().find_map(|table| table.secret(secret))?;
        let (origin, at) = (origin.clone(), at.clone());
        let folder = self.file.folder.clone();
        let found = match origin {
            SecretSource::Variable(name) => {
                let found = self.environment.get(&name).map(|found| (SecretString::from(found.value), None));
                found.ok_or_else(|| format!("the environment variable {name} is not set, or not UTF-8"))
            }
            SecretSource::File(path) => {
                let read = of_file(folder.join(&path), path);
                read().map(|value| (value, Some(read)))
            }
            SecretSource::Command(words) => {
                let value = self.outputs.of(&words, &folder);
                let again: Read = Box::new(move || secret_command::run_once(&words, &folder));
                value.map(|value| (value, Some(again)))
            }
            SecretSource::Age(path) => self.age_identity(secret).and_then(|identity| {
                let read = of_age(folder.join(&path), path, identity);
                read().map(|value| (value, Some(read)))
            }),
        };
        match found {
            Ok((value, read)) => Some(FoundSecret { value, source: at, read }),
            Err(reason) => {
                self.refuse(Problem::Secret { secret: secret.name, at, reason });
                None
            }
        }
    }

    /// What files are decrypted with that hold this secret.
    fn age_identity(&mut self, of: &Secret) -> Result<SecretString, String> {
        let identity = &setting::AGE_IDENTITY;
        if of.key == identity.key {
            return Err("an identity cannot be decrypted with itself".to_owned());
        }
        if !self.has(identity) {
            return Err(format!(
                "there is no identity to decrypt it with: set {} to the file that age-keygen has made, or name \
                 age_identity in the configuration file",
                identity.file_variable
            ));
        }
        // What is wrong with it has been said.
        let found = self.find_secret(identity, None).map(|found| found.value);
        found.ok_or_else(|| "the age identity that it is to be decrypted with cannot be had".to_owned())
    }
}

/// In this file, which the user has named so.
fn of_file(path: PathBuf, named: String) -> Read {
    Box::new(move || secret_file::read(&path).map_err(|why| format!("the file {named:?} {why}")))
}

/// The same, encrypted.
fn of_age(path: PathBuf, named: String, identity: SecretString) -> Read {
    Box::new(move || {
        secret_file::decrypt(&path, &identity).map_err(|why| format!("the file {named:?} {why}"))
    })
}
