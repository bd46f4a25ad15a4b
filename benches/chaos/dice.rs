//! All of a scenario's chance: one generator for each purpose, so that a draw more of one moves no draw of another.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// See the module.
pub(crate) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// The same for the same seed and purpose, on every machine.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a, because the standard library's hashes may change with its version.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(Xoshiro256PlusPlus::seed_from_u64(purpose.bytes().fold(seed, mix)))
    }

    /// Whether something happens that does with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random::<f64>() < probability
    }

    /// A whole number.
    pub(crate) fn number(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// A share of something, of which small ones are as likely as large ones: none in half of the cases.
    pub(crate) fn share(&mut self, most: f64) -> f64 {
        if self.chance(0.5) { 0.0 } else { (self.0.random_range(0.0..=most) * 1000.0).round() / 1000.0 }
    }

    /// A time, in whole milliseconds.
    pub(crate) fn time(&mut self, range: RangeInclusive<Duration>) -> Duration {
        let millis =
            |time: &Duration| u64::try_from(time.as_millis()).expect("a time of a scenario is short");
        Duration::from_millis(self.number(millis(range.start())..=millis(range.end())))
    }

    /// One of these.
    pub(crate) fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())].clone()
    }
}
