//! A platform whose listing is whatever JSON a test says, and that can be mended between two commands: what the mock
//! platform, which only lists good campaigns, does not offer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::loopback_server::LoopbackServer;

/// See the module. It lives as long as the value.
pub(crate) struct ListingPlatform {
    shared: Arc<Mutex<Shared>>,
    server: LoopbackServer,
}

#[derive(Default)]
struct Shared {
    entries: Vec<String>,
    synced: Vec<String>,
    lists: u64,
}

impl ListingPlatform {
    /// With these entries, as they stand in the pages.
    pub(crate) fn start(entries: Vec<String>) -> Self {
        let shared = Arc::new(Mutex::new(Shared { entries, ..Shared::default() }));
        let shares = shared.clone();
        Self { shared, server: LoopbackServer::start(move |stream| serve(stream, &shares)) }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// From now on it lists these.
    pub(crate) fn list_instead(&self, entries: Vec<String>) {
        lock(&self.shared).entries = entries;
    }

    /// The ids that were synced since this was asked last, in order; and how many pages were listed.
    pub(crate) fn take_seen(&self) -> (Vec<String>, u64) {
        let mut shared = lock(&self.shared);
        let mut synced = std::mem::take(&mut shared.synced);
        synced.sort();
        (synced, std::mem::take(&mut shared.lists))
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().expect("nobody panics with it")
}

/// One request a connection. The sync of a campaign whose id begins with `refused` gets a 404.
fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) {
    let Some((path, body)) = read_request(&mut stream) else { return };
    let answer = answer(&path, &body, &mut lock(shared));
    let status = if path.contains("/refused") { "404 Not Found" } else { "200 OK" };
    let head = "connection: close\r\ncontent-type: application/json\r\ncontent-length";
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}: {}\r\n\r\n{answer}", answer.len());
}

fn answer(path: &str, body: &str, shared: &mut Shared) -> String {
    if let Some(query) = path.strip_prefix("/api/campaigns?") {
        shared.lists += 1;
        let number = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)).expect("it is there");
            value.parse::<usize>().expect("a number")
        };
        let (page, limit) = (number("page="), number("limit="));
        let begin = ((page - 1) * limit).min(shared.entries.len());
        let end = (begin + limit).min(shared.entries.len());
        let (data, total) = (shared.entries[begin..end].join(","), shared.entries.len());
        let has_more = end < total;
        return format!(
            r#"{{"data":[{data}],"pagination":{{"page":{page},"limit":{limit},"total":{total},"has_more":{has_more}}}}}"#
        );
    }
    if path == "/auth/token" {
        return r#"{"access_token":"a-token-of-the-listing","token_type":"Bearer","expires_in":3600,"issued_at":0}"#.to_owned();
    }
    let body: Value = serde_json::from_str(body).expect("a sync request is JSON");
    let id = body["campaign_id"].as_str().expect("it names a campaign");
    shared.synced.push(id.to_owned());
    format!(r#"{{"success":true,"campaign_id":"{id}","synced_at":"2026-01-02T03:04:05Z","message":"done"}}"#)
}

/// Its path and its body; none where the client has gone.
fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").and_then(|n| n.trim().parse().ok())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some((head.split(' ').nth(1)?.to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            read => bytes.extend(&buffer[..read]),
        }
    }
}
