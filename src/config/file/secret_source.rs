//! Where a secret is: a table with one entry. A secret itself never stands in the file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::places::Places;
use crate::config::problem::Problem;
use crate::config::source::Source;

/// More arguments than a command of this kind has.
const MAX_ARGUMENTS: usize = 64;
/// What it must be.
const ALLOWED: &str = r#"{ env = "NAME" }, { file = "PATH" }, { command = ["program", "argument"] } or { age = "FILE" }: a secret is never in this file itself"#;

/// Where a secret is.
#[derive(Clone)]
pub(in crate::config) enum SecretSource {
    /// In this variable of the environment.
    Variable(String),
    /// In this file, relative to the folder of the configuration.
    File(String),
    /// It is what this program prints; the program, then its arguments.
    Command(Vec<String>),
    /// In this file, which age has encrypted; relative to the folder of the configuration.
    Age(String),
}

/// Reads one. None of what stands there is repeated where it is wrong.
pub(super) fn read(
    secret: &str,
    value: &Spanned<DeValue<'_>>,
    places: &Places<'_>,
) -> Result<SecretSource, Problem> {
    let refuse = |at: Source, allowed: &str| Problem::Wrong {
        setting: secret.to_owned(),
        at,
        value: None,
        allowed: allowed.to_owned(),
    };
    let Some(table) = value.get_ref().as_table() else { return Err(refuse(places.of(value), ALLOWED)) };
    let (key, entry) = only_entry(table).ok_or_else(|| refuse(places.of(value), ALLOWED))?;
    let text = entry.get_ref().as_str().filter(|text| !text.is_empty() && !text.contains('\0'));
    let refuse_entry = |allowed| refuse(places.of(entry), allowed);
    match key.get_ref().as_ref() {
        "env" => {
            let is_name = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let name =
                text.filter(is_name).ok_or_else(|| refuse_entry("{ env = \"NAME\" }, a variable's name"))?;
            Ok(SecretSource::Variable(name.to_owned()))
        }
        "file" => {
            let path = text.ok_or_else(|| refuse_entry("{ file = \"PATH\" }, a path"))?;
            Ok(SecretSource::File(path.to_owned()))
        }
        "age" => {
            let path = text.ok_or_else(|| refuse_entry("{ age = \"FILE\" }, a path"))?;
            Ok(SecretSource::Age(path.to_owned()))
        }
        "command" => {
            let words = entry.get_ref().as_array().filter(|words| (1..=MAX_ARGUMENTS).contains(&words.len()));
            let words: Option<Vec<String>> = words.and_then(|words| {
                words.iter().map(|word| word.get_ref().as_str().map(str::to_owned)).collect()
            });
            let words =
                words.filter(|words| !words[0].is_empty() && !words.iter().any(|word| word.contains('\0')));
            let allowed = "{ command = [\"program\", \"argument\"] }, an array of texts without a shell";
            words.map(SecretSource::Command).ok_or_else(|| refuse_entry(allowed))
        }
        _ => Err(refuse(places.of(key), ALLOWED)),
    }
}

type Entry<'a, 'i> = (&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>);

fn only_entry<'a, 'i>(table: &'a DeTable<'i>) -> Option<Entry<'a, 'i>> {
    let mut entries = table.iter();
    entries.next().filter(|_| entries.next().is_none())
}
