//! What PostgreSQL can hold. A dead letter must be storable whatever the platform sent, so its text, id and times
//! are brought within these limits here; a campaign never is: it is stored as received, or refused.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use actors::model::SyncedCampaign;
use serde_json::Value;
use uuid::Uuid;

/// An index entry holds at most about 2,700 bytes, the account's id among them. The tables' constraint on a
/// campaign's id says the same number.
const MAX_ID_BYTES: usize = 1024;
/// Leaves room within [`MAX_ID_BYTES`] for an ellipsis and a UUID.
const SHORTENED_ID_BYTES: usize = 960;
/// Stands for U+0000, the one character that PostgreSQL's text cannot hold.
const SYMBOL_FOR_NULL: &str = "\u{2400}";

/// 4714-11-24 BC and the first moment of 294277, PostgreSQL's own limits, in microseconds before and after 2000.
const EARLIEST: Duration = Duration::from_micros(211_813_488_000_000_000);
const LATEST: Duration = Duration::from_micros(9_223_371_331_200_000_000 - 1);
/// 2000-01-01 UTC, from which PostgreSQL counts.
const POSTGRES_EPOCH: Duration = Duration::from_secs(946_684_800);

/// Refuses a campaign that cannot be stored as received, and says why. Its id is quoted, as it may hold what a terminal
/// obeys.
pub(super) fn campaign(synced: &SyncedCampaign) -> Result<(), String> {
    let campaign = &synced.campaign;
    let id = campaign.id.as_str();
    if !holds(campaign.created_at) || !holds(synced.synced_at) {
        return Err(format!("campaign {id:?}: created_at or synced_at is beyond a timestamp's range"));
    }
    for (field, text) in [("name", &campaign.name), ("status", &campaign.status)] {
        if text.contains('\0') {
            return Err(format!(
                "campaign {id:?}: its {field} holds a NUL (0x00), which PostgreSQL cannot hold"
            ));
        }
    }
    Ok(())
}

/// The text with each U+0000 replaced by U+2400.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', SYMBOL_FOR_NULL).into() } else { text.into() }
}

/// The id as text, and where it is too long for an index, its beginning and a UUID that stands for the whole.
pub(super) fn id(id: &str) -> Cow<'_, str> {
    let whole = text(id);
    if whole.len() <= MAX_ID_BYTES {
        return whole;
    }
    let beginning = &whole[..whole.floor_char_boundary(SHORTENED_ID_BYTES)];
    format!("{beginning}…{}", Uuid::new_v5(&Uuid::nil(), id.as_bytes())).into()
}

/// Whether a timestamp can hold the time.
pub(super) fn holds(time: SystemTime) -> bool {
    clamped(time) == time
}

/// The time, or the nearest one that a timestamp can hold.
pub(super) fn clamped(time: SystemTime) -> SystemTime {
    let epoch = SystemTime::UNIX_EPOCH + POSTGRES_EPOCH;
    time.clamp(epoch - EARLIEST, epoch + LATEST)
}

/// The JSON with each U+0000 in its strings replaced, which jsonb refuses even escaped.
pub(super) fn json(value: &mut Value) {
    match value {
        Value::String(string) if string.contains('\0') => *string = text(string).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(json),
        Value::Object(fields) => fields.values_mut().for_each(json),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_holds_is_left_as_it_is() {
        assert_eq!(text("naïve 🦀"), "naïve 🦀");
        assert_eq!(id(&"i".repeat(MAX_ID_BYTES)), "i".repeat(MAX_ID_BYTES));
        assert_eq!(clamped(SystemTime::UNIX_EPOCH), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn long_ids_fit_an_index_and_stay_different() {
        let (one, other) = ("🦀".repeat(1000) + "1", "🦀".repeat(1000) + "2");
        assert!(id(&one).len() <= MAX_ID_BYTES);
        assert_ne!(id(&one), id(&other));
        assert_eq!(id(&one), id(&one));
    }

    #[test]
    fn far_times_are_brought_to_the_nearest() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
        assert!(!holds(far));
        assert!(holds(clamped(far)));
    }

    #[test]
    fn nuls_in_json_are_replaced_at_any_depth() {
        let mut value = serde_json::json!({"a": ["x\0y", {"b": "\0"}], "c": 1});
        json(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["x␀y", {"b": "␀"}], "c": 1}));
    }
}
