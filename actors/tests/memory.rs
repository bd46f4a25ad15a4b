//! Memory does not grow with the number of campaigns. A test binary of its own: it counts every allocation.

use std::rc::Rc;

use actors::report::Status;
use actors::testing::{ScriptedPlatform, TallyStore, in_virtual_time, run_to_end, settings};
use peak_alloc::PeakAlloc;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

fn peak_of(campaigns: u64) -> usize {
    let platform = Rc::new(ScriptedPlatform::obliging(campaigns).forgetful());
    // The same bits for both, so that only the pipeline is compared.
    let store = Rc::new(TallyStore::for_campaigns(100_000));
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    let report = in_virtual_time(run_to_end(settings(), &platform, &store));
    assert_eq!((report.status, store.stored(), store.doubled()), (Status::Complete, campaigns, 0));
    PEAK.peak_usage() - before
}

#[test]
fn a_hundred_thousand_campaigns_take_the_memory_of_ten_thousand() {
    let (few, many) = (peak_of(10_000), peak_of(100_000));
    assert!(few > 0, "something was measured");
    assert!(many as f64 <= few as f64 * 1.1, "{few} bytes with 10,000 campaigns, {many} with 100,000");
}
