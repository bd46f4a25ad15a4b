//! What `plan` prints: a table for people, one JSON object for scripts.

use std::time::Duration;

use actors::report::LimitKept;
use actors::settings::{PipelineSettings, RateLimit};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::estimate::{Bottleneck, Conditions, Estimate};
use crate::report;

/// A plan.
#[derive(Debug)]
pub struct PlanReport<'a> {
    /// Of the run.
    pub settings: &'a PipelineSettings,
    /// How many.
    pub campaigns: u64,
    /// What was measured or assumed.
    pub conditions: &'a Conditions,
    /// What follows.
    pub estimate: &'a Estimate,
    /// The schedule to check.
    pub every: Option<Duration>,
    /// The limits of the settings, and who named each.
    pub limits: &'a [LimitKept],
    /// Requests that were sent for this plan; 0 where the number of campaigns was given.
    pub spent: u64,
    /// Why they are not recorded for the next run, in a few words; none where they are, or there are none.
    pub unrecorded: Option<&'static str>,
}

impl PlanReport<'_> {
    /// For scripts.
    pub fn json(&self) -> Value {
        let Estimate { requests, duration, .. } = self.estimate;
        let limits = &self.settings.rate_limits;
        let (fits, every) = self.schedule();
        json!({
            "account": self.settings.account.as_str(),
            "campaigns": self.campaigns,
            "requests": {
                "auth": 1,
                "list": self.estimate.pages,
                "sync": self.campaigns,
                "retries": self.retries(),
                "total": requests.expected,
                "low": requests.low,
                "high": requests.high,
            },
            "rate_limits": limits.iter().map(RateLimit::to_string).collect::<Vec<_>>(),
            "limits": self.limits,
            "binds": match self.estimate.bottleneck {
                Bottleneck::RateLimit(limit) => limit.to_string(),
                Bottleneck::Concurrency => "concurrency".to_owned(),
                Bottleneck::Listing => "listing".to_owned(),
                Bottleneck::Latency => "latency".to_owned(),
            },
            "duration_seconds": {
                "expected": rounded(duration.expected),
                "low": rounded(duration.low),
                "high": rounded(duration.high),
            },
            "lower_bound_seconds": rounded(self.estimate.lower_bound),
            "concurrency": { "set": self.settings.concurrency.get(), "useful": self.estimate.useful_concurrency },
            "schedule": {
                "every_seconds": self.every.map(rounded),
                "fits": fits,
                "shortest_seconds": rounded(self.estimate.shortest_schedule),
                "share_of_limit": (!limits.is_empty()).then(|| thousandths(self.estimate.share_of_limits(limits, every))),
            },
            "assumptions": {
                "sync_latency_seconds": rounded(self.conditions.sync_latency),
                "list_latency_seconds": rounded(self.conditions.list_latency),
                "failure_rate": self.conditions.failure_rate,
            },
            "spent_requests": self.spent,
            // Without a limit nothing is.
            "spent_recorded": self.spent > 0 && self.unrecorded.is_none() && !limits.is_empty(),
        })
    }

    /// For people.
    pub fn table(&self) -> String {
        let requests = self.estimate.requests;
        let source = if self.spent == 0 { "as given" } else { "as the platform says" };
        let rows = [
            ("campaigns", format!("{}, {source}", self.campaigns)),
            (
                "requests",
                format!(
                    "{} (1 auth, {} list, {} sync, {} retries), {} to {} in nine runs of ten",
                    requests.expected,
                    self.estimate.pages,
                    self.campaigns,
                    self.retries(),
                    requests.low,
                    requests.high
                ),
            ),
            ("limits", report::limits_in_words(self.limits)),
            ("binds", self.binds()),
            ("time", self.time()),
            ("concurrency", self.concurrency()),
            ("schedule", self.schedule_in_words()),
            ("assumed", self.assumptions()),
        ];
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for (name, text) in rows {
            table.add_row([name.to_owned(), text]);
        }
        if self.spent > 0 {
            table.add_row(["spent".to_owned(), self.spent_in_words()]);
        }
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    fn retries(&self) -> u64 {
        self.estimate.requests.expected.saturating_sub(1 + self.estimate.pages + self.campaigns)
    }

    fn time(&self) -> String {
        let Estimate { duration, lower_bound, .. } = self.estimate;
        let [expected, low, high] = [duration.expected, duration.low, duration.high].map(words);
        let says = format!("{expected}, {low} to {high} in nine runs of ten");
        if self.settings.rate_limits.is_empty() {
            return says;
        }
        format!("{says}; {} is the shortest that the limit allows", words(*lower_bound))
    }

    fn binds(&self) -> String {
        match self.estimate.bottleneck {
            Bottleneck::RateLimit(limit) => format!("the limit {limit}"),
            Bottleneck::Concurrency => format!("the concurrency of {}", self.settings.concurrency.get()),
            Bottleneck::Listing => "the listing, page after page; a larger --page-size helps".to_owned(),
            Bottleneck::Latency => "nothing: all requests go out at once".to_owned(),
        }
    }

    fn concurrency(&self) -> String {
        let (set, useful) = (self.settings.concurrency.get(), self.estimate.useful_concurrency);
        format!("{useful} is as fast as it gets; {set} is set")
    }

    /// Whether it fits, and the schedule that is spoken of: the one to check, else the shortest.
    fn schedule(&self) -> (Option<bool>, Duration) {
        let shortest = self.estimate.shortest_schedule;
        match self.every {
            Some(every) if every >= shortest => (Some(true), every),
            Some(_) => (Some(false), shortest),
            None => (None, shortest),
        }
    }

    fn schedule_in_words(&self) -> String {
        let (fits, every) = self.schedule();
        let shortest = words(self.estimate.shortest_schedule);
        let says = match fits {
            Some(true) => format!("every {} fits", words(every)),
            Some(false) => {
                format!(
                    "every {} is too often; every {shortest} fits",
                    self.every.map(words).unwrap_or_default()
                )
            }
            None => format!("every {shortest} at the most often"),
        };
        let limits = &self.settings.rate_limits;
        if limits.is_empty() {
            return says;
        }
        format!("{says}, and uses {:.0} % of the limit", 100.0 * self.estimate.share_of_limits(limits, every))
    }

    fn assumptions(&self) -> String {
        let Conditions { failure_rate, sync_latency, list_latency, .. } = self.conditions;
        let page = if self.spent == 0 { "a page takes no time" } else { "a page takes" };
        let measured =
            if self.spent == 0 { String::new() } else { format!(" {} (measured)", words(*list_latency)) };
        format!(
            "a sync takes {} (--latency), {page}{measured}, {} % of requests fail (--failure-rate), at once",
            words(*sync_latency),
            thousandths(failure_rate * 100.0)
        )
    }

    fn spent_in_words(&self) -> String {
        let longest = self.settings.rate_limits.iter().map(|limit| limit.window()).max();
        let requests = format!("{} requests for this plan", self.spent);
        match (longest, self.unrecorded) {
            (None, _) => requests,
            (Some(_), None) => format!("{requests}, recorded: the next run counts them"),
            (Some(window), Some(because)) => {
                format!("{requests}; a run within {} does not know of them ({because})", words(window))
            }
        }
    }
}

fn rounded(duration: Duration) -> f64 {
    thousandths(duration.as_secs_f64())
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// Three digits or so, in the unit that suits.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        0.0 => "0 s".to_owned(),
        ..1.0 => format!("{:.0} ms", seconds * 1000.0),
        ..100.0 => format!("{seconds:.1} s"),
        ..6000.0 => format!("{:.1} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}
