//! The progress of many accounts: what all of them have done, and on a terminal a line for each of the first few that
//! are at work.

use std::time::Duration;

use actors::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Interval;
use tracing::info;

use super::{Left, Rate, Watched, new_bar, rounded, waiting_for};
use crate::config::LogFormat;
use crate::standard_error::StandardError;

/// Accounts with a line of their own: what fits on a small terminal beside the log.
const LINES: usize = 8;
/// Accounts whose time left is estimated, those that look slowest: the estimate of each costs some milliseconds.
const ESTIMATED: usize = 3;

/// What all accounts together have done, and do.
#[derive(Debug, Default)]
struct Total {
    accounts: usize,
    ended: usize,
    waiting_for_quota: usize,
    failing: usize,
    database_away: Option<String>,
    stored: u64,
    known: u64,
    dead_lettered: u64,
    in_flight: usize,
    requests: u64,
}

pub(super) async fn show(
    mut watched: Vec<Watched>,
    format: LogFormat,
    on_terminal: bool,
    ticks: &mut Interval,
    stderr: &StandardError,
) {
    let bars = on_terminal.then(|| {
        let total = stderr.bars().add(new_bar());
        let lines: Vec<ProgressBar> = (0..LINES).map(|_| stderr.bars().add(new_line())).collect();
        (total, lines)
    });
    let mut rate = Rate::default();
    let mut left: Vec<Left> = watched.iter().map(|_| Left::default()).collect();
    loop {
        ticks.tick().await;
        let states = watched.iter_mut().map(|one| {
            // Its sender goes with its run.
            let has_ended = one.progress.has_changed().is_err();
            (one.progress.borrow_and_update().clone(), has_ended)
        });
        let states: Vec<(Progress, bool)> = states.collect();
        let total = Total::of(&states);
        let per_second = rate.of(total.requests);
        let time_left = time_left(&watched, &states, &mut left);
        let text = total.describe(per_second, time_left);
        match (&bars, format) {
            (Some((bar, lines)), _) => {
                bar.set_length(total.known);
                bar.set_position(total.stored);
                bar.set_message(text);
                let at_work = watched.iter().zip(&states).filter(|(_, (_, has_ended))| !has_ended);
                let mut at_work = at_work.filter(|(_, (now, _))| now.requests.total > 0);
                for line in lines {
                    let text = at_work.next().map(|(one, (now, _))| describe(one, now));
                    line.set_message(text.unwrap_or_default());
                }
            }
            (None, LogFormat::Pretty) => {
                stderr.line(&format!("{} of {} stored, {text}", total.stored, total.known));
            }
            (None, LogFormat::Json) => info!(
                accounts = total.accounts,
                accounts_ended = total.ended,
                accounts_waiting_for_quota = total.waiting_for_quota,
                accounts_with_open_breaker = total.failing,
                stored = total.stored,
                reported_total = total.known,
                dead_lettered = total.dead_lettered,
                in_flight = total.in_flight,
                requests = total.requests,
                requests_per_second = per_second,
                seconds_left = time_left.map(|left| left.as_secs()),
                "{text}"
            ),
        }
    }
}

impl Total {
    fn of(states: &[(Progress, bool)]) -> Self {
        let mut total = Self { accounts: states.len(), ..Self::default() };
        for (now, has_ended) in states {
            total.ended += usize::from(*has_ended);
            if !has_ended {
                let all_wait = now.quota.as_ref().is_some_and(|quota| quota.waiting >= now.in_flight);
                total.waiting_for_quota += usize::from(all_wait);
                total.failing += usize::from(now.breaker_open);
                total.in_flight += now.in_flight;
                total.database_away = total.database_away.take().or_else(|| now.database_away.clone());
            }
            total.stored += now.stored_before + now.stored;
            total.known += now.reported_total.unwrap_or(now.distinct);
            total.dead_lettered += now.dead_lettered;
            total.requests += now.requests.total;
        }
        total
    }

    /// The most wanted first: a narrow terminal cuts off the end.
    fn describe(&self, per_second: f64, left: Option<Duration>) -> String {
        let mut parts: Vec<String> = left.map(|left| format!("{} left", rounded(left))).into_iter().collect();
        parts.push(format!("{} of {} accounts done", self.ended, self.accounts));
        if let Some(cause) = &self.database_away {
            parts.push(format!("waiting for the database ({cause})"));
        }
        parts.push(format!("{per_second:.0} permits/s"));
        let counts = [
            (self.dead_lettered, "given up"),
            (self.waiting_for_quota as u64, "accounts wait for their quota"),
            (self.failing as u64, "with a platform that fails"),
            (self.in_flight as u64, "in flight"),
        ];
        parts.extend(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        parts.join(", ")
    }
}

fn describe(Watched { settings, .. }: &Watched, now: &Progress) -> String {
    let all = now.reported_total.map_or_else(|| "?".to_owned(), |total| total.to_string());
    let stored = now.stored_before + now.stored;
    let account = crate::printable::printable(settings.account.as_str());
    format!("{account}: {stored} of {all}, {}", waiting_for(now))
}

/// Until the last one has ended: that is one of those with the most to do.
fn time_left(watched: &[Watched], states: &[(Progress, bool)], left: &mut [Left]) -> Option<Duration> {
    let to_do = |now: &Progress| {
        now.reported_total.unwrap_or(now.distinct).saturating_sub(now.stored_before + now.stored)
    };
    let at_work = (0..states.len()).filter(|n| !states[*n].1);
    let mut slowest: Vec<usize> = at_work.collect();
    slowest.sort_by_key(|n| std::cmp::Reverse(to_do(&states[*n].0)));
    let estimates =
        slowest.into_iter().take(ESTIMATED).map(|n| left[n].of(&states[n].0, &watched[n].settings));
    estimates.max().flatten()
}

fn new_line() -> ProgressBar {
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    line.set_style(ProgressStyle::with_template("  {wide_msg}").expect("a template of our own"));
    line
}
