//! `cargo bench --bench chaos`: many scenarios of faults, each drawn from a seed, and what holds in spite of them.
//! In virtual time, or `--real` against HTTP and PostgreSQL. `benches/chaos/README.md` says what it draws and what it checks.

#[path = "chaos/mod.rs"]
mod chaos;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::chaos::summary::summary;
use crate::chaos::tally::Tally;
use crate::chaos::{real, seed_of_run, virtual_time};

/// Runs scenarios of panics, platform faults, database outages and kills, and checks that nothing is lost
#[derive(Parser)]
#[command(name = "chaos")]
struct Args {
    /// How many scenarios; the one of the seed itself is the first
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Of the first scenario; a random one by default, which is printed
    #[arg(long)]
    seed: Option<u64>,
    /// The binary, HTTP and a PostgreSQL that is thrown away, in some ten seconds each
    #[arg(long)]
    real: bool,
    /// cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// 1 where something did not hold.
fn main() -> ExitCode {
    let args = Args::parse();
    // For looking into one scenario: the pipeline's own log, and what happened around it as the target `chaos`.
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "off".to_owned());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    chaos::failure::be_quiet_about_scripted_panics();
    let first = args.seed.unwrap_or_else(rand::random);
    let (mut tally, mut failed, mut trace) = (Tally::default(), 0, 0);
    for number in 0..args.runs {
        let seed = seed_of_run(first, number);
        let outcome = match args.real {
            true => real::run(seed),
            false => virtual_time::run(seed).map(|course| {
                trace ^= course.trace;
                course.tally
            }),
        };
        match outcome {
            Ok(run) => tally.add(&run),
            Err(failure) => {
                failed += 1;
                say(&failure);
            }
        }
    }
    let kind =
        if args.real { "real runs".to_owned() } else { format!("runs in virtual time (trace {trace:016x})") };
    say(&format!("{} {kind} from seed {first}, {failed} failed", args.runs));
    say(&summary(&tally));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Who has closed standard output has the exit code.
fn say(what: &impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{what}");
}
