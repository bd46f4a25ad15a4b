//! `dead-letters discard`: shows what is meant, asks, and deletes exactly what it has shown.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;

use tokio::sync::oneshot;

use super::table;
use crate::config::{DiscardConfig, InvalidConfig, Problem};
use crate::database::{self, Database};

/// Deleted at once: nobody reads a longer list before saying yes.
const MOST_AT_ONCE: u32 = 10_000;

/// Deletes them, unless the answer is no.
pub async fn run(config: DiscardConfig) -> anyhow::Result<ExitCode> {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !config.yes && !can_ask {
        let ways = "without a terminal nobody can be asked; give it to discard without a question".to_owned();
        return Err(
            InvalidConfig(vec![Problem::Missing { setting: "--yes".to_owned(), at: None, ways }]).into()
        );
    }
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
        if config.yes || is_yes(&ask(&format!("discard these {} from {there}? [y/N] ", letters.len())).await?)
        {
            let discarded = database.store.discard(&letters).await?;
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

/// The line that is typed. It is waited for on a thread that nobody waits for: a signal must be able to end the
/// command meanwhile.
async fn ask(question: &str) -> io::Result<String> {
    write!(io::stderr(), "{question}")?;
    io::stderr().flush()?;
    let (typed, answer) = oneshot::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = typed.send(io::stdin().read_line(&mut line).map(|_| line));
    });
    answer.await.unwrap_or_else(|_| Err(io::Error::other("the answer could not be read")))
}

/// Anything but a clear yes is a no.
fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Y\r\n", " yes \n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yep\n", "no\n", "y n\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
