//! How the reader finds secrets: the setting's flag or variable, else where the configuration file says that it is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::{Reader, Selected};
use crate::config::environment::Environment;
use crate::config::file::SecretSource;
use crate::config::problem::{Problem, Refusal};
use crate::config::secret_command::{MAX_SECRET_BYTES, without_newline};
use crate::config::setting::{self, Secret};
use crate::config::source::{Found, Source};

impl Reader<'_> {
    /// A secret from its flag, its variable, the file that its other variable names, or where the file says that it is.
    pub(in crate::config) fn optional_secret(
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
    pub(in crate::config) fn required_secret(
        &mut self,
        secret: &Secret,
        parse: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Option<SecretString> {
        let is_given = self.of_environment(secret).is_some()
            || self.tables().any(|table| table.secret(secret).is_some());
        let value = self.optional_secret(secret, None, parse);
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
            SecretSource::Variable(_) | SecretSource::File(_) => None,
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

    fn find_secret(&mut self, secret: &Secret, flag: Option<&str>) -> Option<Found> {
        if let (Some(name), Some(value)) = (secret.flag, flag) {
            return Some(Found { value: value.to_owned(), source: Source::Flag(name) });
        }
        match self.of_environment(secret) {
            Some((Some(one), Some(other))) => {
                self.refuse(Problem::Both { one: one.source, other: other.source });
                None
            }
            Some((Some(value), None)) => Some(value),
            Some((None, path)) => self.secret_file(path?),
            None => self.secret_of_file(secret),
        }
    }

    fn secret_file(&mut self, path: Found) -> Option<Found> {
        match read_secret(Path::new(&path.value)) {
            Ok(value) => Some(Found { value, source: path.source }),
            Err(reason) => {
                self.refuse(Problem::File { path: path.value, at: Some(path.source), reason });
                None
            }
        }
    }

    /// Where the configuration file says that it is.
    fn secret_of_file(&mut self, secret: &Secret) -> Option<Found> {
        let (source, at) = self.tables().find_map(|table| table.secret(secret))?;
        let (source, at) = (source.clone(), at.clone());
        let value = match &source {
            SecretSource::Variable(name) => self
                .environment
                .get(name)
                .map(|found| found.value)
                .ok_or_else(|| format!("the environment variable {name} is not set, or not UTF-8")),
            SecretSource::File(path) => read_secret(&self.file.folder.join(path))
                .map_err(|reason| format!("the file {path:?} {reason}")),
            SecretSource::Command(words) => {
                let output = self.outputs.of(words, &self.file.folder);
                output.map(|output| output.expose_secret().to_owned())
            }
        };
        match value {
            Ok(value) => Some(Found { value, source: at }),
            Err(reason) => {
                self.refuse(Problem::Secret { secret: secret.name, at, reason });
                None
            }
        }
    }
}

/// The file's text without the newline that editors put at its end.
fn read_secret(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err("is larger than 64 KiB".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let line = without_newline(&text);
    if line.is_empty() { Err("is empty".to_owned()) } else { Ok(line.to_owned()) }
}
