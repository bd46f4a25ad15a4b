//! Accounts as they change.

use campaign_sync::serve::scheduler::{Configure, Pause, Resume};
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{Serving, plan, serving};

const SUBSCRIBE: &str = "GET /api/events HTTP/1.1\r\nhost: localhost\r\n";

struct Events {
    stream: TcpStream,
    read: String,
}

impl Events {
    async fn of(serving: &Serving) -> Self {
        Self { stream: serving.client.open(SUBSCRIBE, "").await, read: String::new() }
    }

    /// The ids of the next event's accounts, and of those that are gone; none where the server has ended it.
    async fn next(&mut self) -> Option<(Vec<String>, Vec<String>)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.split_once("event: accounts\ndata: ").map(|(_, data)| data.to_owned());
                self.read = rest.to_owned();
                if let Some(data) = data {
                    let data: Value = serde_json::from_str(&data).unwrap();
                    let ids = |list: &Value, id: fn(&Value) -> &Value| {
                        list.as_array()
                            .unwrap()
                            .iter()
                            .map(|item| id(item).as_str().unwrap().to_owned())
                            .collect()
                    };
                    return Some((
                        ids(&data["accounts"], |account| &account["id"]),
                        ids(&data["removed"], |id| id),
                    ));
                }
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes).await.unwrap() {
                0 => return None,
                length => self.read += str::from_utf8(&bytes[..length]).unwrap(),
            }
        }
    }
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn a_subscriber_gets_all_accounts_then_what_has_changed_and_the_newest_state_of_it() {
    serving(None, vec![], async |serving| {
        let mut events = Events::of(&serving).await;
        assert_eq!(events.next().await.unwrap(), (owned(&["a", "b", "c"]), vec![]));
        serving.scheduler.send(Pause("b".into(), Timestamp::now())).await.unwrap().unwrap();
        assert_eq!(events.next().await.unwrap(), (owned(&["b"]), vec![]));
        // Faster than it is told: one event.
        for _ in 0..20 {
            serving.scheduler.send(Resume("a".into())).await.unwrap().unwrap();
            serving.scheduler.send(Pause("c".into(), Timestamp::now())).await.unwrap().unwrap();
        }
        let mut seen = vec![];
        while seen != owned(&["a", "c"]) {
            seen.extend(events.next().await.unwrap().0);
            seen.sort();
            seen.dedup();
        }
        serving.scheduler.send(Configure(["a", "d"].map(plan).to_vec())).await.unwrap();
        let (changed, removed) = events.next().await.unwrap();
        assert!(
            changed.contains(&"d".to_owned()) && removed == owned(&["b", "c"]),
            "{changed:?} {removed:?}"
        );
    });
}

#[test]
fn subscribers_are_bounded_and_who_leaves_makes_room() {
    serving(None, vec![], async |serving| {
        let mut subscribers = vec![];
        for _ in 0..64 {
            let mut events = Events::of(&serving).await;
            events.next().await.unwrap();
            subscribers.push(events);
        }
        let answer = serving.client.get("/api/events").await;
        assert_eq!((answer.status, answer.detail()), (503, "64 listen already: that is all".to_owned()));
        subscribers.truncate(60);
        // They are noticed when they are written to.
        loop {
            serving.scheduler.send(Pause("a".into(), Timestamp::now())).await.unwrap().unwrap();
            if Events::of(&serving).await.next().await.is_some() {
                break;
            }
        }
    });
}
