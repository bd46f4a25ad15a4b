//! `cargo bench --bench limiter`: what the rate limiter costs of a processor at a thousand and more permits a second,
//! beside the same workers without it.

#[path = "parallelism/processor.rs"]
mod processor;

use std::io::{self, Write};
use std::time::Duration;

use actors::testing::{LimiterLoad, limit};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const WINDOWS: u32 = 5;

fn main() -> io::Result<()> {
    for (a_second, workers) in [(1_000, 16), (1_000, 64), (5_000, 64), (5_000, 256)] {
        let load = LimiterLoad { workers, requests: a_second * WINDOWS, latency: Duration::from_millis(5) };
        let limits = [limit(a_second, SECOND), limit(1_000_000, 3_600 * SECOND)];
        let (bare, _) = spent(load.unlimited(a_second, SECOND));
        let (limited, took) = spent(async { drop(load.under(&limits).await) });
        let each = limited.saturating_sub(bare) / (a_second * WINDOWS);
        writeln!(
            io::stdout(),
            "{a_second}/s under two limits, {workers:>3} workers: {:.2} µs a permit, {:.2} % of a core ({:.1} s; \
             workers and clock alone {:.2} %)",
            each.as_secs_f64() * 1e6,
            100.0 * limited.saturating_sub(bare).as_secs_f64() / took.as_secs_f64(),
            took.as_secs_f64(),
            100.0 * bare.as_secs_f64() / took.as_secs_f64(),
        )?;
    }
    Ok(())
}

/// Processor time of the one thread, and time.
fn spent(work: impl Future<Output = ()>) -> (Duration, Duration) {
    let (before, begun) = (processor::time_of_this_thread(), Instant::now());
    actix::System::new().block_on(work);
    (processor::time_of_this_thread() - before, begun.elapsed())
}
