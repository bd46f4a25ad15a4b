//! `/api/events`: the accounts as server-sent events, for a page that shows them live. At first all of them, then what has
//! changed, at most twice a second: who is slow gets the newest state and not a backlog.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use utoipa::ToSchema;

use super::Api;
use super::accounts::Account;
use super::answer::Problem;
use crate::serve::scheduler::Snapshot;

/// At once: each costs a connection and the accounts that change, twice a second.
pub(super) const MAX_SUBSCRIBERS: usize = 64;
/// Between two events.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two signs of life where nothing changes: proxies close what is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The data of an event `accounts`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountsChanged {
    /// As they are now.
    accounts: Vec<Account>,
    /// Ids of accounts that are not there any more.
    removed: Vec<String>,
}

/// Accounts as they change, as server-sent events `accounts`.
#[utoipa::path(responses(
    (status = OK, description = "Until either side ends it.", body = AccountsChanged, content_type = "text/event-stream"),
    (
        status = SERVICE_UNAVAILABLE,
        description = "Too many listen already.",
        body = Problem,
        content_type = "application/problem+json"
    ),
))]
#[get("/api/events")]
pub(super) async fn events(
    api: web::Data<Api>,
    subscribers: web::Data<Semaphore>,
) -> Result<HttpResponse, Problem> {
    let place = subscribers.into_inner().try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_SUBSCRIBERS} listen already: that is all");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let subscriber =
        Subscriber { accounts: api.accounts.clone(), sent: None, not_before: Instant::now(), _place: place };
    let events = stream::unfold(subscriber, |mut subscriber| async {
        let event = subscriber.next().await?;
        Some((Ok::<_, actix_web::Error>(web::Bytes::from(event)), subscriber))
    });
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(events))
}

struct Subscriber {
    accounts: watch::Receiver<Snapshot>,
    sent: Option<Snapshot>,
    not_before: Instant,
    _place: OwnedSemaphorePermit,
}

impl Subscriber {
    /// None where nothing changes any more.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.sent.is_some() {
                match timeout(HEARTBEAT, self.accounts.changed()).await {
                    Ok(changed) => changed.ok()?,
                    Err(_) => return Some(":\n\n".to_owned()),
                }
                sleep_until(self.not_before).await;
            }
            let now = self.accounts.borrow_and_update().clone();
            let event = changes(&self.sent.replace(now.clone()), &now);
            if let Some(event) = event.and_then(|event| serde_json::to_string(&event).ok()) {
                self.not_before = Instant::now() + PAUSE;
                return Some(format!("event: accounts\ndata: {event}\n\n"));
            }
        }
    }
}

/// None where nothing is different.
fn changes(before: &Option<Snapshot>, now: &Snapshot) -> Option<AccountsChanged> {
    let Some(before) = before else {
        let accounts = now.iter().map(|(id, status)| Account::new(id, status)).collect();
        return Some(AccountsChanged { accounts, removed: vec![] });
    };
    let same =
        |(id, status): &(_, &Arc<_>)| before.get(*id).is_some_and(|before| Arc::ptr_eq(before, status));
    let changed = now.iter().filter(|account| !same(account));
    let accounts: Vec<_> = changed.map(|(id, status)| Account::new(id, status)).collect();
    let removed: Vec<_> =
        before.keys().filter(|id| !now.contains_key(*id)).map(ToString::to_string).collect();
    (!accounts.is_empty() || !removed.is_empty()).then_some(AccountsChanged { accounts, removed })
}

#[cfg(test)]
mod tests {
    use actors::testing::in_virtual_time;

    use super::*;
    use crate::serve::scheduler::{AccountStatus, State};

    fn paused(schedule: &str) -> Arc<AccountStatus> {
        Arc::new(AccountStatus {
            state: State::Paused,
            schedule: schedule.parse().expect("valid"),
            paused_since: Some(jiff::Timestamp::UNIX_EPOCH),
            leaving: false,
            next_time: None,
            last: None,
            failing: None,
        })
    }

    fn subscriber() -> (watch::Sender<Snapshot>, Subscriber) {
        let accounts = ["a", "b", "c"].map(|id| (id.into(), paused("1h")));
        let (sender, accounts) = watch::channel(Snapshot::from(accounts));
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("free");
        (sender, Subscriber { accounts, sent: None, not_before: Instant::now(), _place: place })
    }

    #[test]
    fn whatever_changes_within_half_a_second_is_one_event_with_the_newest_state() {
        in_virtual_time(async {
            let (sender, mut subscriber) = subscriber();
            let begun = Instant::now();
            subscriber.next().await.expect("all accounts");
            for minutes in 1..=20 {
                sender.send_modify(|accounts| {
                    drop(accounts.insert("a".into(), paused(&format!("{minutes}min"))))
                });
                sender.send_modify(|accounts| drop(accounts.remove(&"c".into())));
            }
            let event = subscriber.next().await.expect("a change");
            assert_eq!(begun.elapsed(), PAUSE);
            assert!(event.contains("20min") && event.contains("\"removed\":[\"c\"]"), "{event}");
            assert!(!event.contains("\"id\":\"b\"") && !event.contains("19min"), "{event}");
        });
    }

    #[test]
    fn where_nothing_changes_there_is_a_sign_of_life_and_in_the_end_an_end() {
        in_virtual_time(async {
            let (sender, mut subscriber) = subscriber();
            subscriber.next().await.expect("all accounts");
            let begun = Instant::now();
            sender.send_modify(|_| {});
            assert_eq!(subscriber.next().await.as_deref(), Some(":\n\n"));
            assert!((HEARTBEAT..=HEARTBEAT + PAUSE).contains(&begun.elapsed()));
            drop(sender);
            assert_eq!(subscriber.next().await, None);
        });
    }
}
