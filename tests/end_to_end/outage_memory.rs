//! What a large account costs while the database is away: the run asks for nothing that it could not store, and its
//! memory does not grow.

use std::time::Duration;

use mock_platform::Settings;

use crate::running::Running;
use crate::support::{Postgres, quick_platform, rows_equal_the_platforms, start};

const CAMPAIGNS: u64 = 10_000;
/// More than three batches, so that it is not the next page that stops the run but what it holds.
const PAGE: u64 = 2_500;
const BATCH: u64 = 500;
const CONCURRENCY: u64 = 16;

/// In KiB, over the peak from before the first outage: three batches at less than 1 KiB a campaign, those that a statement
/// copies while it is tried, and as much again for what the allocator keeps.
const MOST_GROWTH: u64 = 4 * 1024;

#[test]
fn while_a_database_is_away_requests_stop_at_three_batches_and_memory_does_not_grow() {
    let settings = Settings { sync_latency: Duration::from_millis(5), ..quick_platform(CAMPAIGNS) };
    let (platform, mut database) = (start(settings.clone()), Postgres::durable());
    let numbers = [PAGE, BATCH, CONCURRENCY].map(|number| number.to_string());
    let [page, batch, concurrency] = &numbers;
    let mut with = vec!["--page-size", page, "--batch-size", batch, "--concurrency", concurrency];
    with.extend(["--log-level", "info,actors::store_actor=debug"]);
    let mut running = Running::start(&platform, &database, &with);
    let mut peak_before = None;
    for _ in 0..2 {
        // None holds more than 500, so there are campaigns left to do after both.
        (0..5).for_each(|_| running.says("batch committed"));
        peak_before = peak_before.or_else(|| Some(running.peak_memory()));
        database.crash();
        // Tried the fourth time: long after it has asked for all that it can hold.
        running.says("\"wait_ms\":2000");
        let synced = platform.stats().count("sync", "200");
        database.start_again();
        let unstored = synced - database.count("campaigns").min(synced);
        assert!(unstored < 3 * BATCH + CONCURRENCY, "{unstored} were synced that could not be stored");
    }
    (0..4).for_each(|_| running.says("batch committed"));
    let growth = running.peak_memory() - peak_before.expect("there were outages");
    assert!(growth <= MOST_GROWTH, "two outages took {growth} KiB more");
    let (code, account) = running.outcome();
    assert_eq!((code, &account["status"]), (0, &"complete".into()), "{account}");
    rows_equal_the_platforms(&database, &settings);
    assert_eq!(database.count("campaign_history"), CAMPAIGNS);
    assert_eq!(platform.stats().most_syncs_of_one_campaign, 1, "nothing of it is lost either");
}
