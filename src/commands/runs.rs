//! `runs`: recent runs and their outcome, newest first.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::config::{ReportFormat, RunsConfig};
use crate::database::{self, Database};
use crate::printable::printable;
use crate::report::time;
use crate::store::RunRow;

/// Lists them.
pub async fn run(config: RunsConfig) -> anyhow::Result<ExitCode> {
    let database = Database::open_current(&config.database, database::PRIVATE).await?;
    let account = config.account.as_ref().map(|account| account.as_str());
    let runs = database.store.recent_runs(account, config.limit).await?;
    let text = match config.report {
        ReportFormat::Json => json!({ "runs": runs.iter().map(as_json).collect::<Vec<_>>() }).to_string(),
        ReportFormat::Table if runs.is_empty() => format!("no runs in {}", database.store.database()),
        ReportFormat::Table => table(&runs).to_string(),
    };
    // Whoever has closed standard output has seen enough.
    let _ = writeln!(io::stdout(), "{text}");
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

fn as_json(run: &RunRow) -> Value {
    json!({
        "run_id": run.id,
        "account": run.account,
        "kind": run.kind,
        "status": run.status,
        "resumed": run.resumed,
        "started_at": time(run.started_at),
        "finished_at": run.finished_at.map(time),
        "stored": run.stored,
        "dead_lettered": run.dead_lettered,
        "listed": run.listed,
        "distinct": run.distinct_listed,
        "reported_total": run.reported_total,
        "skipped": run.skipped,
        "requests": run.requests,
        "throttled": run.throttled,
        "duration_seconds": run.duration_seconds,
    })
}

fn table(runs: &[RunRow]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "run",
        "account",
        "status",
        "started",
        "seconds",
        "stored",
        "dead letters",
        "requests",
        "429s",
    ]);
    let known = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
    for run in runs {
        table.add_row([
            run.id.to_string(),
            printable(&run.account),
            match (&*run.kind, run.resumed) {
                ("sync", false) => run.status.clone(),
                ("sync", true) => format!("{}, resumed", run.status),
                (kind, _) => format!("{}, {kind}", run.status),
            },
            time(run.started_at),
            run.duration_seconds.map(|seconds| format!("{seconds:.1}")).unwrap_or_default(),
            run.stored.to_string(),
            run.dead_lettered.to_string(),
            known(run.requests),
            known(run.throttled),
        ]);
    }
    table
}
