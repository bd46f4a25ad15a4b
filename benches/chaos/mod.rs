//! Scenarios of faults, each drawn from one number, and what must hold whatever they do. `benches/chaos.rs` runs many,
//! `tests/chaos.rs` a few; `benches/chaos/README.md` says how.
//!
//! [`dice`] draw. [`virtual_time`] runs the pipeline on fakes, where the same seed is the same run to the last request;
//! [`real`] runs the binary against HTTP and PostgreSQL, where the same seed is the same plan. Both tell [`invariants`]
//! what is seen after each process, and [`tally`] counts what it took.

pub(crate) mod dice;
pub(crate) mod failure;
pub(crate) mod invariants;
pub(crate) mod real;
pub(crate) mod summary;
pub(crate) mod tally;
pub(crate) mod virtual_time;

/// Two large odd numbers apart, so that the scenarios of one campaign of runs have nothing in common.
pub(crate) fn seed_of_run(first: u64, number: u64) -> u64 {
    first.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
