//! Medians and ratios, to be read.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::contender::Contender;
use crate::laboratory::Seen;
use crate::measured::Usage;
use crate::regime::{Regime, Work};

/// A contender's run.
pub(crate) struct Ran {
    pub(crate) usage: Usage,
    pub(crate) seen: Seen,
    /// What it cost the database's server.
    pub(crate) database_processor: Duration,
    /// Rows that are just as the platform has them, where it stores any.
    pub(crate) right: Option<u64>,
}

/// Of a contender's runs.
pub(crate) struct Medians {
    wall: f64,
    pub(crate) processor: f64,
    peak_mib: f64,
    platform: f64,
    database: f64,
    requests: f64,
}

impl Medians {
    pub(crate) fn of(runs: &[Ran]) -> Self {
        let of = |value: fn(&Ran) -> f64| median(runs.iter().map(value).collect());
        Self {
            wall: of(|ran| ran.usage.wall.as_secs_f64()),
            processor: of(|ran| ran.usage.processor.as_secs_f64()),
            peak_mib: of(|ran| ran.usage.peak_bytes as f64 / 1_048_576.0),
            platform: of(|ran| ran.seen.processor.as_secs_f64()),
            database: of(|ran| ran.database_processor.as_secs_f64()),
            requests: of(|ran| ran.seen.requests as f64),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

pub(crate) fn of_regime(regime: Regime, work: &Work, ran: &[(Contender, Vec<Ran>)]) -> String {
    let limit = work.limit_text();
    let mut text = format!(
        "{regime}: {} campaigns, limit {limit}, {} ms a sync, {:.0} % 503, {} at once, pages of {}\n",
        work.campaigns,
        work.latency.as_millis(),
        100.0 * work.error_rate,
        work.concurrency,
        work.page_size
    );
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "",
        "wall",
        "ratio",
        "processor",
        "ratio",
        "a campaign",
        "peak",
        "right rows",
        "requests",
        "429s",
        "platform",
        "database",
    ]);
    let medians: Vec<_> = ran.iter().map(|(contender, runs)| (contender, runs, Medians::of(runs))).collect();
    let Some((_, _, ours)) = medians.first() else { return text };
    for (contender, runs, medians) in &medians {
        let worst = runs.iter().filter_map(|ran| ran.right).min();
        let each = medians.processor / work.campaigns.max(1) as f64;
        table.add_row([
            contender.to_string(),
            format!("{:.3} s", medians.wall),
            format!("{:.2}", medians.wall / ours.wall),
            format!("{:.3} s", medians.processor),
            format!("{:.2}", medians.processor / ours.processor),
            format!("{:.1} µs", 1e6 * each),
            format!("{:.1} MiB", medians.peak_mib),
            worst.map_or_else(|| "-".to_owned(), |right| right.to_string()),
            format!("{:.0}", medians.requests),
            runs.iter().map(|ran| ran.seen.throttled).max().unwrap_or(0).to_string(),
            format!("{:.2} s", medians.platform),
            format!("{:.2} s", medians.database),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let _ = writeln!(text, "{table}");
    text
}

/// New rows, and rows that are changed: through the actor and copied. The copy has no history, no audit log and no run that
/// counts them.
pub(crate) fn of_store(rows: u64, made: Duration, pairs: &[Vec<(Duration, Duration)>; 2]) -> String {
    let mut text =
        format!("store-bound: {rows} rows; to make them takes {:.2} s of each\n", made.as_secs_f64());
    for (what, pairs) in ["new", "changed"].iter().zip(pairs) {
        let of = |value: fn(&(Duration, Duration)) -> f64| median(pairs.iter().map(value).collect());
        let (ours, copied) = (of(|(ours, _)| ours.as_secs_f64()), of(|(_, copied)| copied.as_secs_f64()));
        let ratio = of(|(ours, copied)| copied.as_secs_f64() / ours.as_secs_f64());
        let _ = writeln!(
            text,
            "{what:>8}: through the StoreActor {ours:.2} s, {:.0} rows a second; copied {copied:.2} s, {:.0} a second; {ratio:.2} of it",
            rows as f64 / ours,
            rows as f64 / copied
        );
    }
    text
}
