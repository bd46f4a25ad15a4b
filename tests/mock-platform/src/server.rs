//! Connections: each is read, answered and kept alive in a task of its own, one request after the other. Nothing
//! is decided here.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::answer::{Answer, Delivery};
use crate::http::{self, Parsed};
use crate::routes::{Platform, lock};
use crate::stats::Endpoint;

/// Connections at the same time; the next ones wait to be accepted.
const MAX_CONNECTIONS: usize = 16_384;
/// What is read at once, in bytes: most requests whole.
const READ_SIZE: usize = 4 * 1024;
/// From a request's first byte to its last, and for a client to take an answer. Between requests a connection may
/// be idle as long as the client likes.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a closed connection is still read: closing over unread bytes would reset it, and the client might
/// lose the answer.
const LINGER: Duration = Duration::from_secs(1);
/// After an accept that failed: too many open files do not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Serves until it is stopped; then every connection is closed.
pub(crate) async fn serve(
    listener: TcpListener,
    platform: Arc<Mutex<Platform>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A handle that is gone without a word has stopped us too.
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    lock(&platform).tally.connected();
                    connections.spawn(converse(stream, Arc::clone(&platform)));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

/// A request that has arrived, and what it gets.
struct Exchange {
    answer: Answer,
    arrival: Instant,
    /// The client wants the connection closed afterwards.
    close: bool,
    /// The request was a HEAD.
    head_only: bool,
}

/// A connection, from accept to close. Its errors are the client's leaving, and nobody's concern.
async fn converse(mut stream: TcpStream, platform: Arc<Mutex<Platform>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut inbox = Vec::with_capacity(READ_SIZE);
    let mut outbox = Vec::new();
    let mut deadline = None;
    loop {
        let (exchange, length) = match http::parse(&inbox) {
            Ok(Parsed::Partial) => {
                if !receive(&mut stream, &mut inbox, &mut deadline).await? {
                    return Ok(());
                }
                continue;
            }
            Ok(Parsed::Complete(request, length)) => {
                let arrival = Instant::now();
                let mut platform = lock(&platform);
                platform.tally.arrived();
                let answer = platform.answer(&request, arrival);
                let head_only = request.method == "HEAD";
                (Exchange { answer, arrival, close: request.close, head_only }, length)
            }
            Err(response) => {
                let answer = Answer::at_once(Endpoint::Other, response);
                lock(&platform).tally.arrived();
                (Exchange { answer, arrival: Instant::now(), close: true, head_only: false }, inbox.len())
            }
        };
        inbox.drain(..length);
        deadline = None;
        let delivered = deliver(&mut stream, &platform, exchange, &mut outbox).await;
        lock(&platform).tally.finished();
        if !delivered? {
            return hang_up(&mut stream).await;
        }
    }
}

/// Reads more of a request; false where the client has closed the connection.
async fn receive(
    stream: &mut TcpStream,
    inbox: &mut Vec<u8>,
    deadline: &mut Option<Instant>,
) -> io::Result<bool> {
    inbox.reserve(READ_SIZE);
    let read = if inbox.is_empty() {
        stream.read_buf(inbox).await?
    } else {
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + EXCHANGE_TIMEOUT);
        timeout_at(deadline, stream.read_buf(inbox)).await??
    };
    Ok(read > 0)
}

/// Carries an answer out, and says whether the connection goes on after it.
async fn deliver(
    stream: &mut TcpStream,
    platform: &Mutex<Platform>,
    exchange: Exchange,
    outbox: &mut Vec<u8>,
) -> io::Result<bool> {
    let Exchange { answer: Answer { endpoint, after, delivery, carries_out }, arrival, close, head_only } =
        exchange;
    if !after.is_zero() {
        sleep_until(arrival + after).await;
    }
    let status = match &delivery {
        Delivery::Whole(response) => Some(response.status),
        Delivery::Never => None,
    };
    {
        // Counted before the first byte is out, so that whoever has the answer finds it counted.
        let mut platform = lock(platform);
        platform.tally.answered(endpoint, status);
        if let Some(synced) = carries_out {
            platform.carried_out(synced);
        }
    }
    match delivery {
        Delivery::Whole(response) => {
            outbox.clear();
            outbox.shrink_to(READ_SIZE);
            response.write_to(outbox, close, head_only);
            timeout(EXCHANGE_TIMEOUT, stream.write_all(outbox)).await??;
            Ok(!close)
        }
        Delivery::Never => {
            drain(stream).await?;
            Ok(false)
        }
    }
}

/// Reads, and forgets, until the client closes the connection.
async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// Closes a connection so that what was written still arrives.
async fn hang_up(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    timeout(LINGER, drain(stream)).await?
}
