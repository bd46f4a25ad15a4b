//! `completions`: the script that lets a shell complete the program's commands and flags.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::generate;

use super::generated;
use crate::cli::{Cli, CompletionsArgs};

const NAME: &str = env!("CARGO_PKG_NAME");

/// Writes it to standard output.
pub fn run(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), NAME, &mut script);
    // The library's script for bash calls a command with a dash in its name by two names, and so finds none of its own.
    let script = String::from_utf8_lossy(&script).replace("campaign__subcmd__sync", "campaign__sync");
    generated::print(script.as_bytes())
}
