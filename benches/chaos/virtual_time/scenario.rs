//! What happens in a run: drawn from one number, and plain values from then on.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use actors::lower_bound::lower_bound;
use actors::settings::{BatchLimits, Concurrency, PipelineSettings, RateLimit};
use actors::testing::{Stamping, limit, settings};

use crate::chaos::dice::Dice;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) campaigns: u64,
    pub(super) settings: PipelineSettings,
    pub(super) latency: RangeInclusive<Duration>,
    pub(super) stamping: Stamping,
    pub(super) token_life: Duration,
    pub(super) weather: Weather,
    pub(super) processes: Vec<Plan>,
    /// A process that takes longer hangs.
    pub(super) patience: Duration,
}

/// What goes wrong outside of the process, until it clears up. Shares are of requests, times from the scenario's begin.
#[derive(Debug)]
pub(super) struct Weather {
    pub(super) unavailable: f64,
    pub(super) hangs: f64,
    pub(super) disconnects: f64,
    pub(super) garbled: f64,
    pub(super) unauthorized: f64,
    /// By somebody else who uses the limit.
    pub(super) throttled: f64,
    pub(super) rejected: f64,
    /// Of pages.
    pub(super) malformed: f64,
    pub(super) repeated_pages: f64,
    pub(super) shifted_pages: f64,
    pub(super) overlapping_pages: f64,
    pub(super) lying_totals: f64,
    pub(super) lying_has_more: f64,
    /// Nothing but 503s.
    pub(super) platform_away: Option<Range<Duration>>,
    pub(super) database_away: Vec<Range<Duration>>,
    /// Of commits: carried out, and the answer is lost.
    pub(super) lost_commits: f64,
    /// Rows that the database refuses.
    pub(super) unstorable: BTreeSet<u64>,
}

/// One process.
#[derive(Debug)]
pub(super) struct Plan {
    /// After the end of the one before.
    pub(super) pause: Duration,
    pub(super) end: End,
    pub(super) panics: Panics,
}

/// How it ends, from its start.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    ByItself,
    /// SIGTERM.
    Stopped(Duration),
    /// SIGKILL.
    Killed(Duration),
    /// SIGSTOP, and SIGCONT when everything is done.
    Asleep(Duration),
}

/// Which of its calls an actor panics in, counted from the process's first.
#[derive(Debug, Default)]
pub(super) struct Panics {
    pub(super) logins: BTreeSet<u64>,
    pub(super) pages: BTreeSet<u64>,
    pub(super) syncs: BTreeSet<u64>,
    pub(super) before_commits: BTreeSet<u64>,
    pub(super) after_commits: BTreeSet<u64>,
    pub(super) lookups: BTreeSet<u64>,
    pub(super) records: BTreeSet<u64>,
    pub(super) limiter: Vec<Duration>,
}

impl Scenario {
    pub(super) fn drawn(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "size");
        let campaigns = if dice.chance(0.05) { dice.number(0..=3) } else { dice.number(4..=250) };
        let limits = limits(&mut dice);
        let latency = latency(&mut dice, &limits);
        let weather_dice = &mut Dice::new(seed, "weather");
        let settings = PipelineSettings {
            rate_limits: limits,
            concurrency: Concurrency::new(dice.number(1..=24) as usize).expect("in range"),
            page_size: NonZeroU32::new(dice.number(1..=50) as u32).expect("not zero"),
            batch: BatchLimits::new(dice.number(1..=60) as usize, dice.time(10 * MS..=SECOND))
                .expect("in range"),
            max_wait: dice.one_of(&[15 * MINUTE, 24 * 60 * MINUTE]),
            ..settings()
        };
        let expected = expected(campaigns, &settings, &latency);
        let weather = Weather::drawn(weather_dice, campaigns, expected);
        // A request that counts only when it is answered: a platform that no stamp at sending is safe with. The safe
        // rule holds only while what is lost is less than a twentieth of a window.
        let calm = weather.hangs == 0.0 && weather.disconnects == 0.0;
        let slow = settings.rate_limits.iter().all(|limit| limit.window() >= 50 * *latency.end());
        let stamping = match calm && slow && *latency.end() <= SECOND {
            true => dice.one_of(&[Stamping::AtSending, Stamping::Anywhere, Stamping::AtAnswering]),
            false => Stamping::AtSending,
        };
        let processes = (0..dice.number(1..=6))
            .map(|number| {
                Plan::drawn(&mut Dice::new(seed, &format!("process {number}")), campaigns, expected)
            })
            .collect();
        Self {
            seed,
            campaigns,
            latency,
            stamping,
            token_life: dice.one_of(&[MINUTE, 10 * MINUTE, 60 * MINUTE]),
            weather,
            processes,
            patience: 20 * expected + 6 * 60 * MINUTE,
            settings,
        }
    }
}

