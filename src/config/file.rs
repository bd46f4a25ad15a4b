//! The configuration file: TOML -> the texts of its settings, each with its place, and what is wrong with the file itself.
//!
//! The texts are judged here once, each for itself, so that what no command reads is right all the same. Nothing of what could
//! be a secret is repeated: neither a key that nobody knows, nor a string where a secret should stand, nor a line that is
//! not TOML.

mod places;
mod secret_source;
mod table;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use actors::model::AccountId;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::setting::Of;
use super::source::Source;
use super::text;

use places::Places;
pub(super) use secret_source::SecretSource;
pub(super) use table::Table;

/// More accounts than a process is made for.
const MAX_ACCOUNTS: usize = 10_000;
/// As many accounts, with much room for each.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Of a text that is no TOML, more than this is noise.
const MAX_SYNTAX_PROBLEMS: usize = 20;

/// What stands in the file; empty where there is none.
#[derive(Default)]
pub(super) struct ConfigFile {
    /// As it was named.
    pub(super) path: String,
    /// What the paths in it are relative to.
    pub(super) folder: PathBuf,
    /// The settings that are the defaults of all accounts, and those of the process.
    pub(super) top: Table,
    /// In the file's order. An account without a proper id is missing, and `problems` says so.
    pub(super) accounts: Vec<FileAccount>,
    /// Whether accounts stand there, be they right or wrong.
    pub(super) names_accounts: bool,
    /// Whether it could be read at all: else nothing is missing, because nobody knows.
    pub(super) is_unreadable: bool,
    pub(super) problems: Vec<Problem>,
}

/// One `[[accounts]]`.
pub(super) struct FileAccount {
    pub(super) id: AccountId,
    pub(super) table: Table,
}

impl ConfigFile {
    /// Reads it; a file that cannot be read is a problem of it.
    pub(super) fn read(path: &str, named_by: Option<Source>) -> Self {
        match text_of(Path::new(path)) {
            Ok(text) => Self::parse(path, &text),
            Err(reason) => Self {
                path: path.to_owned(),
                is_unreadable: true,
                problems: vec![Problem::File { path: path.to_owned(), at: named_by, reason }],
                ..Self::default()
            },
        }
    }

    /// The same of a text.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let places = Places::new(path, text);
        let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
        let folder = absolute.parent().map(Path::to_owned).unwrap_or_default();
        let mut file = Self { path: path.to_owned(), folder, ..Self::default() };
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            file.is_unreadable = true;
            file.problems = syntax_problems(&errors, &places);
            return file;
        }
        let document = document.get_ref();
        file.top = Table::read(document, Of::Process, places.start(), &places, &mut file.problems);
        if let Some(accounts) = document.get("accounts") {
            file.names_accounts = true;
            file.read_accounts(accounts, &places);
        }
        file
    }

    /// The variables of the environment that its secrets are in.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let tables = self.accounts.iter().map(|account| &account.table).chain([&self.top]);
        tables.flat_map(Table::variables)
    }

    fn read_accounts(&mut self, accounts: &Spanned<DeValue<'_>>, places: &Places) {
        let refuse = |allowed: String| Problem::Wrong {
            setting: "accounts".to_owned(),
            at: places.of(accounts),
            value: None,
            allowed,
        };
        let tables = accounts.get_ref().as_array().filter(|array| !array.is_empty());
        let Some(tables) = tables.filter(|array| array.iter().all(|value| value.get_ref().is_table())) else {
            return self.problems.push(refuse("tables, each of which begins with [[accounts]]".to_owned()));
        };
        if tables.len() > MAX_ACCOUNTS {
            return self.problems.push(refuse(format!("at most {MAX_ACCOUNTS} tables")));
        }
        let mut seen: HashMap<AccountId, Source> = HashMap::new();
        for account in tables.iter() {
            let Some(entries) = account.get_ref().as_table() else { continue };
            let table = Table::read(entries, Of::Account, places.of(account), places, &mut self.problems);
            let Some((id, at)) = self.read_id(entries, &table, places) else { continue };
            match seen.get(&id) {
                Some(first) => {
                    let (account, first) = (id.to_string(), first.clone());
                    self.problems.push(Problem::Twice { account, at, first });
                }
                None => {
                    seen.insert(id.clone(), at);
                    self.accounts.push(FileAccount { id, table });
                }
            }
        }
    }

    fn read_id(
        &mut self,
        entries: &DeTable<'_>,
        table: &Table,
        places: &Places,
    ) -> Option<(AccountId, Source)> {
        let Some(value) = entries.get("id") else {
            let ways = "each account has one, which is sent as x-client-id".to_owned();
            let at = Some(table.at.clone());
            self.problems.push(Problem::Missing { setting: "id".to_owned(), at, ways });
            return None;
        };
        let at = places.of(value);
        match value.get_ref().as_str().map(text::account) {
            Some(Ok(id)) => Some((id, at)),
            refused => {
                let allowed = match refused {
                    Some(Err(refusal)) => refusal.allowed,
                    _ => "a text in quotes".to_owned(),
                };
                let value = value.get_ref().as_str().map(str::to_owned);
                self.problems.push(Problem::Wrong { setting: "id".to_owned(), at, value, allowed });
                None
            }
        }
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("is larger than 16 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// The parser's words are fixed ones, which hold nothing of the text. Of a line the first, for the others follow from it.
fn syntax_problems(errors: &[toml::de::Error], places: &Places) -> Vec<Problem> {
    let mut problems: Vec<(usize, Problem)> = Vec::new();
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        let (line, at) = (places.line(offset), places.at(offset));
        if problems.len() < MAX_SYNTAX_PROBLEMS && problems.iter().all(|(known, _)| *known != line) {
            problems.push((line, Problem::Syntax { at, message: error.message().to_owned() }));
        }
    }
    problems.sort_by_key(|(line, _)| *line);
    problems.into_iter().map(|(_, problem)| problem).collect()
}
