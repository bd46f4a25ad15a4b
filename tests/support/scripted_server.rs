//! An HTTP server that says exactly the bytes it is told to, and remembers what it was asked.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does for one request.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    KeepAlive,
    Close,
    Hang,
    Drip,
}

impl Reply {
    /// A whole answer with a `Content-Length`; the connection stays open.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::with(status, &[], body.as_bytes())
    }

    /// The same with further headers.
    pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len()).into_bytes();
        for (name, value) in headers {
            bytes.extend(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        Self { bytes, then: Then::KeepAlive }
    }

    /// Exactly these bytes.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::KeepAlive }
    }

    /// Closes the connection afterwards.
    pub(crate) fn then_close(mut self) -> Self {
        self.then = Then::Close;
        self
    }

    /// Says nothing more, and keeps the connection open.
    pub(crate) fn then_hang(mut self) -> Self {
        self.then = Then::Hang;
        self
    }

    /// Goes on for ever with a byte now and then.
    pub(crate) fn then_drip(mut self) -> Self {
        self.then = Then::Drip;
        self
    }
}

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method, path and version.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection it came on, counted from 1.
    pub(crate) connection: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} was sent twice");
        value
    }
}

#[derive(Default)]
struct Shared {
    script: RefCell<VecDeque<Reply>>,
    requests: RefCell<Vec<Request>>,
    connections: Cell<usize>,
}

/// Lives as long as the value; needs a `LocalSet` or an actix system.
pub(crate) struct ScriptedServer {
    pub(crate) address: SocketAddr,
    shared: Rc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ScriptedServer {
    /// Answers the n-th request with the n-th reply, over all connections.
    pub(crate) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared =
            Rc::new(Shared { script: RefCell::new(script.into_iter().collect()), ..Default::default() });
        let accepting = tokio::task::spawn_local({
            let shared = Rc::clone(&shared);
            async move {
                let mut serving = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    shared.connections.set(shared.connections.get() + 1);
                    serving.spawn_local(serve(stream, Rc::clone(&shared), shared.connections.get()));
                }
            }
        });
        Self { address, shared, accepting }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.borrow().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.get()
    }
}

async fn serve(mut stream: TcpStream, shared: Rc<Shared>, connection: usize) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, connection).await {
        shared.requests.borrow_mut().push(request);
        let reply = shared.script.borrow_mut().pop_front().expect("the script has a reply for each request");
        if stream.write_all(&reply.bytes).await.is_err() {
            return;
        }
        match reply.then {
            Then::KeepAlive => {}
            Then::Close => return,
            Then::Hang => std::future::pending().await,
            Then::Drip => {
                let mut drops = tokio::time::interval(Duration::from_millis(5));
                while stream.write_all(b" ").await.is_ok() {
                    drops.tick().await;
                }
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).expect("a head of text");
            let mut lines = head.split("\r\n");
            let line = lines.next()?.to_owned();
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length.map_or(0, |(_, value)| value.parse().expect("a length"));
            if buffer.len() >= end + 4 + length {
                let body = buffer.drain(..end + 4 + length).skip(end + 4).collect();
                let body = String::from_utf8(body).expect("a body of text");
                return Some(Request { line, headers, body, connection });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
