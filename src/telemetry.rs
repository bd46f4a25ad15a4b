//! Logs, on standard error only: pretty for people, JSON for machines.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::standard_error::StandardError;

/// Sets up logging for the whole process.
pub fn start(format: LogFormat, level: &str, stderr: &StandardError) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(level).with_context(|| format!("the log level {level:?} does not parse"))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr.clone());
    match format {
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
        LogFormat::Pretty => logs.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("logging could not be set up: {error}"))
}
