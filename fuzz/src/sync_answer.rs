//! The answer to a sync: a success about the campaign that was meant, or a sentence that says what is wrong with it.
//! The input's first line is the campaign's id, the rest is the body.

use actors::model::CampaignId;
use campaign_sync::platform::fuzzing;

use super::printable::{MESSAGE, assert_printable};
use super::{campaign, json, time};

/// Asserts it of one answer.
pub fn holds(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let wanted = String::from_utf8_lossy(&input[..end]);
    let body = input.get(end + 1..).unwrap_or_default();
    let id = CampaignId::from(&*wanted);
    let answer = fuzzing::synced_at(body, &id);
    assert_eq!(answer, fuzzing::synced_at(body, &id), "the same bytes are the same answer");
    match (answer, synced_at(body, &wanted)) {
        (Ok(at), Some(written)) => assert_eq!(time::rfc3339(&written).unwrap_or(at), at),
        (Ok(at), None) => panic!("no success was read as one at {at:?}"),
        (Err(error), written) => {
            assert!(written.is_none_or(|at| time::rfc3339(&at).is_none()), "a success was refused: {error}");
            assert_printable(&fuzzing::unpromised(&error, body, &[]), MESSAGE);
        }
    }
}

/// What the body says when, where it is a success about this campaign.
fn synced_at(body: &[u8], wanted: &str) -> Option<String> {
    let body = json::members(json::valid(body)?)?;
    let about = json::only(&body, "campaign_id").and_then(campaign::id);
    let right = json::readable(&body, &["success", "campaign_id", "synced_at"])
        && json::only(&body, "success") == Some("true")
        && about.as_deref() == Some(wanted);
    json::string(json::only(&body, "synced_at")?).filter(|_| right)
}
