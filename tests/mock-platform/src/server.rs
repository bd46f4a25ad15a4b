//! Connections: each is read, answered and kept alive in a task of its own, one request after the other. Nothing
//! is decided here.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::answer::Answer;
use crate::delivery::{Afterwards, EXCHANGE_TIMEOUT, Exchange, drain};
use crate::http::{self, Parsed};
use crate::routes::{Platform, lock};
use crate::stats::Endpoint;

/// Connections at the same time; the next ones wait to be accepted.
const MAX_CONNECTIONS: usize = 16_384;
/// What is read at once, in bytes: most requests whole.
const READ_SIZE: usize = 4 * 1024;
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
        let delivered = exchange.carry_out(&mut stream, &platform, &mut outbox).await;
        lock(&platform).tally.finished();
        match delivered? {
            Afterwards::KeptAlive => {}
            Afterwards::Closed => return hang_up(&mut stream).await,
            Afterwards::Reset => return stream.set_zero_linger(),
            Afterwards::Stale => {
                // What is not read when a connection is closed resets it, as it does with a server that has left.
                if inbox.is_empty() {
                    stream.peek(&mut [0]).await?;
                }
                return Ok(());
            }
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

/// Closes a connection so that what was written still arrives.
async fn hang_up(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    timeout(LINGER, drain(stream)).await?
}
