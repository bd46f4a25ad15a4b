//! The way to the collector: the exporter's HTTP client. It is awc, as for the platforms, because another library would bring
//! another TLS; and awc has its place in a runtime, which the exporter's thread has not, so it has a thread of its own.

use std::time::Duration;

use actix_rt::Runtime;
use async_trait::async_trait;
use awc::http::header::{HeaderName, HeaderValue};
use awc::http::{Method, StatusCode};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use url::Url;

use crate::platform::Connections;
use crate::tls::Authorities;

/// Of one request, connect to last byte.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// An answer is a few bytes, and an error a line.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How often a collector that takes nothing is complained about.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(300);

/// See the module. Its thread ends with it.
#[derive(Debug)]
pub(super) struct Collector(mpsc::Sender<Job>);

#[derive(Debug)]
struct Job {
    request: Request<Bytes>,
    reply: oneshot::Sender<Result<Response<Bytes>, HttpError>>,
}

impl Collector {
    /// Of this URL; nothing is sent yet.
    pub(super) fn start(url: &Url) -> anyhow::Result<Self> {
        // The exporter sends one request after the other.
        let (jobs, waiting) = mpsc::channel(1);
        let (name, is_encrypted) = (url.to_string(), url.scheme() == "https");
        let (ready, is_ready) = std::sync::mpsc::channel();
        let work = move || {
            let runtime = match Runtime::new() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(anyhow::Error::from(error)))),
            };
            runtime.block_on(async {
                let connections = match is_encrypted {
                    true => Connections::encrypted(1, &Authorities::default()),
                    false => Connections::plain(1),
                };
                match connections {
                    Ok(connections) => {
                        let _ = ready.send(Ok(()));
                        serve(&connections, &name, waiting).await;
                    }
                    Err(error) => drop(ready.send(Err(error.into()))),
                }
            });
        };
        std::thread::Builder::new().name("traces".to_owned()).spawn(work)?;
        is_ready.recv()??;
        Ok(Self(jobs))
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Job { request, reply }).await?;
        answer.await?
    }
}

async fn serve(connections: &Connections, collector: &str, mut jobs: mpsc::Receiver<Job>) {
    let mut complaints = Complaints::default();
    while let Some(Job { request, reply }) = jobs.recv().await {
        let answer = match timeout(REQUEST_LIMIT, send(connections, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("it did not answer within {} s", REQUEST_LIMIT.as_secs()).into()),
        };
        let failure = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        match complaints.worth_saying(failure.is_some()) {
            Some(Change::Fails) => {
                let cause = failure.unwrap_or_default();
                warn!(collector, cause, "the collector does not take the traces: what it misses is lost");
            }
            Some(Change::Recovered) => info!(collector, "the collector takes the traces again"),
            None => {}
        }
        // An exporter that has given up needs no answer.
        let _ = reply.send(answer);
    }
}

async fn send(connections: &Connections, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = request.into_parts();
    let mut request = connections.0.request(Method::POST, head.uri.to_string());
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes())?;
        request = request.insert_header((name, HeaderValue::from_bytes(value.as_bytes())?));
    }
    // Its error cannot travel to another thread.
    let mut answer = request.send_body(body).await.map_err(|error| error.to_string())?;
    let status: StatusCode = answer.status();
    let body = answer.body().limit(MAX_ANSWER_BYTES).await?;
    Ok(Response::builder().status(status.as_u16()).body(body)?)
}

/// What has been said of the collector: that it fails once in a while, and then that it does no more.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Fails,
    Recovered,
}

impl Complaints {
    fn worth_saying(&mut self, has_failed: bool) -> Option<Change> {
        if !has_failed {
            return self.last.take().map(|_| Change::Recovered);
        }
        if self.last.is_some_and(|last| last.elapsed() < COMPLAINT_INTERVAL) {
            return None;
        }
        self.last = Some(Instant::now());
        Some(Change::Fails)
    }
}

#[cfg(test)]
mod tests {
    use actors::testing::in_virtual_time;
    use tokio::time::advance;

    use super::*;

    #[test]
    fn a_collector_that_fails_is_complained_about_once_in_five_minutes_and_praised_once() {
        in_virtual_time(async {
            let mut complaints = Complaints::default();
            assert_eq!(complaints.worth_saying(false), None);
            for _ in 0..2 {
                assert_eq!(complaints.worth_saying(true), Some(Change::Fails));
                for _ in 0..4 {
                    advance(COMPLAINT_INTERVAL / 5).await;
                    assert_eq!(complaints.worth_saying(true), None);
                }
                advance(COMPLAINT_INTERVAL / 5).await;
            }
            assert_eq!(complaints.worth_saying(true), Some(Change::Fails));
            assert_eq!(complaints.worth_saying(false), Some(Change::Recovered));
            assert_eq!(complaints.worth_saying(false), None);
            assert_eq!(complaints.worth_saying(true), Some(Change::Fails), "another time");
        });
    }
}
