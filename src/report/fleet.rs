//! The report of many accounts for people: what all have done together, and each that needs someone with its cause.

use std::time::Duration;

use actors::report::{AccountReport, Status};
use comfy_table::{Table, presets};

use crate::printable::printable;

/// A cause is cut here: the whole is in the JSON report, in the log and in `sync_runs`.
const CAUSE_CHARS: usize = 100;

pub(super) fn table(accounts: &[AccountReport]) -> String {
    let sum = |of: fn(&AccountReport) -> u64| accounts.iter().map(of).sum::<u64>();
    let most = |of: fn(&AccountReport) -> Duration| accounts.iter().map(of).max().unwrap_or_default();
    let mut totals = Table::new();
    totals.load_style(presets::NOTHING);
    totals.add_row(["accounts".to_owned(), by_status(accounts)]);
    totals.add_row([
        "campaigns".to_owned(),
        format!(
            "{} of {} stored, {} skipped as stored before, {} dead letters",
            sum(|a| a.campaigns.stored),
            sum(|a| a.campaigns.reported_total.unwrap_or(a.campaigns.distinct)),
            sum(|a| a.campaigns.skipped),
            sum(|a| a.campaigns.dead_lettered)
        ),
    ]);
    totals.add_row([
        "requests".to_owned(),
        format!(
            "{} ({} auth, {} list, {} sync), {} retried, {} timed out",
            sum(|a| a.requests.total),
            sum(|a| a.requests.auth),
            sum(|a| a.requests.list),
            sum(|a| a.requests.sync),
            sum(|a| a.requests.retried),
            sum(|a| a.requests.timed_out)
        ),
    ]);
    totals.add_row(["429s".to_owned(), sum(|a| a.requests.throttled).to_string()]);
    totals.add_row([
        "time".to_owned(),
        format!(
            "{:.1} s for the slowest; no limit alone needs more than {:.1} s",
            most(|a| a.duration).as_secs_f64(),
            most(|a| a.lower_bound).as_secs_f64()
        ),
    ]);
    let mut text = trimmed(&totals);
    let wanting: Vec<&AccountReport> =
        accounts.iter().filter(|a| a.status != Status::Complete || !a.problems.is_empty()).collect();
    if !wanting.is_empty() {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["account", "status", "stored", "problem"]);
        for account in wanting {
            let total = account.campaigns.reported_total.map_or_else(|| "?".to_owned(), |n| n.to_string());
            table.add_row([
                printable(account.account.as_str()),
                account.status.to_string(),
                format!("{} of {total}", account.campaigns.stored + account.campaigns.skipped),
                account.problems.first().map(|problem| cut(&problem.message)).unwrap_or_default(),
            ]);
        }
        text = format!("{text}\nThese need someone:\n{}", trimmed(&table));
    }
    text
}

/// Such as `1000: 950 complete, 50 failed`, the best first.
fn by_status(accounts: &[AccountReport]) -> String {
    let statuses = [Status::Complete, Status::Partial, Status::Interrupted, Status::Failed];
    let count = |status| accounts.iter().filter(|account| account.status == status).count();
    let parts = statuses.map(|status| (count(status), status)).into_iter().filter(|(n, _)| *n > 0);
    let parts: Vec<String> = parts.map(|(n, status)| format!("{n} {status}")).collect();
    format!("{}: {}", accounts.len(), parts.join(", "))
}

fn cut(message: &str) -> String {
    let mut chars = message.chars();
    let start: String = chars.by_ref().take(CAUSE_CHARS).collect();
    printable(&start) + if chars.next().is_some() { "…" } else { "" }
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
