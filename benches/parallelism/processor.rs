//! What a thread has spent on a processor.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Since the thread began. The pipeline has one thread, so no run is shorter than what it spends.
pub(crate) fn time_of_this_thread() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .expect("every system that this runs on has this clock")
        .into()
}
