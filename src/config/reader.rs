//! Reads settings one after the other and collects what is wrong with them.
//!
//! Each is looked for in layers, the strongest first: flag, environment, `.env`, the table of the account that is being read,
//! the file's top level, the default.

mod accounts;
mod secrets;

use std::collections::HashSet;
use std::path::PathBuf;

use super::environment::Environment;
use super::file::{ConfigFile, Table};
use super::problem::{InvalidConfig, Problem, Refusal};
use super::secret_command::Outputs;
use super::setting::{self, Form, Setting};
use super::source::{Found, Source};

/// Problems are collected, so that a user corrects all of them at once: a wrong setting is `None` meanwhile.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    file: ConfigFile,
    /// The one of the file whose table is a layer.
    account: Option<usize>,
    outputs: Outputs,
    problems: Vec<Problem>,
    /// Places of the file about which something has been said.
    places: HashSet<Source>,
}

/// One account that is meant: of the file by its number there, or the one of flags and environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    OfFile(usize),
    OfFlags,
}

impl<'a> Reader<'a> {
    /// For what has no configuration file.
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self::over(environment, ConfigFile::default())
    }

    /// With the file of the flag, of the variable, or of the working directory.
    pub(super) fn with_file(environment: &'a Environment, flag: Option<&str>) -> Self {
        let named = given(&setting::CONFIG, flag, environment);
        let file = match (named, environment.default_file()) {
            (Some(Found { value, source }), _) => ConfigFile::read(&value, Some(source)),
            (None, Some(path)) => ConfigFile::read(path, None),
            (None, None) => ConfigFile::default(),
        };
        Self::over(environment, file)
    }

    fn over(environment: &'a Environment, mut file: ConfigFile) -> Self {
        let of_file = std::mem::take(&mut file.problems);
        let of_environment = match file.is_unreadable {
            // What it names is not known.
            true => environment.problems(None),
            false => environment.problems(Some(&file.variables().collect())),
        };
        let (outputs, places) = (Outputs::default(), HashSet::new());
        let mut reader = Self { environment, file, account: None, outputs, problems: Vec::new(), places };
        of_environment.into_iter().chain(of_file).for_each(|problem| reader.refuse(problem));
        reader
    }

    /// The setting's value from its strongest source, the default included. `None`: not given, or wrong.
    pub(super) fn optional<T>(
        &mut self,
        setting: &Setting,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let default =
            || setting.default.map(|value| Found { value: value.to_owned(), source: Source::Default });
        let Found { value, source } = given(setting, flag, self.environment)
            .or_else(|| self.tables().find_map(|table| table.value(setting)).cloned())
            .or_else(default)?;
        let (name, value) = match (&source, &setting.in_file) {
            (Source::File { .. }, Some(in_file)) if in_file.form == Form::Path => {
                (in_file.key, self.file.folder.join(value).display().to_string())
            }
            (Source::File { .. }, Some(in_file)) => (in_file.key, value),
            _ => (setting.flag, value),
        };
        self.checked(name, &value, source, parse)
    }

    /// The same, and a problem where there is none.
    pub(super) fn required<T>(
        &mut self,
        setting: &Setting,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        // A value that is wrong is not missing.
        let is_given = given(setting, flag, self.environment).is_some()
            || self.tables().any(|table| table.value(setting).is_some());
        let value = self.optional(setting, flag, parse);
        if !is_given {
            let or_set = setting.variable.map(|variable| format!(" or set {variable}")).unwrap_or_default();
            let ways = format!("give {}{or_set} (in the environment or in .env)", setting.flag);
            self.missing(setting.flag, setting.in_file.as_ref().map(|in_file| in_file.key), ways);
        }
        value
    }

    /// Whether it is on: by its flag, or by the file.
    pub(super) fn switch(&self, setting: &Setting, flag: bool) -> bool {
        flag || self
            .tables()
            .find_map(|table| table.value(setting))
            .is_some_and(|found| found.value == "true")
    }

    /// What is wrong with settings that are right each for itself. Of a place in the file only the first is kept: many
    /// accounts may read it.
    pub(super) fn refuse(&mut self, problem: Problem) {
        if problem.place().is_none_or(|place| self.places.insert(place.clone())) {
            self.problems.push(problem);
        }
    }

    /// How many accounts the file has, and what it is called; for messages.
    pub(super) fn file(&self) -> (usize, &str) {
        (self.file.accounts.len(), &self.file.path)
    }

    /// Not a setting: where this user's data are.
    pub(super) fn private_postgres_directory(&self) -> Option<PathBuf> {
        self.environment.private_postgres_directory()
    }

    /// The configuration that was built, unless anything was wrong.
    pub(super) fn finish<T>(mut self, config: Option<T>) -> Result<T, InvalidConfig> {
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => {
                // Each account reads a flag anew.
                let mut told = HashSet::new();
                self.problems.retain(|problem| told.insert(problem.to_string()));
                Err(InvalidConfig(self.problems))
            }
        }
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        let account = self.account.and_then(|number| self.table(Selected::OfFile(number)));
        account.into_iter().chain([&self.file.top])
    }

    fn table(&self, selected: Selected) -> Option<&Table> {
        match selected {
            Selected::OfFile(number) => self.file.accounts.get(number).map(|account| &account.table),
            Selected::OfFlags => None,
        }
    }

    fn missing(&mut self, setting: &str, key: Option<&str>, ways: String) {
        let account = self.account.and_then(|number| self.file.accounts.get(number));
        let problem = match (account, key) {
            (Some(account), Some(key)) => Problem::Missing {
                setting: format!("{key} of account {}", account.id),
                at: Some(account.table.at.clone()),
                ways: format!("give it there or at the top level, or {ways}"),
            },
            _ => Problem::Missing { setting: setting.to_owned(), at: None, ways },
        };
        self.refuse(problem);
    }

    pub(super) fn checked<T>(
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
                self.refuse(Problem::Wrong { setting: setting.to_owned(), at, value, allowed });
                None
            }
        }
    }
}

/// From the flag or the environment.
fn given(setting: &Setting, flag: Option<&str>, environment: &Environment) -> Option<Found> {
    flag.map(|value| Found { value: value.to_owned(), source: Source::Flag(setting.flag) })
        .or_else(|| setting.variable.and_then(|variable| environment.get(variable)))
}
