//! What the platform saw. It is counted apart from every decision, so that a limiter which lets too many through
//! is shown up here instead of being believed.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;

use serde::Serialize;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::settings::RateLimit;

/// What the platform saw since it started.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// How many requests, by endpoint (`auth`, `list`, `sync`, `health`, `stats`, and `other` for what is none of
    /// them or no HTTP) and by the status that they got, `hung` for those that are never answered, or `closed` for
    /// those whose connection is closed or reset instead. A request is counted when its answer is due.
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// How many 429s.
    pub throttled: u64,
    /// How often each fault has struck, of those that have.
    pub faults: BTreeMap<String, u64>,
    /// For each client and each rate limit, in the order in which the clients came.
    pub busiest_windows: Vec<BusiestWindow>,
    /// Distinct campaigns that were carried out at least once: clients apart, and whether or not the client was
    /// still there to read the answer.
    pub campaigns_synced: u64,
    /// How often the campaign was carried out that was carried out most. 1 is once each, 0 is none.
    pub most_syncs_of_one_campaign: u64,
    /// How often campaigns were carried out, all of them together.
    pub syncs_carried_out: u64,
    /// Distinct `Idempotency-Key`s of the syncs that spent a permit, clients apart.
    pub idempotency_keys: u64,
    /// Campaigns whose syncs came under more than one of them.
    pub campaigns_under_several_keys: u64,
    /// Keys that came with more than one campaign.
    pub keys_of_several_campaigns: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Requests that are being answered, or hung, at present.
    pub in_flight: u64,
    /// The largest number of requests that were being answered, or hung, at the same time.
    pub most_in_flight: u64,
}

/// The most requests of one client that were accepted in any one span as long as a limit's window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BusiestWindow {
    /// The client's `x-client-id`.
    pub client: String,
    /// How many the limit allows.
    pub limit: u32,
    /// Its window, in seconds.
    pub window_seconds: f64,
    /// How many there were in the fullest.
    pub most_accepted: u64,
}

impl Stats {
    /// How many requests to `endpoint` got `outcome`: a status, `hung` or `closed`.
    pub fn count(&self, endpoint: &str, outcome: &str) -> u64 {
        self.requests.get(endpoint).and_then(|outcomes| outcomes.get(outcome)).copied().unwrap_or(0)
    }

    /// How often this fault has struck.
    pub fn struck(&self, fault: Fault) -> u64 {
        self.faults.get(fault.name()).copied().unwrap_or(0)
    }
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    Auth,
    List,
    Sync,
    Health,
    Stats,
    Other,
}

impl Endpoint {
    fn name(self) -> &'static str {
        match self {
            Endpoint::Auth => "auth",
            Endpoint::List => "list",
            Endpoint::Sync => "sync",
            Endpoint::Health => "health",
            Endpoint::Stats => "stats",
            Endpoint::Other => "other",
        }
    }
}

/// What a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Status(u16),
    Hung,
    Closed,
}

impl Outcome {
    fn name(self) -> String {
        match self {
            Outcome::Status(status) => status.to_string(),
            Outcome::Hung => "hung".to_owned(),
            Outcome::Closed => "closed".to_owned(),
        }
    }
}

/// The counts that belong to no client.
#[derive(Default)]
pub(crate) struct Tally {
    requests: BTreeMap<(Endpoint, Outcome), u64>,
    faults: BTreeMap<Fault, u64>,
    connections: u64,
    in_flight: u64,
    most_in_flight: u64,
}

impl Tally {
    pub(crate) fn connected(&mut self) {
        self.connections += 1;
    }

    pub(crate) fn arrived(&mut self) {
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
    }

    /// The answer is due, or will never be.
    pub(crate) fn answered(&mut self, endpoint: Endpoint, outcome: Outcome) {
        *self.requests.entry((endpoint, outcome)).or_default() += 1;
    }

