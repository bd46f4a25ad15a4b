//! The platform's faults: call by call and page by page, as the weather and the present process's panics have them.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use actors::model::{CampaignId, Listed, Page, PageRequest};
use actors::permit::Endpoint;
use actors::testing::{Call, Play, ScriptedPlatform, honest_page};

use super::scenario::Scenario;
use super::store::UnsteadyStore;
use super::world::Sky;
use crate::chaos::dice::Dice;

/// A platform under this sky.
pub(super) fn platform(sky: &Rc<Sky>, store: &Rc<UnsteadyStore>) -> ScriptedPlatform {
    let scenario = sky.scenario.clone();
    let (script_sky, page_sky, store, of) = (sky.clone(), sky.clone(), store.clone(), scenario.clone());
    ScriptedPlatform::obliging(scenario.campaigns)
        .answering_within(scenario.latency.clone())
        .stamping(scenario.stamping)
        .token_life(scenario.token_life)
        .seeded(scenario.seed)
        .playing(move |call| play(&script_sky, &store, call))
        .listing(move |request| page(&of, &page_sky, request))
}

fn play(sky: &Sky, store: &UnsteadyStore, call: &Call) -> Play {
    let play = match sky.panics(call.endpoint) {
        true => Play::Panic,
        false if sky.is_clear() => Play::Well,
        false => weathered(sky, call),
    };
    sky.note_call(call, play, store);
    play
}

fn weathered(sky: &Sky, call: &Call) -> Play {
    let weather = &sky.scenario.weather;
    if weather.platform_away.as_ref().is_some_and(|away| away.contains(&sky.time())) {
        return Play::Unavailable;
    }
    let dice = &mut *sky.dice.borrow_mut();
    let hint = [None, Some(Duration::from_secs(1)), Some(Duration::from_secs(30))];
    let plays = [
        (weather.unavailable, Play::Unavailable),
        (weather.hangs, Play::Hang),
        (weather.disconnects, Play::Disconnect),
        (weather.garbled, Play::Garble),
        (weather.throttled, Play::Throttle(dice.one_of(&hint))),
        // A login that is refused means credentials that are wrong: no chaos, but an end.
        (if call.endpoint == Endpoint::Auth { 0.0 } else { weather.unauthorized }, Play::Unauthorized),
        (if call.endpoint == Endpoint::Sync { weather.rejected } else { 0.0 }, Play::Reject),
    ];
    plays.into_iter().find(|(share, _)| dice.chance(*share)).map_or(Play::Well, |(_, play)| play)
}

fn page(scenario: &Scenario, sky: &Sky, request: PageRequest) -> Page {
    let mut page = honest_page(scenario.campaigns, request);
    if sky.is_clear() {
        return page;
    }
    let (weather, dice) = (&scenario.weather, &mut *sky.dice.borrow_mut());
    let begin = u64::from(request.page - 1) * u64::from(request.limit.get());
    let size = u64::from(request.limit.get());
    if request.page > 1 && dice.chance(weather.repeated_pages) {
        page.entries = stretch(scenario.campaigns, begin - size, size);
    } else if dice.chance(weather.shifted_pages) {
        page.entries = stretch(scenario.campaigns, begin + 1, size);
    } else if request.page > 1 && dice.chance(weather.overlapping_pages) {
        page.entries = stretch(scenario.campaigns, begin - 1, size + 1);
    }
    if dice.chance(weather.lying_totals) {
        page.total = page.total.map(|total| total + dice.number(1..=3));
    }
    page.has_more ^= dice.chance(weather.lying_has_more);
    if !page.entries.is_empty() && dice.chance(weather.malformed) {
        spoil(&mut page, dice);
    }
    page
}

/// An entry that is no campaign, with its id or without one.
fn spoil(page: &mut Page, dice: &mut Dice) {
    let entry = dice.number(0..=page.entries.len() as u64 - 1) as usize;
    let id = page.entries[entry].id().clone();
    let payload: Box<str> = format!(r#"{{"was":"{id}"}}"#).into();
    let id = if dice.chance(0.5) { id } else { CampaignId::of_payload(&payload) };
    page.entries[entry] = Listed::Malformed { id, message: "a number is a word".to_owned(), payload };
}

/// So many campaigns after the first `begin`.
fn stretch(campaigns: u64, begin: u64, length: u64) -> Vec<Listed> {
    let one = |number: u64| {
        let page = u32::try_from(number + 1).expect("few campaigns");
        honest_page(campaigns, PageRequest { page, limit: NonZeroU32::MIN }).entries
    };
    (begin..(begin + length).min(campaigns)).flat_map(one).collect()
}