fn limits(dice: &mut Dice) -> Vec<RateLimit> {
    let choices = [
        vec![],
        vec![limit(dice.number(1..=30) as u32, SECOND)],
        vec![limit(dice.number(5..=100) as u32, 10 * SECOND)],
        vec![limit(dice.number(5..=100) as u32, MINUTE)],
        vec![limit(dice.number(2..=20) as u32, SECOND), limit(dice.number(30..=200) as u32, MINUTE)],
        vec![limit(10, SECOND), limit(50, 10 * SECOND), limit(150, MINUTE)],
    ];
    dice.one_of(&choices)
}

fn latency(dice: &mut Dice, limits: &[RateLimit]) -> RangeInclusive<Duration> {
    let longest = match limits.iter().any(|limit| limit.window() < 10 * SECOND) {
        true => dice.time(5 * MS..=300 * MS),
        false => dice.time(5 * MS..=2 * SECOND),
    };
    dice.time(MS..=longest)..=longest
}

/// What a run without faults takes at least.
fn expected(campaigns: u64, settings: &PipelineSettings, latency: &RangeInclusive<Duration>) -> Duration {
    let requests = campaigns + campaigns / u64::from(settings.page_size.get()) + 2;
    let by_limits = lower_bound(requests, &settings.rate_limits);
    let mean = (*latency.start() + *latency.end()) / 2;
    by_limits.max(mean.mul_f64(requests as f64 / settings.concurrency.get() as f64)) + SECOND
}

impl Weather {
    fn drawn(dice: &mut Dice, campaigns: u64, expected: Duration) -> Self {
        let away = |dice: &mut Dice, longest: Duration| {
            let begin = dice.time(Duration::ZERO..=2 * expected);
            begin..begin + dice.time(10 * MS..=longest)
        };
        let platform_away = dice.chance(0.2).then(|| away(dice, 10 * MINUTE));
        let outages = if dice.chance(0.5) { dice.number(1..=4) } else { 0 };
        // One in a while outlasts the patience of a run.
        let longest = if dice.chance(0.05) { 40 * MINUTE } else { MINUTE };
        Self {
            unavailable: dice.share(0.25),
            hangs: dice.share(0.08),
            disconnects: dice.share(0.08),
            garbled: dice.share(0.08),
            unauthorized: dice.share(0.05),
            throttled: dice.share(0.03),
            rejected: dice.share(0.03),
            malformed: dice.share(0.2),
            repeated_pages: dice.share(0.1),
            shifted_pages: dice.share(0.1),
            overlapping_pages: dice.share(0.1),
            lying_totals: dice.share(0.1),
            lying_has_more: dice.share(0.1),
            platform_away,
            database_away: (0..outages).map(|_| away(dice, longest)).collect(),
            lost_commits: dice.share(0.2),
            unstorable: some(dice, 0.2, 3, 0..=campaigns),
        }
    }
}

impl Plan {
    fn drawn(dice: &mut Dice, campaigns: u64, expected: Duration) -> Self {
        let moment = dice.time(Duration::ZERO..=expected + expected / 4);
        let chance = dice.number(0..=99);
        let end = match chance {
            0..50 => End::Killed(moment),
            50..70 => End::Stopped(moment),
            70..80 => End::Asleep(moment),
            _ => End::ByItself,
        };
        let pause =
            if dice.chance(0.7) { dice.time(Duration::ZERO..=50 * MS) } else { dice.time(MS..=MINUTE) };
        let calls = 0..=campaigns + campaigns / 2;
        let panics = Panics {
            logins: some(dice, 0.15, 2, 0..=2),
            pages: some(dice, 0.3, 3, 0..=campaigns / 10),
            // More than any actor is restarted, once in a while.
            syncs: if dice.chance(0.03) { calls.clone().collect() } else { some(dice, 0.4, 5, calls) },
            before_commits: some(dice, 0.2, 2, 0..=campaigns / 10),
            after_commits: some(dice, 0.2, 2, 0..=campaigns / 10),
            lookups: some(dice, 0.1, 1, 0..=campaigns / 10),
            records: some(dice, 0.1, 1, 0..=20),
            limiter: match dice.chance(0.3) {
                true => (0..dice.number(1..=3)).map(|_| dice.time(Duration::ZERO..=expected)).collect(),
                false => vec![],
            },
        };
        Self { pause, end, panics }
    }
}

/// Up to so many different numbers, and with the rest of the probability none.
fn some(dice: &mut Dice, probability: f64, most: u64, of: RangeInclusive<u64>) -> BTreeSet<u64> {
    match dice.chance(probability) {
        true => (0..dice.number(1..=most)).map(|_| dice.number(of.clone())).collect(),
        false => BTreeSet::new(),
    }
}
