//! One entry of the listing: a campaign, or why it is none.

use std::sync::Arc;

use actors::model::{Campaign, CampaignId, Listed};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{object, value};
use crate::platform::scrub::Secrets;

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
    let fields = match object::<Fields<'_>>(payload) {
        Ok(fields) => fields,
        Err(error) => return malformed(None, &error.to_string(), payload, secrets),
    };
    let id = value::id("id", fields.id);
    match id.clone().and_then(|id| campaign(id, &fields, payload)) {
        Ok(campaign) => Listed::Campaign(Arc::new(campaign)),
        Err(message) => malformed(id.ok(), &message, payload, secrets),
    }
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

fn malformed(id: Option<CampaignId>, message: &str, payload: &str, secrets: &Secrets<'_>) -> Listed {
    let id = id.unwrap_or_else(|| CampaignId::of_payload(payload));
    Listed::Malformed { id, message: secrets.scrub(message), payload: payload.into() }
}
