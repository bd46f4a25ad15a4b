//! `/events`: the page's rows as server-sent events. At first all of them, then once a second those that are different: who
//! is slow gets the newest state and not a backlog.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use actors::model::AccountId;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::super::answer::Problem;
use super::standing::Condition;
use super::table::{Rows, Table, counts};

/// At once: each costs a connection and the rows that change, once a second.
pub(in super::super) const MAX_SUBSCRIBERS: usize = 64;
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two signs of life where nothing changes: proxies close what is silent for a minute, and the page takes a connection
/// that is silent for two of them and more for lost.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
pub(super) struct Whose {
    /// Of this account alone.
    account: Option<String>,
}

/// The data of an event `rows`.
#[derive(Serialize)]
struct Changed<'a> {
    /// Whether these are all rows: what else is shown is from before a connection was lost.
    all: bool,
    /// Ids with their rows as HTML, in the order of the ids.
    rows: Vec<(&'a AccountId, &'a str)>,
    /// Ids of accounts that are not there any more.
    removed: Vec<&'a AccountId>,
    /// How many accounts are in each condition.
    counts: BTreeMap<&'static str, usize>,
}

#[get("/events")]
pub(super) async fn events(
    table: web::Data<Table>,
    subscribers: web::Data<Semaphore>,
    whose: web::Query<Whose>,
) -> Result<HttpResponse, Problem> {
    let place = subscribers.into_inner().try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_SUBSCRIBERS} listen already: that is all");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let account = whose.into_inner().account.map(AccountId::from);
    let subscriber = Subscriber { table: table.into_inner(), account, sent: None, _place: place };
    let events = stream::unfold(subscriber, |mut subscriber| async {
        let event = subscriber.next().await?;
        Some((Ok::<_, actix_web::Error>(web::Bytes::from(event)), subscriber))
    });
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(events))
}

struct Subscriber {
    table: Arc<Table>,
    account: Option<AccountId>,
    sent: Option<Rows>,
    _place: OwnedSemaphorePermit,
}

impl Subscriber {
    /// None where nothing changes any more.
    async fn next(&mut self) -> Option<String> {
        let begun = Instant::now();
        loop {
            if self.sent.is_some() {
                sleep(PAUSE).await;
            }
            if self.table.has_ended() {
                return None;
            }
            let now = self.table.rows();
            let before = self.sent.replace(now.clone());
            if let Some(event) = changes(before, &now, self.account.as_ref()) {
                return Some(format!("event: rows\ndata: {event}\n\n"));
            }
            if begun.elapsed() >= HEARTBEAT {
                return Some("event: beat\ndata: 1\n\n".to_owned());
            }
        }
    }
}

/// None where nothing is different.
fn changes(before: Option<Rows>, now: &Rows, account: Option<&AccountId>) -> Option<String> {
    let is_first = before.is_none();
    let before = before.unwrap_or_default();
    let is_meant = |id: &&AccountId| account.is_none_or(|account| account == *id);
    let rows = now.iter().filter(|(id, row)| before.get(*id).is_none_or(|before| !Arc::ptr_eq(before, row)));
    let rows: Vec<_> = rows.filter(|(id, _)| is_meant(id)).map(|(id, row)| (id, row.html.as_str())).collect();
    let removed: Vec<_> = before.keys().filter(|id| !now.contains_key(*id)).filter(is_meant).collect();
    if rows.is_empty() && removed.is_empty() && !is_first {
        return None;
    }
    let counts = Condition::ALL.map(Condition::name).into_iter().zip(counts(now)).collect();
    serde_json::to_string(&Changed { all: is_first, rows, removed, counts }).ok()
}
