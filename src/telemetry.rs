//! Logs, on standard error only: pretty for people, JSON for machines. They never tear a progress bar apart.

use std::io::{self, Write};

use anyhow::Context;
use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;

/// Sets up logging for the whole process.
pub fn start(format: LogFormat, level: &str, bars: &MultiProgress) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(level).with_context(|| format!("the log level {level:?} does not parse"))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveTheBars(bars.clone()));
    match format {
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
        LogFormat::Pretty => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            logs.with_target(false).with_ansi(colours).try_init()
        }
    }
    .map_err(|error| anyhow::anyhow!("logging could not be set up: {error}"))
}

#[derive(Clone)]
struct AboveTheBars(MultiProgress);

impl Write for AboveTheBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A reader that has gone away must not stop the run.
        let _ = self.0.suspend(|| io::stderr().write_all(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for AboveTheBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
