//! What must hold after each process, whatever happened to it, and in whichever world it lived.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::tally::Tally;

/// Campaigns by id, each with all its values in one text.
pub(crate) type Rows = BTreeMap<String, String>;

/// How a process ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    /// By SIGKILL, or stopped for so long that another has taken over.
    Cut,
    /// It was told to stop, and reported.
    Stopped(Value),
    /// It reported.
    ByItself(Value),
    /// By itself, before there was a run to report.
    Unbegun,
}

/// What is seen after a process has ended.
pub(crate) struct Seen {
    pub(crate) ended: Ended,
    /// What the platform has.
    pub(crate) catalogue: Rows,
    pub(crate) table: Rows,
    /// With class and message.
    pub(crate) dead_letters: BTreeMap<String, (String, String)>,
    /// Each limit, and the most requests that the platform counted in any window of it, since the first process.
    pub(crate) windows: Vec<(String, u64, u64)>,
    /// 429s that the limit was to prevent.
    pub(crate) throttled: u64,
    /// Campaigns that this process synced and did not get committed, beyond what the platform's answers lost.
    pub(crate) unstored: u64,
    /// How many these may be.
    pub(crate) unstored_at_most: u64,
    /// Campaigns that the store got from this process.
    pub(crate) stored: u64,
    pub(crate) took: Duration,
    /// Whatever else the world has noticed.
    pub(crate) noticed: Vec<String>,
}

/// What does not hold, with its numbers.
pub(crate) fn broken(seen: &Seen) -> Vec<String> {
    let mut broken = seen.noticed.clone();
    broken.extend(rows(seen));
    broken.extend(limits(seen));
    if seen.unstored > seen.unstored_at_most {
        let (unstored, most) = (seen.unstored, seen.unstored_at_most);
        broken.push(format!(
            "{unstored} campaigns were synced and not stored, and {most} may be: {:?}",
            seen.ended
        ));
    }
    if let Ended::Stopped(report) | Ended::ByItself(report) = &seen.ended {
        broken.extend(account(report, seen));
    }
    broken
}

/// Besides [`broken`]: what the last process must leave, which ran undisturbed and on a platform that was well.
pub(crate) fn broken_at_the_end(seen: &Seen) -> Vec<String> {
    let mut broken = broken(seen);
    match &seen.ended {
        Ended::ByItself(report) if report["status"] == "complete" => {}
        ended => {
            broken.push(format!("nothing was wrong any more, and the last run is not complete: {ended:?}"))
        }
    }
    if seen.table != seen.catalogue {
        let missing = seen.catalogue.keys().filter(|id| !seen.table.contains_key(*id)).count();
        broken.push(format!("the table is not the platform's, {missing} are missing"));
    }
    if !seen.dead_letters.is_empty() {
        broken.push(format!("dead letters are left: {:?}", seen.dead_letters));
    }
    broken
}

fn rows(seen: &Seen) -> impl Iterator<Item = String> {
    let wrong = seen.table.iter().filter(|(id, row)| seen.catalogue.get(*id) != Some(row));
    let wrong = wrong.map(|(id, row)| {
        format!("the row of {id} is {row:?}, the platform has {:?}", seen.catalogue.get(id))
    });
    let unfounded = seen.dead_letters.iter().filter(|(_, (_, message))| message.is_empty());
    wrong.take(3).chain(unfounded.map(|(id, _)| format!("the dead letter of {id} says no reason")).take(3))
}

fn limits(seen: &Seen) -> impl Iterator<Item = String> {
    let over = seen.windows.iter().filter(|(_, allowed, most)| most > allowed);
    let over = over.map(|(limit, _, most)| format!("{most} requests in one window of {limit}"));
    over.chain((seen.throttled > 0).then(|| format!("{} answers were 429s of our own doing", seen.throttled)))
}

/// The report, by itself and beside what is in the store.
fn account(report: &Value, seen: &Seen) -> Vec<String> {
    let mut broken = Vec::new();
    let count = |name: &str| report["campaigns"][name].as_u64().unwrap_or(u64::MAX);
    let (distinct, stored) = (count("distinct"), count("stored"));
    let settled = stored + count("skipped") + count("dead_lettered");
    let left = left_to_do(report);
    if distinct != settled + left {
        broken.push(format!("{distinct} listed, {settled} settled and {left} left to do: {report}"));
    }
    let status = report["status"].as_str().unwrap_or_default();
    let ended_early = matches!(status, "interrupted" | "failed");
    if left > 0 && !ended_early {
        broken.push(format!("{left} campaigns are left to do by a run that is {status}"));
    }
    for bug in ["unaccounted", "pipeline_failed"] {
        broken.extend(problem(report, bug).map(|message| format!("{bug}: {message}")));
    }
    // Where it ended early, it may not have heard of its last commit.
    if stored > seen.stored || (!ended_early && stored != seen.stored) {
        broken.push(format!("{stored} stored by the report, {} by the store: {report}", seen.stored));
    }
    let missing = seen.catalogue.keys().filter(|id| !seen.table.contains_key(*id));
    let missing: Vec<&String> = missing.filter(|id| !seen.dead_letters.contains_key(*id)).collect();
    // An entry whose id could not be read is a letter under another name.
    let nameless = seen.dead_letters.keys().filter(|id| !seen.catalogue.contains_key(*id)).count();
    let listing_proven =
        ["listing_incomplete", "listing_shrank"].iter().all(|class| problem(report, class).is_none());
    if !ended_early && listing_proven && missing.len() > nameless {
        broken.push(format!("{status}, and neither row nor dead letter: {missing:?}"));
    }
    if status == "complete" && (!missing.is_empty() || !seen.dead_letters.is_empty() || !listing_proven) {
        let letters = seen.dead_letters.len();
        broken.push(format!("complete with {} rows missing and {letters} dead letters", missing.len()));
    }
    broken
}

fn problem<'a>(report: &'a Value, class: &str) -> Option<&'a str> {
    let problems = report["problems"].as_array()?;
    problems.iter().find(|problem| problem["class"] == class)?["message"].as_str()
}

fn left_to_do(report: &Value) -> u64 {
    let message = problem(report, "left_to_do").unwrap_or_default();
    message.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What a process's end adds to the count.
pub(crate) fn counted(seen: &Seen) -> Tally {
    let mut tally = Tally { processes: 1, longest: seen.took, ..Tally::default() };
    match &seen.ended {
        Ended::Cut => {
            tally.cuts = 1;
            tally.unstored = seen.unstored;
            tally.fullest_cut = (seen.unstored, seen.unstored_at_most);
        }
        Ended::Stopped(report) | Ended::ByItself(report) => {
            if matches!(seen.ended, Ended::Stopped(_)) {
                tally.stops = 1;
            }
            for (actor, restarts) in tally.restarts.iter_mut() {
                *restarts = report["restarts"][*actor].as_u64().unwrap_or(0);
            }
            *tally.ends.entry(report["status"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
        }
        Ended::Unbegun => *tally.ends.entry("unbegun".to_owned()).or_default() += 1,
    }
    tally
}
