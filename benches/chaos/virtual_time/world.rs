//! What outlives a process: the platform, the store, and the sky over both, which knows the time, what goes wrong at
//! it, and what has been seen so far.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use actors::model::{CampaignId, Listed, PageRequest};
use actors::permit::Endpoint;
use actors::testing::{Call, Play, ScriptedPlatform, campaign_id, honest_page};
use tokio::time::Instant;
use uuid::Uuid;

use super::platform::platform;
use super::scenario::{Panics, Scenario};
use super::store::UnsteadyStore;
use crate::chaos::dice::Dice;
use crate::chaos::invariants::Rows;
use crate::chaos::tally::Tally;

/// See the module.
pub(super) struct World {
    pub(super) scenario: Rc<Scenario>,
    pub(super) sky: Rc<Sky>,
    pub(super) platform: Rc<ScriptedPlatform>,
    pub(super) store: Rc<UnsteadyStore>,
}

impl World {
    /// Begins now.
    pub(super) fn new(scenario: &Rc<Scenario>) -> Self {
        let sky = Rc::new(Sky::over(scenario));
        let store = Rc::new(UnsteadyStore::new(&sky));
        let platform = Rc::new(platform(&sky, &store));
        Self { scenario: scenario.clone(), sky, platform, store }
    }

    /// Nothing goes wrong any more.
    pub(super) fn clear_up(&self) {
        self.sky.clear.set(true);
    }

    /// What the platform lists when it is well.
    pub(super) fn catalogue(&self) -> Rows {
        let all = self.scenario.campaigns.try_into().ok().and_then(std::num::NonZeroU32::new);
        let page = all.map(|limit| honest_page(self.scenario.campaigns, PageRequest { page: 1, limit }));
        let entries = page.map(|page| page.entries).unwrap_or_default();
        let row = |entry: &Listed| match entry {
            Listed::Campaign(campaign) => (campaign.id.to_string(), format!("{campaign:?}")),
            Listed::Malformed { .. } => unreachable!("an honest page has campaigns"),
        };
        entries.iter().map(row).collect()
    }

    /// Each limit with what is allowed and the most that there was.
    pub(super) fn windows(&self) -> Vec<(String, u64, u64)> {
        let limits = self.scenario.settings.rate_limits.iter();
        limits
            .map(|limit| {
                let most = self.platform.most_in_a_window(limit.window()) as u64;
                (limit.to_string(), limit.requests() as u64, most)
            })
            .collect()
    }

    /// Adds what was seen from outside of the processes.
    pub(super) fn count(&self, tally: &mut Tally) {
        tally.requests = self.platform.calls().len() as u64;
        tally.faults = self.sky.faults.get();
        tally.dead_letters = self.sky.dead_letters.get();
        tally.repeated = self.sky.confirmed.borrow().values().map(|times| times - 1).sum();
        let outages = self.scenario.weather.database_away.iter();
        tally.database_outages = outages.filter(|away| away.start < self.sky.time()).count() as u64;
        for ((_, actor), count) in self.sky.panicked.borrow().iter() {
            *tally.panics.entry(actor).or_default() += count;
        }
    }

    pub(super) fn trace(&self) -> u64 {
        self.sky.trace.get()
    }
}

/// What of the store can panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StoreCall {
    Commit,
    Lookup,
    Record,
}

/// See the module.
pub(super) struct Sky {
    pub(super) scenario: Rc<Scenario>,
    pub(super) dice: RefCell<Dice>,
    begun: Instant,
    clear: Cell<bool>,
    /// The number of the process that is at work.
    pub(super) present: Cell<usize>,
    /// Of each process, by kind.
    calls: RefCell<HashMap<(usize, String), u64>>,
    panicked: RefCell<BTreeMap<(usize, &'static str), u64>>,
    /// What the platform has confirmed, or will: by process, and how often by run.
    synced: RefCell<HashMap<usize, HashSet<CampaignId>>>,
    confirmed: RefCell<HashMap<(Uuid, u64), u64>>,
    /// Whether the process at work has been taken over from.
    pub(super) overtaken: Cell<bool>,
    noticed: RefCell<Vec<String>>,
    faults: Cell<u64>,
    pub(super) dead_letters: Cell<u64>,
    trace: Cell<u64>,
}

impl Sky {
    fn over(scenario: &Rc<Scenario>) -> Self {
        Self {
            scenario: scenario.clone(),
            dice: RefCell::new(Dice::new(scenario.seed, "sky")),
            begun: Instant::now(),
            clear: Cell::new(false),
            present: Cell::new(0),
            calls: RefCell::default(),
            panicked: RefCell::default(),
            synced: RefCell::default(),
            confirmed: RefCell::default(),
            overtaken: Cell::new(false),
            noticed: RefCell::default(),
            faults: Cell::new(0),
            dead_letters: Cell::new(0),
            trace: Cell::new(0),
        }
    }

