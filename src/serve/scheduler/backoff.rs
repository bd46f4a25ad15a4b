//! How long to wait before something is tried again: pure, and bounded.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Doubles from `first` to `longest`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Of a run that failed. A minute, because the run itself has tried each request again for as long as that.
    pub(super) const FAILED: Self =
        Self { first: Duration::from_secs(60), longest: Duration::from_secs(60 * 60) };
    /// Of dead letters. A replay reads the whole listing, so it costs more of the quota than it looks.
    pub(super) const REPLAY: Self =
        Self { first: Duration::from_secs(5 * 60), longest: Duration::from_secs(6 * 60 * 60) };

    /// Before the `n`th time, from 1: between half of what is due and all of it, so that accounts which failed together
    /// do not come back together.
    pub(super) fn wait(self, n: u32, rng: &mut impl Rng) -> Duration {
        let doublings = n.saturating_sub(1).min(31);
        let due = self.first.saturating_mul(1 << doublings).min(self.longest);
        due.mul_f64(rng.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn a_wait_doubles_from_a_minute_to_an_hour_with_a_jitter_of_half() {
        let mut rng = SmallRng::seed_from_u64(1);
        for (n, minutes) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (u32::MAX, 60)] {
            let waits: Vec<_> = (0..200).map(|_| Backoff::FAILED.wait(n, &mut rng)).collect();
            let due = Duration::from_secs(minutes * 60);
            assert!(waits.iter().all(|wait| (due / 2..=due).contains(wait)), "{n}");
            assert!(waits.iter().any(|wait| *wait < due.mul_f64(0.6)), "{n}");
            assert!(waits.iter().any(|wait| *wait > due.mul_f64(0.9)), "{n}");
        }
        assert!(Backoff::REPLAY.wait(1, &mut rng) >= Duration::from_secs(150));
        assert!(Backoff::REPLAY.wait(100, &mut rng) >= Duration::from_secs(3 * 60 * 60));
    }
}
