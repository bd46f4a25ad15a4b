//! The report on standard output: a table for people, one JSON object for scripts; and the exit code that says
//! the same.

mod fleet;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use actors::model::FailureClass;
use actors::report::{AccountReport, LimitKept, Report, Status};
use comfy_table::{Table, presets};
use jiff::Timestamp;

use crate::config::ReportFormat;

/// Wrong usage or configuration.
pub const USAGE: u8 = 2;

/// The exit code of a run that ended so; part of the public contract.
pub fn exit_code(status: Status) -> ExitCode {
    ExitCode::from(match status {
        Status::Complete => 0,
        Status::Failed => 1,
        Status::Partial => 3,
        Status::Interrupted => 130,
    })
}

/// Writes the report. A standard output that was closed is no reason to fail: what is committed is committed.
pub fn print(report: &Report, format: ReportFormat) {
    let text = match format {
        ReportFormat::Json => serde_json::to_string(report).expect("a report is plain data"),
        ReportFormat::Table => match &report.accounts[..] {
            [one] => table(one),
            all => fleet::table(all),
        },
    };
    let _ = writeln!(io::stdout(), "{text}");
}

fn table(report: &AccountReport) -> String {
    let AccountReport { campaigns, requests, restarts, .. } = report;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut row = |name: &str, text: String| {
        table.add_row([name.to_owned(), text]);
    };
    row("account", report.account.to_string());
    if let Some(id) = report.run_id {
        row("run", id.to_string());
    }
    row("status", format!("{}{}", report.status, if report.resumed { ", resumed" } else { "" }));
    let total = campaigns.reported_total.map_or_else(|| "an unknown number".to_owned(), |n| n.to_string());
    let skipped = match campaigns.skipped {
        0 => String::new(),
        skipped => format!("{skipped} skipped as stored before, "),
    };
    row(
        "campaigns",
        format!(
            "{} of {total} stored, {skipped}{} dead letters{}",
            campaigns.stored,
            campaigns.dead_lettered,
            by_class(&report.dead_lettered_by_class)
        ),
    );
    row(
        "requests",
        format!(
            "{} ({} auth, {} list, {} sync), {} retried, {} timed out, {} unauthorized",
            requests.total,
            requests.auth,
            requests.list,
            requests.sync,
            requests.retried,
            requests.timed_out,
            requests.unauthorized
        ),
    );
    row("limits", limits_in_words(&report.limits));
    row("429s", requests.throttled.to_string());
    row(
        "time",
        format!(
            "{:.1} s; {:.1} s is the shortest that the limit allows",
            report.duration.as_secs_f64(),
            report.lower_bound.as_secs_f64()
        ),
    );
    let restarted = [
        ("auth", restarts.auth),
        ("pager", restarts.pager),
        ("rate limiter", restarts.rate_limiter),
        ("sync", restarts.sync),
        ("store", restarts.store),
    ];
    let restarted: Vec<String> =
        restarted.iter().filter(|(_, n)| *n > 0).map(|(actor, n)| format!("{n} {actor}")).collect();
    if !restarted.is_empty() {
        row("restarts", restarted.join(", "));
    }
    for problem in &report.problems {
        row("problem", problem.message.clone());
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Such as ` (2 malformed, 1 timeout)`; nothing where there are none.
fn by_class(dead_lettered: &BTreeMap<FailureClass, u64>) -> String {
    let words: Vec<String> = dead_lettered.iter().map(|(class, count)| format!("{count} {class}")).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// Each with who named it.
pub fn limits_in_words(limits: &[LimitKept]) -> String {
    let words: Vec<String> = limits.iter().map(LimitKept::to_string).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// To the second, in UTC.
pub fn time(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => "beyond the calendar".to_owned(),
    }
}
