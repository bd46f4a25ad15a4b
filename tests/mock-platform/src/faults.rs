//! What goes wrong: drawn from the seed, so that the same sequence of requests meets the same faults.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::fault::Fault;
use crate::settings::Settings;
use crate::stats::Endpoint;

/// What becomes of an accepted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is answered as it should be.
    Served,
    /// It is answered 503 at once.
    Unavailable,
    /// It is never answered.
    Hung,
}

/// The dice. Jitter has its own, so that it does not move the faults; and so has what is switched on for each
/// endpoint, so that the pages' lies are the same however many syncs come between them.
pub(crate) struct Faults {
    fates: Xoshiro256PlusPlus,
    jitter: Xoshiro256PlusPlus,
    switched_on: BTreeMap<Endpoint, Xoshiro256PlusPlus>,
    listings: u32,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Faults {
        Faults {
            fates: Xoshiro256PlusPlus::seed_from_u64(seed),
            jitter: Xoshiro256PlusPlus::seed_from_u64(!seed),
            switched_on: [Endpoint::Auth, Endpoint::List, Endpoint::Sync]
                .map(|endpoint| {
                    // Only the seed's upper half: that of a small seed is nobody else's.
                    let apart = (endpoint as u64 + 1) << 32;
                    (endpoint, Xoshiro256PlusPlus::seed_from_u64(seed ^ apart))
                })
                .into(),
            listings: 0,
        }
    }

    /// The fate of the next accepted sync.
    pub(crate) fn of_sync(&mut self, settings: &Settings) -> Fate {
        let drawn: f64 = self.fates.random();
        if drawn < settings.error_rate {
            Fate::Unavailable
        } else if drawn < settings.error_rate + settings.hang_rate {
            Fate::Hung
        } else {
            Fate::Served
        }
    }

    /// The fate of the next accepted listing.
    pub(crate) fn of_listing(&mut self, settings: &Settings) -> Fate {
        let drawn = self.of_sync(settings);
        self.listings = self.listings.wrapping_add(1);
        match settings.list_error_every {
            Some(every) if self.listings.is_multiple_of(every) => Fate::Unavailable,
            _ => drawn,
        }
    }

    /// Which of the faults that are switched on strikes the next request to this endpoint.
    pub(crate) fn strike(&mut self, endpoint: Endpoint, faults: &[(Fault, f64)]) -> Option<Fault> {
        let mut left: f64 = self.switched_on.get_mut(&endpoint)?.random();
        let strikes = |(_, share): &&(Fault, f64)| {
            left -= share;
            left < 0.0
        };
        faults.iter().filter(|(fault, _)| fault.concerns(endpoint)).find(strikes).map(|(fault, _)| *fault)
    }

    /// A latency around `mean`.
    pub(crate) fn latency(&mut self, mean: Duration, jitter: f64) -> Duration {
        if mean.is_zero() || jitter == 0.0 {
            return mean;
        }
        mean.mul_f64(1.0 + jitter * self.jitter.random_range(-1.0..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { error_rate: 0.2, hang_rate: 0.1, list_error_every: None, ..Settings::default() }
    }

    #[test]
    fn faults_come_at_their_rates() {
        let mut faults = Faults::new(1);
        let fates = (0..10_000).map(|_| faults.of_sync(&settings())).collect::<Vec<_>>();
        let share = |fate| fates.iter().filter(|one| **one == fate).count();
        assert!((1_900..2_100).contains(&share(Fate::Unavailable)), "{}", share(Fate::Unavailable));
        assert!((900..1_100).contains(&share(Fate::Hung)), "{}", share(Fate::Hung));
    }

    #[test]
    fn a_seed_repeats_its_faults_and_jitter_does_not_move_them() {
        let fates = |seed, jitter| {
            let mut faults = Faults::new(seed);
            let mut next = || {
                faults.latency(Duration::from_secs(1), jitter);
                faults.of_sync(&settings())
            };
            (0..100).map(|_| next()).collect::<Vec<_>>()
        };
        assert_eq!(fates(1, 0.0), fates(1, 0.5));
        assert_ne!(fates(1, 0.0), fates(2, 0.0));
    }

    #[test]
    fn what_is_switched_on_strikes_at_its_share_and_only_where_it_concerns() {
        let on =
            [(Fault::LoginFails, 1.0), (Fault::Html, 0.2), (Fault::LyingTotal, 0.8), (Fault::Redirect, 0.1)];
        let mut faults = Faults::new(1);
        let struck = (0..10_000).map(|_| faults.strike(Endpoint::Sync, &on)).collect::<Vec<_>>();
        let share = |fault| struck.iter().filter(|one| **one == fault).count();
        assert!((1_900..2_100).contains(&share(Some(Fault::Html))), "{}", share(Some(Fault::Html)));
        assert!((900..1_100).contains(&share(Some(Fault::Redirect))), "{}", share(Some(Fault::Redirect)));
        assert!(struck.iter().all(|one| matches!(one, None | Some(Fault::Html | Fault::Redirect))));
        // They fill the whole, so one of them always strikes.
        let listings = (0..1_000).map(|_| faults.strike(Endpoint::List, &on[1..3]));
        assert!(listings.into_iter().all(|one| one.is_some()));
        assert_eq!(faults.strike(Endpoint::Auth, &on[..1]), Some(Fault::LoginFails));
        assert_eq!(faults.strike(Endpoint::Health, &on), None);
        assert_eq!(faults.strike(Endpoint::List, &[]), None);
    }

    #[test]
    fn a_page_lies_the_same_however_many_syncs_come_before_it() {
        let on = [(Fault::Html, 0.3)];
        let pages = |seed, syncs: usize| {
            let mut faults = Faults::new(seed);
            let mut next = || {
                (0..syncs)
                    .for_each(|_| _ = (faults.strike(Endpoint::Sync, &on), faults.of_sync(&settings())));
                faults.strike(Endpoint::List, &on)
            };
            (0..100).map(|_| next()).collect::<Vec<_>>()
        };
        assert_eq!(pages(1, 0), pages(1, 7));
        let mut faults = Faults::new(1);
        let mut draw = |endpoint| (0..100).map(|_| faults.strike(endpoint, &on)).collect::<Vec<_>>();
        assert_ne!(draw(Endpoint::List), draw(Endpoint::Sync), "each has dice of its own");
        assert_ne!(pages(1, 0), pages(2, 0));
    }

    #[test]
    fn every_nth_listing_fails_and_syncs_in_between_do_not_count() {
        let settings = Settings::default();
        let mut faults = Faults::new(1);
        let mut fates = Vec::new();
        for _ in 0..10 {
            fates.push(faults.of_listing(&settings) == Fate::Unavailable);
            assert_eq!(faults.of_sync(&settings), Fate::Served);
        }
        assert_eq!(fates, [false, false, false, false, true, false, false, false, false, true]);
    }

    #[test]
    fn a_latency_stays_within_its_jitter_on_both_sides() {
        let mut faults = Faults::new(1);
        let mean = Duration::from_millis(100);
        let drawn = (0..1_000).map(|_| faults.latency(mean, 0.25)).collect::<Vec<_>>();
        let (low, high) = (drawn.iter().min().expect("some"), drawn.iter().max().expect("some"));
        assert!((75..80).contains(&low.as_millis()) && (120..=125).contains(&high.as_millis()));
        assert_eq!(faults.latency(mean, 0.0), mean);
    }
}
