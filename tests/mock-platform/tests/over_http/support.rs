//! A tiny HTTP client of its own: one connection, bytes in, bytes out, and every byte of an answer accounted for.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mock_platform::{EMAIL, MockPlatform, PASSWORD, RateLimit, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A platform on a free port that has no limit, no fault and no latency, but for what `change` sets.
pub(crate) fn platform(change: impl FnOnce(&mut Settings)) -> MockPlatform {
    let mut settings = Settings {
        rate_limits: vec![],
        list_error_every: None,
        sync_latency: Duration::ZERO,
        ..Settings::default()
    };
    change(&mut settings);
    MockPlatform::start(settings, local()).expect("a free port on the loopback")
}

pub(crate) fn local() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

/// So many requests in a window that no test outlives.
pub(crate) fn limit(requests: u32) -> RateLimit {
    RateLimit { requests, window: Duration::from_secs(3600) }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// Sent with each request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Client {
    pub(crate) async fn connect(platform: &MockPlatform) -> Client {
        let stream = TcpStream::connect(platform.addr()).await.expect("the platform listens");
        Client { stream, inbox: Vec::new(), headers: Vec::new() }
    }

    /// Connected, logged in, and going by this `x-client-id`.
    pub(crate) async fn login(platform: &MockPlatform, client_id: &str) -> Client {
        let mut client = Client::connect(platform).await;
        let token = client.token().await;
        client.headers =
            vec![("authorization", format!("Bearer {token}")), ("x-client-id", client_id.to_owned())];
        client
    }

    pub(crate) async fn token(&mut self) -> String {
        let reply = self.authenticate(EMAIL, PASSWORD).await;
        reply.json()["access_token"].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn authenticate(&mut self, email: &str, password: &str) -> Reply {
        use base64::Engine;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{email}:{password}"));
        self.send(&format!("POST /auth/token HTTP/1.1\r\nauthorization: Basic {credentials}\r\n\r\n")).await;
        self.receive().await.expect("an answer")
    }

    pub(crate) async fn list(&mut self, query: &str) -> Reply {
        self.request("GET", &format!("/api/campaigns{query}"), "").await
    }

    pub(crate) async fn sync(&mut self, number: u64) -> Reply {
        self.send_sync(number).await;
        self.receive().await.expect("an answer")
    }

    pub(crate) async fn send_sync(&mut self, number: u64) {
        let id = format!("camp_{number:06}");
        let path = format!("/api/campaigns/{id}/sync");
        self.send_request("POST", &path, &format!("{{\"campaign_id\":\"{id}\"}}")).await;
    }

    pub(crate) async fn request(&mut self, method: &str, target: &str, body: &str) -> Reply {
        self.send_request(method, target, body).await;
        self.receive().await.expect("an answer")
    }

    pub(crate) async fn send_request(&mut self, method: &str, target: &str, body: &str) {
        let headers =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
        let length = body.len();
        self.send(&format!("{method} {target} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}"))
            .await;
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the platform reads");
    }

    /// The next answer; `UnexpectedEof` where the platform closes the connection instead.
    pub(crate) async fn receive(&mut self) -> io::Result<Reply> {
        let end = loop {
            match self.inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let head = String::from_utf8(self.inbox[..end].to_vec()).expect("a head in ASCII");
        let mut reply = Reply { status: head[9..12].parse().expect("a status"), head, body: Vec::new() };
        let length = reply.header("content-length").expect("a length").parse::<usize>().expect("a number");
        while self.inbox.len() < end + length {
            self.read().await?;
        }
        reply.body = self.inbox.drain(..end + length).skip(end).collect();
        Ok(reply)
    }

    /// Everything up to the close of the connection.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let end = loop {
            if let Err(error) = self.read().await {
                break error;
            }
        };
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof, "closed, not reset");
        self.inbox
    }

    /// The beginning of what comes next: at least so many bytes, taken from the answer.
    pub(crate) async fn beginning(&mut self, length: usize) -> Vec<u8> {
        while self.inbox.len() < length {
            self.read().await.expect("there is more");
        }
        std::mem::take(&mut self.inbox)
    }

    /// Reads until something comes, which stays to be received, or says how the connection ended.
    pub(crate) async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.inbox).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
