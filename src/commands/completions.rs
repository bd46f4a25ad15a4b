//! `completions`: the script that lets a shell complete the program's commands and flags.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::generate;

use super::generated;
use crate::cli::{Cli, CompletionsArgs};

/// Writes it to standard output.
pub fn run(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), env!("CARGO_PKG_NAME"), &mut script);
    generated::print(&script)
}
