//! One entry of the listing: a campaign, or why it is none.

use std::borrow::Cow;
use std::sync::Arc;

use actors::model::{Campaign, CampaignId, Listed};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{object, value};
use crate::platform::scrub::Secrets;

/// A campaign as most platforms write it, read in one go.
#[derive(Deserialize)]
struct Usual<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    name: String,
    status: String,
    #[serde(borrow)]
    budget: &'a RawValue,
    impressions: i64,
    clicks: i64,
    conversions: i64,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
}

/// The fields as raw JSON: each is looked at on its own, so that the message names the one that is wrong.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    budget: Option<&'a RawValue>,
    #[serde(borrow)]
    impressions: Option<&'a RawValue>,
    #[serde(borrow)]
    clicks: Option<&'a RawValue>,
    #[serde(borrow)]
    conversions: Option<&'a RawValue>,
    #[serde(borrow)]
    created_at: Option<&'a RawValue>,
}

/// Any JSON value becomes an entry; none is lost.
pub(super) fn listed(json: &RawValue, secrets: &Secrets<'_>) -> Listed {
    let payload = json.get();
    match usual(payload).map_or_else(|| field_by_field(payload), Ok) {
        Ok(campaign) => Listed::Campaign(Arc::new(campaign)),
        Err((id, message)) => {
            let id = id.unwrap_or_else(|| CampaignId::of_payload(payload));
            Listed::Malformed { id, message: secrets.scrub(&message), payload: payload.into() }
        }
    }
}

/// None where anything is unusual: that is for who can say what.
fn usual(payload: &str) -> Option<Campaign> {
    let Usual { id, name, status, budget, impressions, clicks, conversions, created_at } =
        object(payload).ok()?;
    Some(Campaign {
        id: value::can_be_id(&id).then(|| CampaignId::from(&*id))?,
        name,
        status,
        budget: value::decimal("budget", Some(budget)).ok()?,
        impressions,
        clicks,
        conversions,
        created_at: value::moment(&created_at)?,
        payload: payload.into(),
    })
}

/// A campaign, or what is wrong with it, with its id where it has one.
fn field_by_field(payload: &str) -> Result<Campaign, (Option<CampaignId>, String)> {
    let fields: Fields<'_> = object(payload).map_err(|error| (None, error.to_string()))?;
    let id = value::id("id", fields.id).map_err(|message| (None, message))?;
    campaign(id.clone(), &fields, payload).map_err(|message| (Some(id), message))
}

fn campaign(id: CampaignId, fields: &Fields<'_>, payload: &str) -> Result<Campaign, String> {
    Ok(Campaign {
        id,
        name: value::text("name", fields.name)?,
        status: value::text("status", fields.status)?,
        budget: value::decimal("budget", fields.budget)?,
        impressions: value::count("impressions", fields.impressions)?,
        clicks: value::count("clicks", fields.clicks)?,
        conversions: value::count("conversions", fields.conversions)?,
        created_at: value::time("created_at", fields.created_at)?,
        payload: payload.into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: [&str; 8] =
        [r#""c-1""#, r#""Spring""#, r#""active""#, "12.50", "3", "2", "1", r#""2024-01-02T03:04:05Z""#];

    fn with(values: [&str; 8]) -> String {
        let names = ["id", "name", "status", "budget", "impressions", "clicks", "conversions", "created_at"];
        let fields: Vec<String> =
            names.iter().zip(values).map(|(name, value)| format!("{name:?}: {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    }

    #[test]
    fn a_usual_campaign_is_read_in_one_go_also_with_fields_that_nobody_knows() {
        let payload = with(USUAL);
        assert_eq!(usual(&payload).map(Ok), Some(field_by_field(&payload)));
        assert!(usual(&payload.replace("{", r#"{"extra": [{}], "#)).is_some());
    }

    proptest! {
        #[test]
        fn what_is_read_in_one_go_is_what_is_read_field_by_field(
            changes in proptest::collection::vec((0..8usize, value()), 0..3)
        ) {
            let mut values = USUAL;
            for (field, value) in &changes {
                values[*field] = value;
            }
            let payload = with(values);
            if let Some(campaign) = usual(&payload) {
                prop_assert_eq!(Ok(campaign), field_by_field(&payload));
            }
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            "-?(0|[1-9][0-9]{0,20})([.][0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
            ".{0,8}".prop_map(|text| serde_json::Value::from(text).to_string()),
            "(\\\\u[0-9a-f]{4}|[a-z\\u{e9}]){0,6}".prop_map(|text| format!("\"{text}\"")),
            "20[0-9]{2}-0[1-9]-[0-3][0-9][Tt ][0-2][0-9]:00:00(Z|[+]02:00|)"
                .prop_map(|time| format!("\"{time}\"")),
            prop_oneof![Just("null"), Just("true"), Just("[]"), Just("{}"), Just("\"\"")]
                .prop_map(str::to_owned),
        ]
    }
}
