//! The listing's body: every entry is a campaign or a dead letter, in its place, and nothing else comes from it.

use actors::model::Page;
use campaign_sync::platform::fuzzing;

use super::printable::{MESSAGE, assert_printable};
use super::{campaign, json};

/// Asserts it of one body.
pub fn holds(body: &[u8]) {
    let page = fuzzing::page(body);
    assert_eq!(page, fuzzing::page(body), "the same bytes are the same page");
    match (page, promised(body)) {
        (Ok(page), Some(promised)) => same(&page, &promised),
        (Err(error), None) => assert_printable(&fuzzing::unpromised(&error, body, &[]), MESSAGE),
        (Ok(page), None) => panic!("no page was read as {page:?}"),
        (Err(error), Some(_)) => panic!("a page was refused: {error}"),
    }
}

struct Promised<'a> {
    entries: Vec<&'a str>,
    has_more: bool,
    total: Option<u64>,
}

/// What the body says by its text, where it has the form of a page.
fn promised(body: &[u8]) -> Option<Promised<'_>> {
    let body = json::members(json::valid(body)?)?;
    if !json::readable(&body, &["data", "pagination"]) {
        return None;
    }
    let pagination = json::members(json::only(&body, "pagination")?)?;
    if !json::readable(&pagination, &["has_more", "total"]) {
        return None;
    }
    let total = match json::only(&pagination, "total") {
        Some(total) => Some(total.parse().ok()?),
        None => None,
    };
    let has_more = json::only(&pagination, "has_more")?.parse().ok()?;
    Some(Promised { entries: json::elements(json::only(&body, "data")?)?, has_more, total })
}

fn same(page: &Page, promised: &Promised<'_>) {
    assert_eq!((page.has_more, page.total), (promised.has_more, promised.total));
    assert_eq!(page.entries.len(), promised.entries.len(), "each entry is one campaign or one dead letter");
    for (entry, json) in page.entries.iter().zip(&promised.entries) {
        campaign::is_what_it_says(entry, json);
    }
}
