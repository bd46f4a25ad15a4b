//! What happens in a run for real. When it does depends on the machine: the seed repeats the plan, not the course.

use std::time::Duration;

use mock_platform::{Fault, RateLimit, Settings};

use crate::chaos::dice::Dice;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What a fault makes of a sync that the platform carries out: something that does not say so.
pub(super) const ANSWER_IS_LOST: [Fault; 7] = [
    Fault::BodyCut,
    Fault::NotJson,
    Fault::Html,
    Fault::WrongTypes,
    Fault::ConnectionReset,
    Fault::ConnectionClosed,
    Fault::WrongCampaign,
];

const OTHERS: [Fault; 14] = [
    Fault::StaleKeepAlive,
    Fault::Redirect,
    Fault::Gzip,
    Fault::Chunked,
    Fault::SuccessFalse,
    Fault::Unauthorized,
    Fault::TokenDiesEarly,
    Fault::LoginFails,
    Fault::MalformedEntry,
    Fault::RepeatedPage,
    Fault::ShiftedPage,
    Fault::OverlappingPage,
    Fault::LyingTotal,
    Fault::LyingHasMore,
];

/// See the module.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) campaigns: u64,
    pub(super) page_size: u64,
    pub(super) concurrency: u64,
    pub(super) batch: u64,
    pub(super) linger: Duration,
    pub(super) limits: Vec<RateLimit>,
    pub(super) latency: Duration,
    pub(super) error_rate: f64,
    pub(super) hang_rate: f64,
    pub(super) faults: Vec<(Fault, f64)>,
    pub(super) processes: Vec<Plan>,
}

/// One process. Times are from its start.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) end: End,
    /// When the database crashes, and how long it is gone.
    pub(super) outages: Vec<(Duration, Duration)>,
}

/// As in virtual time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    ByItself,
    Stopped(Duration),
    Killed(Duration),
    /// The database crashes then, or nobody could take over.
    Asleep(Duration),
}

impl Scenario {
    pub(super) fn drawn(seed: u64) -> Self {
        let dice = &mut Dice::new(seed, "real");
        let limit = |requests, window| RateLimit { requests, window };
        // With the campaigns that take some seconds under it.
        let choices = [
            (vec![limit(40, SECOND)], 60..=150),
            (vec![limit(200, SECOND)], 200..=500),
            (vec![limit(100, 2 * SECOND)], 80..=200),
            (vec![limit(40, SECOND), limit(150, 5 * SECOND)], 60..=140),
        ];
        let (limits, campaigns) = dice.one_of(&choices);
        let faults = (0..dice.number(0..=5))
            .map(|_| if dice.chance(0.5) { dice.one_of(&ANSWER_IS_LOST) } else { dice.one_of(&OTHERS) })
            .collect::<std::collections::BTreeSet<_>>();
        Self {
            seed,
            campaigns: dice.number(campaigns),
            page_size: dice.number(5..=50),
            concurrency: dice.number(2..=24),
            batch: dice.number(5..=60),
            linger: dice.time(20 * MS..=300 * MS),
            limits,
            latency: dice.time(5 * MS..=60 * MS),
            error_rate: dice.share(0.2),
            hang_rate: dice.share(0.02),
            faults: faults.into_iter().map(|fault| (fault, dice.number(1..=50) as f64 / 1000.0)).collect(),
            processes: (0..dice.number(2..=4)).map(|_| Plan::drawn(dice)).collect(),
        }
    }

    pub(super) fn platform(&self) -> Settings {
        Settings {
            seed: self.seed,
            campaigns: self.campaigns,
            rate_limits: self.limits.clone(),
            error_rate: self.error_rate,
            hang_rate: self.hang_rate,
            list_error_every: None,
            faults: self.faults.clone(),
            auth_latency: self.latency,
            list_latency: self.latency,
            sync_latency: self.latency,
            latency_jitter: 0.5,
            ..Settings::default()
        }
    }

    /// As `run` takes them.
    pub(super) fn arguments(&self) -> Vec<String> {
        let limit = |limit: &RateLimit| format!("{}/{}s", limit.requests, limit.window.as_secs());
        let limits: Vec<String> = self.limits.iter().map(limit).collect();
        let flags = [
            ("--rate-limit", limits.join(",")),
            ("--page-size", self.page_size.to_string()),
            ("--concurrency", self.concurrency.to_string()),
            ("--batch-size", self.batch.to_string()),
            ("--batch-linger", format!("{}ms", self.linger.as_millis())),
            ("--request-timeout", "2s".to_owned()),
            ("--report", "json".to_owned()),
            ("--log-format", "json".to_owned()),
        ];
        flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

impl Plan {
    fn drawn(dice: &mut Dice) -> Self {
        let moment = dice.time(50 * MS..=3 * SECOND);
        let end = match dice.number(0..=99) {
            0..55 => End::Killed(moment),
            55..70 => End::Stopped(moment),
            70..90 => End::Asleep(moment),
            _ => End::ByItself,
        };
        let outage = |dice: &mut Dice| {
            let longest = if dice.chance(0.2) { 3 * SECOND } else { 200 * MS };
            (dice.time(MS..=2 * SECOND), dice.time(Duration::ZERO..=longest))
        };
        let outages = if dice.chance(0.4) { vec![outage(dice)] } else { vec![] };
        Self { end, outages }
    }

    /// Nobody does anything to it.
    pub(super) fn undisturbed() -> Self {
        Self { end: End::ByItself, outages: vec![] }
    }
}
