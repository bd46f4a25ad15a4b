//! Single JSON values into what the model holds. Each error names the field, what it holds and what it should.

use std::borrow::Cow;
use std::time::SystemTime;

use actors::model::CampaignId;
use serde_json::value::RawValue;

/// A longer id fits neither a URL nor an index of the database.
pub(in crate::platform) const MAX_ID_BYTES: usize = 512;

type Field<'a> = Option<&'a RawValue>;

/// A string, or an integer of any length, as text.
pub(super) fn id(name: &str, field: Field<'_>) -> Result<CampaignId, String> {
    let json = present(name, field)?;
    let digits = json.strip_prefix('-').unwrap_or(json);
    let id = if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Cow::Borrowed(json)
    } else {
        serde_json::from_str(json).map_err(|_| wrong(name, json, "a string or a whole number"))?
    };
    if can_be_id(&id) {
        Ok(CampaignId::from(&*id))
    } else {
        Err(wrong(name, json, "1 to 512 bytes without a NUL"))
    }
}

/// PostgreSQL's text holds no NUL: under such an id not even a dead letter could be kept.
pub(super) fn can_be_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.contains('\0')
}

/// Any string that is Unicode; a NUL is the store's to judge.
pub(super) fn text(name: &str, field: Field<'_>) -> Result<String, String> {
    let json = present(name, field)?;
    serde_json::from_str(json).map_err(|_| wrong(name, json, "a string of valid Unicode"))
}

/// A number exactly as it was written, bare or in a string. It never becomes a float.
pub(super) fn decimal(name: &str, field: Field<'_>) -> Result<Box<str>, String> {
    let json = present(name, field)?;
    let number = match json.starts_with('"') {
        true => serde_json::from_str::<Cow<'_, str>>(json).ok().filter(|text| is_number(text)),
        // What begins like a number is one, since it is JSON.
        false => json.starts_with(begins_a_number).then_some(Cow::Borrowed(json)),
    };
    number.map(Into::into).ok_or_else(|| wrong(name, json, "a decimal number"))
}

/// A whole number that fits PostgreSQL's bigint.
pub(super) fn count(name: &str, field: Field<'_>) -> Result<i64, String> {
    let json = present(name, field)?;
    serde_json::from_str(json).map_err(|_| wrong(name, json, "a whole number of at most 64 bits"))
}

/// A moment as RFC 3339 writes it.
pub(super) fn time(name: &str, field: Field<'_>) -> Result<SystemTime, String> {
    let json = present(name, field)?;
    serde_json::from_str::<Cow<'_, str>>(json)
        .ok()
        .and_then(|text| moment(&text))
        .ok_or_else(|| wrong(name, json, "a time of RFC 3339"))
}

/// The same of what is in the string.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    SystemTime::try_from(text.parse::<jiff::Timestamp>().ok()?).ok()
}

fn present<'a>(name: &str, field: Field<'a>) -> Result<&'a str, String> {
    field.map(RawValue::get).ok_or_else(|| format!("`{name}` is missing"))
}

/// With all of the value: who shows it hides secrets in it before it is cut.
fn wrong(name: &str, json: &str, wanted: &str) -> String {
    format!("`{name}` must be {wanted}, not {json}")
}

/// Whether all of the text is one JSON number. `serde_json` checks the form without computing a value.
fn is_number(text: &str) -> bool {
    text.starts_with(begins_a_number)
        && serde_json::from_str::<&RawValue>(text).is_ok_and(|number| number.get() == text)
}

fn begins_a_number(c: char) -> bool {
    c == '-' || c.is_ascii_digit()
}
