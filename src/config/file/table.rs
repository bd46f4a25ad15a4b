//! One table of the file, the top level or an account: its keys are settings, its values their texts.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::places::Places;
use super::secret_source::{self, SecretSource};
use crate::config::likeness;
use crate::config::problem::{Problem, Refusal};
use crate::config::setting::{Form, InFile, Of, SECRETS, SETTINGS, Secret, Setting};
use crate::config::source::{Found, Source};

/// What a table says of the settings.
#[derive(Default)]
pub(in crate::config) struct Table {
    /// Where it begins.
    pub(in crate::config) at: Source,
    values: Vec<(&'static str, Found)>,
    secrets: Vec<(&'static str, SecretSource, Source)>,
}

impl Table {
    /// The keys that can stand in a table of the kind: at the top level, those of accounts are the defaults.
    pub(super) fn read(
        entries: &DeTable<'_>,
        of: Of,
        at: Source,
        places: &Places<'_>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut table = Self { at, ..Self::default() };
        // By the library they are in the alphabet's order.
        let mut entries: Vec<_> = entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let own_key = match of {
                Of::Process => "accounts",
                Of::Account => "id",
            };
            if *key.get_ref() != own_key {
                table.read_entry(key, value, of, places).unwrap_or_else(|problem| problems.push(problem));
            }
        }
        table
    }

    /// What it says of the setting.
    pub(in crate::config) fn value(&self, setting: &Setting) -> Option<&Found> {
        let key = setting.in_file.as_ref()?.key;
        self.values.iter().find(|(name, _)| *name == key).map(|(_, found)| found)
    }

    /// Where it says that the secret is, and where it says so.
    pub(in crate::config) fn secret(&self, secret: &Secret) -> Option<(&SecretSource, &Source)> {
        self.secrets.iter().find(|(name, ..)| *name == secret.key).map(|(_, source, at)| (source, at))
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().filter_map(|(_, source, _)| match source {
            SecretSource::Variable(name) => Some(name.as_str()),
            SecretSource::File(_) | SecretSource::Command(_) | SecretSource::Age(_) => None,
        })
    }

    fn read_entry(
        &mut self,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        of: Of,
        places: &Places<'_>,
    ) -> Result<(), Problem> {
        let name = key.get_ref().as_ref();
        let can_stand_here = |its: Of| of == Of::Process || its == Of::Account;
        if let Some(InFile { key, form, judge, .. }) =
            settings().find(|known| known.key == name && can_stand_here(known.of))
        {
            let at = places.of(value);
            let refuse = |shown: Option<String>, Refusal { allowed, hide }| Problem::Wrong {
                setting: (*key).to_owned(),
                at: places.of(value),
                value: shown.filter(|_| !hide),
                allowed,
            };
            let text = text(value.get_ref(), *form).map_err(|refusal| refuse(None, refusal))?;
            // What is wrong is kept: it is neither missing nor is another in its place.
            let judged = judge(&text).map_err(|refusal| refuse(Some(text.clone()), refusal));
            self.values.push((key, Found { value: text, source: at }));
            return judged;
        }
        if let Some(secret) = SECRETS.iter().find(|known| known.key == name && can_stand_here(known.of)) {
            let source = secret_source::read(secret.key, value, places)?;
            self.secrets.push((secret.key, source, places.of(value)));
            return Ok(());
        }
        Err(unknown(name, of, places.of(key)))
    }
}

fn settings() -> impl Iterator<Item = &'static InFile> {
    SETTINGS.iter().filter_map(|setting| setting.in_file.as_ref())
}

fn unknown(name: &str, of: Of, at: Source) -> Problem {
    let secrets = SECRETS.iter().map(|secret| (secret.key, secret.of));
    let known = settings().map(|known| (known.key, known.of)).chain(secrets);
    let mut known: Vec<(&'static str, Of)> = known.collect();
    let of_process = |key: &str| known.iter().find(|(name, its)| *name == key && *its == Of::Process);
    match (of, of_process(name), name) {
        (Of::Account, Some((setting, _)), _) => {
            Problem::Misplaced { setting, at, belongs: "at the top level, before the first [[accounts]]" }
        }
        (Of::Process, _, "id" | "account") => {
            Problem::Misplaced { setting: "id", at, belongs: "into a table of [[accounts]]" }
        }
        _ => {
            known.push(if of == Of::Account { ("id", of) } else { ("accounts", of) });
            let here = known.iter().filter(|(_, its)| of == Of::Process || *its == Of::Account);
            Problem::Unknown { at, suggestion: likeness::suggestion(name, here.map(|(key, _)| *key)) }
        }
    }
}

/// As it would stand in the environment.
fn text(value: &DeValue<'_>, form: Form) -> Result<String, Refusal> {
    let refuse = |allowed: &str| Err(Refusal::hidden(allowed));
    match (form, value) {
        (Form::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
        (Form::Switch, _) => refuse("true or false"),
        (_, DeValue::String(text)) => Ok(text.to_string()),
        (Form::Whole | Form::Number, DeValue::Integer(number)) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            Ok(decimal.map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()))
        }
        (Form::Whole | Form::Number, DeValue::Float(number)) => Ok(number.as_str().to_owned()),
        (Form::List, DeValue::Array(entries)) => {
            let texts: Option<Vec<&str>> = entries.iter().map(|entry| entry.get_ref().as_str()).collect();
            match texts.filter(|texts| !texts.is_empty()) {
                Some(texts) => Ok(texts.join(",")),
                None => refuse("an array of texts in quotes, or one text"),
            }
        }
        (Form::List, _) => refuse("an array of texts in quotes, or one text"),
        (Form::Text | Form::Path, _) => refuse("a text in quotes"),
        (Form::Whole | Form::Number, _) => refuse("a number, or a text in quotes"),
    }
}
