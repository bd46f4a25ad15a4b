//! What the platform can answer at the most: requests that are ready as bytes, and answers of which only the end is looked for.

use std::cell::Cell;
use std::rc::Rc;

use actix_rt::System;
use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mock_platform::{EMAIL, PASSWORD};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Logs in, lists so many campaigns in pages of that size, and syncs each, so many at once.
pub(crate) fn run(platform: &str, campaigns: u64, page_size: u64, at_once: usize) -> anyhow::Result<()> {
    System::new().block_on(async {
        let host = platform.strip_prefix("http://").context("the platform is not on http")?;
        let mut connection = Connection::open(host).await?;
        let login = BASE64_STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));
        connection.exchange(&request(host, "POST /auth/token", &format!("Basic {login}"), "")).await?;
        let answer: Value = serde_json::from_slice(connection.body())?;
        let token = answer["access_token"].as_str().context("there is no token")?;
        let token: Rc<str> = format!("Bearer {token}").into();
        for page in 1..=campaigns.div_ceil(page_size).max(1) {
            let page = format!("GET /api/campaigns?page={page}&limit={page_size}");
            connection.exchange(&request(host, &page, &token, "")).await?;
        }
        let next = Rc::new(Cell::new(0));
        let workers: Vec<_> = (0..at_once)
            .map(|_| actix_rt::spawn(sync(host.to_owned(), token.clone(), next.clone(), campaigns)))
            .collect();
        for worker in workers {
            worker.await??;
        }
        Ok(())
    })
}

async fn sync(host: String, token: Rc<str>, next: Rc<Cell<u64>>, campaigns: u64) -> anyhow::Result<()> {
    let mut connection = Connection::open(&host).await?;
    while next.get() < campaigns {
        next.set(next.get() + 1);
        let id = format!("camp_{:06}", next.get());
        let body = format!("{{\"campaign_id\":\"{id}\"}}");
        connection
            .exchange(&request(&host, &format!("POST /api/campaigns/{id}/sync"), &token, &body))
            .await?;
    }
    Ok(())
}

fn request(host: &str, what: &str, authorization: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{what} HTTP/1.1\r\nhost: {host}\r\nx-client-id: default\r\nauthorization: {authorization}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One that is kept, with the last answer.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    body: usize,
}

impl Connection {
    async fn open(host: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::new(), body: 0 })
    }

    fn body(&self) -> &[u8] {
        &self.answer[self.body..]
    }

    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let end = loop {
            ensure!(
                self.stream.read_buf(&mut self.answer).await? > 0,
                "the platform has closed the connection"
            );
            if let Some(head) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
                self.body = head + 4;
                break self.body + announced(&self.answer[..head])?;
            }
        };
        while self.answer.len() < end {
            ensure!(
                self.stream.read_buf(&mut self.answer).await? > 0,
                "the platform has closed the connection"
            );
        }
        ensure!(self.answer.starts_with(b"HTTP/1.1 200"), "the platform does not answer 200");
        Ok(())
    }
}

/// The length of the body, by the head.
fn announced(head: &[u8]) -> anyhow::Result<usize> {
    let lines = std::str::from_utf8(head)?.lines();
    let mut lengths = lines.filter_map(|line| line.strip_prefix("content-length: "));
    Ok(lengths.next().context("the platform announces no length")?.parse()?)
}
