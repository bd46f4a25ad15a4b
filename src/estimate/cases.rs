//! Chance: a number of requests is a normal distribution, taken at a few dozen points.

use std::time::Duration;

use super::Range;

/// The points, in standard deviations from the mean. No wider: beyond 2.4 one campaign more could make the best case
/// shorter.
const WIDEST: f64 = 2.4;
const POINTS_TO_A_SIDE: i32 = 24;

/// Nine runs of ten lie between these shares of all.
const LOW: f64 = 0.05;
const HIGH: f64 = 0.95;

/// How many requests there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cases {
    pub(super) mean: f64,
    pub(super) deviation: f64,
    /// Fewer are impossible.
    pub(super) least: f64,
}

impl Cases {
    /// What follows from the number of requests, which must not shrink where that grows.
    pub(super) fn weigh(&self, outcome: impl Fn(f64) -> f64) -> Range<f64> {
        let points = -POINTS_TO_A_SIDE..=POINTS_TO_A_SIDE;
        let cases: Vec<(f64, f64)> = points
            .map(|point| {
                let z = f64::from(point) * WIDEST / f64::from(POINTS_TO_A_SIDE);
                ((-z * z / 2.0).exp(), outcome(self.at(z)))
            })
            .collect();
        let all: f64 = cases.iter().map(|(weight, _)| weight).sum();
        let expected = cases.iter().map(|(weight, outcome)| weight * outcome).sum::<f64>() / all;
        let quantile = |share: f64| {
            let mut passed = 0.0;
            let reached = cases.iter().find(|(weight, _)| {
                passed += weight;
                passed >= share * all
            });
            reached.map_or(expected, |(_, outcome)| *outcome)
        };
        Range { expected, low: quantile(LOW), high: quantile(HIGH) }
    }

    /// In the worst case that is weighed.
    pub(super) fn most(&self) -> f64 {
        self.at(WIDEST)
    }

    fn at(&self, z: f64) -> f64 {
        (self.mean + z * self.deviation).round().max(self.least)
    }
}

/// What is too long for a [`Duration`] is its longest.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
