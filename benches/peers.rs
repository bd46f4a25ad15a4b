//! `cargo bench --bench peers`: campaign-sync beside what somebody would write or pick instead, on the same platform and the
//! same PostgreSQL, and beside what nobody can be quicker than. `benches/README.md` says how to read it.
//!
//! [`regime`] says what is asked, [`contender`] of whom, [`laboratory`] is what they meet, [`measured`] says what a run cost,
//! [`table`] shows it.

#[path = "peers/bare_loop.rs"]
mod bare_loop;
#[path = "peers/contender.rs"]
mod contender;
#[path = "peers/laboratory.rs"]
mod laboratory;
#[path = "peers/measured.rs"]
mod measured;
#[path = "peers/picture.rs"]
mod picture;
#[path = "peers/raw_requests.rs"]
mod raw_requests;
#[path = "peers/regime.rs"]
mod regime;
#[path = "peers/store_bound.rs"]
mod store_bound;
#[path = "peers/table.rs"]
mod table;
#[path = "peers/toolbox.rs"]
mod toolbox;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};

use crate::contender::{Contender, Surroundings};
use crate::laboratory::{Laboratory, Platform, right_rows};
use crate::regime::{Regime, Work};
use crate::table::Ran;
use crate::toolbox::Toolbox;

/// As in the program, so that it is the same that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures campaign-sync beside others.
#[derive(Parser)]
#[command(name = "peers")]
struct Args {
    /// Only these regimes, by comma
    #[arg(long, value_delimiter = ',')]
    regime: Vec<Regime>,
    /// Only these contenders, by comma
    #[arg(long, value_delimiter = ',')]
    contender: Vec<Contender>,
    /// How often each contender runs, by turns
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// A part of the campaigns, for trying it out
    #[arg(long, default_value_t = 1.0)]
    part: f64,
    /// cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    as_process: Option<AsProcess>,
}

/// What it does when it starts itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum AsProcess {
    Measure {
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    BareLoop(Requests),
    RawRequests(Requests),
}

#[derive(clap::Args)]
struct Requests {
    platform: String,
    campaigns: u64,
    page_size: u64,
    at_once: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.as_process {
        Some(AsProcess::Measure { command }) => measured::measure(command),
        Some(AsProcess::BareLoop(Requests { platform, campaigns, page_size, at_once })) => {
            bare_loop::run(platform, *campaigns, *page_size, *at_once)
        }
        Some(AsProcess::RawRequests(Requests { platform, campaigns, page_size, at_once })) => {
            raw_requests::run(platform, *campaigns, *page_size, *at_once)
        }
        None => actix::System::new().block_on(compare(&args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(args: &Args) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let toolbox = Toolbox::install(folder.clone())?;
    let mut laboratory = Laboratory::open().await?;
    let all = Regime::value_variants().iter().copied();
    for regime in all.filter(|regime| args.regime.is_empty() || args.regime.contains(regime)) {
        for work in regime.works(args.part) {
            let ran = race(args, regime, &work, &toolbox, &mut laboratory).await?;
            let _ = writeln!(io::stdout(), "{}", table::of_regime(regime, &work, &ran));
            if regime == Regime::Throughput {
                let picture = folder.join("throughput.svg");
                picture::draw(&work, &ran, &picture)?;
                let _ = writeln!(io::stdout(), "as a picture: {}\n", picture.display());
            }
        }
        if regime == Regime::Store {
            let rows = (1_000_000.0 * args.part) as u64;
            let _ = writeln!(io::stdout(), "{}", store(args, rows, &mut laboratory).await?);
        }
    }
    Ok(())
}

/// Everybody by turns, so that what the machine does meanwhile meets all of them.
async fn race(
    args: &Args,
    regime: Regime,
    work: &Work,
    toolbox: &Toolbox,
    laboratory: &mut Laboratory,
) -> anyhow::Result<Vec<(Contender, Vec<Ran>)>> {
    let wanted = |contender: &Contender| args.contender.is_empty() || args.contender.contains(contender);
    let mut ran: Vec<_> =
        regime.contenders().iter().copied().filter(wanted).map(|contender| (contender, vec![])).collect();
    for turn in 1..=args.runs {
        for (contender, runs) in &mut ran {
            let _ = writeln!(io::stderr(), "{regime}: {contender}, {turn} of {}", args.runs);
            let run = run(*contender, work, toolbox, laboratory).await;
            runs.push(run.with_context(|| format!("{contender}, {regime}"))?);
        }
    }
    Ok(ran)
}

async fn run(
    contender: Contender,
    work: &Work,
    toolbox: &Toolbox,
    laboratory: &mut Laboratory,
) -> anyhow::Result<Ran> {
    let database = laboratory.database(contender == Contender::CampaignSync).await?;
    let (folder, platform) = (tempfile::tempdir()?, Platform::start(work)?);
    let there = Surroundings { platform: &platform.url, database: &database, folder: folder.path() };
    let command = contender.command(work, &there, toolbox)?;
    let before = laboratory.processor()?;
    let usage = tokio::task::spawn_blocking(move || measured::measured(&command)).await??;
    let database_processor = laboratory.processor()?.saturating_sub(before);
    let seen = platform.stop()?;
    let right = match contender.stores() && work.campaigns > 0 {
        true => Some(right_rows(&database, work.campaigns).await?),
        false => None,
    };
    Ok(Ran { usage, seen, database_processor, right })
}

/// Rows that are new, then the same rows with other numbers in them.
async fn store(args: &Args, rows: u64, laboratory: &mut Laboratory) -> anyhow::Result<String> {
    let mut pairs: [Vec<(Duration, Duration)>; 2] = Default::default();
    for turn in 0..args.runs {
        let (ours, theirs) = (laboratory.database(true).await?, laboratory.database(true).await?);
        for (round, pairs) in (0..).zip(&mut pairs) {
            let (mut through_the_actor, mut copied) = (Duration::ZERO, Duration::ZERO);
            // Now the one goes first, now the other, and neither has to write what the other has left.
            for is_ours in [turn % 2 == 0, turn % 2 == 1] {
                laboratory.checkpoint().await?;
                match is_ours {
                    true => through_the_actor = store_bound::through_the_actor(&ours, rows, round).await?,
                    false => copied = store_bound::copied(&theirs, rows, round).await?,
                }
            }
            pairs.push((through_the_actor, copied));
        }
    }
    Ok(table::of_store(rows, store_bound::made(rows), &pairs))
}
