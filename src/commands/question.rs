//! A question to whoever deletes something. Promises that without a terminal nothing is taken for a yes.

use std::io::{self, IsTerminal, Write};
use std::thread;

use tokio::sync::oneshot;

use crate::config::{InvalidConfig, Problem};

/// An error where nobody could be asked and `--yes` is not given; `doing` is what it would allow.
pub(super) fn require_answer(yes: bool, doing: &str) -> Result<(), InvalidConfig> {
    if yes || io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    let ways = format!("without a terminal nobody can be asked; give it to {doing} without a question");
    Err(InvalidConfig(vec![Problem::Missing { setting: "--yes".to_owned(), at: None, ways }]))
}

/// Whether the answer is a clear yes.
pub(super) async fn is_confirmed(question: &str) -> io::Result<bool> {
    Ok(is_yes(&ask(question).await?))
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
