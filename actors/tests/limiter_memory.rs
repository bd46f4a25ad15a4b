//! What a limit costs in memory: what is in use, and not what it allows.

use std::time::Duration;

use actors::settings::RateLimit;
use actors::testing::{LimiterLoad, in_virtual_time, limit};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that a limiter holds after so many requests.
fn held_after(requests: u32, limit: RateLimit) -> usize {
    let load = LimiterLoad { workers: 16, requests, latency: Duration::from_millis(10) };
    in_virtual_time(async move {
        let before = ALLOCATOR.current_usage();
        let limits = [limit];
        let limiter = load.under(&limits).await;
        let held = ALLOCATOR.current_usage() - before;
        drop(limiter);
        held
    })
}

/// One test: all allocations of the process are counted, also those of a test beside it.
#[test]
fn a_limit_takes_memory_for_the_requests_that_count_and_not_for_what_it_allows_or_what_is_over() {
    let a_day = limit(100_000, Duration::from_secs(86_400));
    let [few, some, many] = [100, 1_000, 10_000].map(|requests| held_after(requests, a_day));
    let held = format!("{few} bytes after 100, {some} after 1,000, {many} after 10,000");
    assert!(few < 40_000, "{held}");
    let each = |more: usize, less: usize, requests: usize| (more - less) / requests;
    assert!(each(some, few, 900) < 64 && each(many, some, 9_000) < 64, "{held}");

    // So short against the longest latency that stamps may have to be moved: what ended is remembered for that.
    let a_second = limit(100, Duration::from_secs(1));
    let [few, many] = [2_000, 20_000].map(|requests| held_after(requests, a_second));
    assert!(many <= 2 * few, "{few} bytes after 2,000 requests, {many} after 20,000");
}
