use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn collected(client: &ClientTally, limits: &[RateLimit]) -> Stats {
    collect(&Tally::default(), [client].into_iter(), limits)
}

proptest! {
    #[test]
    fn the_busiest_window_is_the_fullest_of_all_half_open_spans(
        gaps in prop::collection::vec(0u64..12, 1..60),
        window in 1u64..40,
    ) {
        let limits = [RateLimit { requests: 1, window: Duration::from_millis(window) }];
        let start = Instant::now();
        let mut client = ClientTally::new("c");
        let mut stamps = Vec::new();
        for gap in gaps {
            stamps.push(stamps.last().copied().unwrap_or(0) + gap);
            client.accepted(&limits, start + Duration::from_millis(stamps[stamps.len() - 1]));
        }
        let spans = 0..=stamps[stamps.len() - 1];
        let fullest = spans.map(|from| {
            stamps.iter().filter(|stamp| (from..from + window).contains(*stamp)).count() as u64
        });
        prop_assert_eq!(
            Some(collected(&client, &limits).busiest_windows[0].most_accepted),
            fullest.max()
        );
    }
}

#[test]
fn a_retry_under_its_key_is_no_second_key_and_a_key_of_two_campaigns_is_noticed() {
    let mut client = ClientTally::new("c");
    for (campaign, key) in [(1, "a"), (1, "a"), (2, "b"), (2, "c"), (2, "d"), (3, "a"), (3, "a")] {
        client.keyed(campaign, key);
    }
    let stats = collected(&client, &[]);
    assert_eq!(stats.idempotency_keys, 4);
    assert_eq!(stats.campaigns_under_several_keys, 1);
    assert_eq!(stats.keys_of_several_campaigns, 1);
    assert_eq!((stats.campaigns_synced, stats.most_syncs_of_one_campaign), (0, 0));
}

#[test]
fn a_campaign_that_is_carried_out_twice_shows() {
    let (mut one, mut other) = (ClientTally::new("one"), ClientTally::new("other"));
    one.carried_out(1);
    one.carried_out(2);
    other.carried_out(1);
    let counts = |one: &ClientTally, other: &ClientTally| {
        let stats = collect(&Tally::default(), [one, other].into_iter(), &[]);
        (stats.campaigns_synced, stats.most_syncs_of_one_campaign)
    };
    assert_eq!(counts(&one, &other), (3, 1));
    one.carried_out(2);
    assert_eq!(counts(&one, &other), (3, 2));
}
