//! A short campaign of faults; `cargo bench --bench chaos` is the long one, and `benches/chaos/README.md` says what both check.

#[path = "../benches/chaos/mod.rs"]
mod chaos;

use chaos::failure::be_quiet_about_scripted_panics;
use chaos::summary::summary;
use chaos::tally::Tally;
use chaos::{real, seed_of_run, virtual_time};

#[track_caller]
fn holds(seed: u64) -> virtual_time::Course {
    virtual_time::run(seed).unwrap_or_else(|failure| panic!("{failure}"))
}

/// With two kills, a process that sleeps until it is overtaken, and a database that crashes twice.
#[test]
fn the_binary_is_killed_in_mid_run_and_nothing_is_lost_or_sent_too_early() {
    let tally = real::run(5).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(tally.cuts > 0, "{}", summary(&tally));
}

/// Twenty that are always the same, and together have seen everything; four that are new each time.
#[test]
fn whatever_fails_in_virtual_time_nothing_is_lost_or_sent_too_early() {
    be_quiet_about_scripted_panics();
    let mut tally = Tally::default();
    (0..20).for_each(|number| tally.add(&holds(seed_of_run(1, number)).tally));
    let everything =
        [tally.cuts - tally.sleepers, tally.sleepers, tally.stops, tally.database_outages, tally.repeated];
    let panics = tally.panics.values().copied();
    assert!(everything.into_iter().chain(panics).all(|count| count > 0), "{}", summary(&tally));
    (0..4).for_each(|_| _ = holds(rand::random()));
}

#[test]
fn what_has_failed_once_holds_now() {
    be_quiet_about_scripted_panics();
    for seed in [
        // The limiter panicked right after it had cancelled its timer, and waited for ever after.
        1174792674301962958,
        // Other people's 429s made a request that was never answered count for sixteen minutes.
        10614171856251637445,
        // A record of what was spent that had waited for the database took the place of a newer one.
        10243392393294332305,
    ] {
        holds(seed);
    }
}

#[test]
fn the_same_seed_is_the_same_run_to_the_last_request() {
    be_quiet_about_scripted_panics();
    for number in 0..10 {
        let seed = seed_of_run(2, number);
        let (first, second) = (holds(seed), holds(seed));
        assert_eq!((first.trace, first.tally), (second.trace, second.tally), "seed {seed}");
    }
}
