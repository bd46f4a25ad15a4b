//! `cargo bench --bench parallelism`: what each concurrency makes of each rate limit, measured on the real pipeline
//! over real HTTP into a real PostgreSQL, beside the shortest time that nobody can beat. `benches/README.md` says how
//! to run it and what it teaches.
//!
//! [`matrix`] says what is measured, [`real`] or [`simulated`] measure one cell, [`bounds`] judges it, and [`table`],
//! [`csv`], [`roofline`] and [`staircase`] show it.

#[path = "parallelism/bare_client.rs"]
mod bare_client;
#[path = "parallelism/bounds.rs"]
mod bounds;
#[path = "parallelism/csv.rs"]
mod csv;
#[path = "parallelism/matrix.rs"]
mod matrix;
#[path = "parallelism/measurement.rs"]
mod measurement;
#[path = "parallelism/processor.rs"]
mod processor;
#[path = "parallelism/real.rs"]
mod real;
#[path = "parallelism/roofline.rs"]
mod roofline;
#[path = "parallelism/simulated.rs"]
mod simulated;
#[path = "parallelism/staircase.rs"]
mod staircase;
#[path = "parallelism/table.rs"]
mod table;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::bounds::Judged;
use crate::matrix::Matrix;
use crate::measurement::Measurement;
use crate::real::Laboratory;

/// Measures the pipeline at each concurrency against each rate limit and latency.
#[derive(Parser)]
#[command(name = "parallelism")]
struct Args {
    /// A small matrix, for trying it out: well under a minute
    #[arg(long, conflicts_with = "simulate")]
    quick: bool,
    /// Limits as platforms state them, by the minute, in virtual time against fakes: seconds
    #[arg(long)]
    simulate: bool,
    /// Share of the requests that the mock platform answers 503
    #[arg(long, default_value_t = 0.0, conflicts_with = "simulate")]
    error_rate: f64,
    /// Where the CSV and the pictures go
    #[arg(long, value_name = "DIR", default_value = "target/parallelism")]
    output: PathBuf,
    /// cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// 1 also where a cell had a 429: that is what must never happen.
fn main() -> ExitCode {
    let outcome = run(&Args::parse());
    outcome.unwrap_or_else(|error| {
        // Who has closed standard error has the exit code.
        let _ = writeln!(io::stderr(), "parallelism: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let matrix = match args {
        Args { simulate: true, .. } => Matrix::by_the_minute(),
        Args { quick: true, .. } => Matrix::quick(),
        _ => Matrix::by_the_second(),
    };
    let measured = if args.simulate {
        matrix.cells().iter().map(simulated::measure).collect::<anyhow::Result<Vec<_>>>()?
    } else {
        actix::System::new().block_on(measure(&matrix, args.error_rate))?
    };
    let judged: Vec<Judged> = measured.into_iter().map(Judged::new).collect();
    let stdout = io::stdout();
    let in_colour = stdout.is_terminal();
    // Who has closed standard output finds the rest in the files.
    let _ = writeln!(&stdout, "{}", table::of_cells(&judged, in_colour));
    let _ = writeln!(&stdout, "{}", table::summary(&judged, in_colour));
    write_files(&matrix, &judged, &args.output)
        .with_context(|| format!("cannot write to {}", args.output.display()))?;
    let _ = writeln!(&stdout, "The CSV and the pictures are in {}", args.output.display());
    let clean = judged.iter().all(|cell| cell.measured.throttled == 0);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(matrix: &Matrix, error_rate: f64) -> anyhow::Result<Vec<Measurement>> {
    let laboratory = Laboratory::open(matrix, error_rate).await?;
    let (mut measured, all) = (Vec::new(), matrix.cells().len());
    for group in matrix.groups() {
        let note = group.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let _ = writeln!(io::stderr(), "{} of {all} measured; now {note}", measured.len());
        let cells = group.iter().map(|cell| laboratory.measure(cell));
        measured.extend(futures_util::future::try_join_all(cells).await?);
    }
    Ok(measured)
}

fn write_files(matrix: &Matrix, judged: &[Judged], directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("parallelism.csv"), csv::of_cells(judged))?;
    roofline::draw(matrix, judged, &directory.join("roofline.svg"))?;
    let shown = judged.iter().find(|cell| cell.measured.cell.is(matrix.shown));
    let shown = shown.context("the cell that is shown is in no matrix")?;
    staircase::draw(&shown.measured, &directory.join("staircase.svg"))
}
