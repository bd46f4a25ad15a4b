//! The body of an answer, whole and unpacked. Promises to hold no more of it than its bound, packed and again unpacked,
//! whatever it would unpack to. (Not awc's own unpacking: that unpacks whatever one read brings before anybody can look at a
//! bound, and of 64 KiB that is as much as 64 MiB, for each request in flight.)

use std::io::{ErrorKind, Read};

use actors::model::FailureClass;
use awc::ClientResponse;
use awc::error::PayloadError;
use awc::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use futures_util::{Stream, StreamExt};

/// What is packed into more than this is unpacked on another thread: it can be thousandfold, and takes milliseconds.
const AT_ONCE: usize = 16 * 1024;

/// Memory that is taken for what is only announced.
const MOST_RESERVED: usize = 1024 * 1024;

/// Why there is no body: whose failure that is, and what it did or is.
type NoBody = (FailureClass, String);

/// Reads it to its end, or to its bound.
pub(super) async fn read(
    response: &mut ClientResponse<impl Stream<Item = Result<Bytes, PayloadError>> + Unpin>,
    limit: usize,
) -> Result<Bytes, NoBody> {
    let announced = announced(response.headers());
    if announced.is_some_and(|announced| announced > limit) {
        return Err(too_large(limit));
    }
    let body = all_of(response, announced.unwrap_or(0), limit).await?;
    if announced.is_some_and(|announced| body.len() < announced) {
        // awc takes a connection that closes in mid-body for the body's end. The announced length tells; of a chunked
        // body only its JSON does.
        return Err(broke_off(body.len()));
    }
    match response.headers().get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase()) {
        None => Ok(body),
        Some(encoding) if encoding == b"identity" => Ok(body),
        Some(encoding) if encoding == b"gzip" && body.len() <= AT_ONCE => unpacked(&body, limit),
        Some(encoding) if encoding == b"gzip" => {
            let unpacked = tokio::task::spawn_blocking(move || unpacked(&body, limit)).await;
            unpacked.unwrap_or_else(|_| Err((FailureClass::Unparsable, "cannot be unpacked".to_owned())))
        }
        Some(_) => Err((FailureClass::Unparsable, "is packed otherwise than was asked for".to_owned())),
    }
}

fn unpacked(packed: &[u8], limit: usize) -> Result<Bytes, NoBody> {
    let mut body = Vec::new();
    match GzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut body) {
        Ok(_) if body.len() > limit => Err(too_large(limit)),
        Ok(_) => Ok(body.into()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(broke_off(packed.len())),
        Err(error) => Err((FailureClass::Unparsable, format!("cannot be unpacked: {error}"))),
    }
}

/// What comes in one piece, as most answers do, is not copied.
async fn all_of(
    pieces: &mut (impl Stream<Item = Result<Bytes, PayloadError>> + Unpin),
    announced: usize,
    limit: usize,
) -> Result<Bytes, NoBody> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| broken(&error))?;
        if first.len().max(all.len()) + piece.len() > limit {
            return Err(too_large(limit));
        }
        if first.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.reserve(announced.min(MOST_RESERVED));
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The head came and the body did not, or not whole.
fn broken(error: &PayloadError) -> NoBody {
    match error {
        PayloadError::EncodingCorrupted | PayloadError::UnknownLength => {
            (FailureClass::Unparsable, format!("cannot be read: {error}"))
        }
        _ => (FailureClass::Connection, format!("broke off: {error}")),
    }
}

fn too_large(limit: usize) -> NoBody {
    (FailureClass::Unparsable, format!("is larger than {limit} bytes"))
}

fn broke_off(after: usize) -> NoBody {
    (FailureClass::Connection, format!("broke off after {after} bytes"))
}
