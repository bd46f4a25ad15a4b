//! Memory does not grow with the number of campaigns. A test binary of its own: it counts every allocation.

use std::rc::Rc;

use actors::report::Status;
use actors::testing::{ScriptedPlatform, TallyStore, in_virtual_time, run_to_end, settings};
use peak_alloc::PeakAlloc;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// Of a run over so many campaigns, of which an earlier process has stored the first so many.
fn peak_of(campaigns: u64, stored_before: u64) -> usize {
    let platform = Rc::new(ScriptedPlatform::obliging(campaigns).forgetful());
    // The same bits for both, so that only the pipeline is compared.
    let store = Rc::new(TallyStore::for_campaigns(100_000).left_after(stored_before));
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    let report = in_virtual_time(run_to_end(settings(), &platform, &store));
    assert_eq!((report.status, store.stored(), store.doubled()), (Status::Complete, campaigns, 0));
    assert_eq!((report.resumed, report.campaigns.skipped), (true, stored_before));
    PEAK.peak_usage() - before
}

#[test]
fn a_hundred_thousand_campaigns_take_the_memory_of_ten_thousand() {
    let (few, many) = (peak_of(10_000, 0), peak_of(100_000, 0));
    assert!(few > 0, "something was measured");
    assert!(many as f64 <= few as f64 * 1.1, "{few} bytes with 10,000 campaigns, {many} with 100,000");
    // A bit for each that is skipped, and what a growing vector holds twice for a moment.
    let resumed = peak_of(100_000, 90_000);
    let bits = 3 * 90_000 / 8;
    assert!(
        resumed <= many + bits,
        "{many} bytes with 100,000 campaigns, {resumed} with nine tenths skipped"
    );
}
