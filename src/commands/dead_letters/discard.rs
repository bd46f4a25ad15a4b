//! `dead-letters discard`: shows what is meant, asks, and deletes exactly what it has shown.

use std::io::{self, Write};
use std::process::ExitCode;

use super::super::question::{is_confirmed, require_answer};
use super::table;
use crate::config::DiscardConfig;
use crate::database::{self, Database};

/// Deleted at once: nobody reads a longer list before saying yes.
const MOST_AT_ONCE: u32 = 10_000;

/// Deletes them, unless the answer is no.
pub async fn run(config: DiscardConfig) -> anyhow::Result<ExitCode> {
    require_answer(config.yes, "discard")?;
    let database = Database::open_current(&config.database, database::PRIVATE).await?;
    let account = config.account.as_ref().map(|account| account.as_str());
    let mut letters = database.store.dead_letters(account, &config.filter, MOST_AT_ONCE + 1).await?;
    let all = letters.len() <= MOST_AT_ONCE as usize;
    letters.truncate(MOST_AT_ONCE as usize);
    let there = database.store.database();
    if letters.is_empty() {
        say(&format!("no such dead letters in {there}"));
    } else {
        say(&table(&letters).to_string());
        let question = format!("discard these {} from {there}? [y/N] ", letters.len());
        if config.yes || is_confirmed(&question).await? {
            let discarded = database.store.discard(&letters, account, &config.filter).await?;
            let changed = match letters.len() as u64 - discarded {
                0 => String::new(),
                changed => format!("; {changed} changed meanwhile and were left as they are"),
            };
            let rest = if all { "" } else { "; there are more, discard again" };
            say(&format!("{discarded} dead letters discarded{changed}{rest}"));
        } else {
            say("nothing was discarded");
        }
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Whoever has closed standard output has seen enough.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
