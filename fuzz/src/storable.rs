//! From a page to what PostgreSQL is given: each entry becomes a row or a dead letter, and each dead letter can be
//! stored.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{Campaign, Listed, SyncedCampaign};
use campaign_sync::platform;
use campaign_sync::store::fuzzing;

use super::printable::assert_printable;

/// As the tables' constraint has it.
const MAX_ID_BYTES: usize = 1024;
/// 4714-11-24 BC and the end of 294276, which a timestamp of PostgreSQL reaches from and to, in seconds from 1970.
const TIMESTAMPS: (u64, u64) = (210_866_803_200, 9_224_318_016_000);

/// Asserts it of one page, and of the bytes as any other text that ends in a dead letter.
pub fn holds(body: &[u8]) {
    for entry in platform::fuzzing::page(body).map(|page| page.entries).unwrap_or_default() {
        match entry {
            Listed::Campaign(campaign) => row_or_letter(&campaign),
            Listed::Malformed { id, message, payload } => letter(id.as_str(), &message, &payload),
        }
    }
    let text = String::from_utf8_lossy(body);
    as_text(&text);
    as_id(&text);
    let seconds = body.iter().rev().take(8).fold(0, |seconds, byte| seconds << 8 | u64::from(*byte));
    for time in [
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(seconds)),
    ] {
        time.into_iter().for_each(as_time);
    }
}

fn row_or_letter(campaign: &Arc<Campaign>) {
    let synced = SyncedCampaign { campaign: Arc::clone(campaign), synced_at: campaign.created_at };
    let held = in_range(campaign.created_at)
        && ![&campaign.name, &campaign.status].iter().any(|text| text.contains('\0'));
    match fuzzing::campaign(&synced) {
        // Nothing is changed on the way: the row has these very values.
        Ok(()) => assert!(
            held && !campaign.id.as_str().contains('\0') && campaign.id.as_str().len() <= MAX_ID_BYTES
        ),
        Err(message) => {
            assert!(!held, "a row was refused: {message}");
            assert_printable(&message, 10 * MAX_ID_BYTES);
            letter(campaign.id.as_str(), &message, &campaign.payload);
        }
    }
}

fn letter(id: &str, message: &str, payload: &str) {
    assert_eq!(fuzzing::id(id), id, "an id of the platform's is kept");
    as_text(message);
    as_text(payload);
}

fn as_text(text: &str) {
    let stored = fuzzing::text(text);
    assert!(
        stored
            .chars()
            .map(|c| if c == '\u{2400}' { '\0' } else { c })
            .eq(text.chars().map(|c| if c == '\u{2400}' { '\0' } else { c }))
    );
    assert!(!stored.contains('\0'));
}

fn as_id(id: &str) {
    let stored = fuzzing::id(id);
    assert!(stored.len() <= MAX_ID_BYTES && !stored.contains('\0'));
    assert_eq!(fuzzing::id(&stored), stored, "what is stored stays as it is");
    if id.len() > MAX_ID_BYTES {
        assert_ne!(stored, fuzzing::id(&format!("{id}!")), "two ids are two letters");
    }
}

fn as_time(time: SystemTime) {
    let stored = fuzzing::clamped(time);
    assert!(in_range(stored));
    assert!(stored == time || !in_range(time), "a time that can be stored is kept");
}

fn in_range(time: SystemTime) -> bool {
    let epoch = SystemTime::UNIX_EPOCH;
    time >= epoch - Duration::from_secs(TIMESTAMPS.0) && time < epoch + Duration::from_secs(TIMESTAMPS.1)
}
