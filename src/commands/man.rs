//! `man`: the manual, made from the definitions of the commands.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::{Man, generate_to};

use super::generated;
use crate::cli::{Cli, ManArgs};

/// Writes the program's page to standard output, or a page for each command into the folder, which is made where it is not
/// there.
pub fn run(args: ManArgs) -> anyhow::Result<ExitCode> {
    let Some(folder) = args.dir else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return generated::print(&page);
    };
    let number = write_all(Path::new(&folder))
        .with_context(|| format!("the manual cannot be written into {folder:?}"))?;
    // Whoever has closed standard output has seen enough.
    let _ = writeln!(io::stdout(), "{number} pages in {folder}");
    Ok(ExitCode::SUCCESS)
}

/// How many pages are there now.
fn write_all(folder: &Path) -> io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    generate_to(Cli::command(), folder)?;
    let mut pages = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        pages += usize::from(name.starts_with(env!("CARGO_PKG_NAME")) && name.ends_with(".1"));
    }
    Ok(pages)
}
