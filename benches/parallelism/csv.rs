//! A row for each cell, for other tools. Times are in seconds.

use crate::bounds::Judged;

const HEADER: &str = "limit,latency,latency_seen,concurrency,campaigns,requests,makespan,bound,binds,efficiency,\
expected,simple_efficiency,sustained_rate,mean_latency,stamp,processor,throttled";

/// The whole file.
pub(crate) fn of_cells(cells: &[Judged]) -> String {
    let rows = cells.iter().map(row);
    std::iter::once(HEADER.to_owned()).chain(rows).map(|line| line + "\n").collect()
}

fn row(cell: &Judged) -> String {
    let measured = &cell.measured;
    let seconds = |duration: std::time::Duration| format!("{:.4}", duration.as_secs_f64());
    [
        measured.cell.limit_name(),
        seconds(measured.cell.latency),
        seconds(measured.latency),
        measured.cell.concurrency.to_string(),
        measured.cell.campaigns.to_string(),
        measured.requests.to_string(),
        seconds(measured.makespan),
        seconds(cell.bound),
        cell.binding.to_string(),
        format!("{:.4}", cell.efficiency()),
        cell.expected.map(|expected| format!("{expected:.4}")).unwrap_or_default(),
        format!("{:.4}", cell.simple_efficiency()),
        format!("{:.2}", measured.sustained_rate(cell.free())),
        seconds(measured.mean_latency),
        if cell.stamps_completion { "completion" } else { "sending" }.to_owned(),
        seconds(measured.processor),
        measured.throttled.to_string(),
    ]
    .join(",")
}
