//! What the store makes of values before PostgreSQL sees them, opened to `fuzz/` and to the tests that share its
//! properties.

use std::borrow::Cow;
use std::time::SystemTime;

use actors::model::SyncedCampaign;

use super::storable;

/// Refuses a campaign that cannot be stored as received.
pub fn campaign(synced: &SyncedCampaign) -> Result<(), String> {
    storable::campaign(synced)
}

/// A dead letter's id as it is stored.
pub fn id(id: &str) -> Cow<'_, str> {
    storable::id(id)
}

/// A dead letter's text as it is stored.
pub fn text(text: &str) -> Cow<'_, str> {
    storable::text(text)
}

/// A dead letter's time as it is stored.
pub fn clamped(time: SystemTime) -> SystemTime {
    storable::clamped(time)
}
