//! Waiting for a condition, where the clock is the real one.

use std::time::{Duration, Instant};

/// Nothing that is waited for takes as long: what does will never come.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Looks again until there is something.
#[expect(
    clippy::disallowed_methods,
    reason = "no actor lives on the test's thread, and its clock is the real one"
)]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "in vain until {what}");
        std::thread::sleep(POLL);
    }
}
