//! HTTP as far as these tests need to serve it: whole requests over kept-alive connections, and answers of any bytes.

use std::io::{Read, Write};
use std::net::TcpStream;

/// What a client has sent.
pub(crate) struct Request {
    /// Method, path and version, and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn is(&self, method_and_path: &str) -> bool {
        self.head.starts_with(method_and_path)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let named = self.head.lines().filter_map(|line| line.split_once(": "));
        named.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap()
    }
}

/// What it gets.
pub(crate) enum Reply {
    /// These bytes; the connection goes on.
    Whole(Vec<u8>),
    /// These bytes, and the connection's end.
    CutOff(Vec<u8>),
    /// Nothing, until the client has enough of it.
    Never,
}

/// Answers every request of the connection.
pub(crate) fn serve(mut stream: TcpStream, answer: impl Fn(&Request) -> Reply) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes.extend(&buffer[..read]);
        while let Some(request) = taken(&mut bytes) {
            let (sent, goes_on) = match answer(&request) {
                Reply::Whole(answer) => (stream.write_all(&answer), true),
                Reply::CutOff(answer) => (stream.write_all(&answer), false),
                Reply::Never => (Ok(()), true),
            };
            if sent.is_err() || !goes_on {
                return;
            }
        }
    }
}

/// The first request, once it is there.
fn taken(bytes: &mut Vec<u8>) -> Option<Request> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length:").and_then(|n| n.trim().parse().ok())
    });
    let whole = end + 4 + length.unwrap_or(0);
    if bytes.len() < whole {
        return None;
    }
    let body = bytes.drain(..whole).skip(end + 4).collect();
    Some(Request { head, body })
}