    /// A fault has struck.
    pub(crate) fn struck(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Nothing more happens to a request that had arrived.
    pub(crate) fn finished(&mut self) {
        self.in_flight -= 1;
    }
}

/// The counts of one client.
pub(crate) struct ClientTally {
    name: String,
    /// In the order of the rate limits.
    windows: Vec<Window>,
    campaigns: HashMap<u64, Syncs>,
    /// An idempotency key's digest, and the campaign that it came with first.
    keys: HashMap<NonZeroU64, u64>,
    shared_keys: HashSet<NonZeroU64>,
}

/// One campaign's syncs, by its number.
#[derive(Default)]
struct Syncs {
    first_key: Option<NonZeroU64>,
    several_keys: bool,
    carried_out: u32,
}

#[derive(Default)]
struct Window {
    /// Accepted requests of the span that ends now.
    recent: VecDeque<Instant>,
    most: usize,
}

impl ClientTally {
    pub(crate) fn new(name: &str) -> ClientTally {
        ClientTally {
            name: name.to_owned(),
            windows: Vec::new(),
            campaigns: HashMap::new(),
            keys: HashMap::new(),
            shared_keys: HashSet::new(),
        }
    }

    /// A request was accepted. The fullest span of a length is one that ends with an accepted request, so it is
    /// enough to look back from each.
    pub(crate) fn accepted(&mut self, limits: &[RateLimit], now: Instant) {
        self.windows.resize_with(limits.len(), Window::default);
        for (window, limit) in self.windows.iter_mut().zip(limits) {
            while window.recent.front().is_some_and(|oldest| now.duration_since(*oldest) >= limit.window) {
                window.recent.pop_front();
            }
            window.recent.push_back(now);
            window.most = window.most.max(window.recent.len());
        }
    }

    /// An accepted sync of a campaign came with an idempotency key.
    pub(crate) fn keyed(&mut self, campaign: u64, key: &str) {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let key = NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN);
        let syncs = self.campaigns.entry(campaign).or_default();
        syncs.several_keys |= *syncs.first_key.get_or_insert(key) != key;
        match self.keys.entry(key) {
            Entry::Vacant(free) => {
                free.insert(campaign);
            }
            Entry::Occupied(taken) if *taken.get() != campaign => {
                self.shared_keys.insert(key);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// A campaign has been synced.
    pub(crate) fn carried_out(&mut self, campaign: u64) {
        self.campaigns.entry(campaign).or_default().carried_out += 1;
    }
}

/// Everything, as of now.
pub(crate) fn collect<'a>(
    tally: &Tally,
    clients: impl Iterator<Item = &'a ClientTally>,
    limits: &[RateLimit],
) -> Stats {
    let mut stats = Stats {
        requests: BTreeMap::new(),
        throttled: 0,
        faults: tally.faults.iter().map(|(fault, count)| (fault.name().to_owned(), *count)).collect(),
        busiest_windows: Vec::new(),
        campaigns_synced: 0,
        most_syncs_of_one_campaign: 0,
        syncs_carried_out: 0,
        idempotency_keys: 0,
        campaigns_under_several_keys: 0,
        keys_of_several_campaigns: 0,
        connections: tally.connections,
        in_flight: tally.in_flight,
        most_in_flight: tally.most_in_flight,
    };
    for ((endpoint, outcome), count) in &tally.requests {
        stats.requests.entry(endpoint.name().to_owned()).or_default().insert(outcome.name(), *count);
        if *outcome == Outcome::Status(429) {
            stats.throttled += count;
        }
    }
    for client in clients {
        for (window, limit) in client.windows.iter().zip(limits) {
            stats.busiest_windows.push(BusiestWindow {
                client: client.name.clone(),
                limit: limit.requests,
                window_seconds: limit.window.as_secs_f64(),
                most_accepted: window.most as u64,
            });
        }
        for syncs in client.campaigns.values() {
            stats.campaigns_synced += u64::from(syncs.carried_out > 0);
            stats.most_syncs_of_one_campaign = stats.most_syncs_of_one_campaign.max(syncs.carried_out.into());
            stats.syncs_carried_out += u64::from(syncs.carried_out);
            stats.campaigns_under_several_keys += u64::from(syncs.several_keys);
        }
        stats.idempotency_keys += client.keys.len() as u64;
        stats.keys_of_several_campaigns += client.shared_keys.len() as u64;
    }
    stats
}

#[cfg(test)]
mod tests;
