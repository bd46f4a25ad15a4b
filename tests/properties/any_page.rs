//! Whatever JSON a page holds, each of its entries is a campaign or a dead letter that can be stored.

use proptest::prelude::*;

use super::{json, properties};

proptest! {
    #[test]
    fn any_json_is_a_page_of_campaigns_and_dead_letters_or_none(page in json::any_page()) {
        properties::page::holds(page.as_bytes());
        properties::storable::holds(page.as_bytes());
    }

    #[test]
    fn any_entry_is_a_campaign_or_a_dead_letter(entry in json::any_entry()) {
        properties::campaign::holds(entry.as_bytes());
    }
}

#[test]
fn an_entry_of_a_megabyte_is_as_good_as_any() {
    let name = |part: &str, times: usize| json::campaign_with("name", &format!("\"{}\"", part.repeat(times)));
    for entry in [
        name("x", 1 << 20),
        name(r"\ud83e\udd80", 100_000),
        name(r"\u0000", 200_000),
        name(r"\ud800", 200_000),
        json::campaign_with("id", &"9".repeat(1 << 20)),
        json::campaign_with("budget", &"9".repeat(1 << 20)),
        json::campaign_with("clicks", &"9".repeat(1 << 20)),
        json::campaign_with("created_at", &format!("\"{}\"", "2".repeat(1 << 20))),
        "[".repeat(1 << 19) + &"]".repeat(1 << 19),
    ] {
        properties::campaign::holds(entry.as_bytes());
        properties::storable::holds(json::page_of(&[entry]).as_bytes());
    }
}
