//! The least that anybody can do with the HTTP client that campaign-sync has: its requests, and nothing with their answers.

use std::cell::Cell;
use std::rc::Rc;

use actix_rt::System;
use anyhow::{Context, bail};
use awc::http::StatusCode;
use awc::{Client, ClientRequest, Connector};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mock_platform::{EMAIL, PASSWORD};
use serde_json::Value;

/// Larger than a page of the largest size.
const MOST: usize = 16 * 1024 * 1024;

/// Logs in, lists so many campaigns in pages of that size, and syncs each, so many at once.
pub(crate) fn run(platform: &str, campaigns: u64, page_size: u64, at_once: usize) -> anyhow::Result<()> {
    System::new().block_on(async {
        let client = Client::builder()
            .connector(Connector::new().limit(at_once))
            .disable_timeout()
            // The same that campaign-sync sends.
            .add_default_header(("x-client-id", "default"))
            .add_default_header(("accept", "application/json"))
            .add_default_header(("accept-encoding", "gzip"))
            .add_default_header(("user-agent", concat!("campaign-sync/", env!("CARGO_PKG_VERSION"))))
            .finish();
        let login = BASE64_STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));
        let login = client
            .post(format!("{platform}/auth/token"))
            .insert_header(("authorization", format!("Basic {login}")));
        let answer: Value = serde_json::from_slice(&exchange(login, Vec::new()).await?)?;
        let token = answer["access_token"].as_str().context("there is no token")?;
        let token: Rc<str> = format!("Bearer {token}").into();
        for page in 1..=campaigns.div_ceil(page_size).max(1) {
            let page = client.get(format!("{platform}/api/campaigns?page={page}&limit={page_size}"));
            exchange(page.insert_header(("authorization", &*token)), Vec::new()).await?;
        }
        let next = Rc::new(Cell::new(0));
        let workers: Vec<_> = (0..at_once)
            .map(|_| {
                actix_rt::spawn(sync(
                    client.clone(),
                    platform.to_owned(),
                    token.clone(),
                    next.clone(),
                    campaigns,
                ))
            })
            .collect();
        for worker in workers {
            worker.await??;
        }
        Ok(())
    })
}

async fn sync(
    client: Client,
    platform: String,
    token: Rc<str>,
    next: Rc<Cell<u64>>,
    campaigns: u64,
) -> anyhow::Result<()> {
    while next.get() < campaigns {
        next.set(next.get() + 1);
        let id = format!("camp_{:06}", next.get());
        let request = client
            .post(format!("{platform}/api/campaigns/{id}/sync"))
            .insert_header(("authorization", &*token))
            .insert_header(("idempotency-key", id.as_str()))
            .insert_header(("content-type", "application/json"));
        exchange(request, format!("{{\"campaign_id\":\"{id}\"}}").into_bytes()).await?;
    }
    Ok(())
}

async fn exchange(request: ClientRequest, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    // Its errors may not be sent to another thread, as this one's may.
    let mut response = request.send_body(body).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let body = response.body().limit(MOST).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    if response.status() != StatusCode::OK {
        bail!("the platform answers {}", response.status());
    }
    Ok(body.to_vec())
}
