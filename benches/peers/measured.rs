//! What a process cost: it is run by a process of its own, whose children's count by the kernel is then its alone.

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What it cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// From its start to its end.
    pub(crate) wall: Duration,
    /// On processors, that of its own children included.
    pub(crate) processor: Duration,
    /// Of the largest of its processes.
    pub(crate) peak_bytes: u64,
}

/// Runs it to its end, and says what it cost. What it prints comes with its failure.
pub(crate) fn measured(command: &Command) -> anyhow::Result<Usage> {
    let mut measuring = Command::new(env::current_exe().context("this program has no file")?);
    measuring.arg("measure").arg("--").arg(command.get_program()).args(command.get_args());
    measuring.env_clear();
    for (name, value) in command.get_envs() {
        measuring.env(name, value.unwrap_or_default());
    }
    if let Some(folder) = command.get_current_dir() {
        measuring.current_dir(folder);
    }
    let output = measuring.stdin(Stdio::null()).output().context("it cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{} failed: {said}", command.get_program().display());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("no measurement: {said}"))
}

/// What the process of its own does.
pub(crate) fn measure(words: &[OsString]) -> anyhow::Result<()> {
    let (program, arguments) = words.split_first().context("nothing to measure")?;
    let begun = Instant::now();
    // Its standard output would stand before the measurement.
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    let wall = begun.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(value.num_microseconds()).unwrap_or(0))
    };
    if !output.status.success() {
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        bail!("{}\n{}{}", output.status, said(&output.stderr), said(&output.stdout));
    }
    let usage = Usage {
        wall,
        processor: time(usage.user_time()) + time(usage.system_time()),
        // The kernel counts it in KiB.
        peak_bytes: u64::try_from(usage.max_rss()).unwrap_or(0) * 1024,
    };
    serde_json::to_writer(io::stdout(), &usage)?;
    Ok(())
}
