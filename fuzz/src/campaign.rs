//! One entry of the listing: a campaign exactly as it was written, or a dead letter that says why it is none.

use std::time::SystemTime;

use actors::model::{Campaign, Listed, NAMELESS};
use campaign_sync::platform::fuzzing;

use super::printable::{QUOTATION, assert_printable};
use super::{json, time};

const FIELDS: [&str; 8] =
    ["id", "name", "status", "budget", "impressions", "clicks", "conversions", "created_at"];
/// A longer id fits neither a URL nor an index.
const MAX_ID_BYTES: usize = 512;

/// Asserts it of one entry, alone on a page.
pub fn holds(entry: &[u8]) {
    let Some(json) = json::valid(entry) else { return };
    let page = format!(r#"{{"data":[{json}],"pagination":{{"has_more":false}}}}"#);
    let page = fuzzing::page(page.as_bytes()).expect("any JSON may be an entry");
    let [entry] = &page.entries[..] else { panic!("{} entries", page.entries.len()) };
    is_what_it_says(entry, json);
}

/// The entry is what the text of it says.
pub(crate) fn is_what_it_says(entry: &Listed, json: &str) {
    let written = Written::of(json);
    match entry {
        Listed::Campaign(campaign) => {
            assert_eq!(&*campaign.payload, json);
            written.unwrap_or_else(|| panic!("no campaign was read as {campaign:?}")).is(campaign);
        }
        Listed::Malformed { id, message, payload } => {
            assert_eq!(&**payload, json);
            assert_printable(message, QUOTATION);
            let refused = written.as_ref().is_none_or(|written| written.created_at.is_none());
            assert!(refused, "a campaign was refused: {message}");
            assert!(!id.as_str().is_empty() && id.as_str().len() <= MAX_ID_BYTES);
            let own = json::members(json).filter(|fields| json::readable(fields, &FIELDS));
            match own.and_then(|fields| self::id(json::only(&fields, "id")?)) {
                Some(own) => assert_eq!(id.as_str(), own),
                None => assert!(id.as_str().starts_with(NAMELESS), "{id} is nobody's"),
            }
        }
    }
}

/// A campaign by its text.
struct Written<'a> {
    id: String,
    name: String,
    status: String,
    budget: String,
    counts: [i64; 3],
    /// None where it is not in the strict form, and may be read leniently or not at all.
    created_at: Option<SystemTime>,
    text: &'a str,
}

impl<'a> Written<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let fields = json::members(text).filter(|fields| json::readable(fields, &FIELDS))?;
        let field = |name| json::only(&fields, name);
        let count = |name| field(name).filter(|number| *number != "-0")?.parse::<i64>().ok();
        Some(Self {
            id: id(field("id")?)?,
            name: json::string(field("name")?)?,
            status: json::string(field("status")?)?,
            budget: budget(field("budget")?)?,
            counts: [count("impressions")?, count("clicks")?, count("conversions")?],
            created_at: time::rfc3339(&json::string(field("created_at")?)?),
            text,
        })
    }

    fn is(&self, campaign: &Campaign) {
        assert_eq!(
            (campaign.id.as_str(), &campaign.name, &campaign.status),
            (&*self.id, &self.name, &self.status)
        );
        assert_eq!(*campaign.budget, *self.budget, "to the letter, so that no float has rounded it");
        assert_eq!([campaign.impressions, campaign.clicks, campaign.conversions], self.counts);
        assert!(
            self.created_at.is_none_or(|at| at == campaign.created_at),
            "{} of {}",
            self.budget,
            self.text
        );
    }
}

/// A string or a whole number, as text.
pub(crate) fn id(json: &str) -> Option<String> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let id = if whole { json.to_owned() } else { json::string(json)? };
    ((1..=MAX_ID_BYTES).contains(&id.len()) && !id.contains('\0')).then_some(id)
}

/// A number, bare or in a string.
fn budget(json: &str) -> Option<String> {
    let text = json::string(json).unwrap_or_else(|| json.to_owned());
    json::is_number(&text).then_some(text)
}
