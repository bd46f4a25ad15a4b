//! HTTP/1.1 as bytes: a buffer is parsed into a request, a response is written into a buffer. Nothing here waits.
//! A head or a body that is larger than its bound is refused before it is held.

use std::io::Write;
use std::time::SystemTime;

use httpdate::HttpDate;
use serde::Serialize;

/// Request line and headers, in bytes: twice what common servers allow a client.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// A request's body, in bytes: the largest that the contract knows is a campaign's id.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 64;

/// What the platform looks at in a request, borrowed from the buffer that it came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path and query as they were sent.
    pub(crate) target: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) body: &'a [u8],
    /// The client wants the connection closed after the answer.
    pub(crate) close: bool,
}

/// What a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// The beginning of a request.
    Partial,
    /// A request, in this many bytes.
    Complete(Request<'a>, usize),
}

/// Parses the request at the beginning of `buffer`, or says how to refuse it; the connection cannot go on then.
pub(crate) fn parse(buffer: &[u8]) -> Result<Parsed<'_>, Response> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let too_large = || Response::error(431, "the request's head is larger than this platform accepts");
    let head_length = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if buffer.len() <= MAX_HEAD => return Ok(Parsed::Partial),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
        Err(error) => return Err(Response::error(400, &format!("the request is not HTTP: {error}"))),
    };
    let mut request = Request {
        method: head.method.unwrap_or_default(),
        target: head.path.unwrap_or_default(),
        close: head.version == Some(0),
        ..Request::default()
    };
    let mut body_length = None;
    for header in head.headers.iter() {
        let name = header.name;
        if name.eq_ignore_ascii_case("authorization") {
            request.authorization = Some(text(header)?);
        } else if name.eq_ignore_ascii_case("x-client-id") {
            request.client_id = Some(text(header)?);
        } else if name.eq_ignore_ascii_case("idempotency-key") {
            request.idempotency_key = Some(text(header)?);
        } else if name.eq_ignore_ascii_case("connection") {
            for option in text(header)?.split(',') {
                request.close |= option.trim().eq_ignore_ascii_case("close");
            }
        } else if name.eq_ignore_ascii_case("content-length") {
            let length = content_length(text(header)?)?;
            if body_length.is_some_and(|earlier| earlier != length) {
                return Err(Response::error(400, "Content-Length is there twice, and differs"));
            }
            body_length = Some(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Response::error(411, "this platform needs a Content-Length"));
        }
    }
    let length = head_length + body_length.unwrap_or(0);
    let Some(body) = buffer.get(head_length..length) else {
        return Ok(Parsed::Partial);
    };
    request.body = body;
    Ok(Parsed::Complete(request, length))
}

fn text<'a>(header: &httparse::Header<'a>) -> Result<&'a str, Response> {
    str::from_utf8(header.value)
        .map_err(|_| Response::error(400, &format!("the header {} is not UTF-8", header.name)))
}

fn content_length(value: &str) -> Result<usize, Response> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Response::error(400, "Content-Length is not a number"));
    }
    // Digits that do not fit are a number that is too large.
    match value.parse() {
        Ok(length) if length <= MAX_BODY => Ok(length),
        _ => Err(Response::error(413, "the request's body is larger than this platform accepts")),
    }
}

/// Names and values.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// A response before it is bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Besides `Content-Type`, `Content-Length` or `Transfer-Encoding`, `Date` and `Connection`.
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A JSON response.
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Response {
        let body = serde_json::to_vec(body).expect("what the platform answers can be written as JSON");
        Response { status, content_type: "application/json", headers: Vec::new(), body }
    }

    /// `{"error": message}`
    pub(crate) fn error(status: u16, message: &str) -> Response {
        Response::json(status, &serde_json::json!({ "error": message }))
    }

    /// 503.
    pub(crate) fn unavailable() -> Response {
        Response::error(503, "the service is temporarily unavailable")
    }

    /// 401, with the scheme that is asked for.
    pub(crate) fn unauthorized(message: &str, scheme: &str) -> Response {
        Response::error(401, message).with("www-authenticate", scheme)
    }

    /// With one header more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// With these headers more.
    pub(crate) fn with_all(mut self, headers: Headers) -> Response {
        self.headers.extend(headers);
        self
    }

    /// Appends the response's bytes to `out`; the head alone where the request was a HEAD.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>, close: bool, head_only: bool) {
        self.write_head(out, Framing::Length, close);
        if !head_only {
            out.extend_from_slice(&self.body);
        }
    }

    /// Appends the response's head to `out`.
    pub(crate) fn write_head(&self, out: &mut Vec<u8>, framing: Framing, close: bool) {
        let mut head = || -> std::io::Result<()> {
            write!(out, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status))?;
            write!(out, "content-type: {}\r\n", self.content_type)?;
            match framing {
                Framing::Length => write!(out, "content-length: {}\r\n", self.body.len())?,
                Framing::Chunked => write!(out, "transfer-encoding: chunked\r\n")?,
            }
            write!(out, "date: {}\r\n", HttpDate::from(SystemTime::now()))?;
            for (name, value) in &self.headers {
                write!(out, "{name}: {value}\r\n")?;
            }
            out.write_all(if close { b"connection: close\r\n\r\n" } else { b"\r\n" })
        };
        head().expect("a vector takes all that is written to it");
    }
}