    pub(super) fn time(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn is_clear(&self) -> bool {
        self.clear.get()
    }

    pub(super) fn database_is_away(&self) -> bool {
        let now = self.time();
        !self.is_clear() && self.scenario.weather.database_away.iter().any(|away| away.contains(&now))
    }

    /// Whether the database was away in this time.
    pub(super) fn database_was_away(&self, from: Duration, until: Duration) -> bool {
        let overlaps = |away: &std::ops::Range<Duration>| away.start <= until && from <= away.end;
        self.scenario.weather.database_away.iter().any(overlaps)
    }

    pub(super) fn loses_the_answer(&self) -> bool {
        !self.is_clear() && self.dice.borrow_mut().chance(self.scenario.weather.lost_commits)
    }

    pub(super) fn refuses(&self, id: &CampaignId) -> bool {
        let unstorable = &self.scenario.weather.unstorable;
        !self.is_clear() && unstorable.iter().any(|number| campaign_id(*number) == *id)
    }

    /// The panics of the process that is at work; none when it has cleared up.
    fn plan(&self) -> Option<&Panics> {
        let plan = self.scenario.processes.get(self.present.get());
        plan.filter(|_| !self.is_clear()).map(|plan| &plan.panics)
    }

    /// The number of a process's call of this kind, counted from 0.
    fn number(&self, kind: &str) -> u64 {
        let mut calls = self.calls.borrow_mut();
        let next = calls.entry((self.present.get(), kind.to_owned())).or_default();
        *next += 1;
        *next - 1
    }

    pub(super) fn note_panic(&self, actor: &'static str) {
        *self.panicked.borrow_mut().entry((self.present.get(), actor)).or_default() += 1;
        self.trace(actor, 0);
    }

    /// How often an actor of that process was made to panic.
    pub(super) fn panics_of(&self, process: usize, actor: &'static str) -> u64 {
        self.panicked.borrow().get(&(process, actor)).copied().unwrap_or(0)
    }

    /// Whether the call that is made takes its actor down.
    pub(super) fn panics(&self, endpoint: Endpoint) -> bool {
        let number = self.number(&format!("{endpoint:?}"));
        let Some(plan) = self.plan() else { return false };
        let (at, actor) = match endpoint {
            Endpoint::Auth => (&plan.logins, "auth"),
            Endpoint::List => (&plan.pages, "pager"),
            Endpoint::Sync => (&plan.syncs, "sync"),
        };
        let panics = at.contains(&number);
        if panics {
            self.note_panic(actor);
        }
        panics
    }

    /// Panics where the plan says so; yields whether to do it after a commit.
    pub(super) fn panic_in(&self, call: StoreCall) -> bool {
        let number = self.number(&format!("{call:?}"));
        let Some(plan) = self.plan() else { return false };
        let at = match call {
            StoreCall::Commit => &plan.before_commits,
            StoreCall::Lookup => &plan.lookups,
            StoreCall::Record => &plan.records,
        };
        if at.contains(&number) {
            self.note_panic("store");
            panic!("the script says so: {call:?} {number}");
        }
        let after = call == StoreCall::Commit && plan.after_commits.contains(&number);
        if after {
            self.note_panic("store");
        }
        after
    }

    pub(super) fn note_call(&self, call: &Call, play: Play, store: &UnsteadyStore) {
        self.trace(&format!("{:?} {play:?}", call.endpoint), call.subject);
        if play != Play::Well {
            self.faults.set(self.faults.get() + 1);
        }
        if (call.endpoint, play) != (Endpoint::Sync, Play::Well) {
            return;
        }
        let (id, process) = (campaign_id(call.subject), self.present.get());
        *self.confirmed.borrow_mut().entry((store.run(), call.subject)).or_default() += 1;
        let again = !self.synced.borrow_mut().entry(process).or_default().insert(id.clone());
        // One that was overtaken, and has not noticed yet, asks a table of which nothing is its own any more.
        if self.overtaken.get() {
            return;
        }
        if store.has_stored(store.run(), &id) {
            self.notice(format!("{id} is synced again by a run that has it stored"));
        }
        if again {
            self.notice(format!("{id} is synced twice by one process"));
        }
    }

    /// How many campaigns a process has synced that are in none of these.
    pub(super) fn synced_and_not_in(&self, process: usize, settled: &[&HashSet<CampaignId>]) -> u64 {
        let synced = self.synced.borrow();
        let all = synced.get(&process).into_iter().flatten();
        all.filter(|id| settled.iter().all(|settled| !settled.contains(*id))).count() as u64
    }

    /// Something that must not be.
    pub(super) fn notice(&self, what: String) {
        self.noticed.borrow_mut().push(what);
    }

    pub(super) fn take_noticed(&self) -> Vec<String> {
        self.noticed.take()
    }

    /// Another event, with its time.
    pub(super) fn trace(&self, event: &str, number: u64) {
        let time = self.time().as_nanos() as u64;
        tracing::debug!(target: "chaos", process = self.present.get(), event, number);
        let bytes = event.bytes().map(u64::from).chain([time, number]);
        let mix = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        self.trace.set(bytes.fold(self.trace.get(), mix));
    }
}
