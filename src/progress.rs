//! Shows what a run is doing while it runs: a bar on a terminal, plain lines elsewhere, log events where the logs
//! are for machines. Only ever on standard error.

mod fleet;

use std::io::IsTerminal;
use std::time::Duration;

use actors::progress::Progress;
use actors::settings::PipelineSettings;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tracing::info;

use crate::config::LogFormat;
use crate::estimate::time_left;
use crate::standard_error::StandardError;

/// How often a bar is drawn: what an eye takes for moving.
const BAR_PERIOD: Duration = Duration::from_millis(100);
/// How often a line is written, at the most: what a log can bear.
const LINE_PERIOD: Duration = Duration::from_secs(2);
/// How often the time left is estimated: often enough to be followed, and no work worth mentioning.
const ESTIMATE_PERIOD: Duration = Duration::from_secs(1);
/// How far back the rate of permits looks.
const RATE_SPAN: Duration = Duration::from_secs(5);

/// An account whose run is watched.
pub struct Watched {
    /// How it works.
    pub settings: PipelineSettings,
    /// What it does.
    pub progress: watch::Receiver<Progress>,
}

/// Follows the runs until it is dropped.
pub async fn show(mut watched: Vec<Watched>, format: LogFormat, stderr: StandardError) {
    let on_terminal = format == LogFormat::Pretty && std::io::stderr().is_terminal();
    let mut ticks = interval(if on_terminal { BAR_PERIOD } else { LINE_PERIOD });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first tick is at once, before there is anything to say.
    ticks.tick().await;
    match &mut watched[..] {
        [one] => show_one(one, format, on_terminal, &mut ticks, &stderr).await,
        _ => fleet::show(watched, format, on_terminal, &mut ticks, &stderr).await,
    }
}

async fn show_one(
    Watched { settings, progress }: &mut Watched,
    format: LogFormat,
    on_terminal: bool,
    ticks: &mut Interval,
    stderr: &StandardError,
) {
    let bar = on_terminal.then(|| stderr.bars().add(new_bar()));
    let (mut rate, mut left) = (Rate::default(), Left::default());
    loop {
        ticks.tick().await;
        let now = progress.borrow_and_update().clone();
        let left = left.of(&now, settings);
        let per_second = rate.of(now.requests.total);
        let text = describe(&now, per_second, left);
        let stored = now.stored_before + now.stored;
        match (&bar, format) {
            (Some(bar), _) => {
                bar.set_length(now.reported_total.unwrap_or(now.distinct));
                bar.set_position(stored);
                bar.set_message(text);
            }
            (None, LogFormat::Pretty) => {
                let all = now.reported_total.map_or_else(|| "?".to_owned(), |total| total.to_string());
                stderr.line(&format!("{stored} of {all} stored, {text}"));
            }
            (None, LogFormat::Json) => info!(
                account = %settings.account,
                run = now.run.map(tracing::field::display),
                stored,
                reported_total = now.reported_total,
                dead_lettered = now.dead_lettered,
                in_flight = now.in_flight,
                requests = now.requests.total,
                requests_per_second = per_second,
                seconds_left = left.map(|left| left.as_secs()),
                limits = usage(&now),
                breaker_open = now.breaker_open,
                "{text}"
            ),
        }
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template = "{bar:16.green} {pos}/{len} stored · {wide_msg}";
    bar.set_style(
        ProgressStyle::with_template(template).expect("a template of our own").progress_chars("━╸─"),
    );
    bar
}

/// How long it will take yet, how fast it is, and what it waits for.
fn describe(progress: &Progress, per_second: f64, left: Option<Duration>) -> String {
    // The most wanted first: a narrow terminal cuts off the end.
    let mut parts: Vec<String> = left.map(|left| format!("{} left", rounded(left))).into_iter().collect();
    parts.push(format!("{per_second:.1} permits/s"));
    if progress.dead_lettered > 0 {
        parts.push(format!("{} given up", progress.dead_lettered));
    }
    if progress.restarts > 0 {
        parts.push(format!("{} restarts", progress.restarts));
    }
    parts.push(waiting_for(progress));
    parts.join(", ")
}

fn waiting_for(progress: &Progress) -> String {
    if let Some(cause) = &progress.database_away {
        return format!("waiting for the database ({cause})");
    }
    match &progress.quota {
        Some(quota) => {
            let when = quota.until.map(|until| until.saturating_duration_since(Instant::now()));
            match when {
                Some(wait) => format!("waiting for {} (next in {:.1} s)", quota.because, wait.as_secs_f64()),
                None => format!("waiting for answers under {}", quota.because),
            }
        }
        None if progress.requests.total == 0 => "starting".to_owned(),
        None if progress.in_flight > 0 => format!("{} in flight", progress.in_flight),
        None if progress.listing_ended => "committing".to_owned(),
        None => "listing".to_owned(),
    }
}

/// How much of each limit counts now, such as `10/60s: 7`.
fn usage(progress: &Progress) -> String {
    let usage = progress.limits.iter().map(|kept| format!("{}: {}", kept.limit, kept.used));
    usage.collect::<Vec<_>>().join(", ")
}

fn rounded(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..100 => format!("{} s", seconds.max(1)),
        seconds @ 100..6000 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// Requests a second over the last few seconds.
#[derive(Default)]
struct Rate(std::collections::VecDeque<(Instant, u64)>);

impl Rate {
    fn of(&mut self, total: u64) -> f64 {
        let now = Instant::now();
        self.0.push_back((now, total));
        while self.0.len() > 2 && now - self.0[0].0 > RATE_SPAN {
            self.0.pop_front();
        }
        let (since, before) = self.0[0];
        let span = (now - since).as_secs_f64();
        if span > 0.0 { (total - before) as f64 / span } else { 0.0 }
    }
}

/// The time left as last estimated.
#[derive(Default)]
struct Left(Option<(Instant, Option<Duration>)>);

impl Left {
    fn of(&mut self, progress: &Progress, settings: &PipelineSettings) -> Option<Duration> {
        let now = Instant::now();
        match self.0 {
            Some((at, left)) if now - at < ESTIMATE_PERIOD => left.map(|left| left.saturating_sub(now - at)),
            _ => {
                let left = time_left(progress, settings, now);
                self.0 = Some((now, left));
                left
            }
        }
    }
}
