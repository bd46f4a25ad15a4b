//! Carries an answer out: waits until it is due, counts it, and writes it as it is to be written. Nothing is decided
//! here.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::answer::{Answer, Delivery, Manner};
use crate::http::{Framing, Response, write_chunk};
use crate::routes::{Platform, lock};
use crate::stats::Outcome;

/// From a request's first byte to its last, and for a client to take an answer. Between requests a connection may
/// be idle as long as the client likes.
pub(crate) const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// What an outbox keeps between answers, in bytes: most of them whole.
const KEPT: usize = 4 * 1024;
/// A chunk of an answer that comes in chunks, in bytes: no field of it whole.
const CHUNK: usize = 7;
/// Between two bytes of an answer that drips: slow, and never so slow that the client sees an idle connection.
const DRIP: Duration = Duration::from_millis(50);

/// A request that has arrived, and what it gets.
pub(crate) struct Exchange {
    pub(crate) answer: Answer,
    pub(crate) arrival: Instant,
    /// The client wants the connection closed afterwards.
    pub(crate) close: bool,
    /// The request was a HEAD.
    pub(crate) head_only: bool,
}

/// What becomes of the connection after an answer.
pub(crate) enum Afterwards {
    /// It waits for the next request.
    KeptAlive,
    /// It is closed at once.
    Closed,
    /// It is reset at once.
    Reset,
    /// It is closed over the next request.
    Stale,
}

impl Exchange {
    pub(crate) async fn carry_out(
        self,
        stream: &mut TcpStream,
        platform: &Mutex<Platform>,
        outbox: &mut Vec<u8>,
    ) -> io::Result<Afterwards> {
        let Exchange { answer: Answer { endpoint, after, delivery, carries_out }, arrival, close, head_only } =
            self;
        if !after.is_zero() {
            sleep_until(arrival + after).await;
        }
        let outcome = match &delivery {
            Delivery::Sent(response, _) => Outcome::Status(response.status),
            Delivery::Never => Outcome::Hung,
            Delivery::Closed | Delivery::Reset => Outcome::Closed,
        };
        {
            // Counted before the first byte is out, so that whoever has the answer finds it counted.
            let mut platform = lock(platform);
            platform.tally.answered(endpoint, outcome);
            if let Some(synced) = carries_out {
                platform.carried_out(synced);
            }
        }
        outbox.clear();
        outbox.shrink_to(KEPT);
        let kept = if close { Afterwards::Closed } else { Afterwards::KeptAlive };
        match delivery {
            Delivery::Sent(response, Manner::Whole) => {
                response.write_to(outbox, close, head_only);
                write(stream, outbox).await?;
                Ok(kept)
            }
            Delivery::Sent(response, Manner::Stale) => {
                response.write_to(outbox, false, head_only);
                write(stream, outbox).await?;
                Ok(Afterwards::Stale)
            }
            Delivery::Sent(response, Manner::Chunked) => {
                response.write_head(outbox, Framing::Chunked, close);
                response.body.chunks(CHUNK).chain([&[][..]]).for_each(|piece| write_chunk(piece, outbox));
                write(stream, outbox).await?;
                Ok(kept)
            }
            Delivery::Sent(response, Manner::Cut) => {
                response.write_head(outbox, Framing::Length, false);
                outbox.extend_from_slice(&response.body[..response.body.len() / 2]);
                write(stream, outbox).await?;
                Ok(Afterwards::Closed)
            }
            Delivery::Sent(response, Manner::Dripping) => {
                response.write_head(outbox, Framing::Length, close);
                write(stream, outbox).await?;
                for byte in &response.body {
                    sleep(DRIP).await;
                    write(stream, &[*byte]).await?;
                }
                Ok(kept)
            }
            Delivery::Sent(response, Manner::Endless(filling)) => {
                write_for_ever(stream, &response, &filling, outbox).await?;
                Ok(Afterwards::Closed)
            }
            Delivery::Never => {
                drain(stream).await?;
                Ok(Afterwards::Closed)
            }
            Delivery::Closed => Ok(Afterwards::Closed),
            Delivery::Reset => Ok(Afterwards::Reset),
        }
    }
}

/// Ends with an error only: that of a client which has left, or which reads no more.
async fn write_for_ever(
    stream: &mut TcpStream,
    response: &Response,
    filling: &[u8],
    outbox: &mut Vec<u8>,
) -> io::Result<()> {
    response.write_head(outbox, Framing::Chunked, false);
    write_chunk(&response.body, outbox);
    write(stream, outbox).await?;
    outbox.clear();
    write_chunk(filling, outbox);
    loop {
        write(stream, outbox).await?;
    }
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    timeout(EXCHANGE_TIMEOUT, stream.write_all(bytes)).await?
}

/// Reads, and forgets, until the client closes the connection.
pub(crate) async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