/// How a client knows where a body ends.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    Length,
    Chunked,
}

/// Appends a piece of a chunked body to `out`; an empty one ends the body.
pub(crate) fn write_chunk(piece: &[u8], out: &mut Vec<u8>) {
    write!(out, "{:x}\r\n", piece.len()).expect("a vector takes all that is written to it");
    out.extend_from_slice(piece);
    out.extend_from_slice(b"\r\n");
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SYNC: &[u8] = b"POST /a?b HTTP/1.1\r\nAuthorization: Bearer t\r\nX-CLIENT-ID: c\r\n\
        idempotency-key: k\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\n";
    const NEXT: &[u8] = b"GET / HTTP/1.1\r\n";

    fn status(buffer: &[u8]) -> Result<(), u16> {
        parse(buffer).map(drop).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_request_is_complete_with_its_last_byte_and_does_not_take_the_next_ones() {
        let length = SYNC.len() - NEXT.len();
        for end in 0..length {
            assert_eq!(parse(&SYNC[..end]), Ok(Parsed::Partial), "{end}");
        }
        let request = Request {
            method: "POST",
            target: "/a?b",
            authorization: Some("Bearer t"),
            client_id: Some("c"),
            idempotency_key: Some("k"),
            body: b"body",
            close: false,
        };
        assert_eq!(parse(SYNC), Ok(Parsed::Complete(request, length)));
    }

    #[test]
    fn a_connection_ends_where_the_client_says_so_or_speaks_http_1_0() {
        let close = |buffer| matches!(parse(buffer), Ok(Parsed::Complete(Request { close: true, .. }, _)));
        assert!(close(b"GET / HTTP/1.0\r\n\r\n"));
        assert!(close(b"GET / HTTP/1.1\r\nconnection: te, Close\r\n\r\n"));
        assert!(close(b"GET / HTTP/1.1\r\nconnection: close, te\r\n\r\n"));
        assert!(!close(b"GET / HTTP/1.1\r\nconnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn what_is_malformed_or_too_large_is_refused_with_its_status() {
        let with = |header: &str| format!("POST / HTTP/1.1\r\n{header}\r\n\r\n").into_bytes();
        assert_eq!(status(b"\x16\x03\x01 TLS"), Err(400));
        assert_eq!(status(&with("content-length: -1")), Err(400));
        assert_eq!(status(&with("content-length: +1")), Err(400));
        assert_eq!(status(&with("content-length: 1\r\ncontent-length: 2")), Err(400));
        assert_eq!(status(&with("content-length: 0\r\ncontent-length: 0")), Ok(()));
        assert_eq!(status(&with("content-length: 65536")), Ok(()));
        assert_eq!(status(&with("content-length: 65537")), Err(413));
        assert_eq!(status(&with("content-length: 99999999999999999999999")), Err(413));
        assert_eq!(status(&with("transfer-encoding: chunked")), Err(411));
        assert_eq!(status(b"GET / HTTP/1.1\r\nx-client-id: \xff\r\n\r\n"), Err(400));
        assert_eq!(status(&with(&"a: b\r\n".repeat(65))), Err(431));
    }

    #[test]
    fn a_head_may_be_as_large_as_its_bound_and_no_larger_whether_it_ends_or_not() {
        let frame = "GET / HTTP/1.1\r\na: \r\n\r\n".len();
        let head = |length: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(length - frame));
        assert_eq!(status(head(MAX_HEAD).as_bytes()), Ok(()));
        assert_eq!(status(head(MAX_HEAD + 1).as_bytes()), Err(431));
        assert_eq!(status(&head(MAX_HEAD + 4).as_bytes()[..MAX_HEAD + 1]), Err(431));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..100) {
            let _ = parse(&bytes);
            let mut broken = SYNC[..cut.min(SYNC.len())].to_vec();
            broken.extend(bytes);
            let _ = parse(&broken);
        }
    }
}
