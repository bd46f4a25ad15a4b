//! What `completions` and `man` print is most often sent into a file: unlike a report it must be whole.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;

/// Writes it to standard output. A reader that has seen enough is no error; a disk that is full is.
pub(super) fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
