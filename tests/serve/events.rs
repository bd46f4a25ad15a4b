//! The status page's rows as they change.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::model::FailureClass;
use actors::progress::Progress;
use campaign_sync::serve::scheduler::{Configure, Pause, Resume};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{Serving, plan, serving};

/// What has not come by then does not come: a sign of life is due every 15 s.
const PATIENCE: Duration = Duration::from_secs(30);

struct Events {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Events {
    async fn of(serving: &Serving) -> Self {
        Self::at(serving, "/events").await
    }

    async fn at(serving: &Serving, target: &str) -> Self {
        let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n");
        Self { stream: serving.client.open(&head, "").await, read: vec![] }
    }

    /// The ids of the next event's rows, and of those that are gone; none where the server has ended it.
    async fn next(&mut self) -> Option<(Vec<String>, Vec<String>)> {
        let Rows { rows, removed, .. } = self.next_rows().await?;
        Some((rows.into_keys().collect(), removed))
    }

    async fn next_rows(&mut self) -> Option<Rows> {
        timeout(PATIENCE, self.read_rows()).await.expect("nothing comes any more")
    }

    async fn read_rows(&mut self) -> Option<Rows> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let event = self.read.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                if let Some((_, data)) = event.split_once("event: rows\ndata: ") {
                    return Some(serde_json::from_str(data.trim_end()).unwrap());
                }
                continue;
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes).await.unwrap() {
                0 => return None,
                length => self.read.extend(&bytes[..length]),
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Rows {
    all: bool,
    #[serde(deserialize_with = "by_id")]
    rows: BTreeMap<String, String>,
    removed: Vec<String>,
    counts: BTreeMap<String, usize>,
}

fn by_id<'de, D: Deserializer<'de>>(rows: D) -> Result<BTreeMap<String, String>, D::Error> {
    Vec::<(String, String)>::deserialize(rows).map(|rows| rows.into_iter().collect())
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

async fn pause(serving: &Serving, account: &str) {
    serving.scheduler.send(Pause(account.into(), Timestamp::now())).await.unwrap().unwrap();
}

#[test]
fn a_subscriber_gets_all_accounts_then_what_has_changed_and_the_newest_state_of_it() {
    serving(None, vec![], async |serving| {
        let mut events = Events::of(serving).await;
        assert_eq!(events.next().await.unwrap(), (owned(&["a", "b", "c"]), vec![]));
        pause(serving, "b").await;
        assert_eq!(events.next().await.unwrap(), (owned(&["b"]), vec![]));
        // Faster than it is told: one event.
        for _ in 0..20 {
            serving.scheduler.send(Resume("a".into())).await.unwrap().unwrap();
            pause(serving, "c").await;
        }
        assert_eq!(events.next().await.unwrap(), (owned(&["c"]), vec![]));
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
            let mut events = Events::of(serving).await;
            events.next().await.unwrap();
            subscribers.push(events);
        }
        let answer = serving.client.raw("GET /events HTTP/1.1\r\nhost: localhost\r\n", "").await;
        assert_eq!((answer.status, answer.detail()), (503, "64 listen already: that is all".to_owned()));
        subscribers.truncate(60);
        pause(serving, "a").await;
        assert!(subscribers[0].next().await.is_some());
        // They are noticed when they are written to.
        loop {
            serving.scheduler.send(Resume("a".into())).await.unwrap().unwrap();
            assert!(subscribers[0].next().await.is_some());
            pause(serving, "a").await;
            assert!(subscribers[0].next().await.is_some());
            if Events::of(serving).await.next().await.is_some() {
                break;
            }
        }
    });
}

#[test]
fn who_follows_one_account_hears_of_no_other_and_of_its_end() {
    serving(None, vec![], async |serving| {
        let mut events = Events::at(serving, "/events?account=b").await;
        let rows = events.next_rows().await.unwrap();
        assert_eq!((rows.rows.into_keys().collect::<Vec<_>>(), rows.all), (owned(&["b"]), true));
        pause(serving, "a").await;
        pause(serving, "b").await;
        let rows = events.next_rows().await.unwrap();
        assert!(!rows.all);
        assert_eq!(rows.rows.keys().collect::<Vec<_>>(), ["b"]);
        assert!(rows.rows["b"].contains("<strong>paused</strong>"), "{rows:?}");
        assert_eq!((rows.counts["paused"], rows.counts["idle"]), (2, 1));
        serving.scheduler.send(Configure(vec![plan("c")])).await.unwrap();
        assert_eq!(events.next().await.unwrap(), (vec![], owned(&["b"])));
    });
}

#[test]
fn what_a_run_is_doing_and_the_dead_letters_are_in_its_row_and_in_the_api() {
    serving(None, vec![], async |serving| {
        let mut events = Events::at(serving, "/events?account=a").await;
        events.next().await.unwrap();
        let (run, watched) = watch::channel(Progress::default());
        serving.live.watch(&"a".into(), watched);
        run.send_modify(|now| (now.stored, now.stored_before, now.reported_total) = (30, 12, Some(100)));
        serving.letters.update([("a".into(), vec![(FailureClass::Timeout, 2)])].into());
        let mut row = String::new();
        while !row.contains("42 of 100 stored") || !row.contains("2 timeout") {
            row = events.next_rows().await.unwrap().rows.remove("a").unwrap();
        }
        let account = serving.client.get("/api/accounts/a").await.json();
        assert_eq!(
            (&account["progress"]["stored"], &account["progress"]["reported_total"]),
            (&42.into(), &100.into())
        );
        assert_eq!(account["dead_letters"]["timeout"], 2);
        drop(run);
        while row.contains("stored") {
            row = events.next_rows().await.unwrap().rows.remove("a").unwrap();
        }
        assert!(serving.client.get("/api/accounts/a").await.json()["progress"].is_null());
    });
}
