//! What a campaign of scenarios took, added up.

use std::collections::BTreeMap;
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) processes: u64,
    /// Processes that nothing of survived: killed, or stopped until another had taken over.
    pub(crate) cuts: u64,
    /// Of these: woken up afterwards.
    pub(crate) sleepers: u64,
    pub(crate) stops: u64,
    /// How often the database was taken away, by whatever means.
    pub(crate) database_outages: u64,
    /// Injected, by actor.
    pub(crate) panics: BTreeMap<&'static str, u64>,
    /// Reported, by actor: what a process that was cut had restarted, nobody has heard of.
    pub(crate) restarts: BTreeMap<&'static str, u64>,
    /// Reports by status.
    pub(crate) ends: BTreeMap<String, u64>,
    pub(crate) requests: u64,
    /// Requests that something went wrong with, of the platform's doing.
    pub(crate) faults: u64,
    /// Campaigns that were stored in the end.
    pub(crate) campaigns: u64,
    /// Syncs that a run had done before, and that the platform had confirmed.
    pub(crate) repeated: u64,
    /// Of the processes that were cut: synced and not committed, which is what has to be repeated.
    pub(crate) unstored: u64,
    /// Of the one that left most of them, beside its bound.
    pub(crate) fullest_cut: (u64, u64),
    pub(crate) dead_letters: u64,
    /// The longest that a process took.
    pub(crate) longest: Duration,
}

/// As the report names them.
pub(crate) const ACTORS: [&str; 5] = ["auth", "pager", "rate_limiter", "sync", "store"];

impl Default for Tally {
    fn default() -> Self {
        let none: BTreeMap<_, _> = ACTORS.map(|actor| (actor, 0)).into();
        Self {
            runs: 0,
            processes: 0,
            cuts: 0,
            sleepers: 0,
            stops: 0,
            database_outages: 0,
            panics: none.clone(),
            restarts: none,
            ends: BTreeMap::new(),
            requests: 0,
            faults: 0,
            campaigns: 0,
            repeated: 0,
            unstored: 0,
            fullest_cut: (0, 0),
            dead_letters: 0,
            longest: Duration::ZERO,
        }
    }
}

impl Tally {
    /// Adds what another has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.processes += other.processes;
        self.cuts += other.cuts;
        self.sleepers += other.sleepers;
        self.stops += other.stops;
        self.database_outages += other.database_outages;
        other.panics.iter().for_each(|(actor, count)| *self.panics.entry(actor).or_default() += count);
        other.restarts.iter().for_each(|(actor, count)| *self.restarts.entry(actor).or_default() += count);
        other.ends.iter().for_each(|(end, count)| *self.ends.entry(end.clone()).or_default() += count);
        self.requests += other.requests;
        self.faults += other.faults;
        self.campaigns += other.campaigns;
        self.repeated += other.repeated;
        self.unstored += other.unstored;
        self.fullest_cut = self.fullest_cut.max(other.fullest_cut);
        self.dead_letters += other.dead_letters;
        self.longest = self.longest.max(other.longest);
    }
}
