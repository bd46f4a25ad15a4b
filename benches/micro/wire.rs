//! What a platform sends, as the mock platform writes it.

use std::sync::Arc;

use actors::model::{Campaign, Listed};
use campaign_sync::platform::fuzzing::page;
use mock_platform::campaign;

/// A good answer to the sync of the first campaign.
pub(crate) const CONFIRMED: &str =
    r#"{"success":true,"campaign_id":"camp_000001","synced_at":"2026-01-02T03:04:05.678Z"}"#;

/// A page of so many campaigns.
pub(crate) fn a_page(campaigns: u64) -> String {
    let entry = |number| serde_json::to_string(&campaign(1, number)).expect("it is JSON");
    let entries: Vec<String> = (1..=campaigns).map(entry).collect();
    format!(r#"{{"data":[{}],"pagination":{{"page":1,"has_more":true,"total":100000}}}}"#, entries.join(","))
}

/// So many of them, as they are read.
pub(crate) fn campaigns(count: u64) -> Vec<Arc<Campaign>> {
    let page = page(a_page(count).as_bytes()).expect("it is one");
    let read = |entry| match entry {
        Listed::Campaign(campaign) => campaign,
        Listed::Malformed { message, .. } => panic!("no campaign: {message}"),
    };
    page.entries.into_iter().map(read).collect()
}

pub(crate) fn first_campaign() -> Arc<Campaign> {
    campaigns(1).remove(0)
}
