//! The tally for people.

use comfy_table::{Table, presets};

use super::tally::Tally;

/// A line for each count.
pub(crate) fn summary(tally: &Tally) -> Table {
    let by_actor = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        let counts: Vec<_> = counts.iter().map(|(actor, count)| format!("{actor} {count}")).collect();
        counts.join(", ")
    };
    let ends: Vec<_> = tally.ends.iter().map(|(status, count)| format!("{status} {count}")).collect();
    let (unstored, bound) = tally.fullest_cut;
    let rows = [
        ("runs", format!("{} of {} campaigns", tally.runs, tally.campaigns)),
        ("processes", tally.processes.to_string()),
        (
            "killed",
            format!("{}, and {} stopped and woken up again", tally.cuts - tally.sleepers, tally.sleepers),
        ),
        ("told to stop", tally.stops.to_string()),
        ("database away", tally.database_outages.to_string()),
        ("panics", by_actor(&tally.panics)),
        ("restarts", by_actor(&tally.restarts)),
        ("reports", ends.join(", ")),
        ("requests", format!("{}, {} of them with a fault", tally.requests, tally.faults)),
        ("synced again", tally.repeated.to_string()),
        ("left unstored", format!("{} by all kills; {unstored} by one, of at most {bound}", tally.unstored)),
        ("dead letters", format!("{} on the way, none in the end", tally.dead_letters)),
        ("longest process", format!("{:.1} s", tally.longest.as_secs_f64())),
    ];
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    table
}
