//! A collector of traces as far as these tests need one: it takes OTLP over HTTP and remembers it, or has worse manners.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use serde_json::{Value, json};

use crate::loopback_server::LoopbackServer;

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    Takes,
    Refuses,
    NeverAnswers,
}

/// A span as the collector knows it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) trace: Vec<u8>,
    pub(crate) id: Vec<u8>,
    /// Empty: it is a root.
    pub(crate) parent: Vec<u8>,
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// Its message, where it is one of an error.
    pub(crate) error: Option<String>,
}

#[derive(Default)]
struct Shared {
    heads: Vec<String>,
    bodies: Vec<Vec<u8>>,
}

/// See the module. It lives as long as the value.
pub(crate) struct Collector {
    shared: Arc<Mutex<Shared>>,
    server: LoopbackServer,
}

impl Collector {
    pub(crate) fn start(manners: Manners) -> Self {
        let shared = Arc::<Mutex<Shared>>::default();
        let shares = shared.clone();
        Self { shared, server: LoopbackServer::start(move |stream| serve(stream, manners, &shares)) }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The heads of the requests, whatever became of them.
    pub(crate) fn heads(&self) -> Vec<String> {
        lock(&self.shared).heads.clone()
    }

    /// Whether these words are in anything that it was sent.
    pub(crate) fn was_told(&self, words: &str) -> bool {
        let shared = lock(&self.shared);
        let bodies = shared.bodies.iter().map(Vec::as_slice);
        let mut sent = bodies.chain(shared.heads.iter().map(String::as_bytes));
        sent.any(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
    }

    /// What each request says about its sender.
    pub(crate) fn resources(&self) -> Vec<BTreeMap<String, Value>> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        resources.map(|spans| attributes(spans.resource.expect("it names its sender").attributes)).collect()
    }

    pub(crate) fn spans(&self) -> Vec<Seen> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        let spans = resources.flat_map(|spans| spans.scope_spans).flat_map(|scope| scope.spans);
        let seen = spans.map(|span| {
            assert!(span.events.is_empty(), "the log has the events: {span:?}");
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
            Seen {
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                name: span.name,
                attributes: attributes(span.attributes),
                error: span.status.filter(|status| status.code == 2).map(|status| status.message),
            }
        });
        seen.collect()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let shared = lock(&self.shared);
        let decode = |body: &Vec<u8>| ExportTraceServiceRequest::decode(&body[..]).expect("it is OTLP");
        shared.bodies.iter().map(decode).collect()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().expect("nobody panics with it")
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, Value> {
    pairs.into_iter().map(|KeyValue { key, value, .. }| (key, json_of(value))).collect()
}

fn json_of(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::IntValue(number)) => json!(number),
        Some(any_value::Value::BoolValue(switch)) => json!(switch),
        other => panic!("no attribute of ours is {other:?}"),
    }
}

fn serve(mut stream: TcpStream, manners: Manners, shared: &Mutex<Shared>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("a head of text");
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").and_then(|n| n.trim().parse().ok())
            });
            let whole = end + 4 + length.unwrap_or(0);
            if bytes.len() >= whole {
                let body = bytes.drain(..whole).skip(end + 4).collect();
                lock(shared).heads.push(head);
                lock(shared).bodies.push(body);
                let answer = match manners {
                    Manners::Takes => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                    Manners::Refuses => "HTTP/1.1 500 X\r\ncontent-length: 4\r\n\r\nfull",
                    // Until the client has enough of it.
                    Manners::NeverAnswers => "",
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
                continue;
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend(&buffer[..read]),
            _ => return,
        }
    }
}
